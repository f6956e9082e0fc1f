//! Blurred copies of an example, from coarse to fine.
//!
//! A level is the example, made smaller by a power of two and enlarged again,
//! both with a Gaussian of support 3; passes are vertical, then horizontal, and
//! each truncates to 8 bits. So does the `image` crate 0.23, which upstream
//! uses; levels differ by at most 1, on few pixels, where its libm's `exp` rounds
//! another way.

use std::collections::HashMap;
use std::sync::Arc;

use crate::math::exp_neg;
use crate::{RgbImage, RgbView};

/// Number of levels; the last is the example itself.
pub const LEVELS: usize = 5;

/// Support of the Gaussian, in px of the smaller image.
const SUPPORT: f32 = 3.0;

/// Most weights that are kept; examples come in few sizes.
const MAX_KEPT: usize = 64;

/// Makes levels, and keeps the weights of the resizes from one to the next.
#[derive(Debug, Default)]
pub struct Pyramid {
    taps: HashMap<(u32, u32), Arc<Taps>>,
}

impl Pyramid {
    /// Level `level` of `LEVELS`, 0 the coarsest, with the example's sides.
    pub fn level(&mut self, example: RgbView<'_>, level: usize) -> RgbImage {
        let (width, height) = (example.width(), example.height());
        let halvings = LEVELS - 1 - level;
        if halvings == 0 {
            return example.to_image();
        }
        // Upstream's sides become 0 below 16 px, and it panics; one pixel is the
        // same idea carried on.
        let (low_w, low_h) = ((width >> halvings).max(1), (height >> halvings).max(1));
        let low = self.resize(example, low_w, low_h);
        self.resize(low.view(), width, height)
    }

    fn resize(&mut self, from: RgbView<'_>, width: u32, height: u32) -> RgbImage {
        let tall = vertical(from, &self.taps(from.height(), height));
        horizontal(tall.view(), &self.taps(from.width(), width))
    }

    fn taps(&mut self, from: u32, to: u32) -> Arc<Taps> {
        if self.taps.len() > MAX_KEPT {
            self.taps.clear();
        }
        let taps = self.taps.entry((from, to));
        Arc::clone(taps.or_insert_with(|| Arc::new(Taps::new(from, to))))
    }
}

/// The weights of one resize along one axis.
#[derive(Debug)]
struct Taps {
    /// For each output pixel its first input pixel and its weights' sum.
    starts: Vec<(usize, f32)>,
    /// For each output pixel one past its last weight in `weights`.
    ends: Vec<usize>,
    weights: Vec<f32>,
}

impl Taps {
    #[allow(clippy::cast_precision_loss, clippy::cast_possible_truncation)] // Sides are far below 2^24.
    fn new(from: u32, to: u32) -> Self {
        let ratio = from as f32 / to as f32;
        let scale = ratio.max(1.0);
        let reach = SUPPORT * scale;
        let mut taps = Self {
            starts: Vec::with_capacity(to as usize),
            ends: Vec::with_capacity(to as usize),
            weights: Vec::new(),
        };
        for output in 0..to {
            let center = (output as f32 + 0.5) * ratio;
            let last = i64::from(from) - 1;
            let left = ((center - reach).floor() as i64).clamp(0, last);
            let right = ((center + reach).ceil() as i64).clamp(left + 1, i64::from(from));
            let mut sum = 0.0_f32;
            for input in left..right {
                let weight = gaussian((input as f32 - (center - 0.5)) / scale);
                sum += weight;
                taps.weights.push(weight);
            }
            taps.starts.push((usize::try_from(left).unwrap_or(0), sum));
            taps.ends.push(taps.weights.len());
        }
        taps
    }

    /// For each output pixel: first input pixel, weights, their sum.
    fn iter(&self) -> impl Iterator<Item = (usize, &[f32], f32)> {
        let mut begin = 0;
        self.starts
            .iter()
            .zip(&self.ends)
            .map(move |(&(start, sum), &end)| {
                let weights = &self.weights[begin..end];
                begin = end;
                (start, weights, sum)
            })
    }
}

