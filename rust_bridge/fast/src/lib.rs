//! Texture synthesis from examples: multi-resolution, stochastic, reproducible.
//!
//! Given one or more example images, [`Synthesizer::synthesize`] makes a square
//! texture that looks like them: every pixel is a copy of an example's pixel.
//!
//! ```
//! use texgen_fast::{RgbView, Synthesizer};
//!
//! let pixels = [200, 30, 30, 30, 200, 30, 30, 30, 200, 90, 90, 90];
//! let example = RgbView::new(2, 2, &pixels)?;
//! let texture = Synthesizer::new()?.synthesize(&[example], 16, 7)?;
//! assert_eq!((texture.width, texture.height), (16, 16));
//! # Ok::<(), texgen_fast::Error>(())
//! ```
//!
//! # The algorithm
//!
//! It is that of Embark Studios' `texture-synthesis` 0.8 with its command line's
//! defaults. Pixels are resolved in random order; each takes its colour from the
//! place in the examples whose surroundings are most like its own nearest
//! resolved neighbours (non-parametric sampling, Efros and Leung 1999), searched
//! coarse to fine over a pyramid (Wei and Levoy 2000). Candidates are the
//! continuations of the neighbours' own sources (coherence, Ashikhmin 2001) and
//! 50 random places. Six passes resolve 1/32, 1/16, … and all of the pixels,
//! each pass from the first pixel on again (Embark's backtracking).
//!
//! What differs is how it is computed: the geometry (order, neighbours, weights)
//! is built once and used for many pictures; candidates that coincide are looked
//! at once; costs are integers, so that vector kernels give the same bytes as
//! plain code; candidates are given up as soon as they cannot win.
//!
//! # Reproducibility
//!
//! The texture depends on the examples, the size, the seed, the parameters and
//! [`ALGORITHM_VERSION`], and on nothing else: no platform's libm, no kernel, no
//! earlier call.

#![cfg_attr(test, allow(clippy::cast_possible_truncation))]

mod atlas;
mod draws;
mod error;
mod identity;
mod image;
mod kernel;
mod layout;
mod math;
mod metric;
pub mod offload;
mod parameters;
mod plan;
mod pyramid;
mod schedule;
mod symmetry;
mod synthesizer;

pub use error::Error;
pub use image::{RgbImage, RgbView};
pub use kernel::Kernel;
pub use parameters::Parameters;
pub use synthesizer::{Source, Synthesizer, Timings};

/// Largest side of a texture, px.
pub const MAX_SIZE: u32 = 1024;

/// Rises with every change to the textures' bytes.
pub const ALGORITHM_VERSION: u32 = 1;
