//! Texture synthesis engines behind one trait.
//!
//! An engine takes example patches, an output size and a seed, and returns a
//! texture. It does no I/O: frames, encoders and processes are the worker's.

#![cfg_attr(test, allow(clippy::cast_possible_truncation))]

mod embark;
mod error;
mod image;
mod stub;

pub use embark::{Embark, EmbarkParameters};
pub use error::EngineError;
pub use image::{RgbImage, RgbView};
pub use stub::Stub;

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
}
