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

/// The stages for a texture of `pixels` pixels.
pub fn stages(pixels: usize) -> [Stage; STAGES] {
    let mut resolved = 0;
    std::array::from_fn(|index| {
        let stage = Stage {
            len: (pixels >> (STAGES - 1 - index)).max(1),
            resolved,
            level: index.min(LEVELS - 1),
        };
        resolved = stage.len;
        stage
    })
}

/// A schedule whose steps are kept, for use over many pictures.
#[derive(Debug)]
pub struct Schedule {
    /// The first steps: some neighbour is too far away for an [`Entry`].
    pub head: Vec<Step>,
    /// All further steps.
    pub entries: Vec<Entry>,
    /// Addresses of all pixels in the order in which they are resolved.
    pub order: Vec<i32>,
}

impl Schedule {
    /// Runs through `steps` and keeps them.
    pub fn collect(mut steps: Steps) -> Self {
        let mut kept = Self {
            head: Vec::new(),
            entries: Vec::with_capacity(steps.remaining()),
            order: steps.order(),
        };
        let mut step = Step::default();
        while steps.next_into(&mut step) {
            match Entry::pack(&step) {
                Some(entry) => kept.entries.push(entry),
                None => {
                    // Far neighbours occur at the start; what was packed
                    // between two of them is unpacked again.
                    kept.head
                        .extend(kept.entries.drain(..).map(|entry| entry.unpack()));
                    kept.head.push(step.clone());
                }
            }
        }
        kept
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
        count: 0,
        in_rows: 0,
    };

    /// The step as an entry, or `None` where a neighbour is too far away.
    fn pack(step: &Step) -> Option<Self> {
        let mut entry = Self {
            place: step.place,
            count: step.count,
            ..Self::EMPTY
        };
        for (packed, offset) in entry.offsets.iter_mut().zip(step.offsets()) {
            *packed = i16::try_from(*offset).ok()?;
        }
        entry.weights[..MAX_NEIGHBOURS].copy_from_slice(&step.weights);
        let sum = |count: usize| -> u16 {
            // At most 50 * 255.
            step.weights[..count].iter().map(|w| u16::from(*w)).sum()
        };
        entry.sums = [sum(16), sum(32), sum(MAX_NEIGHBOURS)];
        for (dx, dy, weight) in step.around() {
            let (row, column) = (usize::try_from(dy + 1), usize::try_from(dx + LEFT));
            let (Ok(row @ ..ROWS), Ok(column @ ..COLUMNS)) = (row, column) else {
                continue;
            };
            entry.rows[row][column] = weight / 2;
            entry.row_sum += u16::from(weight / 2);
            entry.in_rows += 1;
        }
        Some(entry)
    }

    /// The step that this entry was made of.
    pub fn unpack(&self) -> Step {
        let mut step = Step::default();
        step.place = self.place;
        step.count = self.count;
        for (offset, packed) in step.offsets.iter_mut().zip(&self.offsets) {
            *offset = i32::from(*packed);
        }
        step.weights
            .copy_from_slice(&self.weights[..MAX_NEIGHBOURS]);
        step
    }
}
