use crate::Error;

/// A borrowed 8-bit RGB image, row-major and tightly packed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RgbView<'a> {
    width: u32,
    height: u32,
    pixels: &'a [u8],
}

impl<'a> RgbView<'a> {
    /// Wraps `pixels`, which holds `width * height` RGB triples.
    ///
    /// # Errors
    ///
    /// [`Error::PixelCount`] when a side is 0 or the length does not fit.
    pub fn new(width: u32, height: u32, pixels: &'a [u8]) -> Result<Self, Error> {
        if width == 0 || height == 0 || pixels.len() as u128 != Self::bytes(width, height) {
            return Err(Error::PixelCount {
                width,
                height,
                bytes: pixels.len(),
            });
        }
        Ok(Self {
            width,
            height,
            pixels,
        })
    }

    /// Bytes of an image of these sides. 64 bits do not hold them for all sides:
    /// wrapped, 3,062,868,337 x 2,007,567,422 px would be 26 bytes.
    #[must_use]
    pub fn bytes(width: u32, height: u32) -> u128 {
        u128::from(width) * u128::from(height) * 3
    }

    /// Width in pixels, at least 1.
    #[must_use]
    pub fn width(&self) -> u32 {
        self.width
    }

    /// Height in pixels, at least 1.
    #[must_use]
    pub fn height(&self) -> u32 {
        self.height
    }

    /// RGB bytes, row-major.
    #[must_use]
    pub fn pixels(&self) -> &'a [u8] {
        self.pixels
    }
}

/// An owned 8-bit RGB image, row-major and tightly packed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RgbImage {
    /// Width in pixels.
    pub width: u32,
    /// Height in pixels.
    pub height: u32,
    /// `width * height` RGB triples.
    pub pixels: Vec<u8>,
}

impl RgbView<'_> {
    /// A copy that owns its pixels.
    #[must_use]
    pub fn to_image(&self) -> RgbImage {
        RgbImage {
            width: self.width,
            height: self.height,
            pixels: self.pixels.to_vec(),
        }
    }
}

impl RgbImage {
    /// The image, borrowed. The lengths fit where this crate made the image.
    pub(crate) fn view(&self) -> RgbView<'_> {
        RgbView {
            width: self.width,
            height: self.height,
            pixels: &self.pixels,
        }
    }
}
