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
    /// The shifts of neighbours 4i to 4i + 3 and 16 + 4i to 16 + 4i + 3, then
    /// the same from neighbour 32 on: packed to bytes they are in order.
    pub shift_vectors: [__m256i; 8],
    /// Colours and weights as 16-bit channels, of the lower and upper two
    /// pixels of each half.
    pub colour16: [(__m256i, __m256i); VECTORS],
    pub weight16: [(__m256i, __m256i); VECTORS],
}

impl Pattern {
    #[target_feature(enable = "avx2")]
    pub fn empty() -> Self {
        let zero = _mm256_setzero_si256();
        Self {
            near: Aligned([0; ROOM]),
            far: Aligned([0; ROOM]),
            shifts: Aligned([0; ROOM]),
            shift_vectors: [zero; 8],
            colour16: [(zero, zero); VECTORS],
            weight16: [(zero, zero); VECTORS],
        }
    }

    /// Writes down the neighbours' offsets; `far` has them where an entry has not.
    #[inline]
    #[target_feature(enable = "avx2")]
    pub fn point(&mut self, scene: &Scene, entry: &Entry, far: Option<&[i32; SLOTS]>) {
        let sign = _mm256_set1_epi32(scene.sign);
        for index in 0..VECTORS {
            // SAFETY: both have 56 offsets.
            let near = unsafe {
                match far {
                    Some(offsets) => _mm256_loadu_si256(offsets.as_ptr().add(8 * index).cast()),
                    None => _mm256_cvtepi16_epi32(_mm_load_si128(
                        entry.offsets.as_ptr().add(8 * index).cast(),
                    )),
                }
            };
            self.near.store(index, near);
            self.far.store(index, _mm256_sign_epi32(near, sign));
        }
    }

    /// Reads the neighbours' cells.
    #[inline]
    #[target_feature(enable = "avx2")]
    pub unsafe fn gather(&mut self, scene: &Scene, entry: &Entry) {
        let zero = _mm256_setzero_si256();
        let spread_low = _mm256_setr_epi8(
            0, -1, 0, -1, 0, -1, -1, -1, 1, -1, 1, -1, 1, -1, -1, -1, 4, -1, 4, -1, 4, -1, -1, -1,
            5, -1, 5, -1, 5, -1, -1, -1,
        );
        let spread_high = _mm256_setr_epi8(
            2, -1, 2, -1, 2, -1, -1, -1, 3, -1, 3, -1, 3, -1, -1, -1, 6, -1, 6, -1, 6, -1, -1, -1,
            7, -1, 7, -1, 7, -1, -1, -1,
        );
        let mut halves = [_mm_setzero_si128(); 16];
        // SAFETY: `Entry` has 56 weights; neighbours lie within the cells.
        unsafe {
            let cells = scene.cells.offset(entry.place as isize).cast::<i64>();
            let offset = |index: usize| *self.near.0.as_ptr().add(index) as isize;
            let two = |index: usize| {
                let low = _mm_cvtsi64_si128(*cells.offset(offset(index)));
                _mm_castsi128_ps(_mm_insert_epi64::<1>(low, *cells.offset(offset(index + 1))))
            };
            for index in 0..VECTORS {
                let (a, b) = (two(8 * index), two(8 * index + 2));
                let (c, d) = (two(8 * index + 4), two(8 * index + 6));
                let even = |x, y| _mm_castps_si128(_mm_shuffle_ps::<0x88>(x, y));
                let odd = |x, y| _mm_castps_si128(_mm_shuffle_ps::<0xdd>(x, y));
                let colours = join(even(a, b), even(c, d));
                halves[2 * index] = odd(a, b);
                halves[2 * index + 1] = odd(c, d);
                self.colour16[index] = (
                    _mm256_unpacklo_epi8(colours, zero),
                    _mm256_unpackhi_epi8(colours, zero),
                );
                let bytes = entry.weights.as_ptr().add(8 * index).cast::<i64>();
                let weights = _mm256_set1_epi64x(bytes.read_unaligned());
                self.weight16[index] = (
                    _mm256_shuffle_epi8(weights, spread_low),
                    _mm256_shuffle_epi8(weights, spread_high),
                );
            }
        }
        for (index, half) in halves.iter().enumerate() {
            // SAFETY: four numbers at a multiple of 16 bytes, within the array.
            unsafe { _mm_store_si128(self.shifts.0.as_mut_ptr().add(4 * index).cast(), *half) }
        }
        for index in 0..4 {
            self.shift_vectors[index] = join(halves[index], halves[index + 4]);
            self.shift_vectors[index + 4] = join(halves[index + 8], halves[index + 12]);
        }
    }
}

#[inline]
#[target_feature(enable = "avx2")]
pub fn join(low: __m128i, high: __m128i) -> __m256i {
    _mm256_inserti128_si256::<1>(_mm256_castsi128_si256(low), high)
}
