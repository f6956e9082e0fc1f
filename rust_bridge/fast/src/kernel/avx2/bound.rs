use std::arch::x86_64::*;

use super::candidates::bits;
use super::cost::sum8;
use super::pattern::join;
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
#[target_feature(enable = "avx2")]
pub unsafe fn bound(scene: &Scene, entry: &Entry, drawn: &Aligned<[i32; ROOM]>, limit: i32) -> u64 {
    // SAFETY: the caller's.
    unsafe {
        let kept = Twice::new(scene, entry, limit).below(scene, drawn);
        window_below(scene, entry, drawn, limit, kept)
    }
}

/// The lanes of `kept` that the window does not rule out.
#[inline]
#[target_feature(enable = "avx2")]
unsafe fn window_below(
    scene: &Scene,
    entry: &Entry,
    drawn: &Aligned<[i32; ROOM]>,
    limit: i32,
    mut kept: u64,
) -> u64 {
    let line = Line::at(limit, entry.row_sum);
    let free = _mm256_set1_epi8(line.free.cast_signed());
    // SAFETY: the cells have room around the texture.
    let (colours, weights) = unsafe { window(scene, entry) };
    // The window's first pixel, seen from a candidate.
    let left = if scene.sign < 0 { LEFT - 1 } else { LEFT };
    // SAFETY: the atlas has room around the examples.
    let corner = unsafe { scene.source(-scene.stride - left) };
    let row = |lane: usize, index: usize| {
        // SAFETY: as above; `lane` is below ROOM, `index` below ROWS.
        let pixels = unsafe {
            let first = corner.offset(*drawn.0.as_ptr().add(lane) as isize);
            let rows = index * scene.stride.cast_unsigned() as usize;
            _mm256_loadu_si256(first.add(rows).cast())
        };
        excess(pixels, colours[index], weights[index], free)
    };
    for lane in numbers(kept) {
        let sum = _mm256_adds_epi16(row(lane, 0), row(lane, 1));
        let sum = _mm256_adds_epi16(sum, row(lane, 2));
        let sum = sum8(_mm256_madd_epi16(sum, _mm256_set1_epi16(1)));
        kept &= !(u64::from(sum >= line.limit) << lane);
    }
    kept
}

/// Weighted differences beyond the free one, of pairs of channels.
#[inline]
#[target_feature(enable = "avx2")]
fn excess(pixels: __m256i, colours: __m256i, weights: __m256i, free: __m256i) -> __m256i {
    let more = _mm256_subs_epu8(pixels, colours);
    let less = _mm256_subs_epu8(colours, pixels);
    let difference = _mm256_subs_epu8(_mm256_or_si256(more, less), free);
    // Saturation makes the bound lower, never higher.
    _mm256_maddubs_epi16(difference, weights)
}

/// The pixels of [`Entry::spot`], twice.
struct Twice {
    spot: Spot,
    line: Line,
    colours: __m256i,
    weights: __m256i,
}

impl Twice {
    #[inline]
    #[target_feature(enable = "avx2")]
    unsafe fn new(scene: &Scene, entry: &Entry, limit: i32) -> Self {
        let spot = Spot::new(scene, entry);
        // SAFETY: there are cells around the texture.
        let cells = unsafe {
            let first = scene.cells.offset((entry.place + spot.cells) as isize);
            _mm256_loadu_si256(first.cast())
        };
        let order = if scene.sign < 0 {
            _mm256_setr_epi32(6, 4, 2, 0, 6, 4, 2, 0)
        } else {
            _mm256_setr_epi32(0, 2, 4, 6, 0, 2, 4, 6)
        };
        let spread = _mm256_setr_epi8(
            0, 0, 0, -1, 1, 1, 1, -1, 2, 2, 2, -1, 3, 3, 3, -1, 0, 0, 0, -1, 1, 1, 1, -1, 2, 2, 2,
            -1, 3, 3, 3, -1,
        );
        let weights = _mm256_set1_epi32(spot.weights.cast_signed());
        Self {
            line: Line::at(limit, entry.spot_sum),
            // A cell's lower half is its colour.
            colours: _mm256_permutevar8x32_epi32(cells, order),
            weights: _mm256_shuffle_epi8(weights, spread),
            spot,
        }
    }

