//! AVX-512 (F, BW, DQ, VL): sixteen neighbours or candidates at a time.
//!
//! It goes the way of the AVX2 kernel; what differs is that comparisons give bit
//! masks, so that sets of candidates are bits of a number and nothing is packed.
//! Table look-ups of bytes and dot products (VBMI, VNNI) are left alone: loads of
//! single pixels take longer than arithmetic, and fewer processors have them.

mod bound;
mod coherent;
mod cost;
mod draw;
mod pattern;
mod random;

use std::arch::x86_64::*;

use super::vector::{draw_one_by_one, Aligned, Scene, ROOM};
use super::Canvas;
use crate::schedule::Run;
use pattern::Pattern;

/// Vectors that hold all neighbours; the last is all but empty.
const VECTORS: usize = 4;

/// Whether this processor has what [`resolve`] uses.
pub fn runs_here() -> bool {
    is_x86_feature_detected!("avx512f")
        && is_x86_feature_detected!("avx512bw")
        && is_x86_feature_detected!("avx512dq")
        && is_x86_feature_detected!("avx512vl")
        && is_x86_feature_detected!("bmi1")
        && is_x86_feature_detected!("bmi2")
        && is_x86_feature_detected!("lzcnt")
        && is_x86_feature_detected!("popcnt")
}

/// Candidates with the cost of some of their neighbours, less the bias.
pub struct Candidates {
    pub addresses: Aligned<[i32; ROOM]>,
    pub costs: Aligned<[i32; ROOM]>,
}

impl Candidates {
    pub fn new() -> Self {
        Self {
            addresses: Aligned([0; ROOM]),
            costs: Aligned([0; ROOM]),
        }
    }
}

/// Resolves the pixels of these steps.
///
/// # Safety
///
/// [`runs_here`] is true; the steps' places and neighbours lie within the
/// cells, and every cell's shift, the draws' addresses and all of their
/// neighbours within the atlas.
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,bmi1,bmi2,lzcnt,popcnt")]
pub unsafe fn resolve(canvas: &mut Canvas<'_>, run: Run<'_>) {
    let scene = Scene::new(canvas);
    let mut pattern = Pattern::empty();
    let mut candidates = Candidates::new();
    let mut drawn = Aligned([0_i32; ROOM]);
    for (number, entry, far) in run.steps() {
        pattern.point(&scene, entry, far);
        // SAFETY: the caller's promise about entries, cells and atlas.
        unsafe {
            pattern.gather(&scene, entry);
            let leader = coherent::leader(&scene, entry, &pattern, &mut candidates);
            // A random candidate wins only with less.
            let lanes = if leader.best.cost > 0 {
                match &scene.draws {
                    Some(draws) => draw::draw(draws, number, &mut drawn),
                    None => draw_one_by_one(canvas.draws, number, &mut drawn),
                }
                // By the leader's cost, since the best one's comes later: the processor
                // does both at the same time.
                random::promising(&scene, entry, &pattern, &drawn, leader.best.cost)
            } else {
                0
            };
            let best = coherent::best(&scene, entry, &pattern, &mut candidates, leader);
            let best = random::best(
                &scene,
                entry,
                &pattern,
                &drawn,
                lanes,
                &mut candidates,
                best,
            );
            scene.resolve(entry.place, best);
        }
    }
}

impl Aligned<[i32; ROOM]> {
    /// Numbers 16 `index` to 16 `index` + 15.
    #[inline]
    #[target_feature(enable = "avx512f")]
    fn sixteen(&self, index: usize) -> __m512i {
        debug_assert!(16 * index + 16 <= ROOM);
        // SAFETY: sixteen numbers at a multiple of 64 bytes, within the array.
        unsafe { _mm512_load_si512(self.0.as_ptr().add(16 * index).cast()) }
    }

    /// Sets numbers 16 `index` to 16 `index` + 15.
    #[inline]
    #[target_feature(enable = "avx512f")]
    fn set_sixteen(&mut self, index: usize, values: __m512i) {
        debug_assert!(16 * index + 16 <= ROOM);
        // SAFETY: as above.
        unsafe { _mm512_store_si512(self.0.as_mut_ptr().add(16 * index).cast(), values) }
    }

    /// Which of the first `len` numbers are below `limit`, as bits.
    #[inline]
    #[target_feature(enable = "avx512f,bmi2")]
    fn below(&self, limit: i32, len: usize) -> u64 {
        debug_assert!(len < ROOM);
        let limit = _mm512_set1_epi32(limit);
        let mut below = 0;
        for index in 0..ROOM / 16 {
            let mask = _mm512_cmplt_epi32_mask(self.sixteen(index), limit);
            below |= u64::from(mask) << (16 * index);
        }
        below & ((1 << len) - 1)
    }
}
