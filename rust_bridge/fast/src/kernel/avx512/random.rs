use std::arch::x86_64::*;

use super::bound::bound;
use super::cost::{compare16, load16, vectors};
use super::pattern::Pattern;
use super::{Candidates, VECTORS};
use crate::kernel::vector::{numbers, Aligned, Best, Scene, BIAS, DENSE, FIRST_LOOK, ROOM};
use crate::schedule::Entry;

/// The lanes that few neighbours do not rule out already: the others cost at least `limit`.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,bmi1,bmi2,lzcnt,popcnt")]
pub unsafe fn promising(
    scene: &Scene,
    entry: &Entry,
    pattern: &Pattern,
    drawn: &Aligned<[i32; ROOM]>,
    limit: i32,
) -> u64 {
    // SAFETY: the caller's.
    unsafe {
        if limit == i32::MAX {
            (1 << scene.random) - 1
        } else if entry.in_rows >= DENSE {
            bound(scene, entry, drawn, limit)
        } else {
            first_look(scene, entry, pattern, drawn, limit)
        }
    }
}

/// Compares the random candidates of `lanes` with the best.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,bmi1,bmi2,lzcnt,popcnt")]
pub unsafe fn best(
    scene: &Scene,
    entry: &Entry,
    pattern: &Pattern,
    drawn: &Aligned<[i32; ROOM]>,
    lanes: u64,
    candidates: &mut Candidates,
    mut best: Best,
) -> Best {
    let bias = entry.sums.map(|sum| i32::from(sum) * BIAS);
    let costs = &mut candidates.costs.0;
    let base = |lane: usize| {
        // SAFETY: an example's pixel.
        unsafe { scene.source(drawn.0[lane]) }
    };
    let mut stay = 0;
    for lane in numbers(lanes) {
        // SAFETY: the neighbours of an example's pixel lie in the atlas.
        costs[lane] = unsafe { vectors::<0, 1>(base(lane), &pattern.far, pattern) };
        stay |= u64::from(costs[lane] + bias[0] < best.cost) << lane;
    }
    let mut last = 0;
    for lane in numbers(stay) {
        // SAFETY: as above.
        costs[lane] += unsafe { vectors::<1, 2>(base(lane), &pattern.far, pattern) };
        last |= u64::from(costs[lane] + bias[1] < best.cost) << lane;
    }
    for lane in numbers(last) {
        // SAFETY: as above.
        let rest = unsafe { vectors::<2, VECTORS>(base(lane), &pattern.far, pattern) };
        let cost = costs[lane] + rest + bias[2];
        let address = drawn.0[lane];
        best.replace(cost < best.cost, Best { address, cost });
    }
    best
}

/// The lanes whose nearest neighbours do not cost as much as `limit` already;
/// those that do not fill a vector are all kept.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl")]
unsafe fn first_look(
    scene: &Scene,
    entry: &Entry,
    pattern: &Pattern,
    drawn: &Aligned<[i32; ROOM]>,
    limit: i32,
) -> u64 {
    let zero = _mm512_setzero_si512();
    let bias: i32 = entry.weights[..FIRST_LOOK]
        .iter()
        .map(|w| i32::from(*w) * BIAS)
        .sum();
    let limit = _mm512_set1_epi32(limit - bias);
    let mut nearest = [((zero, zero), (zero, zero)); FIRST_LOOK];
    for (neighbour, (colour, weight)) in nearest.iter_mut().enumerate() {
        // SAFETY: a neighbour's cell.
        let cell = unsafe {
            *scene
                .cells
                .offset((entry.place + pattern.near.0[neighbour]) as isize)
        };
        let same = |value: i32| {
            let channels = _mm512_unpacklo_epi8(_mm512_set1_epi32(value), zero);
            (channels, channels)
        };
        *colour = same(cell.colour.cast_signed());
        *weight = same(i32::from(entry.weights[neighbour]) * 0x01_0101);
    }
    let groups = scene.random / 16;
    let mut kept = u64::MAX << (16 * groups);
    for index in 0..groups {
        let mut low = zero;
        let mut high = zero;
        for (offset, (colour, weight)) in pattern.far.0.iter().zip(nearest) {
            // SAFETY: the neighbours of an example's pixel lie in the atlas.
            let pixels = unsafe {
                let base = scene.source(*offset);
                load16(base, drawn.0.as_ptr().add(16 * index))
            };
            let costs = compare16(pixels, colour, weight);
            low = _mm512_add_epi32(low, costs.0);
            high = _mm512_add_epi32(high, costs.1);
        }
        let (low, high) = (_mm512_castsi512_ps(low), _mm512_castsi512_ps(high));
        let even = _mm512_castps_si512(_mm512_shuffle_ps::<0x88>(low, high));
        let odd = _mm512_castps_si512(_mm512_shuffle_ps::<0xdd>(low, high));
        let below = _mm512_cmplt_epi32_mask(_mm512_add_epi32(even, odd), limit);
        kept |= u64::from(below) << (16 * index);
    }
    kept & ((1 << scene.random) - 1)
}
