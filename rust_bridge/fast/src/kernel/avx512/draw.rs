use std::arch::x86_64::*;

use super::VECTORS;
use crate::draws::VectorDraws;
use crate::kernel::vector::{pair, Aligned, ROOM};
use crate::math::{SCATTER_A, SCATTER_B};

/// [`Draws::address`](crate::draws::Draws::address) of all lanes of a step.
#[inline]
#[target_feature(enable = "avx512f,avx512bw")]
pub fn draw(draws: &VectorDraws, number: u32, drawn: &mut Aligned<[i32; ROOM]>) {
    let all = |value: u32| _mm512_set1_epi32(value.cast_signed());
    let lanes = _mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
    for index in 0..VECTORS {
        #[allow(clippy::cast_possible_truncation)] // Below 64.
        let first = number.wrapping_mul(64).wrapping_add(16 * index as u32);
        let mut hash = _mm512_xor_si512(_mm512_add_epi32(lanes, all(first)), all(draws.seed));
        hash = _mm512_xor_si512(hash, _mm512_srli_epi32::<16>(hash));
        hash = _mm512_mullo_epi32(hash, all(SCATTER_A));
        hash = _mm512_xor_si512(hash, _mm512_srli_epi32::<15>(hash));
        hash = _mm512_mullo_epi32(hash, all(SCATTER_B));
        hash = _mm512_xor_si512(hash, _mm512_srli_epi32::<16>(hash));
        let second = _mm512_test_epi32_mask(hash, all(draws.mask));
        let sides = _mm512_mask_mov_epi32(all(pair(draws.first)), second, all(pair(draws.last)));
        // x and y in the low and high half, then y rows and x.
        let place = _mm512_mulhi_epu16(hash, sides);
        let place = _mm512_madd_epi16(place, all(pair((1, draws.stride))));
        let place = _mm512_mask_add_epi32(place, second, place, all(draws.step));
        drawn.set_sixteen(index, place);
    }
}
