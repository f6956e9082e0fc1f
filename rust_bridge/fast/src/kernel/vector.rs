//! What the vector kernels share, whatever the width of their registers.

use std::arch::x86_64::*;

use super::{Canvas, Cell};
use crate::draws::{Draws, VectorDraws};
use crate::parameters::MAX_RANDOM;
use crate::schedule::{Entry, COLUMNS, LEFT, SPOT};

/// Added to a cost for each unit of weight. Costs are summed with signed 16-bit
/// multiplications, so each channel's cost f is kept as f - 32,768.
pub const BIAS: i32 = 3 * 32_768;

/// Room for neighbours or candidates.
pub const ROOM: usize = 64;

/// Neighbours on which all random candidates are compared first.
pub const FIRST_LOOK: usize = 4;

/// Neighbours in an entry's window from which on a lower bound over the window
/// is better than a first look.
pub const DENSE: u8 = 6;

/// At a multiple of the widest register's size.
#[repr(C, align(64))]
pub struct Aligned<T>(pub T);

/// What is the same for all pixels of a call.
pub struct Scene {
    /// Address 0.
    pub atlas: *const i32,
    pub cells: *mut Cell,
    pub draws: Option<VectorDraws>,
    pub random: usize,
    /// Pixels from a row to the next.
    pub stride: i32,
    /// -1 where random candidates are compared mirrored, else 1.
    pub sign: i32,
}

impl Scene {
    pub fn new(canvas: &mut Canvas<'_>) -> Self {
        Self {
            atlas: canvas.atlas.as_ptr().cast(),
            cells: canvas.cells.as_mut_ptr(),
            draws: canvas.draws.vector(),
            random: canvas.parameters.random_candidates as usize,
            stride: canvas.draws.stride(),
            sign: if canvas.parameters.mirrored { -1 } else { 1 },
        }
    }

    /// The atlas at an address.
    ///
    /// # Safety
    ///
    /// It lies in the atlas.
    #[inline(always)]
    pub unsafe fn source(&self, address: i32) -> *const i32 {
        // SAFETY: the caller's.
        unsafe { self.atlas.offset(address as isize) }
    }

    /// Resolves the pixel at `place` by its best candidate.
    ///
    /// # Safety
    ///
    /// `place` lies in the cells, and the candidate in the atlas.
    #[inline(always)]
    pub unsafe fn resolve(&self, place: i32, best: Best) {
        // SAFETY: the caller's.
        unsafe {
            *self.cells.offset(place as isize) = Cell {
                colour: (*self.source(best.address)).cast_unsigned(),
                shift: best.address - place,
            };
        }
    }
}

/// The best candidate so far.
#[derive(Clone, Copy)]
pub struct Best {
    pub address: i32,
    pub cost: i32,
}

impl Best {
    /// Worse than any candidate.
    pub const NONE: Self = Self {
        address: 0,
        cost: i32::MAX,
    };

    /// Takes `other` where it is `better`, without a branch: which candidates win is not
    /// foreseeable, and a branch would wait for the cost.
    #[inline(always)]
    pub fn replace(&mut self, better: bool, other: Self) {
        self.address = if better { other.address } else { self.address };
        self.cost = if better { other.cost } else { self.cost };
    }
}

/// The first continuation of those whose nearest sixteen neighbours cost least.
#[derive(Clone, Copy)]
pub struct Leader {
    /// Its address, and its cost over all neighbours.
    pub best: Best,
    /// Its number among the continuations.
    pub number: usize,
    /// Continuations.
    pub len: usize,
}

impl Leader {
    /// Without continuations.
    pub const NONE: Self = Self {
        best: Best::NONE,
        number: 0,
        len: 0,
    };
}

/// Where [`Entry::spot`] lies, and what it weighs.
pub struct Spot {
    /// From the pixel to its first cell.
    pub cells: i32,
    /// From a candidate to the first of the pixels that it is compared with.
    pub atlas: i32,
    /// Halved weights, a byte each, in the atlas's order.
    pub weights: u32,
}

impl Spot {
    /// From its first pixel to its last.
    #[allow(clippy::cast_possible_truncation)] // 3.
    const LAST: i32 = (SPOT - 1) as i32;

    pub fn new(scene: &Scene, entry: &Entry) -> Self {
        let spot = usize::from(entry.spot);
        let bytes = entry.rows.as_flattened()[spot..].first_chunk::<SPOT>();
        let weights = bytes.map_or(0, |bytes| u32::from_le_bytes(*bytes));
        // Both are below COLUMNS.
        #[allow(clippy::cast_possible_truncation, clippy::cast_possible_wrap)]
        let (row, column) = ((spot / COLUMNS) as i32, (spot % COLUMNS) as i32);
        let first = (row - 1) * scene.stride + column - LEFT;
        let mirrored = scene.sign < 0;
        Self {
            cells: first,
            atlas: if mirrored { -first - Self::LAST } else { first },
            weights: if mirrored {
                weights.swap_bytes()
            } else {
                weights
            },
        }
    }
}

/// A step's draws where vectors cannot make them.
pub fn draw_one_by_one(draws: &Draws, number: u32, drawn: &mut Aligned<[i32; ROOM]>) {
    for (lane, address) in (0..).zip(&mut drawn.0[..MAX_RANDOM]) {
        *address = draws.address(number, lane);
    }
}

/// The numbers of a set's bits, the least first.
#[inline(always)]
pub fn numbers(mut set: u64) -> impl Iterator<Item = usize> {
    std::iter::from_fn(move || {
        let number = set.trailing_zeros() as usize;
        let some = set != 0;
        set &= set.wrapping_sub(1);
        some.then_some(number)
    })
}

/// Two numbers below 2^15 as the halves of one.
pub fn pair((low, high): (u32, u32)) -> u32 {
    high << 16 | low
}

/// Two pixels at `base` plus each of two offsets, then 0.
///
/// # Safety
///
/// There are two offsets, and a pixel at each.
#[inline]
#[target_feature(enable = "sse4.1")]
pub unsafe fn load2(base: *const i32, offsets: *const i32) -> __m128i {
    // SAFETY: the caller's.
    unsafe {
        let at = |index: usize| *base.offset(*offsets.add(index) as isize);
        _mm_insert_epi32::<1>(_mm_cvtsi32_si128(at(0)), at(1))
    }
}

/// Four pixels at `base` plus each of four offsets.
///
/// A gather instead costs a fifth more time in all (Zen 3; `RESULTS.md` has the figures).
///
/// # Safety
///
/// There are four offsets, and a pixel at each.
#[inline]
#[target_feature(enable = "sse4.1")]
pub unsafe fn load4(base: *const i32, offsets: *const i32) -> __m128i {
    // SAFETY: the caller's.
    unsafe {
        let at = |index: usize| *base.offset(*offsets.add(index) as isize);
        _mm_insert_epi32::<3>(
            _mm_insert_epi32::<2>(
                _mm_insert_epi32::<1>(_mm_cvtsi32_si128(at(0)), at(1)),
                at(2),
            ),
            at(3),
        )
    }
}
