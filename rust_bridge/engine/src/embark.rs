use std::panic::{catch_unwind, AssertUnwindSafe};

use texture_synthesis::image::{DynamicImage, RgbImage as SourceImage};
use texture_synthesis::{Dims, Example, ImageSource, Session};

use crate::panic::panic_text;
use crate::{Description, Engine, EngineError, RgbImage, RgbView};

/// Version of the `texture-synthesis` crate; `Cargo.toml` pins the same.
const CRATE_VERSION: &str = "0.8.2";

/// Smallest side of an example: below it the coarsest pyramid level is empty
/// and the crate panics.
const MIN_EXAMPLE_SIDE: u32 = 16;

/// Largest side of a texture; a bound on memory, not of the algorithm.
const MAX_TEXTURE_SIDE: u32 = 4096;

/// Parameters of the reference algorithm; the defaults are those of the
/// upstream command line, which the paper's authors used.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct EmbarkParameters {
    /// Resolved neighbours that a candidate is compared on.
    pub k_neighs: u32,
    /// Random candidates tried for each pixel.
    pub m_rand: u32,
    /// Dispersion of the robust cost, 0 to 1.
    pub cauchy: f32,
    /// Share of the pixels resolved again in each stage, 0 to 1.
    pub backtrack_percent: f32,
    /// Number of backtracking stages, and of pyramid levels.
    pub backtrack_stages: u32,
}

impl Default for EmbarkParameters {
    fn default() -> Self {
        Self {
            k_neighs: 50,
            m_rand: 50,
            cauchy: 1.0,
            backtrack_percent: 0.5,
            backtrack_stages: 5,
        }
    }
}

impl EmbarkParameters {
    /// Upstream's session for one texture, on one thread: the one place that says how
    /// upstream is called.
    ///
    /// # Errors
    ///
    /// [`EngineError::Rejected`] with upstream's words.
    pub fn session(
        &self,
        examples: &[RgbView<'_>],
        size: u32,
        seed: u64,
    ) -> Result<Session, EngineError> {
        let mut builder = Session::builder()
            .seed(seed)
            .nearest_neighbors(self.k_neighs)
            .random_sample_locations(u64::from(self.m_rand))
            .cauchy_dispersion(self.cauchy)
            .backtrack_percent(self.backtrack_percent)
            .backtrack_stages(self.backtrack_stages)
            .output_size(Dims::square(size))
            .max_thread_count(1);
        for example in examples {
            builder = builder.add_example(Example::new(to_source(*example)?));
        }
        builder
            .build()
            .map_err(|why| EngineError::Rejected(why.to_string()))
    }

    /// The parameters by name, for a [`Description`].
    #[must_use]
    pub fn named(&self) -> Vec<(&'static str, f64)> {
        vec![
            ("k_neighs", f64::from(self.k_neighs)),
            ("m_rand", f64::from(self.m_rand)),
            ("cauchy", f64::from(self.cauchy)),
            ("backtrack_percent", f64::from(self.backtrack_percent)),
            ("backtrack_stages", f64::from(self.backtrack_stages)),
        ]
    }
}

/// `EmbarkStudios`' multi-resolution stochastic texture synthesis (the
/// `texture-synthesis` crate) on one thread, where it is deterministic.
#[derive(Debug, Default)]
pub struct Embark {
    parameters: EmbarkParameters,
}

impl Embark {
    /// An engine with the upstream command line's parameters.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    fn run(
        parameters: EmbarkParameters,
        examples: &[RgbView<'_>],
        size: u32,
        seed: u64,
    ) -> Result<RgbImage, EngineError> {
        let session = parameters.session(examples, size, seed)?;
        let texture = session.run(None).into_image().into_rgb8();
        Ok(RgbImage {
            width: texture.width(),
            height: texture.height(),
            pixels: texture.into_raw(),
        })
    }
}

impl Engine for Embark {
    fn description(&self) -> Description {
        Description {
            name: "embark",
            version: CRATE_VERSION.to_owned(),
            parameters: self.parameters.named(),
        }
    }

