//! The engine `fast` on a GPU, byte for byte.
//!
//! [`texgen_fast`] says what a texture is; this crate computes the same on a
//! device that wgpu reaches (Vulkan or Metal), hundreds of textures at a time.
//! Steps of the schedule that do not depend on each other form waves; one
//! workgroup goes through the waves of one texture. All arithmetic is on
//! integers, so that the bytes are those of the CPU on every device whose
//! compiler is right, which [`Gpu::self_test`] checks.

#![cfg_attr(test, allow(clippy::cast_possible_truncation))]

mod adapter;
mod batch;
mod buffers;
mod device;
mod error;
mod faults;
mod schedule;
mod self_test;
pub mod waves;

pub use adapter::Adapter;
pub use device::{any_hangs, Gpu};
pub use error::Error;
