use std::io::Cursor;

use proptest::prelude::*;

use super::*;

fn image(width: u32, height: u32, colour: impl Fn(u32, u32) -> [u8; 3]) -> RgbImage {
    let places = (0..height).flat_map(|y| (0..width).map(move |x| (x, y)));
    RgbImage {
        width,
        height,
        pixels: places.flat_map(|(x, y)| colour(x, y)).collect(),
    }
}

fn noise(x: u32, y: u32) -> [u8; 3] {
    let mixed = (x ^ y << 16).wrapping_mul(2_654_435_761);
    let [_, a, b, c] = (mixed ^ mixed >> 15)
        .wrapping_mul(0x2c1b_3c6d)
        .to_le_bytes();
    [a, b, c]
}

/// Pixels as independent decoders read them.
fn decoded(image: &RgbImage, format: Format) -> (u32, u32, Vec<u8>) {
    let file = Cursor::new(encode(image, format).unwrap());
    if format == Format::Webp {
        let mut decoder = image_webp::WebPDecoder::new(file).unwrap();
        assert!(!decoder.has_alpha());
        let mut pixels = vec![0; decoder.output_buffer_size().unwrap()];
        decoder.read_image(&mut pixels).unwrap();
        let (width, height) = decoder.dimensions();
        return (width, height, pixels);
    }
    let mut decoder = ::png::Decoder::new(file);
    decoder.ignore_checksums(false); // by default it skips Adler-32
    let mut reader = decoder.read_info().unwrap();
    let mut pixels = vec![0; reader.output_buffer_size().unwrap()];
    let info = reader.next_frame(&mut pixels).unwrap();
    assert_eq!(info.color_type, ::png::ColorType::Rgb);
    reader.finish().unwrap();
    (info.width, info.height, pixels)
}

fn assert_lossless(image: &RgbImage) {
    for format in [Format::Png, Format::Webp] {
        let (width, height, pixels) = decoded(image, format);
        assert_eq!((width, height), (image.width, image.height));
        assert!(pixels == image.pixels, "{format:?} changed {image:?}");
    }
}

/// Any pixels, from noise (all bits kept) to few colours in runs (none kept).
fn images() -> impl Strategy<Value = RgbImage> {
    let masks = prop::sample::select(vec![0xffu8, 0x81, 0x03, 0x01, 0x00]);
    (1..=80u32, 1..=80u32, masks).prop_flat_map(|(width, height, mask)| {
        let length = (width * height * 3) as usize;
        prop::collection::vec(any::<u8>(), length).prop_map(move |mut pixels| {
            pixels.iter_mut().for_each(|value| *value &= mask);
            RgbImage {
                width,
                height,
                pixels,
            }
        })
    })
}

proptest! {
    #[test]
    fn png_and_webp_give_every_pixel_of_any_image_back(image in images()) {
        assert_lossless(&image);
    }

    #[test]
    fn png_and_webp_give_every_pixel_of_copied_pieces_back(
        source in images(), width in 1..=80u32, height in 1..=80u32, step in 1..=80u32,
    ) {
        let pixels = (source.pixels.len() / 3) as u32;
        assert_lossless(&image(width, height, |x, y| {
            let from = 3 * ((y / 5 * step + x) % pixels) as usize;
            [source.pixels[from], source.pixels[from + 1], source.pixels[from + 2]]
        }));
    }
}

#[test]
fn flat_images_are_copies_of_the_greatest_length() {
    let flat = image(500, 300, |_, _| [7, 0, 255]);
    assert_lossless(&flat);
    assert!(encode(&flat, Format::Webp).unwrap().len() < 200);
}

#[test]
fn a_copy_reaches_no_farther_than_the_format() {
    // The last row repeats the first one, 2^20 pixels before: one row too far.
    assert_lossless(&image(1024, 1025, |x, y| noise(x, y % 1024)));
    // The last rows repeat rows within reach.
    assert_lossless(&image(1024, 1040, |x, y| noise(x, y % 1020)));
}

#[test]
fn a_side_beyond_the_limit_of_a_format_is_an_error() {
    for (width, height) in [(16_383, 1), (1, 16_383)] {
        assert_lossless(&image(width, height, noise));
    }
    for (width, height) in [(16_384, 1), (1, 16_384)] {
        assert!(encode(&image(width, height, noise), Format::Webp).is_err());
    }
    assert!(encode(&image(70_000, 1, noise), Format::Jpg(95)).is_err());
}

#[test]
fn copied_pieces_cost_a_fraction_of_their_pixels() {
    let pieces = image(224, 224, |x, y| noise(x % 37, y % 41));
    for format in [Format::Png, Format::Webp] {
        let length = encode(&pieces, format).unwrap().len();
        assert!(length < pieces.pixels.len() / 15, "{format:?} {length}");
    }
}

#[test]
fn the_bytes_of_every_format_are_pinned_on_every_machine() {
    // Other sums mean that data sets get other bytes: another name in `ENCODERS`.
    let pieces = image(224, 224, |x, y| noise((x + y / 9 * 31) % 97 * 2, y % 53));
    for (format, sum) in [
        (Format::Png, 1459014107),
        (Format::Webp, 3028003876),
        (Format::Jpg(95), 1207409702),
        (Format::Jpg(40), 4071386673),
    ] {
        let file = encode(&pieces, format).unwrap();
        assert_eq!(zlib_rs::crc32::crc32(0, &file), sum, "{format:?}");
    }
}

#[test]
fn a_higher_jpeg_quality_gives_a_larger_file_without_chroma_subsampling() {
    let image = image(64, 64, |x, y| [x as u8, y as u8, (x % 7 * 30) as u8]);
    let low = encode(&image, Format::Jpg(50)).unwrap();
    let high = encode(&image, Format::Jpg(95)).unwrap();
    assert!(low.len() < high.len());
    // SOF0's sampling factors: each of three components 1x1.
    let frame = high.windows(2).position(|w| w == [0xff, 0xc0]).unwrap();
    for component in 0..3 {
        assert_eq!(high[frame + 11 + component * 3], 0x11);
    }
}

#[test]
fn formats_that_the_wire_does_not_know_are_refused() {
    assert_eq!(Format::from_wire(0, 0), Ok(None));
    assert!(Format::from_wire(3, 0).is_err());
    assert!(Format::from_wire(3, 101).is_err());
    assert!(Format::from_wire(9, 0).is_err());
}