    fn synthesize(
        &mut self,
        examples: &[RgbView<'_>],
        size: u32,
        seed: u64,
    ) -> Result<RgbImage, EngineError> {
        check(examples, size)?;
        let parameters = self.parameters;
        // Nothing outlives the closure but plain numbers, so a panic leaves no
        // broken state behind.
        catch_unwind(AssertUnwindSafe(|| {
            Self::run(parameters, examples, size, seed)
        }))
        .unwrap_or_else(|panic| Err(EngineError::Panicked(panic_text(panic.as_ref()))))
    }
}

fn check(examples: &[RgbView<'_>], size: u32) -> Result<(), EngineError> {
    if examples.is_empty() {
        return Err(EngineError::Rejected("no example patches".to_owned()));
    }
    if !(1..=MAX_TEXTURE_SIDE).contains(&size) {
        return Err(EngineError::Rejected(format!(
            "a texture's side must be 1 to {MAX_TEXTURE_SIDE} px, not {size}"
        )));
    }
    for example in examples {
        if example.width().min(example.height()) < MIN_EXAMPLE_SIDE {
            return Err(EngineError::Rejected(format!(
                "an example's sides must be at least {MIN_EXAMPLE_SIDE} px, not {}x{}",
                example.width(),
                example.height()
            )));
        }
    }
    Ok(())
}

fn to_source(view: RgbView<'_>) -> Result<ImageSource<'static>, EngineError> {
    let image = SourceImage::from_raw(view.width(), view.height(), view.pixels().to_vec())
        .ok_or_else(|| EngineError::Rejected("an example's length does not fit".to_owned()))?;
    Ok(ImageSource::Image(DynamicImage::ImageRgb8(image)))
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    fn noise(side: u32, salt: u32) -> Vec<u8> {
        (0..side * side * 3)
            .map(|i| {
                (i.wrapping_mul(2_654_435_761)
                    .wrapping_add(salt)
                    .rotate_left(13)
                    >> 8) as u8
            })
            .collect()
    }

    fn synthesize(side: u32, size: u32, seed: u64) -> Result<RgbImage, EngineError> {
        let (a, b) = (noise(side, 1), noise(side, 2));
        let examples = [
            RgbView::new(side, side, &a).unwrap(),
            RgbView::new(side, side, &b).unwrap(),
        ];
        Embark::new().synthesize(&examples, size, seed)
    }

    #[test]
    fn the_same_seed_gives_the_same_texture_and_another_seed_another() {
        let first = synthesize(24, 32, 7).unwrap();
        assert_eq!(first, synthesize(24, 32, 7).unwrap());
        assert_ne!(first, synthesize(24, 32, 8).unwrap());
        assert_eq!((first.width, first.height), (32, 32));
    }

    #[test]
    fn every_pixel_is_a_copy_from_an_example() {
        let palette: HashSet<Vec<u8>> = noise(24, 1)
            .chunks(3)
            .chain(noise(24, 2).chunks(3))
            .map(<[u8]>::to_vec)
            .collect();
        let texture = synthesize(24, 40, 3).unwrap();
        assert!(texture.pixels.chunks(3).all(|p| palette.contains(p)));
    }

    #[test]
    fn examples_below_the_smallest_side_are_rejected_not_panicked_on() {
        assert!(matches!(
            synthesize(15, 32, 0),
            Err(EngineError::Rejected(_))
        ));
        assert!(synthesize(16, 32, 0).is_ok());
    }

    #[test]
    fn no_examples_and_absurd_sizes_are_rejected() {
        assert!(matches!(
            Embark::new().synthesize(&[], 32, 0),
            Err(EngineError::Rejected(_))
        ));
        assert!(matches!(
            synthesize(16, 0, 0),
            Err(EngineError::Rejected(_))
        ));
        assert!(matches!(
            synthesize(16, 5000, 0),
            Err(EngineError::Rejected(_))
        ));
    }
}
