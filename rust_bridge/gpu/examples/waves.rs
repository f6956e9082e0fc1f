//! Prints how parallel a schedule is: `cargo run --release --example waves -- SIZE`.
#![allow(clippy::print_stdout, clippy::unwrap_used, clippy::expect_used)]

use texgen_gpu::waves::{Waves, TEAMS};

fn main() {
    let size = std::env::args().nth(1).expect("SIZE").parse().unwrap();
    for seed in 0..2 {
        let waves = Waves::new(size, 50, seed);
        println!("seed {seed}: stage, steps, waves, mean width, teams busy");
        let mut first = 0;
        let mut total = (0, 0);
        for (stage, end) in waves.stage_ends.into_iter().enumerate() {
            let widths =
                (first..end).map(|w| waves.starts[w as usize + 1] - waves.starts[w as usize]);
            let steps: u32 = widths.clone().sum();
            let slots: u32 = widths.map(|width| width.div_ceil(TEAMS) * TEAMS).sum();
            let busy = 100.0 * f64::from(steps) / f64::from(slots);
            let mean = f64::from(steps) / f64::from(end - first);
            println!(
                "{stage} {steps:6} {:4} {mean:6.1} {busy:5.1} %",
                end - first
            );
            total = (total.0 + steps, total.1 + slots);
            first = end;
        }
        let busy = 100.0 * f64::from(total.0) / f64::from(total.1);
        println!("all {} {first} {busy:.1} %", total.0);
    }
}
