use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use texgen_fast::offload::Prepared;
use texgen_fast::{Parameters, RgbImage};
use wgpu::DeviceType;

use crate::adapter::Adapter;
use crate::batch::Batch;
use crate::faults::Faults;
use crate::schedule::Schedule;
use crate::Error;

/// Bindings of the kernel: six buffers and the parameters of a pass.
pub const BINDINGS: u32 = 7;

/// The kernel's source, in WGSL.
pub(crate) const KERNEL: &str = include_str!("resolve.wgsl");

/// Longest wait for a submission: less than a worker's parent waits for an answer, so that the CPU
/// gets the textures of a GPU that hangs.
const TIMEOUT: Duration = Duration::from_secs(60);

/// The same for a GPU that a CPU plays, which hangs no more than the CPU.
const SOFTWARE_TIMEOUT: Duration = Duration::from_secs(300);

/// Schedules on the device: textures of one size rotate among two.
const MAX_SCHEDULES: usize = 2;

/// See [`any_hangs`].
static ANY_HANGS: AtomicBool = AtomicBool::new(false);

/// Whether a device of this process did not answer in time. Then its driver may not end either, so
/// that the process should end without its handlers of the end.
#[must_use]
pub fn any_hangs() -> bool {
    ANY_HANGS.load(Ordering::Relaxed)
}

/// A GPU with the kernel, and the schedules that it has seen.
pub struct Gpu {
    device: wgpu::Device,
    queue: wgpu::Queue,
    pipeline: wgpu::ComputePipeline,
    parameters: Parameters,
    name: String,
    faults: Faults,
    /// Whether it did not answer in time, or acts so for a test: nothing may wait for it.
    hangs: AtomicBool,
    /// The one used last at the end.
    schedules: Mutex<Vec<(ScheduleKey, Arc<Schedule>)>>,
}

/// Size and seed of a schedule.
type ScheduleKey = (u32, u64);

impl std::fmt::Debug for Gpu {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Gpu").field("name", &self.name).finish()
    }
}

impl Gpu {
    /// Opens a device and compiles the kernel, which may take seconds.
    ///
    /// # Errors
    ///
    /// [`Error::NoDevice`] where the driver refuses.
    pub fn open(adapter: &Adapter, parameters: Parameters) -> Result<Self, Error> {
        Self::open_with(adapter, parameters, KERNEL)
    }

    /// As [`Gpu::open`], with another kernel.
    pub(crate) fn open_with(
        adapter: &Adapter,
        parameters: Parameters,
        kernel: &str,
    ) -> Result<Self, Error> {
        let limits = adapter.inner.limits();
        let request = adapter.inner.request_device(&wgpu::DeviceDescriptor {
            label: Some("texgen"),
            required_limits: limits,
            memory_hints: wgpu::MemoryHints::MemoryUsage,
            ..Default::default()
        });
        let (device, queue) =
            pollster::block_on(request).map_err(|error| Error::NoDevice(error.to_string()))?;
        let faults = Faults::watch(&device);
        let pipeline = faults.checked(|| Ok(compile(&device, kernel)))?;
        Ok(Self {
            device,
            queue,
            pipeline,
            parameters,
            name: adapter.name(),
            faults,
            hangs: AtomicBool::new(false),
            schedules: Mutex::default(),
        })
    }

    /// What textures are made with.
    #[must_use]
    pub fn parameters(&self) -> Parameters {
        self.parameters
    }

    /// Name of the device, see [`Adapter::name`].
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Whether a CPU plays it.
    #[must_use]
    pub fn is_software(&self) -> bool {
        self.device.adapter_info().device_type == DeviceType::Cpu
    }

    /// Makes textures, all of one size, in the order of `wanted`. Several threads may call it: while
    /// the device works for one, another one uploads.
    ///
    /// # Errors
    ///
    /// [`Error::TooLarge`] where one of them does not fit the device, or what the device says;
    /// after [`Error::Lost`] and [`Error::Timeout`] it is of no use any more.
    pub fn synthesize(&self, wanted: &[&Prepared]) -> Result<Vec<RgbImage>, Error> {
        let mut made: Vec<Option<RgbImage>> = vec![None; wanted.len()];
        let mut seeds: Vec<u64> = wanted.iter().map(|one| one.schedule_seed).collect();
        seeds.sort_unstable();
        seeds.dedup();
        for seed in seeds {
            let of_seed: Vec<usize> = (0..wanted.len())
                .filter(|index| wanted[*index].schedule_seed == seed)
                .collect();
            let mut left = &of_seed[..];
            while let Some(&first) = left.first() {
                let schedule = self.schedule(wanted[first].size, seed)?;
                let (batch, rest) = left.split_at(self.fitting(left, wanted)?);
                let textures: Vec<&Prepared> = batch.iter().map(|index| wanted[*index]).collect();
                for (index, texture) in batch.iter().zip(self.run(&schedule, &textures)?) {
                    made[*index] = Some(texture);
                }
                left = rest;
            }
        }
        Ok(made.into_iter().flatten().collect())
    }

