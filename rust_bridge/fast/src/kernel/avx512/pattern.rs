use std::arch::x86_64::*;

use super::VECTORS;
use crate::kernel::vector::{Aligned, Scene, ROOM};
use crate::schedule::{Entry, SLOTS};

/// One pixel's neighbours.
pub struct Pattern {
    /// Offsets, and those that random candidates are compared with.
    pub near: Aligned<[i32; ROOM]>,
    pub far: Aligned<[i32; ROOM]>,
    pub shifts: Aligned<[i32; ROOM]>,
    /// Colours and weights as 16-bit channels, of the lower and upper two of
    /// every four pixels.
    pub colour16: [(__m512i, __m512i); VECTORS],
    pub weight16: [(__m512i, __m512i); VECTORS],
}

impl Pattern {
    #[target_feature(enable = "avx512f")]
    pub fn empty() -> Self {
        let zero = _mm512_setzero_si512();
        Self {
            near: Aligned([0; ROOM]),
            far: Aligned([0; ROOM]),
            shifts: Aligned([0; ROOM]),
            colour16: [(zero, zero); VECTORS],
            weight16: [(zero, zero); VECTORS],
        }
    }

    /// Writes down the neighbours' offsets; `far` has them where an entry has not.
    #[inline]
    #[target_feature(enable = "avx512f,avx512bw,avx512vl")]
    pub fn point(&mut self, scene: &Scene, entry: &Entry, far: Option<&[i32; SLOTS]>) {
        let zero = _mm512_setzero_si512();
        let mirrored = if scene.sign < 0 { u16::MAX } else { 0 };
        for index in 0..VECTORS {
            let slots = slots(index);
            // SAFETY: both have 56 offsets, and slots beyond are not read.
            let near = unsafe {
                match far {
                    Some(offsets) => {
                        _mm512_maskz_loadu_epi32(slots, offsets.as_ptr().add(16 * index))
                    }
                    None => _mm512_cvtepi16_epi32(_mm256_maskz_loadu_epi16(
                        slots,
                        entry.offsets.as_ptr().add(16 * index),
                    )),
                }
            };
            self.near.set_sixteen(index, near);
            let far = _mm512_mask_sub_epi32(near, mirrored, zero, near);
            self.far.set_sixteen(index, far);
        }
    }

    /// Reads the neighbours' cells.
    #[inline]
    #[target_feature(enable = "avx512f,avx512bw,avx512vl")]
    pub unsafe fn gather(&mut self, scene: &Scene, entry: &Entry) {
        let zero = _mm512_setzero_si512();
        for index in 0..VECTORS {
            // SAFETY: neighbours lie within the cells.
            let (colours, shifts) = unsafe { self.cells(scene, entry, index) };
            self.shifts.set_sixteen(index, shifts);
            self.colour16[index] = (
                _mm512_unpacklo_epi8(colours, zero),
                _mm512_unpackhi_epi8(colours, zero),
            );
            // SAFETY: `Entry` has 56 weights, and slots beyond are not read.
            let bytes = unsafe {
                _mm_maskz_loadu_epi8(slots(index), entry.weights.as_ptr().add(16 * index).cast())
            };
            self.weight16[index] = spread(bytes);
        }
    }

    /// Colours and shifts of sixteen neighbours, or of the two that are left.
    #[inline]
    #[target_feature(enable = "avx512f")]
    unsafe fn cells(&self, scene: &Scene, entry: &Entry, index: usize) -> (__m512i, __m512i) {
        let even = _mm512_setr_epi32(0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22, 24, 26, 28, 30);
        let odd = _mm512_or_si512(even, _mm512_set1_epi32(1));
        // SAFETY: the caller's.
        let (low, high) = unsafe {
            let cells = scene.cells.offset(entry.place as isize).cast::<i64>();
            let offset = |slot: usize| *self.near.0.as_ptr().add(16 * index + slot) as isize;
            let two = |slot: usize| {
                let low = _mm_cvtsi64_si128(*cells.offset(offset(slot)));
                _mm_insert_epi64::<1>(low, *cells.offset(offset(slot + 1)))
            };
            let four = |slot: usize| {
                let low = _mm256_castsi128_si256(two(slot));
                _mm256_inserti128_si256::<1>(low, two(slot + 2))
            };
            let eight = |slot: usize| {
                _mm512_inserti64x4::<1>(_mm512_castsi256_si512(four(slot)), four(slot + 4))
            };
            if index == VECTORS - 1 {
                (_mm512_zextsi128_si512(two(0)), _mm512_setzero_si512())
            } else {
                (eight(0), eight(8))
            }
        };
        (
            _mm512_permutex2var_epi32(low, even, high),
            _mm512_permutex2var_epi32(low, odd, high),
        )
    }
}

/// Which of an entry's slots there are from 16 `index` on.
#[inline(always)]
fn slots(index: usize) -> u16 {
    let len = (SLOTS - 16 * index).min(16);
    u16::MAX >> (16 - len)
}

/// Sixteen weights as [`Pattern::weight16`] has them.
#[inline]
#[target_feature(enable = "avx512f,avx512bw")]
fn spread(bytes: __m128i) -> (__m512i, __m512i) {
    // For channels of two pixels, the number of their weight; none for alpha.
    const LOW: [i8; 64] = lanes(0);
    const HIGH: [i8; 64] = lanes(2);
    const fn lanes(first: i8) -> [i8; 64] {
        let mut numbers = [-1; 64];
        let mut at = 0;
        while at < 64 {
            if at % 2 == 0 && at % 8 != 6 {
                #[allow(clippy::cast_possible_truncation)] // Below 16.
                let lane = 4 * (at / 16) as i8;
                numbers[at] = lane + first + (at % 16 >= 8) as i8;
            }
            at += 1;
        }
        numbers
    }
    let bytes = _mm512_broadcast_i32x4(bytes);
    // SAFETY: 64 bytes each.
    let (low, high) = unsafe {
        (
            _mm512_loadu_si512(LOW.as_ptr().cast()),
            _mm512_loadu_si512(HIGH.as_ptr().cast()),
        )
    };
    (
        _mm512_shuffle_epi8(bytes, low),
        _mm512_shuffle_epi8(bytes, high),
    )
}
