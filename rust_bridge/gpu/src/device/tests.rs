//! Faults of a device, on any that is there; Mesa's software one will do.
#![allow(clippy::unwrap_used, clippy::print_stderr)]

use std::process::Command;
use std::sync::Barrier;
use std::thread;
use std::time::Instant;

use nix::sys::resource::{setrlimit, Resource};
use texgen_fast::offload::Preparer;
use texgen_fast::RgbView;

use super::*;
use crate::buffers::room;

fn open(adapters: Vec<Adapter>) -> Option<Gpu> {
    let adapter = adapters.into_iter().next();
    if adapter.is_none() {
        eprintln!("skipped: no Vulkan device, not even a software one");
    }
    adapter.map(|adapter| Gpu::open(&adapter, Parameters::default()).unwrap())
}

fn grey(size: u32, seed: u64) -> Prepared {
    let view = RgbView::new(8, 8, &[127; 8 * 8 * 3]).unwrap();
    Preparer::default().prepare(&[view], size, seed).unwrap()
}

/// Makes a buffer that no device takes: wgpu refuses it.
fn too_large(gpu: &Gpu) -> Result<(), Error> {
    room(
        &gpu.device,
        "too large",
        1 << 60,
        wgpu::BufferUsages::STORAGE,
    );
    Ok(())
}

#[test]
fn a_thread_does_not_take_the_fault_of_another_one() {
    let Some(gpu) = open(Adapter::all()) else {
        return;
    };
    let (begun, over) = (Barrier::new(2), Barrier::new(2));
    let (faulty, other) = thread::scope(|scope| {
        let faulty = scope.spawn(|| {
            gpu.faults.checked(|| {
                let made = too_large(&gpu);
                begun.wait();
                over.wait();
                made
            })
        });
        begun.wait();
        let other = gpu.synthesize(&[&grey(16, 0)]);
        over.wait();
        (faulty.join().unwrap(), other)
    });
    assert!(matches!(&faulty, Err(Error::Lost(text)) if text.contains("too large")));
    assert_eq!(other.map(|textures| textures.len()), Ok(1));
}

/// Runs the test of that name in a process of its own; true where this is that process.
fn is_alone(name: &str) -> bool {
    // Mesa then works on what is submitted while the caller goes on, as a card does.
    const VARIABLE: &str = "MESA_VK_ENABLE_SUBMIT_THREAD";
    if std::env::var_os(VARIABLE).is_some() {
        return true;
    }
    let mut child = Command::new(std::env::current_exe().unwrap());
    let name = format!("device::tests::{name}");
    child.args(["--exact", &name, "--nocapture"]);
    assert!(child.env(VARIABLE, "1").status().unwrap().success());
    false
}

/// A device that a CPU plays.
fn software() -> Option<Gpu> {
    let gpu = open(Adapter::all()).filter(Gpu::is_software);
    if gpu.is_none() {
        eprintln!("skipped: no device that a CPU plays");
    }
    gpu
}

/// Takes memory away from all threads of its process.
#[test]
fn memory_that_a_call_lacks_is_no_loss_of_the_device() {
    if !is_alone("memory_that_a_call_lacks_is_no_loss_of_the_device") {
        return;
    }
    let Some(gpu) = software() else {
        return;
    };
    let status = std::fs::read_to_string("/proc/self/statm").unwrap();
    let pages: u64 = status.split(' ').next().unwrap().parse().unwrap();
    let limit = pages * 4096 + (1 << 30);
    setrlimit(Resource::RLIMIT_AS, limit, limit).unwrap();
    let refused = gpu.faults.checked(|| {
        // What uses a buffer without memory is invalid, which is another fault than the memory.
        let values = vec![0_u8; 1 << 20];
        let most = gpu.device.limits().max_buffer_size & !3;
        let usage = wgpu::BufferUsages::STORAGE | wgpu::BufferUsages::COPY_DST;
        gpu.queue
            .write_buffer(&room(&gpu.device, "most", most, usage), 0, &values);
        Ok(())
    });
    assert!(matches!(refused, Err(Error::OutOfMemory(_))), "{refused:?}");
    let made = gpu.synthesize(&[&grey(16, 0)]).map(|made| made.len());
    assert_eq!(made, Ok(1));
}

#[test]
fn what_is_too_large_does_not_throw_out_a_schedule_that_is_kept() {
    let Some(gpu) = open(Adapter::all()) else {
        return;
    };
    let kept = [0, 1].map(|seed| gpu.schedule(16, seed).unwrap());
    let refused = gpu.schedule(1 << 20, 0);
    assert!(matches!(refused, Err(Error::TooLarge(_))));
    for (seed, schedule) in (0..).zip(&kept) {
        assert!(
            Arc::ptr_eq(schedule, &gpu.schedule(16, seed).unwrap()),
            "{seed}"
        );
    }
    // A third one takes the place of the one that was used least recently.
    gpu.schedule(16, 2).unwrap();
    assert!(Arc::ptr_eq(&kept[1], &gpu.schedule(16, 1).unwrap()));
    assert!(!Arc::ptr_eq(&kept[0], &gpu.schedule(16, 0).unwrap()));
}

#[test]
fn a_device_that_hangs_is_told_as_one_now_and_later() {
    let Some(gpu) = open(Adapter::all()) else {
        return;
    };
    gpu.synthesize(&[&grey(16, 0)]).unwrap();
    gpu.hang();
    for _ in 0..2 {
        let error = gpu.synthesize(&[&grey(16, 0)]).unwrap_err();
        assert_eq!(error, Error::Timeout);
    }
    assert!(any_hangs());
}

#[test]
fn a_device_that_hangs_ends_without_waiting_for_its_work() {
    if !is_alone("a_device_that_hangs_ends_without_waiting_for_its_work") {
        return;
    }
    let Some(gpu) = software() else {
        return;
    };
    let usage = wgpu::BufferUsages::COPY_SRC | wgpu::BufferUsages::COPY_DST;
    let [from, to] = [0, 1].map(|_| room(&gpu.device, "copied", 1 << 26, usage));
    let mut encoder = gpu.device.create_command_encoder(&Default::default());
    for _ in 0..50 {
        encoder.copy_buffer_to_buffer(&from, 0, &to, 0, from.size());
    }
    gpu.hang();
    let submission = gpu.queue.submit([encoder.finish()]);
    assert_eq!(gpu.wait(submission), Err(Error::Timeout));
    let device = gpu.device.clone();
    let start = Instant::now();
    drop(gpu);
    let end = start.elapsed();
    device.poll(wgpu::PollType::wait_indefinitely()).unwrap();
    let work = start.elapsed() - end;
    eprintln!("the end took {end:?}, and the work {work:?} more");
    assert!(end < work / 2, "{end:?}, {work:?}");
}
