use crate::{Description, Engine, EngineError, RgbImage, RgbView};

/// Side of the squares that the stub copies.
const BLOCK: u32 = 32;

/// Copies squares from the examples, in far below a millisecond: stands in
/// for an engine where a test or a benchmark is about everything else.
#[derive(Debug, Default)]
pub struct Stub;

impl Engine for Stub {
    fn description(&self) -> Description {
        Description {
            name: "stub",
            version: "1".to_owned(),
            parameters: Vec::new(),
        }
    }

    fn synthesize(
        &mut self,
        examples: &[RgbView<'_>],
        size: u32,
        seed: u64,
    ) -> Result<RgbImage, EngineError> {
        if examples.is_empty() || !(1..=4096).contains(&size) {
            return Err(EngineError::Rejected(
                "needs an example and a side of 1 to 4096 px".to_owned(),
            ));
        }
        let side = size as usize;
        let mut pixels = vec![0; side * side * 3];
        for (y, row) in (0_u32..).zip(pixels.chunks_exact_mut(side * 3)) {
            for (block, out) in (0_u32..).zip(row.chunks_mut(BLOCK as usize * 3)) {
                let draw = mix(seed ^ u64::from(y / BLOCK) << 32 ^ u64::from(block));
                let example = examples[pick(draw, examples.len())];
                copy_run(example, draw >> 8, y % BLOCK, out);
            }
        }
        Ok(RgbImage {
            width: size,
            height: size,
            pixels,
        })
    }
}

/// Fills `out` with a run of one example's pixels, wrapped at its sides.
fn copy_run(example: RgbView<'_>, draw: u64, dy: u32, out: &mut [u8]) {
    let (width, height) = (example.width() as usize, example.height() as usize);
    let top = pick(draw, height);
    let left = pick(draw >> 16, width);
    let line = &example.pixels()[(top + dy as usize) % height * width * 3..][..width * 3];
    for (x, pixel) in out.chunks_exact_mut(3).enumerate() {
        pixel.copy_from_slice(&line[(left + x) % width * 3..][..3]);
    }
}

fn pick(draw: u64, bound: usize) -> usize {
    ((draw & 0xffff) as usize * bound) >> 16
}

/// The finaliser of SplitMix64 (Steele, Lea and Flood 2014).
fn mix(mut z: u64) -> u64 {
    z = z.wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn pixels_are_copies_and_depend_on_the_seed_alone(
            width in 1_u32..40, height in 1_u32..40, size in 1_u32..80, seed: u64
        ) {
            let bytes: Vec<u8> = (0..width * height)
                .flat_map(|i| [(i % 251) as u8, (i / 251) as u8, 7])
                .collect();
            let example = RgbView::new(width, height, &bytes).unwrap();
            let texture = Stub.synthesize(&[example], size, seed).unwrap();
            prop_assert_eq!(texture.pixels.len(), (size * size * 3) as usize);
            let copied = texture.pixels.chunks(3).all(|p| {
                u32::from(p[0]) + u32::from(p[1]) * 251 < width * height && p[2] == 7
            });
            prop_assert!(copied);
            prop_assert_eq!(texture, Stub.synthesize(&[example], size, seed).unwrap());
        }
    }
}
