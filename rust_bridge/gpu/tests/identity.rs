//! Textures of a device have the bytes of the CPU's. Without a Vulkan device, not even a software
//! one such as Mesa's, the tests say so and pass.
#![allow(
    clippy::unwrap_used,
    clippy::cast_possible_truncation,
    clippy::print_stderr
)]

use std::sync::OnceLock;

use proptest::prelude::*;
use texgen_fast::offload::{Prepared, Preparer};
use texgen_fast::{Kernel, Parameters, RgbImage, RgbView, Synthesizer};
use texgen_gpu::{Adapter, Error, Gpu};

fn open(parameters: Parameters) -> Option<Gpu> {
    static ADAPTER: OnceLock<Option<Adapter>> = OnceLock::new();
    let adapter = ADAPTER.get_or_init(|| Adapter::all().into_iter().next());
    if adapter.is_none() {
        eprintln!("skipped: no Vulkan device, not even a software one");
    }
    adapter
        .as_ref()
        .map(|adapter| Gpu::open(adapter, parameters).unwrap())
}

/// Pixels of a few shades, so that costs tie, or of many.
fn picture(width: u32, height: u32, shades: u32, salt: u32) -> RgbImage {
    let mut state = salt.wrapping_mul(2_654_435_761) | 1;
    let pixels = (0..width * height * 3)
        .map(|_| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            ((state >> 16) % shades * 255 / (shades - 1).max(1)) as u8
        })
        .collect();
    RgbImage {
        width,
        height,
        pixels,
    }
}

fn view(image: &RgbImage) -> RgbView<'_> {
    RgbView::new(image.width, image.height, &image.pixels).unwrap()
}

fn prepare(images: &[RgbImage], size: u32, seed: u64) -> Prepared {
    let views: Vec<_> = images.iter().map(view).collect();
    Preparer::default().prepare(&views, size, seed).unwrap()
}

fn on_cpu(parameters: Parameters, images: &[RgbImage], size: u32, seed: u64) -> RgbImage {
    let views: Vec<_> = images.iter().map(view).collect();
    let mut cpu = Synthesizer::with(parameters, Kernel::Scalar).unwrap();
    cpu.synthesize(&views, size, seed).unwrap()
}

fn sides() -> impl Strategy<Value = (u32, u32)> {
    prop_oneof![
        6 => (1_u32..40, 1_u32..40),
        1 => (1_u32..5, 40_u32..1100),
        1 => (40_u32..1100, 1_u32..5),
    ]
}

/// `PROPTEST_CASES` cases, or few: software is slow.
fn config() -> ProptestConfig {
    let mut config = ProptestConfig::default();
    if std::env::var_os("PROPTEST_CASES").is_none() {
        config.cases = 32;
    }
    config
}

proptest! {
    #![proptest_config(config())]
    #[test]
    fn a_device_gives_the_bytes_of_scalar(
        batch in prop::collection::vec((prop::collection::vec(sides(), 1..4), any::<u64>()), 1..4),
        shades in 1_u32..256,
        size in 1_u32..72,
        neighbours in 1_u32..=50,
        random_candidates in 1_u32..=50,
        mirrored: bool,
    ) {
        let parameters = Parameters { neighbours, random_candidates, mirrored };
        let Some(gpu) = open(parameters) else { return Ok(()) };
        let images: Vec<Vec<RgbImage>> = batch
            .iter()
            .map(|(sides, _)| (1..).zip(sides).map(|(salt, (w, h))| picture(*w, *h, shades, salt)).collect())
            .collect();
        let wanted: Vec<Prepared> = images.iter().zip(&batch).map(|(i, b)| prepare(i, size, b.1)).collect();
        let made = gpu.synthesize(&wanted.iter().collect::<Vec<_>>()).unwrap();
        prop_assert_eq!(made.len(), batch.len());
        for ((texture, images), (_, seed)) in made.iter().zip(&images).zip(&batch) {
            prop_assert!(*texture == on_cpu(parameters, images, size, *seed));
        }
    }
}

#[test]
fn a_device_gives_the_bytes_of_scalar_at_the_data_sets_sizes() {
    let Some(gpu) = open(Parameters::default()) else {
        return;
    };
    for (side, shades, size) in [
        (96, 256, 224),
        (48, 256, 224),
        (96, 6, 224),
        (27, 1, 64),
        (96, 256, 300),
    ] {
        let images = [
            picture(side, side, shades, 1),
            picture(side, side, shades, 2),
        ];
        let wanted = prepare(&images, size, 3);
        let made = gpu.synthesize(&[&wanted]).unwrap();
        let expected = on_cpu(Parameters::default(), &images, size, 3);
        assert!(made[0] == expected, "{side} {shades} {size}");
    }
}

#[test]
fn the_first_of_equal_candidates_wins_as_on_the_cpu() {
    for neighbours in [17, 33, 50] {
        let parameters = Parameters {
            neighbours,
            ..Parameters::default()
        };
        let Some(gpu) = open(parameters) else { return };
        let greys: Vec<RgbImage> = (1..=4)
            .map(|salt| {
                let mut grey = picture(20, 20, 2, salt);
                for pixel in grey.pixels.as_chunks_mut::<3>().0 {
                    *pixel = [pixel[0]; 3];
                }
                grey
            })
            .collect();
        let wanted: Vec<Prepared> = greys
            .iter()
            .map(|grey| prepare(std::slice::from_ref(grey), 96, 5))
            .collect();
        let made = gpu.synthesize(&wanted.iter().collect::<Vec<_>>()).unwrap();
        for (texture, grey) in made.iter().zip(greys) {
            assert!(
                *texture == on_cpu(parameters, &[grey], 96, 5),
                "{neighbours}"
            );
        }
    }
}

#[test]
fn three_threads_share_a_device() {
    let Some(gpu) = open(Parameters::default()) else {
        return;
    };
    std::thread::scope(|scope| {
        for thread in 0..3_u32 {
            let gpu = &gpu;
            scope.spawn(move || {
                for size in [24, 40, 24] {
                    let images = [picture(20, 20, 256, thread + 1)];
                    let wanted: Vec<_> = (0..5).map(|seed| prepare(&images, size, seed)).collect();
                    let made = gpu.synthesize(&wanted.iter().collect::<Vec<_>>()).unwrap();
                    for (seed, texture) in (0..).zip(&made) {
                        assert!(*texture == on_cpu(Parameters::default(), &images, size, seed));
                    }
                }
            });
        }
    });
}

#[test]
fn what_a_device_does_not_take_is_a_typed_error_and_the_next_call_is_fine() {
    let Some(gpu) = open(Parameters::default()) else {
        return;
    };
    let long = prepare(&[picture(4097, 1, 256, 1)], 16, 0);
    let error = gpu.synthesize(&[&long]).unwrap_err();
    assert!(matches!(error, Error::TooLarge(_)), "{error}");
    let images = [picture(9, 9, 256, 1)];
    let made = gpu.synthesize(&[&prepare(&images, 16, 0)]).unwrap();
    assert!(made[0] == on_cpu(Parameters::default(), &images, 16, 0));
}

#[test]
fn a_lost_device_is_a_typed_error_now_and_later() {
    let Some(gpu) = open(Parameters::default()) else {
        return;
    };
    let wanted = prepare(&[picture(9, 9, 256, 1)], 16, 0);
    gpu.synthesize(&[&wanted]).unwrap();
    gpu.lose();
    for _ in 0..2 {
        let error = gpu.synthesize(&[&wanted]).unwrap_err();
        assert!(matches!(error, Error::Lost(_)), "{error}");
    }
}
