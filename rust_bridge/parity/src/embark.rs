use texgen_engine::EmbarkParameters;
use texture_synthesis::image::{DynamicImage, RgbImage};
use texture_synthesis::{CoordinateTransform, Dims, Example, ImageSource, Session};

use crate::work::{Maker, Patch, Texture};

/// Upstream's crate on one thread, as the engine `embark` calls it, and where each pixel is from.
pub struct Embark {
    parameters: EmbarkParameters,
}

impl Embark {
    pub fn new(parameters: EmbarkParameters) -> Self {
        Self { parameters }
    }
}

impl Maker for Embark {
    fn make(&mut self, pair: &[Patch; 2], size: u32, seed: u64) -> Result<Texture, String> {
        let parameters = self.parameters;
        let mut builder = Session::builder()
            .seed(seed)
            .nearest_neighbors(parameters.k_neighs)
            .random_sample_locations(u64::from(parameters.m_rand))
            .cauchy_dispersion(parameters.cauchy)
            .backtrack_percent(parameters.backtrack_percent)
            .backtrack_stages(parameters.backtrack_stages)
            .output_size(Dims::square(size))
            .max_thread_count(1);
        for patch in pair {
            let image = RgbImage::from_raw(patch.side, patch.side, patch.pixels.clone())
                .ok_or("a patch is not square")?;
            let source = ImageSource::Image(DynamicImage::ImageRgb8(image));
            builder = builder.add_example(Example::new(source));
        }
        let session = builder.build().map_err(|why| why.to_string())?;
        let generated = session.run(None);
        let sources = sources(&generated.get_coordinate_transform(), pair.len())?;
        Ok(Texture {
            pixels: generated.into_image().into_rgb8().into_raw(),
            sources,
        })
    }
}

/// The transform's numbers are private; what it writes is them: four words of a
/// header, two for each example, then column, row and example of each pixel.
fn sources(transform: &CoordinateTransform, examples: usize) -> Result<Vec<[u16; 3]>, String> {
    let mut bytes = Vec::new();
    transform.write(&mut bytes).map_err(|why| why.to_string())?;
    let words = bytes
        .chunks_exact(4)
        .map(|b| u32::from_ne_bytes([b[0], b[1], b[2], b[3]]))
        .skip(4 + 2 * examples)
        .map(u16::try_from)
        .collect::<Result<Vec<_>, _>>()
        .map_err(|_| "a patch is too large for a source map")?;
    Ok(words.chunks_exact(3).map(|w| [w[0], w[1], w[2]]).collect())
}

#[cfg(test)]
mod tests {
    use texgen_engine::{Embark as Engine, Engine as _};

    use super::*;
    use crate::work::tests::noise;

    #[test]
    fn the_texture_is_the_engines_and_the_map_is_where_its_pixels_are_from() {
        let pair = [noise(20, 1), noise(24, 2)];
        let texture = Embark::new(EmbarkParameters::default())
            .make(&pair, 40, 9)
            .unwrap();
        let views = pair.each_ref().map(Patch::engine_view);
        let expected = Engine::new().synthesize(&views, 40, 9).unwrap();
        assert_eq!(texture.pixels, expected.pixels);
        texture.assert_copied_from(&pair);
    }
}
