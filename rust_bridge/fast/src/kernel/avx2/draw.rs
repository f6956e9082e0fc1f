use std::arch::x86_64::*;

use super::VECTORS;
use crate::draws::VectorDraws;
use crate::kernel::vector::{pair, Aligned, ROOM};
use crate::math::{SCATTER_A, SCATTER_B};

/// [`Draws::address`](crate::draws::Draws::address) of all lanes of a step.
#[inline]
#[target_feature(enable = "avx2")]
pub fn draw(draws: &VectorDraws, number: u32, drawn: &mut Aligned<[i32; ROOM]>) {
    let all = |value: u32| _mm256_set1_epi32(value.cast_signed());
    let lanes = _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7);
    for index in 0..VECTORS {
        #[allow(clippy::cast_possible_truncation)] // Below 64.
        let first = number.wrapping_mul(64).wrapping_add(8 * index as u32);
        let mut hash = _mm256_xor_si256(_mm256_add_epi32(lanes, all(first)), all(draws.seed));
        hash = _mm256_xor_si256(hash, _mm256_srli_epi32::<16>(hash));
        hash = _mm256_mullo_epi32(hash, all(SCATTER_A));
        hash = _mm256_xor_si256(hash, _mm256_srli_epi32::<15>(hash));
        hash = _mm256_mullo_epi32(hash, all(SCATTER_B));
        hash = _mm256_xor_si256(hash, _mm256_srli_epi32::<16>(hash));
        let second = _mm256_cmpeq_epi32(_mm256_and_si256(hash, all(draws.mask)), all(1));
        let sides = _mm256_blendv_epi8(all(pair(draws.first)), all(pair(draws.last)), second);
        // x and y in the low and high half, then y rows and x.
        let place = _mm256_mulhi_epu16(hash, sides);
        let place = _mm256_madd_epi16(place, all(pair((1, draws.stride))));
        let map = _mm256_and_si256(second, all(draws.step));
        drawn.store(index, _mm256_add_epi32(place, map));
    }
}
