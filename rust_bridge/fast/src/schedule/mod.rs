//! What a synthesis does, apart from its picture: the order in which pixels are
//! resolved, each one's nearest resolved neighbours, and their weights.
//!
//! It depends on the side of the texture and a seed alone, so that it is built
//! once and used for many pictures.

mod nearest;
mod steps;

use crate::parameters::MAX_NEIGHBOURS;
use crate::pyramid::LEVELS;
pub use steps::{Step, Steps};

/// Stages: each resolves a longer prefix of the same order.
pub const STAGES: usize = 6;

/// Room for neighbours in an entry: a whole number of vectors.
pub const SLOTS: usize = 56;

/// Rows of the window that [`Entry::rows`] holds: one above to one below.
pub const ROWS: usize = 3;

/// Columns of that window: from [`LEFT`] px to the left of the pixel on.
pub const COLUMNS: usize = 8;

/// See [`COLUMNS`].
pub const LEFT: i32 = 4;

/// Pixels side by side of the window that are compared first.
pub const SPOT: usize = 4;

/// Squared distance of the window's farthest pixel, px^2.
const WINDOW2: i32 = LEFT * LEFT + 1;

/// A [`Step`] in the form that vector kernels read: four cache lines.
#[derive(Debug, Clone)]
#[repr(C, align(64))]
pub struct Entry {
    /// From the pixel to each neighbour, as a difference of addresses; the
    /// nearest neighbour first, 0 from `count` on.
    pub offsets: [i16; SLOTS],
    /// Weights, 0 to 255; 0 from `count` on.
    pub weights: [u8; SLOTS],
    /// Half the weight of each pixel of the window around this one, row by
    /// row, rounded down; 0 where it is no neighbour.
    pub rows: [[u8; COLUMNS]; ROWS],
    /// Address of the pixel among the cells.
    pub place: i32,
    /// Sums of the weights of the nearest 16, 32 and all neighbours.
    pub sums: [u16; 3],
    /// Sum of `rows`.
    pub row_sum: u16,
    /// Index in `rows` of the first of those [`SPOT`] pixels side by side that
    /// weigh most.
    pub spot: u8,
    /// Sum of their weights in `rows`.
    pub spot_sum: u16,
    /// Neighbours.
    pub count: u8,
    /// Neighbours in the window.
    pub in_rows: u8,
}

/// A pass over a prefix of the order.
#[derive(Debug, Clone, Copy)]
pub struct Stage {
    /// Pixels in it.
    pub len: usize,
    /// Pixels that were resolved by the stages before it.
    pub resolved: usize,
    /// Level of the pyramid that colours come from.
    pub level: usize,
}

/// The level of the pyramid that the colours of a stage come from.
#[must_use]
pub fn level_of(stage: usize) -> usize {
    stage.min(LEVELS - 1)
}

/// The stages for a texture of `pixels` pixels.
pub fn stages(pixels: usize) -> [Stage; STAGES] {
    let mut resolved = 0;
    std::array::from_fn(|index| {
        let stage = Stage {
            len: (pixels >> (STAGES - 1 - index)).max(1),
            resolved,
            level: level_of(index),
        };
        resolved = stage.len;
        stage
    })
}

/// A schedule whose steps are kept, for use over many pictures.
#[derive(Debug)]
pub struct Schedule {
    /// All steps.
    pub entries: Vec<Entry>,
    /// The offsets of the first entries, some of whose neighbours are too far
    /// away for [`Entry::offsets`].
    pub far: Vec<[i32; SLOTS]>,
    /// Addresses of all pixels in the order in which they are resolved.
    pub order: Vec<i32>,
}

impl Schedule {
    /// Runs through `steps` and keeps them.
    pub fn collect(mut steps: Steps) -> Self {
        let mut kept = Self {
            entries: Vec::with_capacity(steps.remaining()),
            far: Vec::new(),
            order: steps.order(),
        };
        let mut step = Step::default();
        while steps.next_into(&mut step) {
            let (entry, fits) = Entry::pack(&step);
            if !fits {
                // What fitted before is widened: far neighbours occur at the start.
                let later = &kept.entries[kept.far.len()..];
                kept.far.extend(later.iter().map(Entry::wide_offsets));
                let mut offsets = [0; SLOTS];
                offsets[..MAX_NEIGHBOURS].copy_from_slice(&step.offsets);
                kept.far.push(offsets);
            }
            kept.entries.push(entry);
        }
        kept
    }

    /// The steps from `first` on, `len` of them.
    pub fn run(&self, first: usize, len: usize) -> Run<'_> {
        let far = self.far.len();
        Run {
            entries: &self.entries[first..first + len],
            far: &self.far[first.min(far)..(first + len).min(far)],
            first: u32::try_from(first).unwrap_or(u32::MAX),
        }
    }
}

