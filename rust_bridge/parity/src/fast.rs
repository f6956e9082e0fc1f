use texgen_fast::{Kernel, Parameters, Synthesizer};

use crate::work::{views, Maker, Patch, Texture};

/// The engine `fast`, or a variant of it.
pub struct Fast {
    synthesizer: Synthesizer,
}

impl Fast {
    pub fn new(parameters: Parameters) -> Result<Self, String> {
        let synthesizer = Synthesizer::with(parameters, Kernel::detect());
        Ok(Self {
            synthesizer: synthesizer.map_err(|why| why.to_string())?,
        })
    }
}

impl Maker for Fast {
    fn make(&mut self, pair: &[Patch; 2], size: u32, seed: u64) -> Result<Texture, String> {
        let views = views(pair)?;
        let image = self
            .synthesizer
            .synthesize(&views, size, seed)
            .map_err(|why| why.to_string())?;
        let word = |number: u32| u16::try_from(number).map_err(|_| "a patch is too large");
        let sources = self
            .synthesizer
            .sources()
            .iter()
            .map(|source| Ok([word(source.x)?, word(source.y)?, word(source.example)?]))
            .collect::<Result<_, &str>>()?;
        Ok(Texture {
            pixels: image.pixels,
            sources,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::work::tests::noise;

    #[test]
    fn the_map_is_where_the_textures_pixels_are_from() {
        let pair = [noise(20, 1), noise(24, 2)];
        let mut fast = Fast::new(Parameters::default()).unwrap();
        for seed in 0..9 {
            let texture = fast.make(&pair, 40, seed).unwrap();
            texture.assert_copied_from(&pair);
        }
    }
}
