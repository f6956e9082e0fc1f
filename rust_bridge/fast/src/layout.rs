use crate::{Error, RgbView};

/// Widths up to this share one layout, and so a schedule: images smaller
/// than the patch size give patches of many sides.
const COMMON_WIDTH: u32 = 96;

/// Largest number of pixels an atlas may have; addresses are 32-bit.
const MAX_ATLAS: u64 = 1 << 28;

/// How places are laid out in memory.
///
/// The texture's cells and the atlas (all examples, one below the other) share
/// one stride, so that the way from a pixel to its neighbour is one number in
/// both. Around every example lie as many black pixels as the texture has on a
/// side: no neighbour of a valid source lies outside, and no address that can
/// be reached names a pixel of an example by wrapping around a row. In front of
/// the first and behind the last it is twice as much: a continuation that leaves
/// an example has neighbours too.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Layout {
    /// Side of the texture, px.
    pub size: u32,
    /// Pixels from a row to the next.
    pub stride: u32,
    /// Pixels from an example's first to the next example's first.
    pub step: u32,
    /// Width and height of each example, px.
    pub sides: Vec<(u32, u32)>,
}

impl Layout {
    /// The layout for a texture of `size` px from `examples`.
    ///
    /// # Errors
    ///
    /// [`Error::ExamplesTooLarge`] where addresses would not fit.
    pub fn new(size: u32, examples: &[RgbView<'_>]) -> Result<Self, Error> {
        let sides: Vec<_> = examples.iter().map(|e| (e.width(), e.height())).collect();
        let width = sides.iter().map(|s| s.0).max().ok_or(Error::NoExamples)?;
        let height = sides.iter().map(|s| s.1).max().ok_or(Error::NoExamples)?;
        let pixels = (u64::from(height) + u64::from(size) + 1)
            .checked_mul(sides.len() as u64 + 4)
            .and_then(|rows| rows.checked_mul(u64::from(width) + u64::from(size) + 64))
            .filter(|pixels| *pixels <= MAX_ATLAS);
        if pixels.is_none() {
            return Err(Error::ExamplesTooLarge);
        }
        let stride = Self::stride(size, width);
        Ok(Self {
            size,
            stride,
            step: (height + size) * stride + STEP_SKEW,
            sides,
        })
    }

    fn stride(size: u32, width: u32) -> u32 {
        // An odd number of cache lines spreads the rows over all cache sets.
        let lines = (size + width.max(COMMON_WIDTH)).div_ceil(16);
        (lines | 1) * 16
    }

    /// Pixels in front of the first example's first.
    pub fn origin(&self) -> usize {
        2 * (self.size as usize + 1) * self.stride as usize
    }

    /// Pixels of the whole atlas.
    pub fn atlas_len(&self) -> usize {
        self.origin()
            + self.step as usize * self.sides.len()
            + 2 * (self.size as usize + 1) * self.stride as usize
    }

    /// Cells in front of the texture's first, for loads of a window around it.
    pub fn cells_origin(&self) -> usize {
        2 * self.stride as usize
    }

    /// Cells of the texture, with room for windows around its first and last.
    pub fn cells_len(&self) -> usize {
        (self.size as usize + 4) * self.stride as usize
    }

    /// Address, from the first example's first pixel, of a pixel of an example.
    pub fn address(&self, example: u32, x: u32, y: u32) -> i32 {
        debug_assert!(x < self.sides[example as usize].0 && y < self.sides[example as usize].1);
        // MAX_ATLAS keeps it below 2^28.
        (example * self.step + y * self.stride + x).cast_signed()
    }

    /// The example, x and y that [`Layout::address`] gives this address for.
    pub fn locate(&self, address: i32) -> (u32, u32, u32) {
        let address = address.cast_unsigned();
        let within = address % self.step;
        (
            address / self.step,
            within % self.stride,
            within / self.stride,
        )
    }
}

/// Pixels by which examples are shifted against each other in the cache.
const STEP_SKEW: u32 = 16;
