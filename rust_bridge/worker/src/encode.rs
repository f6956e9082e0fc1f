//! Textures to image files, with encoders that give the same bytes on every
//! machine: no run-time choice of instructions, no system library.

use std::fmt;

use texgen_engine::RgbImage;

/// Names the encoders and their settings in a data set's fingerprint. Change
/// it whenever an encoder's bytes change.
pub const ENCODERS: &[(&str, &str)] = &[
    ("png", "png-0.18 rgb8 fast adaptive v1"),
    ("webp", "image-webp-0.2 lossless v1"),
    ("jpg", "jpeg-encoder-0.7 4:4:4 v1"),
];

/// An image file format.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// 8-bit RGB.
    Png,
    /// Lossless.
    Webp,
    /// Baseline, 4:4:4, with a quality of 1 to 100.
    Jpg(u8),
}

impl Format {
    /// The format of a job frame; 0 is none.
    ///
    /// # Errors
    ///
    /// A sentence when the number is not a format's or the quality is off.
    pub fn from_wire(format: u8, quality: u8) -> Result<Option<Self>, String> {
        match format {
            0 => Ok(None),
            1 => Ok(Some(Self::Png)),
            2 => Ok(Some(Self::Webp)),
            3 if (1..=100).contains(&quality) => Ok(Some(Self::Jpg(quality))),
            3 => Err(format!("JPEG quality {quality} is not within 1 to 100")),
            other => Err(format!("unknown image format {other}")),
        }
    }
}

/// An encoder refused an image.
#[derive(Debug)]
pub struct EncodeError(String);

impl fmt::Display for EncodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for EncodeError {}

/// Encodes `image`.
///
/// # Errors
///
/// [`EncodeError`] with the encoder's own words.
pub fn encode(image: &RgbImage, format: Format) -> Result<Vec<u8>, EncodeError> {
    let mut out = Vec::with_capacity(image.pixels.len() / 2);
    match format {
        Format::Png => png(image, &mut out),
        Format::Webp => webp(image, &mut out),
        Format::Jpg(quality) => jpg(image, quality, &mut out),
    }
    .map_err(|error| EncodeError(error.to_string()))?;
    Ok(out)
}

type Encoded = Result<(), Box<dyn std::error::Error>>;

fn png(image: &RgbImage, out: &mut Vec<u8>) -> Encoded {
    let mut encoder = png::Encoder::new(out, image.width, image.height);
    encoder.set_color(png::ColorType::Rgb);
    encoder.set_depth(png::BitDepth::Eight);
    encoder.set_compression(png::Compression::Fast);
    encoder.set_filter(png::Filter::Adaptive);
    let mut writer = encoder.write_header()?;
    writer.write_image_data(&image.pixels)?;
    Ok(writer.finish()?)
}

fn webp(image: &RgbImage, out: &mut Vec<u8>) -> Encoded {
    let encoder = image_webp::WebPEncoder::new(out);
    Ok(encoder.encode(
        &image.pixels,
        image.width,
        image.height,
        image_webp::ColorType::Rgb8,
    )?)
}

fn jpg(image: &RgbImage, quality: u8, out: &mut Vec<u8>) -> Encoded {
    let mut encoder = jpeg_encoder::Encoder::new(out, quality);
    encoder.set_sampling_factor(jpeg_encoder::SamplingFactor::R_4_4_4);
    let (width, height) = (image.width.try_into()?, image.height.try_into()?);
    Ok(encoder.encode(&image.pixels, width, height, jpeg_encoder::ColorType::Rgb)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn gradient(side: u32) -> RgbImage {
        let pixels = (0..side * side)
            .flat_map(|i| [(i % side) as u8, (i / side) as u8, (i % 7 * 30) as u8])
            .collect();
        RgbImage {
            width: side,
            height: side,
            pixels,
        }
    }

    #[test]
    fn png_and_webp_give_every_pixel_back() {
        let image = gradient(67);
        let file = encode(&image, Format::Png).unwrap();
        let mut reader = png::Decoder::new(std::io::Cursor::new(file))
            .read_info()
            .unwrap();
        let mut pixels = vec![0; reader.output_buffer_size().unwrap()];
        reader.next_frame(&mut pixels).unwrap();
        assert_eq!(pixels, image.pixels);

        let file = encode(&image, Format::Webp).unwrap();
        let mut decoder = image_webp::WebPDecoder::new(std::io::Cursor::new(file)).unwrap();
        let mut pixels = vec![0; decoder.output_buffer_size().unwrap()];
        decoder.read_image(&mut pixels).unwrap();
        assert_eq!(pixels, image.pixels);
    }

    #[test]
    fn a_higher_jpeg_quality_gives_a_larger_file_without_chroma_subsampling() {
        let image = gradient(64);
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
    fn a_side_that_jpeg_cannot_hold_is_an_error() {
        let image = RgbImage {
            width: 70_000,
            height: 1,
            pixels: vec![0; 210_000],
        };
        assert!(encode(&image, Format::Jpg(95)).is_err());
    }

    #[test]
    fn formats_that_the_wire_does_not_know_are_refused() {
        assert_eq!(Format::from_wire(0, 0), Ok(None));
        assert!(Format::from_wire(3, 0).is_err());
        assert!(Format::from_wire(3, 101).is_err());
        assert!(Format::from_wire(9, 0).is_err());
    }
}
