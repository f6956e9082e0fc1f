use std::arch::x86_64::*;

use super::cost::vectors;
use super::pattern::Pattern;
use super::VECTORS;
use crate::kernel::scalar;
use crate::kernel::vector::{Best, Candidates, Scene, BIAS};
use crate::schedule::Entry;

/// The best of the neighbours' continuations.
#[inline]
#[target_feature(enable = "avx2")]
pub unsafe fn best(
    scene: &Scene,
    entry: &Entry,
    pattern: &Pattern,
    candidates: &mut Candidates,
) -> Best {
    let mut leader = 0;
    let mut lowest = i32::MAX;
    let mut left = (1_u64 << entry.count) - 1;
    let mut len = 0;
    while left != 0 {
        let neighbour = left.trailing_zeros() as usize;
        let shift = pattern.shifts.0[neighbour];
        let wanted = _mm256_set1_epi32(shift);
        let same = |index: usize| _mm256_cmpeq_epi32(pattern.shift_vectors[index], wanted);
        let bytes = |index: usize| {
            let low = _mm256_packs_epi32(same(index), same(index + 1));
            let high = _mm256_packs_epi32(same(index + 2), same(index + 3));
            _mm256_movemask_epi8(_mm256_packs_epi16(low, high)).cast_unsigned()
        };
        // Equal shifts give the same candidate.
        let equal = u64::from(bytes(4)) << 32 | u64::from(bytes(0));
        left &= !equal;
        let address = entry.place + shift;
        candidates.addresses.0[len] = address;
        // SAFETY: a neighbour's source, moved by less than the texture's side:
        // its pixel and its neighbours lie in the atlas, a source or not.
        let (cost, pixel) = unsafe {
            let base = scene.atlas.offset(address as isize);
            (vectors::<0, 2>(base, &pattern.near, pattern), *base)
        };
        let valid = scalar::is_source(pixel.cast_unsigned());
        candidates.costs.0[len] = cost;
        let lower = (cost < lowest) & valid;
        lowest = if lower { cost } else { lowest };
        leader = if lower { len } else { leader };
        len += usize::from(valid);
    }
    if len == 0 {
        return Best::NONE;
    }
    let bias = entry.sums.map(|sum| i32::from(sum) * BIAS);
    let rest = |address: i32| {
        // SAFETY: a source's neighbours lie in the atlas.
        unsafe {
            vectors::<2, VECTORS>(scene.atlas.offset(address as isize), &pattern.near, pattern)
        }
    };
    let address = candidates.addresses.0[leader];
    let mut best = Best {
        address,
        cost: lowest + rest(address) + bias[2],
    };
    let mut first = leader;
    let limit = best.cost;
    let (stay, staying) = candidates.filter(len, |index, cost| {
        (cost + bias[0] <= limit) & (index != leader)
    });
    for &index in &stay[..staying] {
        let address = candidates.addresses.0[usize::from(index)];
        // SAFETY: as above.
        candidates.costs.0[usize::from(index)] += unsafe {
            vectors::<2, 4>(scene.atlas.offset(address as isize), &pattern.near, pattern)
        };
    }
    for &index in &stay[..staying] {
        let index = usize::from(index);
        if candidates.costs.0[index] + bias[1] > best.cost {
            continue;
        }
        let address = candidates.addresses.0[index];
        // SAFETY: as above.
        let last = unsafe {
            vectors::<4, VECTORS>(scene.atlas.offset(address as isize), &pattern.near, pattern)
        };
        let cost = candidates.costs.0[index] + last + bias[2];
        // Of equals the first wins.
        if cost < best.cost || (cost == best.cost && index < first) {
            best = Best { address, cost };
            first = index;
        }
    }
    best
}
