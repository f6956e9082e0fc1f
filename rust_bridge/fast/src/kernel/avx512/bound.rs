use std::arch::x86_64::*;

use crate::kernel::tangent::Line;
use crate::kernel::vector::{numbers, Aligned, Scene, Spot, ROOM};
use crate::schedule::{Entry, LEFT, ROWS};

/// The lanes that a lower bound of their cost does not rule out.
///
/// A channel's cost is convex in its difference, so that a line that touches it
/// lies below: [`Line`]. On bytes that takes a third of the instructions of
/// the cost itself, and the pixels of the window are in memory side by side.
/// Four of them go first, for all lanes.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,bmi1,bmi2")]
pub unsafe fn bound(scene: &Scene, entry: &Entry, drawn: &Aligned<[i32; ROOM]>, limit: i32) -> u64 {
    // SAFETY: the caller's.
    unsafe {
        let kept = FourTimes::new(scene, entry, limit).below(scene, drawn);
        window_below(scene, entry, drawn, limit, kept)
    }
}

/// The lanes of `kept` that the window does not rule out.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,bmi1,bmi2")]
unsafe fn window_below(
    scene: &Scene,
    entry: &Entry,
    drawn: &Aligned<[i32; ROOM]>,
    limit: i32,
    mut kept: u64,
) -> u64 {
    let line = Line::at(limit, entry.row_sum);
    let free = _mm512_set1_epi8(line.free.cast_signed());
    // SAFETY: the cells have room around the texture.
    let (colours, weights) = unsafe { window(scene, entry) };
    let zero = _mm256_setzero_si256();
    let rows = |first: usize, second: __m256i, weight: __m256i| {
        (join(colours[first], second), join(weights[first], weight))
    };
    let (upper, own) = (rows(0, colours[2], weights[2]), rows(1, zero, zero));
    // The window's first pixel, seen from a candidate.
    let left = if scene.sign < 0 { LEFT - 1 } else { LEFT };
    // SAFETY: the atlas has room around the examples.
    let corner = unsafe { scene.source(-scene.stride - left) };
    let row = |lane: usize, index: isize| {
        // SAFETY: as above; `lane` is below ROOM, `index` below ROWS.
        unsafe {
            let first = corner.offset(*drawn.0.as_ptr().add(lane) as isize);
            _mm256_loadu_si256(first.offset(index * scene.stride as isize).cast())
        }
    };
    for lane in numbers(kept) {
        let others = excess(join(row(lane, 0), row(lane, 2)), upper.0, upper.1, free);
        let own = excess(join(row(lane, 1), zero), own.0, own.1, free);
        let sum = _mm512_madd_epi16(_mm512_adds_epi16(others, own), _mm512_set1_epi16(1));
        kept &= !(u64::from(_mm512_reduce_add_epi32(sum) >= line.limit) << lane);
    }
    kept
}

/// Weighted differences beyond the free one, of pairs of channels.
#[inline]
#[target_feature(enable = "avx512f,avx512bw")]
fn excess(pixels: __m512i, colours: __m512i, weights: __m512i, free: __m512i) -> __m512i {
    let more = _mm512_subs_epu8(pixels, colours);
    let less = _mm512_subs_epu8(colours, pixels);
    let difference = _mm512_subs_epu8(_mm512_or_si512(more, less), free);
    // Saturation makes the bound lower, never higher.
    _mm512_maddubs_epi16(difference, weights)
}

/// The pixels of [`Entry::spot`], four times.
struct FourTimes {
    spot: Spot,
    line: Line,
    colours: __m512i,
    weights: __m512i,
}

impl FourTimes {
    #[inline]
    #[target_feature(enable = "avx512f,avx512bw,avx512vl")]
    unsafe fn new(scene: &Scene, entry: &Entry, limit: i32) -> Self {
        let spot = Spot::new(scene, entry);
        // SAFETY: there are cells around the texture.
        let cells = unsafe {
            let first = scene.cells.offset((entry.place + spot.cells) as isize);
            _mm256_loadu_si256(first.cast())
        };
        // A cell's lower half is its colour.
        let colours = _mm256_cvtepi64_epi32(cells);
        let colours = if scene.sign < 0 {
            _mm_shuffle_epi32::<0x1b>(colours)
        } else {
            colours
        };
        let spread = _mm_setr_epi8(0, 0, 0, -1, 1, 1, 1, -1, 2, 2, 2, -1, 3, 3, 3, -1);
        let weights = _mm_shuffle_epi8(_mm_set1_epi32(spot.weights.cast_signed()), spread);
        Self {
            line: Line::at(limit, entry.spot_sum),
            colours: _mm512_broadcast_i32x4(colours),
            weights: _mm512_broadcast_i32x4(weights),
            spot,
        }
    }

    /// The lanes whose costs it does not rule out; those that do not fill a
    /// vector are all kept.
    #[inline]
    #[target_feature(enable = "avx512f,avx512bw,avx512vl")]
    unsafe fn below(&self, scene: &Scene, drawn: &Aligned<[i32; ROOM]>) -> u64 {
        // SAFETY: the atlas has room around the examples.
        let first = unsafe { scene.source(self.spot.atlas) };
        let limit = _mm512_set1_epi32(self.line.limit);
        let free = _mm512_set1_epi8(self.line.free.cast_signed());
        let groups = scene.random / 16;
        let mut kept = u64::MAX << (16 * groups);
        for group in 0..groups {
            let four = |lane: usize| {
                // SAFETY: as above; `lane` is below 4.
                let at = |lane: usize| unsafe {
                    let address = *drawn.0.as_ptr().add(16 * group + lane);
                    _mm_loadu_si128(first.offset(address as isize).cast())
                };
                let two = |lane: usize| {
                    let low = _mm256_castsi128_si256(at(lane));
                    _mm256_inserti128_si256::<1>(low, at(lane + 4))
                };
                let pixels = join(two(lane), two(lane + 8));
                let excess = excess(pixels, self.colours, self.weights, free);
                _mm512_madd_epi16(excess, _mm512_set1_epi16(1))
            };
            let sums = fold([four(0), four(1), four(2), four(3)]);
            kept |= u64::from(_mm512_cmplt_epi32_mask(sums, limit)) << (16 * group);
        }
        kept & ((1 << scene.random) - 1)
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