/// Steps of a schedule that follow each other.
#[derive(Debug, Clone, Copy)]
pub struct Run<'a> {
    /// The steps.
    pub entries: &'a [Entry],
    /// Offsets of the first of them.
    pub far: &'a [[i32; SLOTS]],
    /// Number of the first step.
    pub first: u32,
}

impl<'a> Run<'a> {
    /// Each step's number and entry, and its offsets where the entry has not.
    #[inline]
    pub fn steps(self) -> impl Iterator<Item = (u32, &'a Entry, Option<&'a [i32; SLOTS]>)> {
        let far = self.far.iter().map(Some).chain(std::iter::repeat(None));
        let numbered = (self.first..).zip(self.entries).zip(far);
        numbered.map(|((number, entry), far)| (number, entry, far))
    }
}

impl Entry {
    const EMPTY: Self = Self {
        offsets: [0; SLOTS],
        weights: [0; SLOTS],
        rows: [[0; COLUMNS]; ROWS],
        place: 0,
        sums: [0; 3],
        row_sum: 0,
        spot: 0,
        spot_sum: 0,
        count: 0,
        in_rows: 0,
    };

    /// The step as an entry, and whether its offsets fit; else they are 0.
    fn pack(step: &Step) -> (Self, bool) {
        let mut entry = Self {
            place: step.place,
            count: step.count,
            ..Self::EMPTY
        };
        // Without branches, so that it is done by vectors.
        #[allow(clippy::cast_possible_truncation)]
        let outside = step.offsets.iter().fold(false, |outside, offset| {
            outside | (i32::from(*offset as i16) != *offset)
        });
        if !outside {
            for (packed, offset) in entry.offsets.iter_mut().zip(&step.offsets) {
                #[allow(clippy::cast_possible_truncation)]
                let fitting = *offset as i16;
                *packed = fitting;
            }
        }
        entry.weights[..MAX_NEIGHBOURS].copy_from_slice(&step.weights);
        let sum = |count: usize| -> u16 {
            // At most 50 * 255.
            step.weights[..count].iter().map(|w| u16::from(*w)).sum()
        };
        entry.sums = [sum(16), sum(32), sum(MAX_NEIGHBOURS)];
        // The nearest come first, and the window ends at 4 px by 1 px.
        let near = |(dx, dy, _): &(i32, i32, u8)| dx * dx + dy * dy <= WINDOW2;
        for (dx, dy, weight) in step.around().take_while(near) {
            let (row, column) = (usize::try_from(dy + 1), usize::try_from(dx + LEFT));
            let (Ok(row @ ..ROWS), Ok(column @ ..COLUMNS)) = (row, column) else {
                continue;
            };
            entry.rows[row][column] = weight / 2;
            entry.row_sum += u16::from(weight / 2);
            entry.in_rows += 1;
        }
        entry.find_spot();
        (entry, !outside)
    }

    /// Sets `spot` and `spot_sum`.
    fn find_spot(&mut self) {
        for (row, first) in self.rows.iter().zip((0..).step_by(COLUMNS)) {
            for (four, column) in row.windows(SPOT).zip(0..) {
                let sum = four.iter().map(|weight| u16::from(*weight)).sum();
                if sum > self.spot_sum {
                    (self.spot, self.spot_sum) = (first + column, sum);
                }
            }
        }
    }

    fn wide_offsets(&self) -> [i32; SLOTS] {
        self.offsets.map(i32::from)
    }

    /// The step that this entry was made of; `far` are its offsets where they
    /// did not fit.
    pub fn unpack(&self, far: Option<&[i32; SLOTS]>) -> Step {
        let offsets = far.copied().unwrap_or_else(|| self.wide_offsets());
        let mut step = Step::default();
        step.place = self.place;
        step.count = self.count;
        step.offsets.copy_from_slice(&offsets[..MAX_NEIGHBOURS]);
        step.weights
            .copy_from_slice(&self.weights[..MAX_NEIGHBOURS]);
        step
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_spot_is_where_four_pixels_side_by_side_weigh_most() {
        let schedule = Schedule::collect(Steps::new(24, 128, MAX_NEIGHBOURS, 3));
        for entry in &schedule.entries {
            let fours = entry.rows.iter().flat_map(|row| row.windows(SPOT));
            let sums = fours.map(|four| four.iter().map(|w| u16::from(*w)).sum::<u16>());
            assert_eq!(sums.max(), Some(entry.spot_sum));
            let (row, column) = (entry.spot as usize / COLUMNS, entry.spot as usize % COLUMNS);
            let there = &entry.rows[row][column..column + SPOT];
            let weight: u16 = there.iter().map(|w| u16::from(*w)).sum();
            assert_eq!(weight, entry.spot_sum);
        }
    }
}
