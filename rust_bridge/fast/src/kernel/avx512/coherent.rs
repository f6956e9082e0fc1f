use std::arch::x86_64::*;

use super::cost::vectors;
use super::pattern::Pattern;
use super::{Candidates, VECTORS};
use crate::kernel::scalar;
use crate::kernel::vector::{numbers, Best, Leader, Scene, BIAS};
use crate::schedule::Entry;

/// Compares the neighbours' continuations by their nearest sixteen neighbours, and
/// the leader by all.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,bmi1,bmi2,lzcnt,popcnt")]
pub unsafe fn leader(
    scene: &Scene,
    entry: &Entry,
    pattern: &Pattern,
    candidates: &mut Candidates,
) -> Leader {
    // SAFETY: the caller's.
    let found = unsafe { continuations(scene, entry, pattern, candidates) };
    if found.len == 0 {
        return Leader::NONE;
    }
    let address = candidates.addresses.0[found.leader];
    // SAFETY: a source's neighbours lie in the atlas.
    let rest = unsafe {
        let base = scene.source(address);
        vectors::<1, VECTORS>(base, &pattern.near, pattern)
    };
    let bias = i32::from(entry.sums[2]) * BIAS;
    Leader {
        best: Best {
            address,
            cost: candidates.costs.0[found.leader] + rest + bias,
        },
        number: found.leader,
        len: found.len,
    }
}

/// The best of the continuations that [`leader`] has compared.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,bmi1,bmi2,lzcnt,popcnt")]
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
    let stay = candidates.costs.below(best.cost - bias[0] + 1, len) & !(1 << number);
    let addresses = &candidates.addresses.0;
    let costs = &mut candidates.costs.0;
    let base = |index: usize| {
        // SAFETY: a source's address.
        unsafe { scene.source(addresses[index]) }
    };
    let mut last = 0;
    for index in numbers(stay) {
        // SAFETY: a source's neighbours lie in the atlas.
        costs[index] += unsafe { vectors::<1, 2>(base(index), &pattern.near, pattern) };
        last |= u64::from(costs[index] + bias[1] <= best.cost) << index;
    }
    for index in numbers(last) {
        // SAFETY: as above.
        let rest = unsafe { vectors::<2, VECTORS>(base(index), &pattern.near, pattern) };
        let cost = costs[index] + rest + bias[2];
        let better = (cost < best.cost) | ((cost == best.cost) & (index < number));
        let address = addresses[index];
        best.replace(better, Best { address, cost });
        number = if better { index } else { number };
    }
    best
}

/// How many candidates there are, and which is the first of those that cost least.
struct Found {
    len: usize,
    leader: usize,
}

/// Writes down distinct sources and the cost of their nearest sixteen neighbours.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,bmi1,bmi2,lzcnt,popcnt")]
unsafe fn continuations(
    scene: &Scene,
    entry: &Entry,
    pattern: &Pattern,
    candidates: &mut Candidates,
) -> Found {
    let mut found = Found { len: 0, leader: 0 };
    let mut lowest = i32::MAX;
    let mut left = (1_u64 << entry.count) - 1;
    while left != 0 {
        let neighbour = left.trailing_zeros() as usize;
        let shift = pattern.shifts.0[neighbour];
        let wanted = _mm512_set1_epi32(shift);
        // Equal shifts give the same candidate.
        for index in 0..VECTORS {
            let equal = _mm512_cmpeq_epi32_mask(pattern.shifts.sixteen(index), wanted);
            left &= !(u64::from(equal) << (16 * index));
        }
        let address = entry.place + shift;
        // SAFETY: a neighbour's source, moved by less than the texture's side:
        // its pixel and its neighbours lie in the atlas, a source or not.
        let (cost, pixel) = unsafe {
            let base = scene.source(address);
            (vectors::<0, 1>(base, &pattern.near, pattern), *base)
        };
        // Without branches: which of them are sources is not foreseeable.
        let valid = scalar::is_source(pixel.cast_unsigned());
        candidates.addresses.0[found.len] = address;
        candidates.costs.0[found.len] = cost;
        let lower = (cost < lowest) & valid;
        lowest = if lower { cost } else { lowest };
        found.leader = if lower { found.len } else { found.leader };
        found.len += usize::from(valid);
    }
    found
}
