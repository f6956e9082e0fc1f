use std::arch::x86_64::*;

use super::candidates::Candidates;
use super::cost::{sum8, vectors};
use super::pattern::Pattern;
use super::VECTORS;
use crate::kernel::scalar;
use crate::kernel::vector::{numbers, Best, Leader, Scene, BIAS};
use crate::schedule::Entry;

/// Compares the neighbours' continuations by their nearest sixteen neighbours, and
/// the leader by all.
#[inline]
#[target_feature(enable = "avx2")]
pub unsafe fn leader(
    scene: &Scene,
    entry: &Entry,
    pattern: &Pattern,
    candidates: &mut Candidates,
) -> Leader {
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
            let base = scene.source(address);
            (vectors::<0, 2>(base, &pattern.near, pattern), *base)
        };
        candidates.set(len, address, costs);
        len += usize::from(scalar::is_source(pixel.cast_unsigned()));
    }
    if len == 0 {
        return Leader::NONE;
    }
    candidates.add_up(len);
    let number = candidates.least(len);
    let address = candidates.addresses[number];
    // SAFETY: a source's neighbours lie in the atlas.
    let rest = unsafe {
        let base = scene.source(address);
        vectors::<2, VECTORS>(base, &pattern.near, pattern)
    };
    let bias = i32::from(entry.sums[2]) * BIAS;
    let cost = candidates.costs.0[number] + sum8(rest) + bias;
    Leader {
        best: Best { address, cost },
        number,
        len,
    }
}

/// The best of the continuations that [`leader`] has compared.
#[inline]
#[target_feature(enable = "avx2,bmi1")]
pub unsafe fn best(
    scene: &Scene,
    entry: &Entry,
    pattern: &Pattern,
    candidates: &mut Candidates,
    leader: Leader,
) -> Best {
    let bias = entry.sums.map(|sum| i32::from(sum) * BIAS);
    let Leader {
        mut best,
        mut number,
        len,
    } = leader;
    if len == 0 {
        return best;
    }
    // Of equals the first wins, so that those are looked at too.
    let stay = candidates.below(best.cost - bias[0] + 1, len) & !(1 << number);
    let addresses = &candidates.addresses;
    let costs = &mut candidates.costs.0;
    let base = |index: usize| {
        // SAFETY: a source's address.
        unsafe { scene.source(addresses[index]) }
    };
    let mut last = 0;
    for index in numbers(stay) {
        // SAFETY: a source's neighbours lie in the atlas.
        costs[index] += sum8(unsafe { vectors::<2, 4>(base(index), &pattern.near, pattern) });
        last |= u64::from(costs[index] + bias[1] <= best.cost) << index;
    }
    for index in numbers(last) {
        // SAFETY: as above.
        let rest = sum8(unsafe { vectors::<4, VECTORS>(base(index), &pattern.near, pattern) });
        let cost = costs[index] + rest + bias[2];
        let better = (cost < best.cost) | ((cost == best.cost) & (index < number));
        let address = addresses[index];
        best.replace(better, Best { address, cost });
        number = if better { index } else { number };
    }
    best
}
