//! Devices of this machine.

use wgpu::{Backends, DeviceType};

/// A device that a [`Gpu`](crate::Gpu) can be opened on.
#[derive(Debug, Clone)]
pub struct Adapter {
    pub(crate) inner: wgpu::Adapter,
}

impl Adapter {
    /// The adapters of this machine, real GPUs first, then those that a CPU plays.
    #[must_use]
    pub fn all() -> Vec<Self> {
        let mut description = wgpu::InstanceDescriptor::new_without_display_handle();
        description.backends = Backends::VULKAN | Backends::METAL;
        let instance = wgpu::Instance::new(description);
        let found = pollster::block_on(instance.enumerate_adapters(Backends::all()));
        let mut adapters: Vec<_> = found.into_iter().map(|inner| Self { inner }).collect();
        adapters.sort_by_key(|adapter| match adapter.inner.get_info().device_type {
            DeviceType::DiscreteGpu => 0,
            DeviceType::VirtualGpu => 1,
            DeviceType::IntegratedGpu => 2,
            DeviceType::Other => 3,
            DeviceType::Cpu => 4,
        });
        adapters
    }

    /// Name of the device, its driver and the interface that reaches it.
    #[must_use]
    pub fn name(&self) -> String {
        let info = self.inner.get_info();
        let backend = info.backend;
        match format!("{} {}", info.driver, info.driver_info).trim() {
            "" => format!("{} ({backend})", info.name),
            driver => format!("{} ({backend}, {driver})", info.name),
        }
    }

    /// Whether a CPU plays it.
    #[must_use]
    pub fn is_software(&self) -> bool {
        self.inner.get_info().device_type == DeviceType::Cpu
    }
}
