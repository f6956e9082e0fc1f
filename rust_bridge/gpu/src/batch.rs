//! Textures on the device: their examples go there, and their sources come back.

use bytemuck::{Pod, Zeroable};
use texgen_fast::offload::Prepared;
use texgen_fast::{Parameters, RgbImage, Source};
use wgpu::BufferUsages as Usage;

use crate::buffers::{fill, largest, number, room, upload};
use crate::schedule::{Pass, Schedule};
use crate::Error;

/// Longest side of an example: sources have 12 bits for each of x and y.
const MAX_SIDE: u32 = 4096;

/// Most examples of a texture: sources have 8 bits for them, of which one value is none.
const MAX_EXAMPLES: usize = 255;

/// Words from the parameters of a pass to the next: what all devices take as an offset.
const PASS_WORDS: usize = 64;

/// As in `resolve.wgsl`.
#[derive(Debug, Clone, Copy, Pod, Zeroable)]
#[repr(C)]
struct Texture {
    draw_seed: u32,
    first_example: u32,
    examples: u32,
    atlas: u32,
    level_len: u32,
    narrow: u32,
}

/// As in `resolve.wgsl`.
#[derive(Debug, Clone, Copy, Pod, Zeroable)]
#[repr(C)]
struct Example {
    width: u32,
    height: u32,
    base: u32,
}

/// Textures that are made side by side.
#[derive(Debug)]
pub struct Batch {
    size: u32,
    len: u32,
    textures: wgpu::Buffer,
    examples: wgpu::Buffer,
    atlas: wgpu::Buffer,
    cells: wgpu::Buffer,
    readable: wgpu::Buffer,
}

/// The source that the kernel writes as a number.
pub fn unpack(source: u32) -> Source {
    Source {
        example: source >> 24,
        x: source & 0xfff,
        y: (source >> 12) & 0xfff,
    }
}

