#![allow(clippy::unwrap_used)] // In a helper of tests.

use proptest::prelude::*;

use super::Kernel;
use crate::math::Random;
use crate::{Parameters, RgbImage, RgbView, Synthesizer};

/// Pixels of a few shades, so that costs tie, or of many.
fn picture(width: u32, height: u32, shades: u32, random: &mut Random) -> RgbImage {
    let pixels = (0..width * height * 3)
        .map(|_| {
            (random.below(shades) * 255 / shades.max(2).saturating_sub(1).max(1)).min(255) as u8
        })
        .collect();
    RgbImage {
        width,
        height,
        pixels,
    }
}

fn textures(images: &[RgbImage], parameters: Parameters, size: u32, seed: u64) -> Vec<RgbImage> {
    let views: Vec<RgbView<'_>> = images.iter().map(RgbImage::view).collect();
    Kernel::available()
        .into_iter()
        .map(|kernel| {
            let mut synthesizer = Synthesizer::with(parameters, kernel).unwrap();
            synthesizer.synthesize(&views, size, seed).unwrap()
        })
        .collect()
}

/// Long examples have other offsets, draws and plans: the wider, the longer the
/// way from row to row.
fn sides() -> impl Strategy<Value = (u32, u32)> {
    prop_oneof![
        6 => (1_u32..40, 1_u32..40),
        1 => (1_u32..5, 40_u32..1100),
        1 => (40_u32..1100, 1_u32..5),
    ]
}

/// `PROPTEST_CASES` cases, or few: scalar is slow.
fn config() -> ProptestConfig {
    let mut config = ProptestConfig::default();
    if std::env::var_os("PROPTEST_CASES").is_none() {
        config.cases = 48;
    }
    config
}

proptest! {
    #![proptest_config(config())]
    #[test]
    fn every_kernel_gives_the_bytes_of_scalar(
        sides in prop::collection::vec(sides(), 1..4),
        shades in 1_u32..256,
        size in 1_u32..72,
        neighbours in 1_u32..=50,
        random_candidates in 1_u32..=50,
        mirrored: bool,
        seed: u64,
    ) {
        let mut random = Random::new(seed);
        let images: Vec<RgbImage> = sides
            .iter()
            .map(|&(width, height)| picture(width, height, shades, &mut random))
            .collect();
        let parameters = Parameters { neighbours, random_candidates, mirrored };
        let made = textures(&images, parameters, size, seed);
        for texture in &made[1..] {
            prop_assert_eq!(texture, &made[0]);
        }
    }
}

/// With two shades many sums of weights are equal that begin differently, so that a
/// candidate ties with one that its nearest neighbours speak for; few neighbours more than
/// those often cost nothing.
#[test]
fn every_kernel_takes_the_first_of_equal_candidates() {
    let mut random = Random::new(11);
    for neighbours in [17, 20, 33, 34, 50] {
        let parameters = Parameters {
            neighbours,
            ..Parameters::default()
        };
        for seed in 0..4 {
            let mut grey = picture(20, 20, 2, &mut random);
            for pixel in grey.pixels.as_chunks_mut::<3>().0 {
                *pixel = [pixel[0]; 3];
            }
            let made = textures(&[grey], parameters, 96, seed);
            assert!(
                made.iter().all(|texture| *texture == made[0]),
                "{neighbours} {seed}"
            );
        }
    }
}

#[test]
fn every_kernel_gives_the_bytes_of_scalar_with_neighbours_beyond_16_bits() {
    let mut random = Random::new(7);
    // Rows are so long that 56 of them are more than 2^15 pixels; turned they are not.
    let images = [picture(520, 2, 256, &mut random)];
    for seed in 0..8 {
        let made = textures(&images, Parameters::default(), 72, seed);
        assert!(made.iter().all(|texture| *texture == made[0]), "{seed}");
    }
}

#[test]
fn every_kernel_gives_the_bytes_of_scalar_at_the_data_sets_sizes() {
    let mut random = Random::new(5);
    for (side, shades) in [(96, 256), (48, 256), (96, 6), (96, 1)] {
        let images = [
            picture(side, side, shades, &mut random),
            picture(side, side, shades, &mut random),
        ];
        let made = textures(&images, Parameters::default(), 224, 3);
        assert!(
            made.iter().all(|texture| *texture == made[0]),
            "{side} {shades}"
        );
    }
}
