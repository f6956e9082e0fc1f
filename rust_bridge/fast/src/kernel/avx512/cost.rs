use std::arch::asm;
use std::arch::x86_64::*;

use super::pattern::Pattern;
use super::VECTORS;
use crate::kernel::vector::{load4, Aligned, ROOM};
use crate::metric::QUADRATIC;

/// Sixteen pixels at `base` plus each of sixteen offsets.
#[inline]
#[target_feature(enable = "avx512f")]
pub unsafe fn load16(base: *const i32, offsets: *const i32) -> __m512i {
    // SAFETY: the caller's: sixteen offsets, and a pixel at each.
    let fours = unsafe {
        [
            load4(base, offsets),
            load4(base, offsets.add(4)),
            load4(base, offsets.add(8)),
            load4(base, offsets.add(12)),
        ]
    };
    let join = |low, high| _mm256_inserti128_si256::<1>(_mm256_castsi128_si256(low), high);
    let low = join(fours[0], fours[1]);
    _mm512_inserti64x4::<1>(_mm512_castsi256_si512(low), join(fours[2], fours[3]))
}

/// High halves of unsigned 16-bit products.
///
/// Pinned for the reason that the AVX2 kernel's is.
#[inline]
#[target_feature(enable = "avx512f,avx512bw")]
fn mulhi(a: __m512i, b: __m512i) -> __m512i {
    let high: __m512i;
    // SAFETY: registers only; AVX-512BW is enabled.
    unsafe {
        asm!("vpmulhuw {0}, {1}, {2}", out(zmm_reg) high, in(zmm_reg) a, in(zmm_reg) b,
             options(pure, nomem, nostack, preserves_flags));
    }
    high
}

/// [`channel_cost`](crate::metric::channel_cost) of 32 differences, less 32,768.
#[inline]
#[target_feature(enable = "avx512f,avx512bw")]
fn cost32(differences: __m512i) -> __m512i {
    let quadratic = _mm512_set1_epi16(QUADRATIC.cast_signed());
    let square = _mm512_mullo_epi16(differences, differences);
    let cost = _mm512_sub_epi16(square, mulhi(square, mulhi(square, quadratic)));
    _mm512_xor_si512(cost, _mm512_set1_epi16(i16::MIN))
}

/// Weighted costs of the pixels 4i and 4i + 1, and of 4i + 2 and 4i + 3, of
/// sixteen: two sums each, of which the first has red and green.
#[inline]
#[target_feature(enable = "avx512f,avx512bw")]
pub fn compare16(
    pixels: __m512i,
    colour16: (__m512i, __m512i),
    weight16: (__m512i, __m512i),
) -> (__m512i, __m512i) {
    let zero = _mm512_setzero_si512();
    let low = _mm512_sub_epi16(_mm512_unpacklo_epi8(pixels, zero), colour16.0);
    let high = _mm512_sub_epi16(_mm512_unpackhi_epi8(pixels, zero), colour16.1);
    (
        _mm512_madd_epi16(cost32(low), weight16.0),
        _mm512_madd_epi16(cost32(high), weight16.1),
    )
}

/// Costs of the pattern's vectors `from` to `to` for the candidate at `base`.
#[inline]
#[target_feature(enable = "avx512f,avx512bw")]
pub unsafe fn vectors<const FROM: usize, const TO: usize>(
    base: *const i32,
    offsets: &Aligned<[i32; ROOM]>,
    pattern: &Pattern,
) -> i32 {
    let mut sum = _mm512_setzero_si512();
    for index in FROM..TO {
        // SAFETY: the caller's: the candidate's neighbours lie in the atlas.
        let pixels = unsafe {
            let offsets = offsets.0.as_ptr().add(16 * index);
            if index == VECTORS - 1 {
                // Two neighbours are left.
                _mm512_zextsi128_si512(load4(base, offsets))
            } else {
                load16(base, offsets)
            }
        };
        let (low, high) = compare16(pixels, pattern.colour16[index], pattern.weight16[index]);
        sum = _mm512_add_epi32(sum, _mm512_add_epi32(low, high));
    }
    _mm512_reduce_add_epi32(sum)
}