impl Batch {
    /// How many of these textures, which have one size, fit one batch; at least one.
    ///
    /// # Errors
    ///
    /// [`Error::TooLarge`] where not even the first fits.
    pub fn fitting<'a>(
        textures: impl Iterator<Item = &'a Prepared>,
        limits: &wgpu::Limits,
    ) -> Result<usize, Error> {
        let most = largest(limits);
        let (mut atlas, mut cells, mut count) = (0_u64, 0_u64, 0);
        for texture in textures.take(limits.max_compute_workgroups_per_dimension as usize) {
            if let Err(error) = check(texture) {
                return if count > 0 { Ok(count) } else { Err(error) };
            }
            atlas += 4 * atlas_len(texture) as u64;
            cells += 4 * u64::from(texture.size) * u64::from(texture.size);
            if atlas.max(cells) > most {
                break;
            }
            count += 1;
        }
        if count == 0 {
            let text = format!("{} bytes in one buffer; it takes {most}", atlas.max(cells));
            return Err(Error::TooLarge(text));
        }
        Ok(count)
    }

    /// Uploads the examples.
    pub fn new(device: &wgpu::Device, wanted: &[&Prepared]) -> Result<Self, Error> {
        let size = wanted.first().map_or(1, |texture| texture.size);
        let mut textures = Vec::with_capacity(wanted.len());
        let mut examples = Vec::new();
        let mut atlas = Vec::new();
        for texture in wanted {
            if texture.size != size {
                return Err(Error::TooLarge(
                    "textures of two sizes in a batch".to_owned(),
                ));
            }
            let sides = &texture.levels[0];
            textures.push(Texture {
                draw_seed: texture.draw_seed,
                first_example: number(examples.len()),
                examples: number(sides.len()),
                atlas: number(atlas.len()),
                level_len: number(atlas_len(texture) / texture.levels.len()),
                narrow: u32::from(texture.narrow),
            });
            let mut base = 0;
            for RgbImage { width, height, .. } in sides {
                examples.push(Example {
                    width: *width,
                    height: *height,
                    base,
                });
                base += width * height;
            }
            for image in texture.levels.iter().flatten() {
                let pixels = image.pixels.chunks_exact(3);
                atlas.extend(pixels.map(|rgb| u32::from_le_bytes([rgb[0], rgb[1], rgb[2], 0])));
            }
        }
        let cells = 4 * u64::from(size) * u64::from(size) * wanted.len() as u64;
        Ok(Self {
            size,
            len: number(wanted.len()),
            textures: upload(device, "textures", &textures),
            examples: upload(device, "examples", &examples),
            atlas: upload(device, "atlas", &atlas),
            cells: room(device, "cells", cells, Usage::STORAGE | Usage::COPY_SRC),
            readable: room(device, "sources", cells, Usage::MAP_READ | Usage::COPY_DST),
        })
    }

    /// Pixels of a texture.
    pub fn pixels(&self) -> usize {
        self.size as usize * self.size as usize
    }

    /// Starts the synthesis.
    pub fn submit(
        &self,
        device: &wgpu::Device,
        queue: &wgpu::Queue,
        pipeline: &wgpu::ComputePipeline,
        schedule: &Schedule,
        parameters: Parameters,
    ) -> wgpu::SubmissionIndex {
        let passes = schedule.passes(self.size, parameters);
        let group = self.bind(device, pipeline, schedule, &passes);
        for offset in (0..).step_by(4 * PASS_WORDS).take(passes.len()) {
            let mut encoder = device.create_command_encoder(&Default::default());
            {
                let mut compute = encoder.begin_compute_pass(&Default::default());
                compute.set_pipeline(pipeline);
                compute.set_bind_group(0, &group, &[offset]);
                compute.dispatch_workgroups(self.len, 1, 1);
            }
            queue.submit([encoder.finish()]);
        }
        let mut encoder = device.create_command_encoder(&Default::default());
        encoder.copy_buffer_to_buffer(&self.cells, 0, &self.readable, 0, self.cells.size());
        let last = queue.submit([encoder.finish()]);
        self.readable.map_async(wgpu::MapMode::Read, .., |_| {});
        last
    }

    /// The sources of all textures, once the device is done with them.
    ///
    /// # Errors
    ///
    /// wgpu's words where they cannot be read.
    pub fn sources(&self) -> Result<Vec<u32>, String> {
        let range = self
            .readable
            .get_mapped_range(..)
            .map_err(|error| error.to_string())?;
        Ok(bytemuck::pod_collect_to_vec(&range))
    }

    fn bind(
        &self,
        device: &wgpu::Device,
        pipeline: &wgpu::ComputePipeline,
        schedule: &Schedule,
        passes: &[Pass],
    ) -> wgpu::BindGroup {
        let mut words = vec![0_u32; passes.len() * PASS_WORDS];
        for (slot, pass) in words.chunks_exact_mut(PASS_WORDS).zip(passes) {
            let pass: &[u32] = bytemuck::cast_slice(std::slice::from_ref(pass));
            slot[..pass.len()].copy_from_slice(pass);
        }
        let passes = fill(device, "passes", &words, Usage::UNIFORM);
        let buffers = [
            &schedule.steps,
            &schedule.starts,
            &self.textures,
            &self.examples,
            &self.atlas,
            &self.cells,
        ];
        let mut entries: Vec<_> = (0..)
            .zip(buffers)
            .map(|(binding, buffer)| wgpu::BindGroupEntry {
                binding,
                resource: buffer.as_entire_binding(),
            })
            .collect();
        entries.push(wgpu::BindGroupEntry {
            binding: crate::device::BINDINGS - 1,
            resource: wgpu::BindingResource::Buffer(wgpu::BufferBinding {
                buffer: &passes,
                offset: 0,
                size: wgpu::BufferSize::new(size_of::<Pass>() as u64),
            }),
        });
        device.create_bind_group(&wgpu::BindGroupDescriptor {
            label: None,
            layout: &pipeline.get_bind_group_layout(0),
            entries: &entries,
        })
    }
}

fn check(texture: &Prepared) -> Result<(), Error> {
    let examples = &texture.levels[0];
    if examples.len() > MAX_EXAMPLES {
        return Err(Error::TooLarge(format!("{} examples", examples.len())));
    }
    match examples.iter().find(|e| e.width.max(e.height) > MAX_SIDE) {
        Some(RgbImage { width, height, .. }) => {
            let side = width.max(height);
            Err(Error::TooLarge(format!(
                "an example with a side of {side} px"
            )))
        }
        None => Ok(()),
    }
}

/// Pixels of all levels.
fn atlas_len(texture: &Prepared) -> usize {
    let levels = texture.levels.iter().flatten();
    levels.map(|image| image.pixels.len() / 3).sum()
}
