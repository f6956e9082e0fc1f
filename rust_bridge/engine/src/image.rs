use crate::EngineError;

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
    /// [`EngineError::Rejected`] when a side is 0 or the length does not fit.
    pub fn new(width: u32, height: u32, pixels: &'a [u8]) -> Result<Self, EngineError> {
        let expected = u64::from(width) * u64::from(height) * 3;
        if expected == 0 || pixels.len() as u64 != expected {
            return Err(EngineError::Rejected(format!(
                "an example of {width}x{height} px needs {expected} bytes, got {}",
                pixels.len()
            )));
        }
        Ok(Self {
            width,
            height,
            pixels,
        })
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