/// A Gaussian with a standard deviation of half a pixel.
fn gaussian(x: f32) -> f32 {
    let factor = ((2.0 * std::f32::consts::PI).sqrt() * 0.5).recip();
    #[allow(clippy::cast_possible_truncation)] // To the precision that upstream has.
    let exp = exp_neg(f64::from(x * x / 0.5)) as f32;
    factor * exp
}

fn vertical(from: RgbView<'_>, taps: &Taps) -> RgbImage {
    let row = from.width() as usize * 3;
    let mut pixels = Vec::with_capacity(taps.starts.len() * row);
    let mut sums = vec![0.0_f32; row];
    for (start, weights, total) in taps.iter() {
        sums.fill(0.0);
        let rows = from.pixels()[start * row..].chunks_exact(row);
        for (weight, values) in weights.iter().zip(rows) {
            for (sum, value) in sums.iter_mut().zip(values) {
                *sum += f32::from(*value) * weight;
            }
        }
        pixels.extend(sums.iter().map(|sum| truncate(sum / total)));
    }
    RgbImage {
        width: from.width(),
        height: u32::try_from(taps.starts.len()).unwrap_or(0),
        pixels,
    }
}

fn horizontal(from: RgbView<'_>, taps: &Taps) -> RgbImage {
    let row = from.width() as usize * 3;
    let mut pixels = Vec::with_capacity(taps.starts.len() * from.height() as usize * 3);
    // Four numbers a pixel fill a vector register.
    let mut line = vec![[0.0_f32; 4]; from.width() as usize];
    for bytes in from.pixels().chunks_exact(row) {
        for (pixel, rgb) in line.iter_mut().zip(bytes.chunks_exact(3)) {
            *pixel = [rgb[0], rgb[1], rgb[2], 0].map(f32::from);
        }
        for (start, weights, total) in taps.iter() {
            let mut sums = [0.0_f32; 4];
            for (weight, pixel) in weights.iter().zip(&line[start..]) {
                for (sum, value) in sums.iter_mut().zip(pixel) {
                    *sum += value * weight;
                }
            }
            let [red, green, blue, _] = sums.map(|sum| truncate(sum / total));
            pixels.extend_from_slice(&[red, green, blue]);
        }
    }
    RgbImage {
        width: u32::try_from(taps.starts.len()).unwrap_or(0),
        height: from.height(),
        pixels,
    }
}

#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // Clamped before.
fn truncate(value: f32) -> u8 {
    value.clamp(0.0, 255.0) as u8
}

#[cfg(test)]
mod tests {
    use image::imageops::{resize as reference, FilterType};
    use proptest::prelude::*;

    use super::*;

    fn upstream(from: RgbView<'_>, halvings: u32) -> Vec<u8> {
        let (width, height) = (from.width(), from.height());
        let rgb = image::RgbImage::from_raw(width, height, from.pixels().to_vec()).unwrap();
        let (low_w, low_h) = (width >> halvings, height >> halvings);
        let low = reference(&rgb, low_w, low_h, FilterType::Gaussian);
        reference(&low, width, height, FilterType::Gaussian).into_raw()
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(24))]
        #[test]
        fn levels_are_those_of_upstreams_resize(
            width in 16_u32..100, height in 16_u32..100, seed: u64
        ) {
            let mut random = crate::math::Random::new(seed);
            let pixels: Vec<u8> = (0..width * height * 3)
                .map(|_| (random.next() >> 56) as u8)
                .collect();
            let view = RgbView::new(width, height, &pixels).unwrap();
            for halvings in 1..=4 {
                let ours = Pyramid::default().level(view, LEVELS - 1 - halvings as usize);
                let theirs = upstream(view, halvings);
                let off: Vec<u8> = ours.pixels.iter().zip(&theirs)
                    .map(|(a, b)| a.abs_diff(*b)).filter(|off| *off > 0).collect();
                prop_assert!(off.iter().all(|off| *off == 1));
                prop_assert!(off.len() * 50 <= theirs.len(), "{} of {}", off.len(), theirs.len());
            }
        }
    }

    #[test]
    fn the_last_level_is_the_example_and_one_pixel_has_levels() {
        let view = RgbView::new(1, 1, &[9, 8, 7]).unwrap();
        for depth in 0..LEVELS {
            assert_eq!(Pyramid::default().level(view, depth).pixels, [9, 8, 7]);
        }
    }
}
