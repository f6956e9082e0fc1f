//! AVX2: eight neighbours or candidates at a time.

mod bound;
mod candidates;
mod coherent;
mod cost;
mod draw;
mod pattern;
mod random;

use std::arch::x86_64::*;

use super::vector::{draw_one_by_one, Aligned, Scene, ROOM};
use super::Canvas;
use crate::schedule::Run;
use candidates::Candidates;
use pattern::Pattern;

/// Vectors that hold all neighbours.
const VECTORS: usize = 7;

/// Whether this processor has what [`resolve`] uses.
pub fn runs_here() -> bool {
    is_x86_feature_detected!("avx2")
        && is_x86_feature_detected!("bmi1")
        && is_x86_feature_detected!("bmi2")
        && is_x86_feature_detected!("lzcnt")
        && is_x86_feature_detected!("popcnt")
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
    let scene = Scene::new(canvas);
    let mut pattern = Pattern::empty();
    let mut candidates = Candidates::empty();
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
    /// Numbers 8 `index` to 8 `index` + 7.
    #[inline]
    #[target_feature(enable = "avx2")]
    fn eight(&self, index: usize) -> __m256i {
        debug_assert!(8 * index + 8 <= ROOM);
        // SAFETY: eight numbers at a multiple of 32 bytes, within the array.
        unsafe { _mm256_load_si256(self.0.as_ptr().add(8 * index).cast()) }
    }

    /// Sets numbers 8 `index` to 8 `index` + 7.
    #[inline]
    #[target_feature(enable = "avx2")]
    fn store(&mut self, index: usize, values: __m256i) {
        debug_assert!(8 * index + 8 <= ROOM);
        // SAFETY: eight numbers at a multiple of 32 bytes, within the array.
        unsafe { _mm256_store_si256(self.0.as_mut_ptr().add(8 * index).cast(), values) }
    }
}
