use std::arch::asm;
use std::arch::x86_64::*;

use super::pattern::Pattern;
use super::VECTORS;
use crate::kernel::vector::{load2, load4, Aligned, ROOM};
use crate::metric::QUADRATIC;

/// Eight pixels at `base` plus each of eight offsets.
#[inline]
#[target_feature(enable = "avx2")]
pub unsafe fn load8(base: *const i32, offsets: *const i32) -> __m256i {
    // SAFETY: the caller's: eight offsets, and a pixel at each.
    let (low, high) = unsafe { (load4(base, offsets), load4(base, offsets.add(4))) };
    _mm256_inserti128_si256::<1>(_mm256_castsi128_si256(low), high)
}

/// High halves of unsigned 16-bit products.
///
/// Pinned: the compiler turns chains of `_mm256_mulhi_epu16` into 32-bit
/// multiplications, and a texture takes half as long again.
#[inline]
#[target_feature(enable = "avx2")]
fn mulhi(a: __m256i, b: __m256i) -> __m256i {
    let high: __m256i;
    // SAFETY: registers only; AVX2 is enabled.
    unsafe {
        asm!("vpmulhuw {0}, {1}, {2}", out(ymm_reg) high, in(ymm_reg) a, in(ymm_reg) b,
             options(pure, nomem, nostack, preserves_flags));
    }
    high
}

/// [`channel_cost`](crate::metric::channel_cost) of sixteen differences, less 32,768.
#[inline]
#[target_feature(enable = "avx2")]
fn cost16(differences: __m256i) -> __m256i {
    let quadratic = _mm256_set1_epi16(QUADRATIC.cast_signed());
    let square = _mm256_mullo_epi16(differences, differences);
    let cost = _mm256_sub_epi16(square, mulhi(square, mulhi(square, quadratic)));
    _mm256_xor_si256(cost, _mm256_set1_epi16(i16::MIN))
}

/// Weighted costs of sixteen channels.
#[inline]
#[target_feature(enable = "avx2")]
pub fn weigh(channels: __m256i, colour16: __m256i, weight16: __m256i) -> __m256i {
    _mm256_madd_epi16(cost16(_mm256_sub_epi16(channels, colour16)), weight16)
}

#[inline]
#[target_feature(enable = "avx2")]
pub fn sum8(values: __m256i) -> i32 {
    let four = _mm_add_epi32(
        _mm256_castsi256_si128(values),
        _mm256_extracti128_si256::<1>(values),
    );
    let two = _mm_add_epi32(four, _mm_shuffle_epi32::<0x4e>(four));
    _mm_cvtsi128_si32(_mm_add_epi32(two, _mm_shuffle_epi32::<0xb1>(two)))
}

/// Costs of the pattern's vectors `from` to `to` for the candidate at `base`, to be added up.
#[inline]
#[target_feature(enable = "avx2")]
pub unsafe fn vectors<const FROM: usize, const TO: usize>(
    base: *const i32,
    offsets: &Aligned<[i32; ROOM]>,
    pattern: &Pattern,
) -> __m256i {
    let zero = _mm256_setzero_si256();
    let mut sum = zero;
    for index in FROM..TO {
        let (colour16, weight16) = (pattern.colour16[index], pattern.weight16[index]);
        // SAFETY: `offsets` has ROOM of them.
        let offsets = unsafe { offsets.0.as_ptr().add(8 * index) };
        if index == VECTORS - 1 {
            // SAFETY: the caller's: the candidate's neighbours lie in the atlas.
            let pixels = unsafe { _mm256_zextsi128_si256(load2(base, offsets)) };
            let low = _mm256_unpacklo_epi8(pixels, zero);
            sum = _mm256_add_epi32(sum, weigh(low, colour16.0, weight16.0));
            continue;
        }
        // SAFETY: as above.
        let pixels = unsafe { load8(base, offsets) };
        let (low, high) = (
            _mm256_unpacklo_epi8(pixels, zero),
            _mm256_unpackhi_epi8(pixels, zero),
        );
        let low = weigh(low, colour16.0, weight16.0);
        let high = weigh(high, colour16.1, weight16.1);
        sum = _mm256_add_epi32(sum, _mm256_add_epi32(low, high));
    }
    sum
}
