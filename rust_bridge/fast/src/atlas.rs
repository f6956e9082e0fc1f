use crate::layout::Layout;
use crate::RgbImage;

/// The alpha of an example's pixel; that of the black around it is 0.
pub const OPAQUE: u32 = 0xff00_0000;

/// All examples on one level, as 32-bit RGBA pixels with black between them.
#[derive(Debug, Default)]
pub struct Atlas {
    pixels: Vec<u32>,
    origin: usize,
    layout: Option<Layout>,
}

impl Atlas {
    /// Makes room for `layout`; everything around the examples is black.
    pub fn reset(&mut self, layout: &Layout) {
        if self.layout.as_ref() != Some(layout) {
            self.pixels.clear();
            self.pixels.resize(layout.atlas_len(), 0);
            self.origin = layout.origin();
            self.layout = Some(layout.clone());
        }
    }

    /// Puts the examples of one level in, which have the sides that `layout` has.
    pub fn load(&mut self, layout: &Layout, images: &[RgbImage]) {
        let stride = layout.stride as usize;
        for (index, image) in images.iter().enumerate() {
            let width = image.width as usize;
            let first = self.origin + index * layout.step as usize;
            let rows = self.pixels[first..].chunks_mut(stride);
            for (row, rgb) in rows.zip(image.pixels.chunks_exact(width * 3)) {
                for (pixel, rgb) in row.iter_mut().zip(rgb.chunks_exact(3)) {
                    *pixel = OPAQUE | u32::from_le_bytes([rgb[0], rgb[1], rgb[2], 0]);
                }
            }
        }
    }

    /// The pixel at an address of [`Layout::address`], or in the black around.
    #[inline(always)]
    pub fn at(&self, address: i32) -> u32 {
        // An address outside the atlas wraps to an index that is out of bounds.
        self.pixels[self.origin.wrapping_add_signed(address as isize)]
    }

    /// Where address 0 lies; addresses from `-origin` to `end` may be read.
    pub fn as_ptr(&self) -> *const u32 {
        self.pixels[self.origin..].as_ptr()
    }
}
