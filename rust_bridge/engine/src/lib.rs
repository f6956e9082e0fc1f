//! Texture synthesis engines behind one trait.
//!
//! An engine takes example patches, an output size and a seed, and returns a
//! texture. It does no I/O: frames, encoders and processes are the worker's.

#![cfg_attr(test, allow(clippy::cast_possible_truncation))]

mod embark;
mod error;
mod fast;
mod panic;
mod stub;

pub use embark::{Embark, EmbarkParameters};
pub use error::EngineError;
pub use fast::Fast;
pub use stub::Stub;
pub use texgen_fast::{RgbImage, RgbView};

use std::time::Duration;

/// What identifies an engine's output: goes into a data set's fingerprint.
#[derive(Debug, Clone, PartialEq)]
pub struct Description {
    /// Name as given to `--engine`.
    pub name: &'static str,
    /// Version of the algorithm: another version may give other bytes.
    pub version: String,
    /// Every parameter that the output depends on, by name.
    pub parameters: Vec<(&'static str, f64)>,
}

/// Wall-clock time of those parts of a call that some engines can tell from the rest.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Timings {
    /// Working out what textures of the same sides share.
    pub schedule: Duration,
    /// Bringing the examples into the engine's form.
    pub load: Duration,
}

/// Makes a texture from example patches.
pub trait Engine {
    /// The engine's name, version and parameters.
    fn description(&self) -> Description;

    /// Synthesises a `size` x `size` texture from `examples`.
    ///
    /// # Errors
    ///
    /// [`EngineError::Rejected`] when the input is outside what the engine
    /// takes, [`EngineError::Panicked`] when the algorithm panicked and
    /// [`EngineError::Failed`] when something outside the engine went wrong.
    fn synthesize(
        &mut self,
        examples: &[RgbView<'_>],
        size: u32,
        seed: u64,
    ) -> Result<RgbImage, EngineError>;

    /// Name of the implementation that runs here, where an engine has several with the same output.
    fn kernel(&self) -> Option<&'static str> {
        None
    }

    /// Times of the last call that gave a texture.
    fn timings(&self) -> Timings {
        Timings::default()
    }
}