    /// The lanes whose costs it does not rule out; those that do not fill a
    /// vector are all kept.
    #[inline]
    #[target_feature(enable = "avx2")]
    unsafe fn below(&self, scene: &Scene, drawn: &Aligned<[i32; ROOM]>) -> u64 {
        // SAFETY: the atlas has room around the examples.
        let first = unsafe { scene.source(self.spot.atlas) };
        let limit = _mm256_set1_epi32(self.line.limit);
        let free = _mm256_set1_epi8(self.line.free.cast_signed());
        let mut kept = 0_u64;
        let groups = scene.random / 8;
        for group in 0..groups {
            let two = |lane: usize| {
                // SAFETY: as above; `lane` is below 4.
                let pixels = unsafe {
                    let at = |lane: usize| {
                        let address = *drawn.0.as_ptr().add(8 * group + lane);
                        _mm_loadu_si128(first.offset(address as isize).cast())
                    };
                    join(at(lane), at(lane + 4))
                };
                let excess = excess(pixels, self.colours, self.weights, free);
                _mm256_madd_epi16(excess, _mm256_set1_epi16(1))
            };
            let low = _mm256_hadd_epi32(two(0), two(1));
            let sums = _mm256_hadd_epi32(low, _mm256_hadd_epi32(two(2), two(3)));
            let below = _mm256_cmpgt_epi32(limit, sums);
            kept |= bits(below) << (8 * group);
        }
        kept |= u64::MAX << (8 * groups);
        kept & ((1 << scene.random) - 1)
    }
}

/// Colours and halved weights of the window around a pixel, in the order in
/// which a random candidate's window lies in the atlas.
#[inline]
#[target_feature(enable = "avx2")]
unsafe fn window(scene: &Scene, entry: &Entry) -> ([__m256i; ROWS], [__m256i; ROWS]) {
    let mut colours = [_mm256_setzero_si256(); ROWS];
    let mut weights = colours;
    let spread = _mm256_setr_epi8(
        0, 0, 0, -1, 1, 1, 1, -1, 2, 2, 2, -1, 3, 3, 3, -1, 4, 4, 4, -1, 5, 5, 5, -1, 6, 6, 6, -1,
        7, 7, 7, -1,
    );
    let mirrored = scene.sign < 0;
    let order = if mirrored {
        _mm256_setr_epi32(7, 6, 3, 2, 5, 4, 1, 0)
    } else {
        _mm256_setr_epi32(0, 1, 4, 5, 2, 3, 6, 7)
    };
    let mut first = entry.place - scene.stride - LEFT;
    for (row, bytes) in entry.rows.iter().enumerate() {
        let target = if mirrored { ROWS - 1 - row } else { row };
        let bytes = u64::from_le_bytes(*bytes);
        let bytes = if mirrored { bytes.swap_bytes() } else { bytes };
        weights[target] = _mm256_shuffle_epi8(_mm256_set1_epi64x(bytes.cast_signed()), spread);
        // SAFETY: the caller's: there are cells around the texture.
        let (low, high) = unsafe {
            let cells = scene.cells.offset(first as isize).cast::<f32>();
            (_mm256_loadu_ps(cells), _mm256_loadu_ps(cells.add(8)))
        };
        // Colours of cells 0 1 4 5 2 3 6 7.
        let mixed = _mm256_castps_si256(_mm256_shuffle_ps::<0x88>(low, high));
        colours[target] = _mm256_permutevar8x32_epi32(mixed, order);
        first += scene.stride;
    }
    (colours, weights)
}