    /// Forgets the device as if it had been taken away; for tests of what comes after.
    pub fn lose(&self) {
        self.device.destroy();
    }

    /// Waits for no submission any more, as if the device did not answer; for tests of what comes
    /// after, which is [`Error::Timeout`] with work on the device that is not done.
    pub fn hang(&self) {
        self.hangs.store(true, Ordering::Relaxed);
        ANY_HANGS.store(true, Ordering::Relaxed);
    }

    fn hangs(&self) -> bool {
        self.hangs.load(Ordering::Relaxed)
    }

    /// How many of the first textures of `left` fit one batch; at least one.
    fn fitting(&self, left: &[usize], wanted: &[&Prepared]) -> Result<usize, Error> {
        let textures = left.iter().map(|index| wanted[*index]);
        Batch::fitting(textures, &self.device.limits())
    }

    fn schedule(&self, size: u32, seed: u64) -> Result<Arc<Schedule>, Error> {
        let mut schedules = lock(&self.schedules);
        let known = schedules.iter().position(|(key, _)| *key == (size, seed));
        let kept = if let Some(index) = known {
            schedules.remove(index)
        } else {
            Schedule::check(&self.device, size)?;
            if schedules.len() == MAX_SCHEDULES {
                // First, so that it is not in the device's memory any more.
                schedules.remove(0);
            }
            let schedule = self
                .faults
                .checked(|| Ok(Schedule::new(&self.device, self.parameters, size, seed)))?;
            ((size, seed), Arc::new(schedule))
        };
        let schedule = Arc::clone(&kept.1);
        schedules.push(kept);
        Ok(schedule)
    }

    fn run(&self, schedule: &Schedule, textures: &[&Prepared]) -> Result<Vec<RgbImage>, Error> {
        let batch = self.faults.checked(|| Batch::new(&self.device, textures))?;
        let sources = self.faults.checked(|| {
            let last = batch.submit(
                &self.device,
                &self.queue,
                &self.pipeline,
                schedule,
                self.parameters,
            );
            self.wait(last)?;
            batch.sources().map_err(Error::Lost)
        })?;
        let textures = textures.iter().zip(sources.chunks_exact(batch.pixels()));
        textures
            .map(|(texture, sources)| {
                texture
                    .texture(|index| crate::batch::unpack(sources[index]))
                    .ok_or_else(|| Error::SelfTest("a pixel has no source".to_owned()))
            })
            .collect()
    }

    fn wait(&self, submission: wgpu::SubmissionIndex) -> Result<(), Error> {
        let limit = match (self.hangs(), self.is_software()) {
            (true, _) => Duration::ZERO,
            (false, true) => SOFTWARE_TIMEOUT,
            (false, false) => TIMEOUT,
        };
        let waited = self.device.poll(wgpu::PollType::Wait {
            submission_index: Some(submission),
            timeout: Some(limit),
        });
        match waited {
            Ok(_) if !self.hangs() => Ok(()),
            Ok(_) | Err(wgpu::PollError::Timeout) => {
                self.hang();
                Err(Error::Timeout)
            }
            Err(error) => Err(Error::Lost(error.to_string())),
        }
    }
}

impl Drop for Gpu {
    fn drop(&mut self) {
        if self.hangs() {
            // The end of a queue waits, without a limit, for what was submitted to it.
            std::mem::forget(self.queue.clone());
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // What it holds is whole whenever a thread may end.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The kernel as the driver takes it.
fn compile(device: &wgpu::Device, kernel: &str) -> wgpu::ComputePipeline {
    let module = device.create_shader_module(wgpu::ShaderModuleDescriptor {
        label: Some("resolve"),
        source: wgpu::ShaderSource::Wgsl(kernel.into()),
    });
    let layout = device.create_pipeline_layout(&wgpu::PipelineLayoutDescriptor {
        label: None,
        bind_group_layouts: &[Some(&bindings(device))],
        immediate_size: 0,
    });
    device.create_compute_pipeline(&wgpu::ComputePipelineDescriptor {
        label: Some("resolve"),
        layout: Some(&layout),
        module: &module,
        entry_point: Some("resolve"),
        compilation_options: wgpu::PipelineCompilationOptions::default(),
        cache: None,
    })
}

/// The layout of the kernel's bindings, in the order of `resolve.wgsl`.
fn bindings(device: &wgpu::Device) -> wgpu::BindGroupLayout {
    let storage = |read_only| wgpu::BufferBindingType::Storage { read_only };
    let entries: Vec<_> = (0..BINDINGS)
        .map(|binding| wgpu::BindGroupLayoutEntry {
            binding,
            visibility: wgpu::ShaderStages::COMPUTE,
            ty: wgpu::BindingType::Buffer {
                ty: match binding {
                    0..=4 => storage(true),
                    5 => storage(false),
                    _ => wgpu::BufferBindingType::Uniform,
                },
                has_dynamic_offset: binding == BINDINGS - 1,
                min_binding_size: None,
            },
            count: None,
        })
        .collect();
    device.create_bind_group_layout(&wgpu::BindGroupLayoutDescriptor {
        label: None,
        entries: &entries,
    })
}

#[cfg(test)]
mod tests;
