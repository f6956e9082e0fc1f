//! What `texgen-worker` does with bytes: frames in, an engine, encoded
//! textures out.
//!
//! The program adds arguments, signals and upstream's program. This part is
//! apart from it so that other programs reach it too: the benchmark of the
//! encoders, and fuzzing.

#![cfg_attr(test, allow(clippy::cast_possible_truncation))]

pub mod encode;
pub mod gpu;
pub mod job;
pub mod serve;
pub mod wire;
