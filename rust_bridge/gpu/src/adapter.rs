//! Devices of this machine.

use wgpu::{AdapterInfo, Backends, DeviceType};

/// A device that a [`Gpu`](crate::Gpu) can be opened on.
#[derive(Debug, Clone)]
pub struct Adapter {
    pub(crate) inner: wgpu::Adapter,
}

impl Adapter {
    /// The devices of this machine, each once though several drivers may offer it: real GPUs first,
    /// then those that a CPU plays; GPUs of a kind by their place on the PCI bus, which is the order
    /// of `nvidia-smi`.
    #[must_use]
    pub fn all() -> Vec<Self> {
        let mut description = wgpu::InstanceDescriptor::new_without_display_handle();
        description.backends = Backends::VULKAN | Backends::METAL;
        let instance = wgpu::Instance::new(description);
        let found = pollster::block_on(instance.enumerate_adapters(Backends::all()));
        let infos: Vec<_> = found.iter().map(wgpu::Adapter::get_info).collect();
        let mut found: Vec<_> = found.into_iter().map(Some).collect();
        let inner = order(&infos).into_iter().filter_map(|i| found[i].take());
        inner.map(|inner| Self { inner }).collect()
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

/// Indices of the devices in the order of their numbers. Of those at one place on the bus, which are
/// one device with several drivers, it has the first; without a place, all.
fn order(infos: &[AdapterInfo]) -> Vec<usize> {
    let is_same = |a: &AdapterInfo, b: &AdapterInfo| {
        !a.device_pci_bus_id.is_empty()
            && (&a.device_pci_bus_id, a.vendor, a.device)
                == (&b.device_pci_bus_id, b.vendor, b.device)
    };
    let mut kept: Vec<usize> = Vec::new();
    for (index, info) in infos.iter().enumerate() {
        if !kept.iter().any(|other| is_same(&infos[*other], info)) {
            kept.push(index);
        }
    }
    kept.sort_by_key(|index| {
        let info = &infos[*index];
        (rank(info.device_type), place(&info.device_pci_bus_id))
    });
    kept
}

fn rank(device: DeviceType) -> u8 {
    match device {
        DeviceType::DiscreteGpu => 0,
        DeviceType::VirtualGpu => 1,
        DeviceType::IntegratedGpu => 2,
        DeviceType::Other => 3,
        DeviceType::Cpu => 4,
    }
}

/// Domain, bus, device and function of a place on the bus such as `0000:01:00.0`, which compare as
/// numbers. What has no place comes after what has one.
fn place(bus_id: &str) -> Vec<u32> {
    let parts = bus_id.split([':', '.']);
    let numbers: Option<Vec<_>> = parts.map(|p| u32::from_str_radix(p, 16).ok()).collect();
    numbers.unwrap_or_else(|| vec![u32::MAX])
}

#[cfg(test)]
mod tests {
    use wgpu::Backend;

    use super::*;

    const NVIDIA: u32 = 0x10de;
    const AMD: u32 = 0x1002;

    fn info(device_type: DeviceType, vendor: u32, bus_id: &str) -> AdapterInfo {
        AdapterInfo {
            vendor,
            device: 7,
            device_pci_bus_id: bus_id.to_owned(),
            ..AdapterInfo::new(device_type, Backend::Vulkan)
        }
    }

    fn card(bus_id: &str) -> AdapterInfo {
        info(DeviceType::DiscreteGpu, NVIDIA, bus_id)
    }

    #[test]
    fn a_card_that_two_drivers_offer_is_counted_once_with_the_first() {
        let twice = [card("0000:01:00.0"), card("0000:01:00.0")];
        assert_eq!(order(&twice), [0]);
        // Each driver has both cards.
        let of_two = [
            card("0000:02:00.0"),
            card("0000:01:00.0"),
            card("0000:01:00.0"),
            card("0000:02:00.0"),
        ];
        assert_eq!(order(&of_two), [1, 0]);
    }

    #[test]
    fn cards_without_a_place_on_the_bus_are_all_counted_after_the_others() {
        let found = [card(""), card(""), card("0000:01:00.0")];
        assert_eq!(order(&found), [2, 0, 1]);
    }

    #[test]
    fn one_place_with_two_devices_is_two_devices() {
        let amd = info(DeviceType::DiscreteGpu, AMD, "0000:01:00.0");
        assert_eq!(order(&[card("0000:01:00.0"), amd]), [0, 1]);
        let parted = AdapterInfo {
            device: 8,
            ..card("0000:01:00.0")
        };
        assert_eq!(order(&[card("0000:01:00.0"), parted]), [0, 1]);
    }

    #[test]
    fn cards_are_numbered_by_their_places_on_the_bus_as_numbers() {
        let found = [
            card("10000:01:00.0"),
            card("0000:c1:00.0"),
            card("0000:0f:00.1"),
            card("0000:0f:00.0"),
            card("000a:01:00.0"),
        ];
        assert_eq!(order(&found), [3, 2, 1, 4, 0]);
    }

    #[test]
    fn real_cards_come_before_those_of_the_processor() {
        let found = [
            info(DeviceType::Cpu, 0x10005, ""),
            info(DeviceType::IntegratedGpu, 0x8086, "0000:00:02.0"),
            card("0000:41:00.0"),
        ];
        assert_eq!(order(&found), [2, 1, 0]);
    }
}
