//! The waves of a schedule on the device, and the dispatches that go through them.

use bytemuck::{Pod, Zeroable};
use texgen_fast::offload::level_of;
use texgen_fast::Parameters;

use crate::buffers::{largest, number, upload};
use crate::waves::Waves;
use crate::Error;

/// Most steps of a dispatch, since drivers end one that takes seconds.
const STEPS: u32 = 8192;

/// The same for a GPU that a CPU plays. Mesa's ends all loops of a dispatch, without a word, after
/// 65,535 iterations; eight steps take at most some 350.
const SOFTWARE_STEPS: u32 = 1024;

/// As in `resolve.wgsl`.
#[derive(Debug, Clone, Copy, Pod, Zeroable)]
#[repr(C)]
pub struct Pass {
    first_wave: u32,
    end_wave: u32,
    level: u32,
    size: u32,
    random_candidates: u32,
    sign: i32,
}

/// The waves of one size and seed, on the device.
#[derive(Debug)]
pub struct Schedule {
    /// Steps of all waves.
    pub steps: wgpu::Buffer,
    /// First step of each wave.
    pub starts: wgpu::Buffer,
    /// First wave, one past the last, and level of the examples, for each dispatch.
    dispatches: Vec<(u32, u32, u32)>,
}

impl Schedule {
    /// Checks that the waves of textures of `size` px fit the device.
    ///
    /// # Errors
    ///
    /// [`Error::TooLarge`] where they do not fit a buffer.
    pub fn check(device: &wgpu::Device, size: u32) -> Result<(), Error> {
        let steps = u64::from(size) * u64::from(size) * 2 * 4 * crate::waves::STEP_WORDS as u64;
        if steps > largest(&device.limits()) {
            let text = format!("the schedule of {size} px takes {steps} bytes");
            return Err(Error::TooLarge(text));
        }
        Ok(())
    }

    /// Computes the waves and uploads them; see [`Schedule::check`].
    pub fn new(device: &wgpu::Device, parameters: Parameters, size: u32, seed: u64) -> Self {
        let waves = Waves::new(size, parameters.neighbours, seed);
        let most = if device.adapter_info().device_type == wgpu::DeviceType::Cpu {
            SOFTWARE_STEPS
        } else {
            STEPS
        };
        Self {
            steps: upload(device, "steps", &waves.steps),
            starts: upload(device, "waves", &waves.starts),
            dispatches: dispatches(&waves, most),
        }
    }

    /// The parameters of each dispatch.
    pub fn passes(&self, size: u32, parameters: Parameters) -> Vec<Pass> {
        let dispatches = self.dispatches.iter();
        dispatches
            .map(|&(first_wave, end_wave, level)| Pass {
                first_wave,
                end_wave,
                level,
                size,
                random_candidates: parameters.random_candidates,
                sign: if parameters.mirrored { -1 } else { 1 },
            })
            .collect()
    }
}

/// Ranges of waves with at most `most` steps each, and their levels.
fn dispatches(waves: &Waves, most: u32) -> Vec<(u32, u32, u32)> {
    let mut ranges = Vec::new();
    let mut first = 0;
    for (stage, stage_end) in waves.stage_ends.into_iter().enumerate() {
        while first < stage_end {
            let steps = |end: u32| waves.starts[end as usize] - waves.starts[first as usize];
            let fitting = (first + 1..=stage_end).take_while(|end| steps(*end) <= most);
            let end = fitting.last().unwrap_or(first + 1);
            ranges.push((first, end, number(level_of(stage))));
            first = end;
        }
    }
    ranges
}
