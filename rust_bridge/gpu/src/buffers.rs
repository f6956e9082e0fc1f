//! Buffers on the device.

use bytemuck::Pod;
use wgpu::BufferUsages as Usage;

/// Largest buffer that the kernel can be given, bytes.
pub fn largest(limits: &wgpu::Limits) -> u64 {
    limits
        .max_storage_buffer_binding_size
        .min(limits.max_buffer_size)
}

/// A number that the limits of buffers keep below 2^32.
pub fn number(value: usize) -> u32 {
    u32::try_from(value).unwrap_or(u32::MAX)
}

/// A buffer without content.
pub fn room(device: &wgpu::Device, label: &str, size: u64, usage: Usage) -> wgpu::Buffer {
    device.create_buffer(&wgpu::BufferDescriptor {
        label: Some(label),
        size,
        usage,
        mapped_at_creation: false,
    })
}

/// A buffer that the kernel reads.
pub fn upload<T: Pod>(device: &wgpu::Device, label: &str, values: &[T]) -> wgpu::Buffer {
    fill(device, label, values, Usage::STORAGE)
}

/// A buffer with these values.
pub fn fill<T: Pod>(
    device: &wgpu::Device,
    label: &str,
    values: &[T],
    usage: Usage,
) -> wgpu::Buffer {
    let bytes: &[u8] = bytemuck::cast_slice(values);
    let buffer = device.create_buffer(&wgpu::BufferDescriptor {
        label: Some(label),
        size: bytes.len() as u64,
        usage,
        mapped_at_creation: true,
    });
    // A buffer that could not be made is told by the device's error handler.
    if let Ok(mut range) = buffer.get_mapped_range_mut(..) {
        range.copy_from_slice(bytes);
    }
    buffer.unmap();
    buffer
}
