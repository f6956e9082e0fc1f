//! AVX2: eight neighbours or candidates at a time.
//!
//! Costs are summed with signed 16-bit multiplications, so each cost f is kept
//! as f - 32,768; [`BIAS`] times the weights puts that right.

mod bound;
mod coherent;
mod cost;
mod draw;
mod pattern;
mod random;
mod tangent;

use std::arch::x86_64::*;

use super::{Canvas, Cell};
use crate::draws::VectorDraws;
use crate::parameters::MAX_RANDOM;
use crate::schedule::Run;
use pattern::Pattern;

/// Added to a cost for each unit of weight: three channels' shift.
const BIAS: i32 = 3 * 32_768;

/// Vectors that hold all neighbours.
const VECTORS: usize = 7;

/// Room for candidates.
const ROOM: usize = 64;

/// Whether this processor has what [`resolve`] uses.
pub fn runs_here() -> bool {
    is_x86_feature_detected!("avx2")
        && is_x86_feature_detected!("bmi1")
        && is_x86_feature_detected!("bmi2")
        && is_x86_feature_detected!("lzcnt")
        && is_x86_feature_detected!("popcnt")
}

#[repr(C, align(64))]
struct Aligned<T>(T);

/// What is the same for all pixels of a call.
struct Scene {
    /// Address 0.
    atlas: *const i32,
    cells: *mut Cell,
    draws: Option<VectorDraws>,
    random: usize,
    /// Pixels from a row to the next.
    stride: i32,
    /// -1 where random candidates are compared mirrored, else 1.
    sign: i32,
}

/// Candidates with the cost of some of their neighbours, less the bias.
struct Candidates {
    addresses: Aligned<[i32; ROOM]>,
    costs: [i32; ROOM],
}

impl Candidates {
    /// Numbers of those of the first `len` for which `stays` holds, in order, and how many.
    ///
    /// Without branches: which candidates stay is not foreseeable.
    #[inline(always)]
    fn filter(&self, len: usize, stays: impl Fn(usize, i32) -> bool) -> ([u8; ROOM], usize) {
        let mut stay = [0; ROOM];
        let mut staying = 0;
        for (index, cost) in self.costs[..len].iter().enumerate() {
            #[allow(clippy::cast_possible_truncation)] // Below ROOM.
            let number = index as u8;
            stay[staying] = number;
            staying += usize::from(stays(index, *cost));
        }
        (stay, staying)
    }
}

/// Resolves the pixels of these steps.
///
/// # Safety
///
/// [`runs_here`] is true; the steps' places and neighbours lie within the
/// cells, and every cell's shift, the draws' addresses and all of their
/// neighbours within the atlas.
#[target_feature(enable = "avx2,bmi1,bmi2,lzcnt,popcnt")]
pub unsafe fn resolve(canvas: &mut Canvas<'_>, run: Run<'_>) {
    let scene = Scene {
        atlas: canvas.atlas.as_ptr().cast(),
        cells: canvas.cells.as_mut_ptr(),
        draws: canvas.draws.vector(),
        random: canvas.parameters.random_candidates as usize,
        stride: canvas.draws.stride(),
        sign: if canvas.parameters.mirrored { -1 } else { 1 },
    };
    let mut pattern = Pattern::empty();
    let mut candidates = Candidates {
        addresses: Aligned([0; ROOM]),
        costs: [0; ROOM],
    };
    let mut drawn = Aligned([0_i32; ROOM]);
    let far = run.far.iter().map(Some).chain(std::iter::repeat(None));
    for ((number, entry), far) in (run.first..).zip(run.entries).zip(far) {
        match &scene.draws {
            Some(draws) => draw::draw(draws, number, &mut drawn),
            None => {
                for (lane, address) in (0..).zip(&mut drawn.0[..MAX_RANDOM]) {
                    *address = canvas.draws.address(number, lane);
                }
            }
        }
        pattern.point(&scene, entry, far);
        // SAFETY: the caller's promise about entries, cells and atlas.
        unsafe {
            pattern.gather(&scene, entry);
            let best = coherent::best(&scene, entry, &pattern, &mut candidates);
            let best = random::best(&scene, entry, &pattern, &drawn, &mut candidates, best);
            *scene.cells.offset(entry.place as isize) = Cell {
                colour: (*scene.atlas.offset(best.address as isize)).cast_unsigned(),
                shift: best.address - entry.place,
            };
        }
    }
}

/// The best candidate so far.
#[derive(Clone, Copy)]
struct Best {
    address: i32,
    cost: i32,
}

impl Aligned<[i32; ROOM]> {
    /// Sets numbers 8 `index` to 8 `index` + 7.
    #[inline]
    #[target_feature(enable = "avx2")]
    fn store(&mut self, index: usize, values: __m256i) {
        debug_assert!(8 * index + 8 <= ROOM);
        // SAFETY: eight numbers at a multiple of 32 bytes, within the array.
        unsafe { _mm256_store_si256(self.0.as_mut_ptr().add(8 * index).cast(), values) }
    }
}
