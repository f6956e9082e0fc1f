use std::arch::x86_64::*;

use super::candidates::Candidates;
use super::cost::{sum8, vectors};
use super::pattern::Pattern;
use super::VECTORS;
use crate::kernel::scalar;
use crate::kernel::vector::{numbers, Best, Scene, BIAS};
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
        // SAFETY: a neighbour's source, moved by less than the texture's side:
        // its pixel and its neighbours lie in the atlas, a source or not.
        let (costs, pixel) = unsafe {
            let base = scene.atlas.offset(address as isize);
            (vectors::<0, 2>(base, &pattern.near, pattern), *base)
        };
        candidates.set(len, address, costs);
        len += usize::from(scalar::is_source(pixel.cast_unsigned()));
    }
    if len == 0 {
        return Best::NONE;
    }
    candidates.add_up(len);
    let bias = entry.sums.map(|sum| i32::from(sum) * BIAS);
    let addresses = &candidates.addresses;
    let base = |index: usize| {
        // SAFETY: a source's address.
        unsafe { scene.atlas.offset(addresses[index] as isize) }
    };
    let mut first = candidates.least(len);
    // SAFETY: a source's neighbours lie in the atlas.
    let rest = unsafe { vectors::<2, VECTORS>(base(first), &pattern.near, pattern) };
    let mut best = Best {
        address: addresses[first],
        cost: candidates.costs.0[first] + sum8(rest) + bias[2],
    };
    // Of equals the first wins, so that those are looked at too.
    let stay = candidates.below(best.cost - bias[0] + 1, len) & !(1 << first);
    let costs = &mut candidates.costs.0;
    for index in numbers(stay) {
        // SAFETY: as above.
        costs[index] += sum8(unsafe { vectors::<2, 4>(base(index), &pattern.near, pattern) });
    }
    for index in numbers(stay) {
        if costs[index] + bias[1] > best.cost {
            continue;
        }
        // SAFETY: as above.
        let last = unsafe { vectors::<4, VECTORS>(base(index), &pattern.near, pattern) };
        let cost = costs[index] + sum8(last) + bias[2];
        if cost < best.cost || (cost == best.cost && index < first) {
            let address = addresses[index];
            best = Best { address, cost };
            first = index;
        }
    }
    best
}
