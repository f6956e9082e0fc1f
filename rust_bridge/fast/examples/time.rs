//! Core-time of the parts of a synthesis, on raw RGB files of square patches.
//!
//! `cargo run --release -p texgen-fast --example time -- [KERNEL] [ROUNDS] [SIZE] [A.rgb B.rgb]...`

#![allow(clippy::print_stdout, clippy::cast_precision_loss)]

use std::time::{Duration, Instant};

use texgen_fast::{Kernel, Parameters, RgbView, Synthesizer};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let kernel = match arguments.first() {
        Some(name) => Kernel::named(name)?,
        None => Kernel::detect(),
    };
    let rounds: u64 = arguments.get(1).map_or(Ok(3), |text| text.parse())?;
    let size: u32 = arguments.get(2).map_or(Ok(224), |text| text.parse())?;
    let patches: Vec<Vec<u8>> = arguments
        .iter()
        .skip(3)
        .map(std::fs::read)
        .collect::<Result<_, _>>()?;
    let mut synthesizer = Synthesizer::with(Parameters::default(), kernel)?;
    let mut least = vec![[Duration::MAX; 4]; patches.len() / 2];
    // A fast kernel that makes other textures is not fast.
    let mut bytes = 0xcbf2_9ce4_8422_2325_u64;
    for _ in 0..rounds {
        for ((pair, seed), least) in patches.chunks_exact(2).zip(0..).zip(&mut least) {
            let views = [square(&pair[0])?, square(&pair[1])?];
            let start = Instant::now();
            let texture = synthesizer.synthesize(&views, size, seed)?;
            let all = start.elapsed();
            // FNV-1a of words, since bytes would take a part of the time.
            for word in texture.pixels.as_chunks().0 {
                bytes = (bytes ^ u64::from_le_bytes(*word)).wrapping_mul(0x100_0000_01b3);
            }
            let timings = synthesizer.timings();
            let parts = [timings.schedule, timings.load, timings.resolve, all];
            for (least, part) in least.iter_mut().zip(parts) {
                *least = part.min(*least);
            }
        }
    }
    let mean = |part: usize| {
        let sum: Duration = least.iter().map(|parts| parts[part]).sum();
        sum.as_secs_f64() * 1e3 / least.len() as f64
    };
    println!(
        "{} {size} px: schedule {:.2} ms, load {:.2} ms, resolve {:.2} ms, all {:.2} ms, the least of {rounds} rounds, mean of {} pairs, bytes {bytes:016x}",
        kernel.name(),
        mean(0),
        mean(1),
        mean(2),
        mean(3),
        least.len()
    );
    Ok(())
}

fn square(rgb: &[u8]) -> Result<RgbView<'_>, Box<dyn std::error::Error>> {
    let side = u32::try_from((rgb.len() / 3).isqrt())?;
    Ok(RgbView::new(side, side, rgb)?)
}
