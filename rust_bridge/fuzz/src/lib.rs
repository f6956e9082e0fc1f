//! Pictures out of a fuzzer's bytes.

use arbitrary::{Result, Unstructured};
use texgen_engine::RgbImage;

/// Width and height of 1 to `most` px. Seldom one of them is up to `longest`,
/// and then the other as short as `most` * `most` pixels in all ask for.
///
/// # Errors
///
/// None that a longer input would mend.
pub fn sides(u: &mut Unstructured<'_>, most: u32, longest: u32) -> Result<(u32, u32)> {
    let (short, long) = (1..=most, 1..=longest);
    match u.int_in_range(0..=15_u8)? {
        0 => {
            let width = u.int_in_range(long)?;
            let limit = (most * most / width).clamp(1, most);
            Ok((width, u.int_in_range(1..=limit)?))
        }
        1 => {
            let height = u.int_in_range(long)?;
            let limit = (most * most / height).clamp(1, most);
            Ok((u.int_in_range(1..=limit)?, height))
        }
        _ => Ok((u.int_in_range(short.clone())?, u.int_in_range(short)?)),
    }
}

/// A picture for an encoder, out of a whole input.
///
/// # Errors
///
/// None that a longer input would mend.
pub fn picture(mut u: Unstructured<'_>) -> Result<RgbImage> {
    let sides = sides(&mut u, 100, 4000)?;
    Ok(Ink::rest(u)?.picture(sides))
}

/// Where the pixels of pictures come from.
///
/// Few bytes must fill many pixels: they are repeated, which makes copies and
/// ties, and noise is added in the bits of a mask that is in the input too.
pub struct Ink<'a> {
    bytes: &'a [u8],
    mask: u8,
    next: u32,
}

impl<'a> Ink<'a> {
    /// All that is left of the input.
    ///
    /// # Errors
    ///
    /// None that a longer input would mend.
    pub fn rest(mut u: Unstructured<'a>) -> Result<Self> {
        let mask = u.arbitrary()?;
        let bytes = match u.take_rest() {
            [] => &[0],
            rest => rest,
        };
        Ok(Self {
            bytes,
            mask,
            next: 0,
        })
    }

    /// A picture, of other pixels than those before.
    pub fn picture(&mut self, (width, height): (u32, u32)) -> RgbImage {
        let pixels = (0..width * height * 3).map(|_| self.byte()).collect();
        RgbImage {
            width,
            height,
            pixels,
        }
    }

    fn byte(&mut self) -> u8 {
        let byte = self.bytes[self.next as usize % self.bytes.len()];
        let [.., noise] = (self.next.wrapping_mul(0x9e37_79b1).rotate_left(15))
            .wrapping_mul(0x85eb_ca6b)
            .to_le_bytes();
        self.next = self.next.wrapping_add(1);
        byte ^ noise & self.mask
    }
}
