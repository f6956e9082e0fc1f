//! What users of the crate rely on, through its public names.
#![allow(clippy::unwrap_used, clippy::cast_possible_truncation)]

use proptest::prelude::*;
use texgen_fast::{Error, Kernel, Parameters, RgbImage, RgbView, Synthesizer, MAX_SIZE};

fn noise(width: u32, height: u32, salt: u32) -> RgbImage {
    let pixels = (0..width * height * 3)
        .map(|i| ((i ^ salt).wrapping_mul(2_654_435_761).rotate_left(13) >> 9) as u8)
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

/// Every pixel is the copy of its source.
fn assert_copied(texture: &RgbImage, synthesizer: &Synthesizer, images: &[RgbImage]) {
    let sources = synthesizer.sources();
    assert_eq!(sources.len(), (texture.width * texture.height) as usize);
    for (pixel, source) in texture.pixels.chunks_exact(3).zip(sources) {
        let image = &images[source.example as usize];
        assert!(source.x < image.width && source.y < image.height);
        let at = (source.y * image.width + source.x) as usize * 3;
        assert_eq!(pixel, &image.pixels[at..at + 3]);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn any_examples_and_sizes_give_copies_of_their_pixels(
        sides in prop::collection::vec((1_u32..130, 1_u32..130), 1..6),
        size in 1_u32..120,
        seed: u64,
    ) {
        let images: Vec<_> = sides
            .iter()
            .zip(0..)
            .map(|(&(width, height), salt)| noise(width, height, salt))
            .collect();
        let views: Vec<_> = images.iter().map(view).collect();
        let mut synthesizer = Synthesizer::new().unwrap();
        let texture = synthesizer.synthesize(&views, size, seed).unwrap();
        prop_assert_eq!((texture.width, texture.height), (size, size));
        assert_copied(&texture, &synthesizer, &images);
    }

    #[test]
    fn pixels_that_do_not_fit_their_sides_are_an_error(
        width in 0_u32..9, height in 0_u32..9, bytes in 0_usize..300
    ) {
        let pixels = vec![0; bytes];
        let fits = width * height > 0 && bytes == (width * height * 3) as usize;
        prop_assert_eq!(RgbView::new(width, height, &pixels).is_ok(), fits);
    }
}

#[test]
fn sides_whose_bytes_wrap_around_64_bits_are_an_error() {
    for (width, height, bytes) in [
        (3_062_868_337, 2_007_567_422, "18446744073709551642"),
        (u32::MAX, u32::MAX, "55340232195358851075"),
    ] {
        // What is left of their bytes in 64 bits is 26 for the first.
        let error = RgbView::new(width, height, &[0; 26]).unwrap_err();
        assert!(error.to_string().contains(bytes), "{error}");
    }
}

#[test]
fn a_texture_does_not_depend_on_what_was_made_before() {
    let (large, small) = (noise(96, 96, 1), noise(20, 31, 2));
    let mut fresh = Synthesizer::new().unwrap();
    let expected = fresh
        .synthesize(&[view(&large), view(&small)], 64, 9)
        .unwrap();
    let mut used = Synthesizer::new().unwrap();
    for (size, seed) in [(64, 1), (300, 2), (16, 3), (64, 4), (1, 5)] {
        used.synthesize(&[view(&small)], size, seed).unwrap();
    }
    let texture = used
        .synthesize(&[view(&large), view(&small)], 64, 9)
        .unwrap();
    assert_eq!(texture, expected);
}

#[test]
fn another_seed_gives_another_texture() {
    let image = noise(48, 48, 3);
    let mut synthesizer = Synthesizer::new().unwrap();
    let textures: std::collections::HashSet<_> = (0..20)
        .map(|seed| {
            synthesizer
                .synthesize(&[view(&image)], 40, seed)
                .unwrap()
                .pixels
        })
        .collect();
    assert_eq!(textures.len(), 20);
}

#[test]
fn every_size_up_to_the_largest_is_made() {
    let images = [noise(96, 96, 1), noise(48, 48, 2)];
    let views: Vec<_> = images.iter().map(view).collect();
    let mut synthesizer = Synthesizer::new().unwrap();
    for size in [1, 2, 16, 223, 225, 256, 600, MAX_SIZE] {
        let texture = synthesizer.synthesize(&views, size, 1).unwrap();
        assert_copied(&texture, &synthesizer, &images);
    }
}

#[test]
fn what_cannot_be_made_is_an_error() {
    let image = noise(4, 4, 1);
    let mut synthesizer = Synthesizer::new().unwrap();
    assert_eq!(synthesizer.synthesize(&[], 16, 0), Err(Error::NoExamples));
    for size in [0, MAX_SIZE + 1, u32::MAX] {
        let made = synthesizer.synthesize(&[view(&image)], size, 0);
        assert_eq!(made, Err(Error::Size(size)));
    }
    let many = vec![view(&image); 20_000];
    let made = synthesizer.synthesize(&many, MAX_SIZE, 0);
    assert_eq!(made, Err(Error::ExamplesTooLarge));
    for neighbours in [0, 51] {
        let parameters = Parameters {
            neighbours,
            ..Parameters::default()
        };
        let made = Synthesizer::with(parameters, Kernel::detect());
        assert!(matches!(made, Err(Error::Parameter { .. })));
    }
    assert!(Kernel::named("mmx")
        .unwrap_err()
        .to_string()
        .contains("scalar"));
}

#[test]
fn a_texture_too_large_for_schedules_to_be_kept_spends_no_time_on_one() {
    let image = noise(96, 96, 3);
    let mut synthesizer = Synthesizer::new().unwrap();
    for (size, kept) in [(64, true), (700, false)] {
        synthesizer.synthesize(&[view(&image)], size, 0).unwrap();
        assert_eq!(!synthesizer.timings().schedule.is_zero(), kept);
    }
}
