use texgen_fast::offload::Preparer;
use texgen_fast::{Kernel, RgbImage, RgbView, Synthesizer};

use crate::{Error, Gpu};

/// Textures of the test: how many, their side in px. The last has as many steps as show whether a
/// device ends long loops: Mesa's software GPU does, without a word, beyond 65,535 iterations.
const TEXTURES: [(u64, u32); 2] = [(8, 40), (1, 96)];

impl Gpu {
    /// Makes a few textures and compares them with those of the CPU.
    ///
    /// # Errors
    ///
    /// [`Error::SelfTest`] where one of them differs, or what the device says.
    pub fn self_test(&self) -> Result<(), Error> {
        let images: Vec<RgbImage> = [(33, 20, 256), (24, 31, 5), (5, 3, 256)]
            .into_iter()
            .map(|(width, height, shades)| picture(width, height, shades))
            .collect();
        let mut views = Vec::with_capacity(images.len());
        for image in &images {
            views.push(RgbView::new(image.width, image.height, &image.pixels)?);
        }
        let mut cpu = Synthesizer::with(self.parameters(), Kernel::detect())?;
        let mut preparer = Preparer::default();
        for (count, size) in TEXTURES {
            let (mut wanted, mut expected) = (Vec::new(), Vec::new());
            for seed in 0..count {
                let few = if seed % 2 == 0 {
                    &views[..2]
                } else {
                    &views[..]
                };
                wanted.push(preparer.prepare(few, size, seed)?);
                expected.push(cpu.synthesize(few, size, seed)?);
            }
            let made = self.synthesize(&wanted.iter().collect::<Vec<_>>())?;
            let differing = made.iter().zip(&expected).filter(|(a, b)| a != b).count();
            if differing > 0 {
                let text = format!("{differing} of {count} textures of {size} px differ");
                return Err(Error::SelfTest(text));
            }
        }
        Ok(())
    }
}

/// Stripes with noise, of a number of shades.
fn picture(width: u32, height: u32, shades: u32) -> RgbImage {
    let mut state = width * 31 + height;
    let mut pixels = Vec::new();
    for y in 0..height {
        for x in 0..width {
            for channel in 0..3 {
                state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                let value = (x * 9 + y * 4 * channel + (state >> 27)) % 256;
                let value = value * shades / 256 * 255 / (shades - 1).max(1);
                pixels.push(u8::try_from(value.min(255)).unwrap_or(255));
            }
        }
    }
    RgbImage {
        width,
        height,
        pixels,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::print_stderr)]

    use super::*;
    use crate::device::KERNEL;
    use crate::Adapter;

    /// A kernel with a slip makes textures that look right. Each of these is found.
    #[test]
    fn a_slip_in_the_kernel_is_found_by_the_self_test() {
        let Some(adapter) = Adapter::all().into_iter().next() else {
            eprintln!("skipped: no Vulkan device, not even a software one");
            return;
        };
        let mut missed = Vec::new();
        for (right, wrong) in [
            ("19661u", "19361u"),
            ("cost > limit", "cost + 9u > limit"),
            ("order = NEIGHBOURS + index", "order = NEIGHBOURS - index"),
            ("source != NONE;", "source != NONE && index % 7u != 6u;"),
            (
                "index < pass_.random_candidates",
                "index + 1u < pass_.random_candidates",
            ),
            ("x *= 0x846ca68bu", "x *= 0x846ca68du"),
            ("sign * (i32((word >> 11u)", "(i32((word >> 11u)"),
            ("column < example.width && ", ""),
            ("hash & 1u", "(hash >> 1u) & 1u"),
            ("first += TEAMS", "first += TEAMS + 1u"),
            ("pass_.level * texture.level_len", "0u * texture.level_len"),
        ] {
            assert_eq!(KERNEL.matches(right).count(), 1, "{right}");
            let kernel = KERNEL.replace(right, wrong);
            let gpu = Gpu::open_with(&adapter, texgen_fast::Parameters::default(), &kernel);
            let found = gpu.unwrap().self_test();
            if !matches!(found, Err(Error::SelfTest(_))) {
                missed.push((wrong, found));
            }
        }
        assert!(missed.is_empty(), "{missed:?}");
    }
}
