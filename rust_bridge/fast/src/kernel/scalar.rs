use super::{Canvas, Cell};
use crate::metric::pixel_cost;
use crate::parameters::MAX_NEIGHBOURS;
use crate::schedule::Step;

/// Resolves one pixel: of all candidates the one whose neighbourhood is most
/// like the pixel's. Of equals the first wins.
pub fn resolve(canvas: &mut Canvas<'_>, step: &Step, number: u32) {
    let mut search = Search::new(canvas, step);
    search.coherent(canvas);
    // A random candidate wins only with less.
    if search.best_cost > 0 {
        search.random(canvas, number);
    }
    let (best, atlas) = (search.best, canvas.atlas);
    let cell = Cell {
        colour: atlas.at(best),
        shift: best - step.place,
    };
    canvas.cells.set(step.place, cell);
}

struct Search<'a> {
    step: &'a Step,
    /// The neighbours' cells.
    pattern: [Cell; MAX_NEIGHBOURS],
    best: i32,
    best_cost: u32,
}

impl<'a> Search<'a> {
    fn new(canvas: &Canvas<'_>, step: &'a Step) -> Self {
        let mut pattern = [Cell::default(); MAX_NEIGHBOURS];
        for (cell, offset) in pattern.iter_mut().zip(step.offsets()) {
            *cell = canvas.cells.at(step.place + offset);
        }
        Self {
            step,
            pattern,
            best: 0,
            best_cost: u32::MAX,
        }
    }

    /// Continues each neighbour's source to this pixel (Ashikhmin 2001). Equal
    /// shifts give the same candidate, which is looked at once.
    fn coherent(&mut self, canvas: &Canvas<'_>) {
        let count = self.step.offsets().len();
        for neighbour in 0..count {
            let shift = self.pattern[neighbour].shift;
            let seen = self.pattern[..neighbour].iter().any(|c| c.shift == shift);
            let candidate = self.step.place + shift;
            if !seen && is_source(canvas.atlas.at(candidate)) {
                self.compare(canvas, candidate, 1);
            }
        }
    }

    fn random(&mut self, canvas: &Canvas<'_>, number: u32) {
        let sign = if canvas.parameters.mirrored { -1 } else { 1 };
        for lane in 0..canvas.parameters.random_candidates {
            self.compare(canvas, canvas.draws.address(number, lane), sign);
        }
    }

    /// Takes the candidate where it is better than the best so far.
    fn compare(&mut self, canvas: &Canvas<'_>, candidate: i32, sign: i32) {
        let mut cost = 0;
        let neighbours = self.step.offsets().iter().zip(self.step.weights());
        for ((offset, weight), cell) in neighbours.zip(&self.pattern) {
            let pixel = canvas.atlas.at(candidate + sign * offset);
            cost += pixel_cost(pixel, cell.colour) * u32::from(*weight);
            if cost >= self.best_cost {
                return;
            }
        }
        // Without neighbours all candidates cost nothing.
        if cost < self.best_cost {
            self.best = candidate;
            self.best_cost = cost;
        }
    }
}

/// Whether a pixel of the atlas is an example's and not of the black around.
#[inline(always)]
pub fn is_source(pixel: u32) -> bool {
    pixel >> 24 != 0
}
