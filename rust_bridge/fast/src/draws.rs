use crate::layout::Layout;
use crate::math::scatter;

/// Random numbers for each step: at least [`MAX_RANDOM`](crate::parameters::MAX_RANDOM).
const LANES: u32 = 64;

/// Sides up to this are drawn from 16 bits each of one hash, of which the lowest
/// also chooses the example.
const NARROW: u32 = 1024;

/// Random candidates, as a hash of step, lane and seed: they depend neither on
/// the order in which they are asked for nor on the instruction set.
#[derive(Debug, Clone)]
pub struct Draws {
    seed: u32,
    layout: Layout,
    narrow: bool,
}

impl Draws {
    /// The draws of one texture.
    pub fn new(layout: &Layout, seed: u32) -> Self {
        let sides = &layout.sides;
        Self {
            seed,
            layout: layout.clone(),
            narrow: is_narrow(sides),
        }
    }

    /// Address of the candidate of one lane of one step, uniform over the
    /// examples, then over the pixels of the example.
    #[inline]
    pub fn address(&self, step: u32, lane: u32) -> i32 {
        let hash = scatter(step.wrapping_mul(LANES).wrapping_add(lane) ^ self.seed);
        if self.narrow {
            let example = if self.layout.sides.len() == 2 {
                hash & 1
            } else {
                0
            };
            let (width, height) = self.layout.sides[example as usize];
            let x = ((hash & 0xffff) * width) >> 16;
            let y = ((hash >> 16) * height) >> 16;
            return self.layout.address(example, x, y);
        }
        let examples = u32::try_from(self.layout.sides.len()).unwrap_or(u32::MAX);
        let (second, third) = (scatter(hash ^ 0x9e37_79b9), scatter(hash ^ 0x3c6e_f372));
        let example = below(hash, examples);
        let (width, height) = self.layout.sides[example as usize];
        self.layout
            .address(example, below(second, width), below(third, height))
    }

    /// Pixels from a row to the next.
    #[cfg(target_arch = "x86_64")]
    pub fn stride(&self) -> i32 {
        self.layout.stride.cast_signed()
    }

    /// What a vector kernel computes addresses from, where it can: the seed and
    /// the first and last example's sides.
    #[cfg(target_arch = "x86_64")]
    pub fn vector(&self) -> Option<VectorDraws> {
        let sides = &self.layout.sides;
        self.narrow.then(|| VectorDraws {
            seed: self.seed,
            first: sides[0],
            last: sides[sides.len() - 1],
            mask: u32::from(sides.len() == 2),
            stride: self.layout.stride,
            step: self.layout.step,
        })
    }
}

/// Whether one hash draws a candidate from examples of these sides; else three do.
pub fn is_narrow(sides: &[(u32, u32)]) -> bool {
    sides.len() <= 2 && sides.iter().all(|(w, h)| *w.max(h) <= NARROW)
}

/// See [`Draws::vector`].
#[cfg(target_arch = "x86_64")]
#[derive(Debug, Clone, Copy)]
pub struct VectorDraws {
    pub seed: u32,
    pub first: (u32, u32),
    pub last: (u32, u32),
    /// Bits of the hash that choose the example: 1 with two, 0 with one.
    pub mask: u32,
    pub stride: u32,
    pub step: u32,
}

/// Uniform in `0..bound` from 32 random bits.
fn below(bits: u32, bound: u32) -> u32 {
    let wide = u64::from(bits) * u64::from(bound);
    #[allow(clippy::cast_possible_truncation)] // The high half fits.
    let high = (wide >> 32) as u32;
    high
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::RgbView;

    #[test]
    fn every_pixel_of_every_example_is_drawn_about_as_often() {
        for sides in [
            vec![(3, 5)],
            vec![(3, 5), (4, 2)],
            vec![(2, 2), (5, 1), (1, 3)],
        ] {
            let pixels = [0; 45];
            let views: Vec<_> = sides
                .iter()
                .map(|&(w, h)| RgbView::new(w, h, &pixels[..(w * h * 3) as usize]).unwrap())
                .collect();
            let layout = Layout::new(16, &views).unwrap();
            let draws = Draws::new(&layout, 99);
            let mut counts = std::collections::HashMap::new();
            for step in 0..4000 {
                for lane in 0..50 {
                    let place = layout.locate(draws.address(step, lane));
                    *counts.entry(place).or_insert(0_u32) += 1;
                }
            }
            for (index, (w, h)) in (0..).zip(&sides) {
                let expected = 200_000.0 / sides.len() as f64 / f64::from(w * h);
                for (x, y) in (0..*w).flat_map(|x| (0..*h).map(move |y| (x, y))) {
                    let count = f64::from(counts[&(index, x, y)]);
                    assert!((count / expected - 1.0).abs() < 0.05, "{count} {expected}");
                }
            }
            assert_eq!(
                counts.len(),
                sides.iter().map(|(w, h)| (w * h) as usize).sum()
            );
        }
    }
}
