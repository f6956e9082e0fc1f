use std::arch::x86_64::*;

use super::bound::bound;
use super::candidates::Candidates;
use super::cost::{load8, sum8, vectors, weigh};
use super::pattern::Pattern;
use super::VECTORS;
use crate::kernel::vector::{numbers, Aligned, Best, Scene, BIAS, DENSE, FIRST_LOOK, ROOM};
use crate::schedule::Entry;

/// The lanes that few neighbours do not rule out already: the others cost at least `limit`.
#[inline]
#[target_feature(enable = "avx2,bmi1")]
pub unsafe fn promising(
    scene: &Scene,
    entry: &Entry,
    pattern: &Pattern,
    drawn: &Aligned<[i32; ROOM]>,
    limit: i32,
) -> u64 {
    // SAFETY: the caller's.
    let kept = unsafe {
        if limit == i32::MAX {
            u64::MAX
        } else if entry.in_rows >= DENSE {
            bound(scene, entry, drawn, limit)
        } else {
            first_look(scene, entry, pattern, drawn, limit)
        }
    };
    kept & ((1 << scene.random) - 1)
}

/// Compares the random candidates of `lanes` with the best.
#[inline]
#[target_feature(enable = "avx2,bmi1")]
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
    let base = |address: i32| {
        // SAFETY: an example's pixel.
        unsafe { scene.source(address) }
    };
    let mut len = 0;
    for lane in numbers(lanes) {
        let address = drawn.0[lane];
        // SAFETY: the neighbours of an example's pixel lie in the atlas.
        let costs = unsafe { vectors::<0, 2>(base(address), &pattern.far, pattern) };
        candidates.set(len, address, costs);
        len += 1;
    }
    candidates.add_up(len);
    let stay = candidates.below(best.cost - bias[0], len);
    let addresses = &candidates.addresses;
    let costs = &mut candidates.costs.0;
    let mut last = 0;
    for index in numbers(stay) {
        let base = base(addresses[index]);
        // SAFETY: as above.
        costs[index] += sum8(unsafe { vectors::<2, 4>(base, &pattern.far, pattern) });
        last |= u64::from(costs[index] + bias[1] < best.cost) << index;
    }
    for index in numbers(last) {
        let address = addresses[index];
        // SAFETY: as above.
        let rest = sum8(unsafe { vectors::<4, VECTORS>(base(address), &pattern.far, pattern) });
        let cost = costs[index] + rest + bias[2];
        best.replace(cost < best.cost, Best { address, cost });
    }
    best
}

/// The lanes whose nearest neighbours do not cost as much as `limit` already.
#[inline]
#[target_feature(enable = "avx2")]
unsafe fn first_look(
    scene: &Scene,
    entry: &Entry,
    pattern: &Pattern,
    drawn: &Aligned<[i32; ROOM]>,
    limit: i32,
) -> u64 {
    let zero = _mm256_setzero_si256();
    let bias: i32 = entry.weights[..FIRST_LOOK]
        .iter()
        .map(|w| i32::from(*w) * BIAS)
        .sum();
    let limit = _mm256_set1_epi32(limit - bias);
    let mut nearest = [(zero, zero); FIRST_LOOK];
    for (neighbour, (colour, weight)) in nearest.iter_mut().enumerate() {
        // SAFETY: a neighbour's cell.
        let cell = unsafe {
            *scene
                .cells
                .offset((entry.place + pattern.near.0[neighbour]) as isize)
        };
        *colour = _mm256_unpacklo_epi8(_mm256_set1_epi32(cell.colour.cast_signed()), zero);
        let rgb = i32::from(entry.weights[neighbour]) * 0x01_0101;
        *weight = _mm256_unpacklo_epi8(_mm256_set1_epi32(rgb), zero);
    }
    let mut kept = 0;
    for index in 0..VECTORS {
        let mut low = zero;
        let mut high = zero;
        for (offset, (colour, weight)) in pattern.far.0.iter().zip(nearest) {
            // SAFETY: the neighbours of an example's pixel lie in the atlas.
            let pixels = unsafe {
                let base = scene.source(*offset);
                load8(base, drawn.0.as_ptr().add(8 * index))
            };
            let channels = _mm256_unpacklo_epi8(pixels, zero);
            low = _mm256_add_epi32(low, weigh(channels, colour, weight));
            let channels = _mm256_unpackhi_epi8(pixels, zero);
            high = _mm256_add_epi32(high, weigh(channels, colour, weight));
        }
        let (low, high) = (_mm256_castsi256_ps(low), _mm256_castsi256_ps(high));
        let even = _mm256_castps_si256(_mm256_shuffle_ps::<0x88>(low, high));
        let odd = _mm256_castps_si256(_mm256_shuffle_ps::<0xdd>(low, high));
        let below = _mm256_cmpgt_epi32(limit, _mm256_add_epi32(even, odd));
        let mask = _mm256_movemask_ps(_mm256_castsi256_ps(below)).cast_unsigned();
        kept |= u64::from(mask) << (8 * index);
    }
    kept
}
