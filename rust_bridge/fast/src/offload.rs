//! What a kernel outside this crate needs: the examples and the steps as plain
//! data, and the way from the sources that it finds back to a texture.
//!
//! Such a kernel resolves the steps of [`each_step`] by the rule of
//! `kernel/scalar.rs`, on the levels of a [`Prepared`], with the candidates of
//! [`Prepared::draw_seed`]; then its textures have the bytes of this crate's.

use crate::draws::is_narrow;
use crate::identity::Identity;
use crate::layout::Layout;
use crate::parameters;
use crate::pyramid::{Pyramid, LEVELS};
use crate::schedule::{stages, Step, Steps};
use crate::symmetry::Symmetry;
use crate::{Error, RgbImage, RgbView, Source, MAX_SIZE};

/// Most neighbours of a step.
pub const MAX_NEIGHBOURS: usize = parameters::MAX_NEIGHBOURS;

/// Stages of a texture, whose pixels are resolved in the order of its steps, and the level of the
/// pyramid that the colours of one come from.
pub use crate::schedule::{level_of, STAGES};

/// A resolved pixel that a step looks at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Neighbour {
    /// Columns from the step's pixel, px.
    pub dx: i32,
    /// Rows from the step's pixel, px.
    pub dy: i32,
    /// Weight, 0 to 255.
    pub weight: u8,
}

/// The resolution of one pixel, apart from colours.
#[derive(Debug)]
pub struct StepView<'a> {
    /// Its number, which the random candidates are drawn with.
    pub number: u32,
    /// Stage that it belongs to.
    pub stage: usize,
    /// Column of the pixel.
    pub x: u32,
    /// Row of the pixel.
    pub y: u32,
    /// At most [`MAX_NEIGHBOURS`], the nearest first.
    pub neighbours: &'a [Neighbour],
}

/// Calls `visit` with every step of a texture of `size` px, in order.
///
/// `neighbours` is [`Parameters::neighbours`](crate::Parameters) and
/// `schedule_seed` that of a [`Prepared`].
pub fn each_step(
    size: u32,
    neighbours: u32,
    schedule_seed: u64,
    mut visit: impl FnMut(&StepView<'_>),
) {
    let mut steps = Steps::new(size, size, neighbours as usize, schedule_seed);
    let mut step = Step::default();
    let mut around = Vec::with_capacity(MAX_NEIGHBOURS);
    let mut number = 0;
    for (index, stage) in stages(size as usize * size as usize).iter().enumerate() {
        for _ in 0..stage.len {
            if !steps.next_into(&mut step) {
                return;
            }
            around.clear();
            around.extend(
                step.around()
                    .map(|(dx, dy, weight)| Neighbour { dx, dy, weight }),
            );
            let place = step.place.cast_unsigned();
            visit(&StepView {
                number,
                stage: index,
                x: place % size,
                y: place / size,
                neighbours: &around,
            });
            number += 1;
        }
    }
}

/// Prepares examples; it keeps the weights of their resizes from call to call.
#[derive(Debug, Default)]
pub struct Preparer {
    pyramid: Pyramid,
}

/// A texture that is to be made.
#[derive(Debug, Clone)]
pub struct Prepared {
    /// Side of the texture, px.
    pub size: u32,
    /// Seed of its steps, one of few.
    pub schedule_seed: u64,
    /// Seed of its random candidates.
    pub draw_seed: u32,
    /// Whether one hash draws a candidate, as in `draws.rs`; else three do.
    pub narrow: bool,
    /// The examples of each level, 0 the coarsest, turned as the texture is; the
    /// sides are the same on all levels.
    pub levels: [Vec<RgbImage>; LEVELS],
    symmetry: Symmetry,
}

impl Preparer {
    /// Prepares a texture of `size` x `size` px.
    ///
    /// # Errors
    ///
    /// As [`Synthesizer::synthesize`](crate::Synthesizer::synthesize).
    pub fn prepare(
        &mut self,
        examples: &[RgbView<'_>],
        size: u32,
        seed: u64,
    ) -> Result<Prepared, Error> {
        if !(1..=MAX_SIZE).contains(&size) {
            return Err(Error::Size(size));
        }
        let identity = Identity::new(seed);
        let turned: Vec<_> = examples
            .iter()
            .map(|example| identity.symmetry.turn(*example))
            .collect();
        let views: Vec<_> = turned.iter().map(RgbImage::view).collect();
        let layout = Layout::new(size, &views)?;
        let levels = std::array::from_fn(|level| {
            let images = views.iter();
            images
                .map(|view| self.pyramid.level(*view, level))
                .collect()
        });
        Ok(Prepared {
            size,
            schedule_seed: identity.schedule_seed,
            draw_seed: identity.draw_seed,
            narrow: is_narrow(&layout.sides),
            levels,
            symmetry: identity.symmetry,
        })
    }
}

impl Prepared {
    /// The texture whose pixel (x, y), before it is turned back, is a copy of
    /// the turned example's pixel `source(y * size + x)`; `None` where one of
    /// them lies outside its example.
    pub fn texture(&self, source: impl Fn(usize) -> Source) -> Option<RgbImage> {
        let examples = &self.levels[LEVELS - 1];
        let back = self.symmetry.inverse();
        let mut pixels = Vec::with_capacity(self.size as usize * self.size as usize * 3);
        for y in 0..self.size {
            for x in 0..self.size {
                let (x, y) = back.origin(x, y, self.size, self.size);
                let from = source(y as usize * self.size as usize + x as usize);
                let example = examples.get(from.example as usize)?;
                if from.x >= example.width || from.y >= example.height {
                    return None;
                }
                let at = (from.y as usize * example.width as usize + from.x as usize) * 3;
                pixels.extend_from_slice(&example.pixels[at..at + 3]);
            }
        }
        Some(RgbImage {
            width: self.size,
            height: self.size,
            pixels,
        })
    }
}
