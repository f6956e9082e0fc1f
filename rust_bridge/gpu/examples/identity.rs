//! Compares textures of a GPU with those of the CPU, and times both.
//!
//! `cargo run --release --example identity -- SIZE COUNT PATCH.rgb...`: files are
//! square RGB images without a header; texture i takes two of them.
#![allow(
    clippy::cast_possible_truncation,
    clippy::expect_used,
    clippy::print_stdout,
    clippy::unwrap_used
)]

use std::time::Instant;

use texgen_fast::offload::Preparer;
use texgen_fast::{Kernel, Parameters, RgbView, Synthesizer};
use texgen_gpu::{Adapter, Gpu};

fn main() {
    let mut arguments = std::env::args().skip(1);
    let size: u32 = arguments.next().expect("SIZE").parse().unwrap();
    let count: usize = arguments.next().expect("COUNT").parse().unwrap();
    let files: Vec<Vec<u8>> = arguments.map(|path| std::fs::read(path).unwrap()).collect();
    let views: Vec<RgbView<'_>> = files
        .iter()
        .map(|pixels| {
            let side = (pixels.len() / 3).isqrt() as u32;
            RgbView::new(side, side, pixels).unwrap()
        })
        .collect();
    for adapter in Adapter::all() {
        println!("{} software={}", adapter.name(), adapter.is_software());
        let start = Instant::now();
        let gpu = Gpu::open(&adapter, Parameters::default()).unwrap();
        println!("  open {:?}", start.elapsed());
        let start = Instant::now();
        gpu.self_test().unwrap();
        println!("  self-test {:?}", start.elapsed());
        let mut preparer = Preparer::default();
        let examples = |index: usize| {
            [
                views[index % views.len()],
                views[(index * 7 + 1) % views.len()],
            ]
        };
        let start = Instant::now();
        let wanted: Vec<_> = (0..count)
            .map(|index| {
                preparer
                    .prepare(&examples(index), size, index as u64)
                    .unwrap()
            })
            .collect();
        println!("  prepare {:?}", start.elapsed());
        for _ in 0..2 {
            let start = Instant::now();
            let made = gpu.synthesize(&wanted.iter().collect::<Vec<_>>()).unwrap();
            println!("  synthesize {:?}", start.elapsed());
            let mut cpu = Synthesizer::with(Parameters::default(), Kernel::detect()).unwrap();
            let start = Instant::now();
            let differing = made
                .iter()
                .enumerate()
                .filter(|(i, texture)| {
                    **texture != cpu.synthesize(&examples(*i), size, *i as u64).unwrap()
                })
                .count();
            println!("  cpu {:?}; {differing} of {count} differ", start.elapsed());
        }
    }
}
