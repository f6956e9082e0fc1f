use std::arch::x86_64::*;

use super::numbers;
use crate::kernel::tangent::Tangent;
use crate::kernel::vector::{Aligned, Scene, ROOM};
use crate::schedule::{Entry, LEFT, ROWS};

/// The lanes that a lower bound of their cost does not rule out.
///
/// A channel's cost is convex in its difference, so that a line that touches it
/// lies below: [`Tangent`]. On bytes that takes a third of the instructions of
/// the cost itself, and the pixels of the window are in memory side by side.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,bmi1,bmi2")]
pub unsafe fn bound(scene: &Scene, entry: &Entry, drawn: &Aligned<[i32; ROOM]>, limit: i32) -> u64 {
    let tangent = Tangent::at(limit / (6 * i32::from(entry.row_sum) + 1));
    let limit = (limit - 1) / (2 * tangent.slope) + 1;
    // SAFETY: the cells have room around the texture.
    let (colours, weights) = unsafe { window(scene, entry) };
    let own = Rows::new(colours, weights, [1, 1], tangent);
    let others = Rows::new(colours, weights, [0, 2], tangent);
    // The window's first pixel, seen from a candidate.
    let left = if scene.sign < 0 { LEFT - 1 } else { LEFT };
    // SAFETY: the atlas has room around the examples.
    let corner = unsafe { scene.atlas.offset((-scene.stride - left) as isize) };
    let row = |lane: usize, index: isize| {
        // SAFETY: as above; `lane` is below ROOM, `index` below ROWS.
        unsafe {
            let first = corner.offset(*drawn.0.as_ptr().add(lane) as isize);
            _mm256_loadu_si256(first.offset(index * scene.stride as isize).cast())
        }
    };
    // The pixel's own row first, for all lanes, two at a time.
    let mut sums = Aligned([0; ROOM]);
    let groups = scene.random / 16;
    for group in 0..groups {
        let two = |lane: usize, other: usize| {
            own.differences(row(16 * group + lane, 1), row(16 * group + other, 1))
        };
        let lower = fold([two(0, 4), two(1, 5), two(2, 6), two(3, 7)]);
        let upper = fold([two(8, 12), two(9, 13), two(10, 14), two(11, 15)]);
        let first = _mm512_shuffle_i32x4::<0x88>(lower, upper);
        let second = _mm512_shuffle_i32x4::<0xdd>(lower, upper);
        sums.set_sixteen(group, _mm512_add_epi32(first, second));
    }
    let none = _mm256_setzero_si256();
    for lane in 16 * groups..scene.random {
        let half = _mm512_castsi512_si256(own.differences(row(lane, 1), none));
        sums.0[lane] = _mm512_reduce_add_epi32(_mm512_zextsi256_si512(half));
    }
    let mut kept = sums.below(limit, scene.random);
    for lane in numbers(kept) {
        let others = others.differences(row(lane, 0), row(lane, 2));
        let sum = sums.0[lane] + _mm512_reduce_add_epi32(others);
        kept &= !(u64::from(sum >= limit) << lane);
    }
    kept
}

/// Two rows of a window, with which two rows of the atlas are compared.
struct Rows {
    colours: __m512i,
    weights: __m512i,
    free: __m512i,
}

impl Rows {
    #[inline]
    #[target_feature(enable = "avx512f,avx512bw")]
    fn new(
        colours: [__m256i; ROWS],
        weights: [__m256i; ROWS],
        rows: [usize; 2],
        tangent: Tangent,
    ) -> Self {
        Self {
            colours: join(colours[rows[0]], colours[rows[1]]),
            weights: join(weights[rows[0]], weights[rows[1]]),
            free: _mm512_set1_epi8(tangent.free.cast_signed()),
        }
    }

    /// Weighted differences beyond the free one, a sum a pixel.
    #[inline]
    #[target_feature(enable = "avx512f,avx512bw")]
    fn differences(&self, first: __m256i, second: __m256i) -> __m512i {
        let pixels = join(first, second);
        let more = _mm512_subs_epu8(pixels, self.colours);
        let less = _mm512_subs_epu8(self.colours, pixels);
        let difference = _mm512_subs_epu8(_mm512_or_si512(more, less), self.free);
        // Saturation makes the bound lower, never higher.
        let sums = _mm512_maddubs_epi16(difference, self.weights);
        _mm512_madd_epi16(sums, _mm512_set1_epi16(1))
    }
}

/// Of each vector's four lanes the sums, the first lane's of all four first.
#[inline]
#[target_feature(enable = "avx512f")]
fn fold(vectors: [__m512i; 4]) -> __m512i {
    let [a, b, c, d] = vectors;
    let narrow = |x, y| _mm512_add_epi32(_mm512_unpacklo_epi32(x, y), _mm512_unpackhi_epi32(x, y));
    let (ab, cd) = (narrow(a, b), narrow(c, d));
    _mm512_add_epi32(_mm512_unpacklo_epi64(ab, cd), _mm512_unpackhi_epi64(ab, cd))
}

/// Colours and halved weights of the window around a pixel, in the order in
/// which a random candidate's window lies in the atlas.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vl")]
unsafe fn window(scene: &Scene, entry: &Entry) -> ([__m256i; ROWS], [__m256i; ROWS]) {
    let mut colours = [_mm256_setzero_si256(); ROWS];
    let mut weights = colours;
    let spread = _mm256_setr_epi8(
        0, 0, 0, -1, 1, 1, 1, -1, 2, 2, 2, -1, 3, 3, 3, -1, 4, 4, 4, -1, 5, 5, 5, -1, 6, 6, 6, -1,
        7, 7, 7, -1,
    );
    let mirrored = scene.sign < 0;
    let order = if mirrored {
        _mm256_setr_epi32(7, 6, 5, 4, 3, 2, 1, 0)
    } else {
        _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7)
    };
    let mut first = entry.place - scene.stride - LEFT;
    for (row, bytes) in entry.rows.iter().enumerate() {
        let target = if mirrored { ROWS - 1 - row } else { row };
        let bytes = u64::from_le_bytes(*bytes);
        let bytes = if mirrored { bytes.swap_bytes() } else { bytes };
        weights[target] = _mm256_shuffle_epi8(_mm256_set1_epi64x(bytes.cast_signed()), spread);
        // SAFETY: the caller's: there are cells around the texture.
        let cells = unsafe { _mm512_loadu_si512(scene.cells.offset(first as isize).cast()) };
        // A cell's lower half is its colour.
        let row = _mm512_cvtepi64_epi32(cells);
        colours[target] = _mm256_permutexvar_epi32(order, row);
        first += scene.stride;
    }
    (colours, weights)
}

#[inline]
#[target_feature(enable = "avx512f")]
fn join(low: __m256i, high: __m256i) -> __m512i {
    _mm512_inserti64x4::<1>(_mm512_castsi256_si512(low), high)
}
