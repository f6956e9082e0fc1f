use std::arch::x86_64::*;

use super::cost::sum8;
use crate::kernel::tangent::Tangent;
use crate::kernel::vector::{Aligned, Scene, ROOM};
use crate::schedule::{Entry, LEFT, ROWS};

/// The lanes that a lower bound of their cost does not rule out.
///
/// A channel's cost is convex in its difference, so that a line that touches it
/// lies below: [`Tangent`]. On bytes that takes a third of the instructions of
/// the cost itself, and the pixels of the window are in memory side by side.
#[inline]
#[target_feature(enable = "avx2")]
pub unsafe fn bound(scene: &Scene, entry: &Entry, drawn: &Aligned<[i32; ROOM]>, limit: i32) -> u64 {
    if limit == i32::MAX {
        return u64::MAX;
    }
    let tangent = Tangent::at(limit / (6 * i32::from(entry.row_sum) + 1));
    let free = _mm256_set1_epi8(tangent.free.cast_signed());
    let limit = (limit - 1) / (2 * tangent.slope) + 1;
    let ones = _mm256_set1_epi16(1);
    // SAFETY: the cells have room around the texture.
    let (colours, weights) = unsafe { window(scene, entry) };
    // The window's first pixel, seen from a candidate.
    let left = if scene.sign < 0 { LEFT - 1 } else { LEFT };
    // SAFETY: the atlas has room around the examples.
    let corner = unsafe { scene.atlas.offset((-scene.stride - left) as isize) };
    let row = |lane: usize, index: usize| {
        // SAFETY: as above; `lane` is below ROOM, `index` below ROWS.
        let pixels = unsafe {
            let first = corner.offset(*drawn.0.as_ptr().add(lane) as isize);
            let rows = index * scene.stride.cast_unsigned() as usize;
            _mm256_loadu_si256(first.add(rows).cast())
        };
        let more = _mm256_subs_epu8(pixels, colours[index]);
        let less = _mm256_subs_epu8(colours[index], pixels);
        let difference = _mm256_subs_epu8(_mm256_or_si256(more, less), free);
        // Saturation makes the bound lower, never higher.
        _mm256_maddubs_epi16(difference, weights[index])
    };
    // The pixel's own row first, for all lanes.
    let near = |lane: usize| _mm256_madd_epi16(row(lane, 1), ones);
    let mut kept = 0_u64;
    let groups = scene.random / 8;
    for index in 0..groups {
        let two =
            |lane: usize| _mm256_hadd_epi32(near(8 * index + lane), near(8 * index + lane + 1));
        let low = _mm256_hadd_epi32(two(0), two(2));
        let high = _mm256_hadd_epi32(two(4), two(6));
        let sums = _mm256_add_epi32(
            _mm256_permute2x128_si256::<0x20>(low, high),
            _mm256_permute2x128_si256::<0x31>(low, high),
        );
        let below = _mm256_cmpgt_epi32(_mm256_set1_epi32(limit), sums);
        let mask = _mm256_movemask_ps(_mm256_castsi256_ps(below)).cast_unsigned();
        kept |= u64::from(mask) << (8 * index);
    }
    kept |= u64::MAX << (8 * groups);
    kept &= (1 << scene.random) - 1;
    let mut left = kept;
    while left != 0 {
        let lane = left.trailing_zeros() as usize;
        left &= left - 1;
        let sum = _mm256_adds_epi16(row(lane, 0), row(lane, 1));
        let sum = _mm256_madd_epi16(_mm256_adds_epi16(sum, row(lane, 2)), ones);
        kept &= !(u64::from(sum8(sum) >= limit) << lane);
    }
    kept
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
