use texgen_engine::EmbarkParameters;
use texture_synthesis::CoordinateTransform;

use crate::work::{views, Maker, Patch, Texture};

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
        let views = views(pair)?;
        let session = self.parameters.session(&views, size, seed);
        let session = session.map_err(|why| why.to_string())?;
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
        let views = views(&pair).unwrap();
        let expected = Engine::new().synthesize(&views, 40, 9).unwrap();
        assert_eq!(texture.pixels, expected.pixels);
        texture.assert_copied_from(&pair);
    }
}
