//! Textures to image files, with encoders that give the same bytes on every
//! machine: no run-time choice of instructions, no floating point, no system
//! library.

mod bits;
mod png;
mod webp;

use std::fmt;

use texgen_engine::RgbImage;

/// Names the encoders and their settings in a data set's fingerprint. Change
/// it whenever an encoder's bytes change.
pub const ENCODERS: &[(&str, &str)] = &[
    ("png", "texgen unfiltered zlib-rs-0.6.8 level 6 v1"),
    ("webp", "texgen lossless v1"),
    ("jpg", "jpeg-encoder-0.7.1 4:4:4 optimized v1"),
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
    let RgbImage {
        width,
        height,
        ref pixels,
    } = *image;
    match format {
        Format::Png => png::encode(pixels, width, height),
        Format::Webp => webp::encode(pixels, width, height),
        Format::Jpg(quality) => jpg(image, quality).map_err(|error| error.to_string()),
    }
    .map_err(EncodeError)
}

fn jpg(image: &RgbImage, quality: u8) -> Result<Vec<u8>, Box<dyn std::error::Error>> {
    let (width, height) = (image.width.try_into()?, image.height.try_into()?);
    let mut file = Vec::new();
    let mut encoder = jpeg_encoder::Encoder::new(&mut file, quality);
    encoder.set_sampling_factor(jpeg_encoder::SamplingFactor::R_4_4_4);
    encoder.set_optimized_huffman_tables(true);
    encoder.encode(&image.pixels, width, height, jpeg_encoder::ColorType::Rgb)?;
    Ok(file)
}

#[cfg(test)]
mod tests;
