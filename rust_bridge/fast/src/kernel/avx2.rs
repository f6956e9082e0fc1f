//! AVX2: eight neighbours or candidates at a time.
//!
//! Costs are summed with signed 16-bit multiplications, so each cost f is kept
//! as f - 32,768; [`BIAS`] times the weights puts that right.

use std::arch::asm;
use std::arch::x86_64::*;

use super::{scalar, Canvas, Cell};
use crate::draws::VectorDraws;
use crate::math::{SCATTER_A, SCATTER_B};
use crate::metric::{channel_cost, LINEAR, QUADRATIC};
use crate::parameters::MAX_RANDOM;
use crate::schedule::{Entry, LEFT, ROWS};

/// Added to a cost for each unit of weight: three channels' shift.
const BIAS: i32 = 3 * 32_768;

/// Vectors that hold all neighbours.
const VECTORS: usize = 7;

/// Neighbours on which all random candidates are compared first.
const FIRST_LOOK: usize = 4;

/// Neighbours in an entry's window from which on [`bound`] is better than
/// [`first_look`].
const DENSE: u8 = 6;

/// Room for candidates.
const ROOM: usize = 64;

/// Whether this processor has what [`resolve`] uses.
pub fn runs_here() -> bool {
    is_x86_feature_detected!("avx2")
        && is_x86_feature_detected!("bmi1")
        && is_x86_feature_detected!("bmi2")
        && is_x86_feature_detected!("lzcnt")
        && is_x86_feature_detected!("popcnt")
}

#[repr(C, align(64))]
struct Aligned<T>(T);

/// What is the same for all pixels of a call.
struct Scene {
    /// Address 0.
    atlas: *const i32,
    cells: *mut Cell,
    draws: Option<VectorDraws>,
    random: usize,
    /// Pixels from a row to the next.
    stride: i32,
    /// -1 where random candidates are compared mirrored, else 1.
    sign: i32,
}

/// One pixel's neighbours.
struct Pattern {
    /// Offsets, and those that random candidates are compared with.
    near: Aligned<[i32; ROOM]>,
    far: Aligned<[i32; ROOM]>,
    colours: Aligned<[i32; ROOM]>,
    weights: Aligned<[i32; ROOM]>,
    shifts: Aligned<[i32; ROOM]>,
    shift_vectors: [__m256i; VECTORS + 1],
    /// Colours and weights as 16-bit channels, of the lower and upper two
    /// pixels of each half.
    colour16: [(__m256i, __m256i); VECTORS],
    weight16: [(__m256i, __m256i); VECTORS],
}

/// Candidates with the cost of some of their neighbours, less the bias.
struct Candidates {
    addresses: Aligned<[i32; ROOM]>,
    costs: [i32; ROOM],
    len: usize,
}

/// Resolves the pixels of `entries`, the first of which is step number `first`.
///
/// # Safety
///
/// [`runs_here`] is true; the entries' places and neighbours lie within the
/// cells, and every cell's shift, the draws' addresses and all of their
/// neighbours within the atlas.
#[target_feature(enable = "avx2,bmi1,bmi2,lzcnt,popcnt")]
pub unsafe fn resolve(canvas: &mut Canvas<'_>, entries: &[Entry], first: u32) {
    let zero = _mm256_setzero_si256();
    let scene = Scene {
        atlas: canvas.atlas.as_ptr().cast(),
        cells: canvas.cells.as_mut_ptr(),
        draws: canvas.draws.vector(),
        random: canvas.parameters.random_candidates as usize,
        stride: canvas.draws.stride(),
        sign: if canvas.parameters.mirrored { -1 } else { 1 },
    };
    let mut pattern = Pattern {
        near: Aligned([0; ROOM]),
        far: Aligned([0; ROOM]),
        colours: Aligned([0; ROOM]),
        weights: Aligned([0; ROOM]),
        shifts: Aligned([0; ROOM]),
        shift_vectors: [zero; VECTORS + 1],
        colour16: [(zero, zero); VECTORS],
        weight16: [(zero, zero); VECTORS],
    };
    let mut candidates = Candidates {
        addresses: Aligned([0; ROOM]),
        costs: [0; ROOM],
        len: 0,
    };
    let mut drawn = Aligned([0_i32; ROOM]);
    for (number, entry) in (first..).zip(entries) {
        // SAFETY: the caller's promise about entries, cells and atlas.
        unsafe {
            gather(&scene, entry, &mut pattern);
            let mut best = coherent(&scene, entry, &pattern, &mut candidates);
            if let Some(draws) = &scene.draws {
                draw(draws, number, &mut drawn);
            } else {
                for (lane, address) in (0..).zip(&mut drawn.0[..MAX_RANDOM]) {
                    *address = canvas.draws.address(number, lane);
                }
            }
            random(&scene, entry, &pattern, &drawn, &mut candidates, &mut best);
            *scene.cells.offset(entry.place as isize) = Cell {
                colour: (*scene.atlas.offset(best.address as isize)).cast_unsigned(),
                shift: best.address - entry.place,
            };
        }
    }
}

/// The best candidate so far.
#[derive(Clone, Copy)]
struct Best {
    address: i32,
    cost: i32,
}

/// Eight pixels at `base` plus each of eight offsets.
///
/// Sixteen scalar loads are faster than two gathers on every processor tried.
#[inline]
#[target_feature(enable = "avx2")]
unsafe fn load8(base: *const i32, offsets: *const i32) -> __m256i {
    // SAFETY: the caller's: eight offsets, and a pixel at each.
    unsafe {
        let at = |index: usize| *base.offset(*offsets.add(index) as isize);
        let low = _mm_insert_epi32::<3>(
            _mm_insert_epi32::<2>(
                _mm_insert_epi32::<1>(_mm_cvtsi32_si128(at(0)), at(1)),
                at(2),
            ),
            at(3),
        );
        let high = _mm_insert_epi32::<3>(
            _mm_insert_epi32::<2>(
                _mm_insert_epi32::<1>(_mm_cvtsi32_si128(at(4)), at(5)),
                at(6),
            ),
            at(7),
        );
        _mm256_inserti128_si256::<1>(_mm256_castsi128_si256(low), high)
    }
}

/// High halves of unsigned 16-bit products.
///
/// Pinned: the compiler turns chains of `_mm256_mulhi_epu16` into 32-bit
/// multiplications, which are three times slower.
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
    let linear = _mm256_set1_epi16(LINEAR.cast_signed());
    let quadratic = _mm256_set1_epi16(QUADRATIC.cast_signed());
    let square = _mm256_mullo_epi16(differences, differences);
    let slope = _mm256_sub_epi16(linear, mulhi(square, quadratic));
    let cost = _mm256_sub_epi16(square, mulhi(square, mulhi(square, slope)));
    _mm256_xor_si256(cost, _mm256_set1_epi16(i16::MIN))
}

/// Weighted costs of eight pixels against a pattern's, two sums a pixel.
#[inline]
#[target_feature(enable = "avx2")]
fn compare8(
    pixels: __m256i,
    colour16: (__m256i, __m256i),
    weight16: (__m256i, __m256i),
) -> __m256i {
    let zero = _mm256_setzero_si256();
    let low = _mm256_sub_epi16(_mm256_unpacklo_epi8(pixels, zero), colour16.0);
    let high = _mm256_sub_epi16(_mm256_unpackhi_epi8(pixels, zero), colour16.1);
    _mm256_add_epi32(
        _mm256_madd_epi16(cost16(low), weight16.0),
        _mm256_madd_epi16(cost16(high), weight16.1),
    )
}

#[inline]
#[target_feature(enable = "avx2")]
fn sum8(values: __m256i) -> i32 {
    let four = _mm_add_epi32(
        _mm256_castsi256_si128(values),
        _mm256_extracti128_si256::<1>(values),
    );
    let two = _mm_add_epi32(four, _mm_shuffle_epi32::<0x4e>(four));
    _mm_cvtsi128_si32(_mm_add_epi32(two, _mm_shuffle_epi32::<0xb1>(two)))
}

/// Costs of the pattern's vectors `from` to `to` for the candidate at `base`.
#[inline]
#[target_feature(enable = "avx2")]
unsafe fn vectors<const FROM: usize, const TO: usize>(
    base: *const i32,
    offsets: &Aligned<[i32; ROOM]>,
    pattern: &Pattern,
) -> i32 {
    let mut sum = _mm256_setzero_si256();
    for index in FROM..TO {
        // SAFETY: the caller's: the candidate's neighbours lie in the atlas.
        let pixels = unsafe { load8(base, offsets.0.as_ptr().add(8 * index)) };
        let costs = compare8(pixels, pattern.colour16[index], pattern.weight16[index]);
        sum = _mm256_add_epi32(sum, costs);
    }
    sum8(sum)
}

/// Reads the neighbours' cells.
#[inline]
#[target_feature(enable = "avx2")]
unsafe fn gather(scene: &Scene, entry: &Entry, pattern: &mut Pattern) {
    let zero = _mm256_setzero_si256();
    // SAFETY: `Entry` has 56 offsets and weights; neighbours
    // lie within the cells.
    unsafe {
        let cells = scene.cells.offset(entry.place as isize).cast::<i64>();
        let offset = |index: usize| *entry.offsets.as_ptr().add(index) as isize;
        let two = |index: usize| {
            let low = _mm_cvtsi64_si128(*cells.offset(offset(index)));
            _mm_castsi128_ps(_mm_insert_epi64::<1>(low, *cells.offset(offset(index + 1))))
        };
        for index in 0..VECTORS {
            let near =
                _mm256_cvtepi16_epi32(_mm_load_si128(entry.offsets.as_ptr().add(8 * index).cast()));
            store(&mut pattern.near, index, near);
            let far = if scene.sign < 0 {
                _mm256_sub_epi32(zero, near)
            } else {
                near
            };
            store(&mut pattern.far, index, far);
            let (a, b) = (two(8 * index), two(8 * index + 2));
            let (c, d) = (two(8 * index + 4), two(8 * index + 6));
            let even = |x, y| _mm_castps_si128(_mm_shuffle_ps::<0x88>(x, y));
            let odd = |x, y| _mm_castps_si128(_mm_shuffle_ps::<0xdd>(x, y));
            let join = |x, y| _mm256_inserti128_si256::<1>(_mm256_castsi128_si256(x), y);
            let colours = join(even(a, b), even(c, d));
            let shifts = join(odd(a, b), odd(c, d));
            store(&mut pattern.colours, index, colours);
            store(&mut pattern.shifts, index, shifts);
            pattern.shift_vectors[index] = shifts;
            pattern.colour16[index] = (
                _mm256_unpacklo_epi8(colours, zero),
                _mm256_unpackhi_epi8(colours, zero),
            );
            let bytes = _mm_loadl_epi64(entry.weights.as_ptr().add(8 * index).cast());
            let weights = rgb_weights(_mm256_cvtepu8_epi32(bytes));
            store(&mut pattern.weights, index, weights);
            pattern.weight16[index] = (
                _mm256_unpacklo_epi8(weights, zero),
                _mm256_unpackhi_epi8(weights, zero),
            );
        }
    }
}

#[inline]
#[target_feature(enable = "avx2")]
fn store(array: &mut Aligned<[i32; ROOM]>, index: usize, values: __m256i) {
    debug_assert!(8 * index + 8 <= ROOM);
    // SAFETY: eight numbers at a multiple of 32 bytes, within the array.
    unsafe { _mm256_store_si256(array.0.as_mut_ptr().add(8 * index).cast(), values) }
}

/// Weights in the lowest byte, copied to the lowest three.
#[inline]
#[target_feature(enable = "avx2")]
fn rgb_weights(weights: __m256i) -> __m256i {
    let second = _mm256_slli_epi32::<8>(weights);
    let third = _mm256_slli_epi32::<16>(weights);
    _mm256_or_si256(weights, _mm256_or_si256(second, third))
}

/// The best of the neighbours' continuations.
#[inline]
#[target_feature(enable = "avx2")]
unsafe fn coherent(
    scene: &Scene,
    entry: &Entry,
    pattern: &Pattern,
    candidates: &mut Candidates,
) -> Best {
    // SAFETY: the caller's.
    unsafe {
        distinct(scene, entry, pattern, candidates);
    }
    let len = candidates.len;
    let mut leader = 0;
    let mut lowest = i32::MAX;
    for index in 0..len {
        let address = candidates.addresses.0[index];
        // SAFETY: a source's neighbours lie in the atlas.
        let cost = unsafe {
            vectors::<0, 2>(scene.atlas.offset(address as isize), &pattern.near, pattern)
        };
        candidates.costs[index] = cost;
        let lower = cost < lowest;
        lowest = if lower { cost } else { lowest };
        leader = if lower { index } else { leader };
    }
    if len == 0 {
        return Best {
            address: 0,
            cost: i32::MAX,
        };
    }
    let bias = entry.sums.map(|sum| i32::from(sum) * BIAS);
    let rest = |address: i32| {
        // SAFETY: a source's neighbours lie in the atlas.
        unsafe {
            vectors::<2, VECTORS>(scene.atlas.offset(address as isize), &pattern.near, pattern)
        }
    };
    let address = candidates.addresses.0[leader];
    let mut best = Best {
        address,
        cost: lowest + rest(address) + bias[2],
    };
    let mut first = leader;
    // Without branches: which candidates stay is not foreseeable.
    let mut stay = [0_u8; ROOM];
    let mut staying = 0;
    for index in 0..len {
        #[allow(clippy::cast_possible_truncation)] // Below ROOM.
        let number = index as u8;
        stay[staying] = number;
        staying +=
            usize::from((candidates.costs[index] + bias[0] <= best.cost) & (index != leader));
    }
    for &index in &stay[..staying] {
        let address = candidates.addresses.0[usize::from(index)];
        // SAFETY: as above.
        candidates.costs[usize::from(index)] += unsafe {
            vectors::<2, 4>(scene.atlas.offset(address as isize), &pattern.near, pattern)
        };
    }
    for &index in &stay[..staying] {
        let index = usize::from(index);
        if candidates.costs[index] + bias[1] > best.cost {
            continue;
        }
        let address = candidates.addresses.0[index];
        // SAFETY: as above.
        let last = unsafe {
            vectors::<4, VECTORS>(scene.atlas.offset(address as isize), &pattern.near, pattern)
        };
        let cost = candidates.costs[index] + last + bias[2];
        // Of equals the first wins.
        if cost < best.cost || (cost == best.cost && index < first) {
            best = Best { address, cost };
            first = index;
        }
    }
    best
}

/// The distinct continuations that are an example's pixels, in order.
#[inline]
#[target_feature(enable = "avx2,bmi1")]
unsafe fn distinct(scene: &Scene, entry: &Entry, pattern: &Pattern, candidates: &mut Candidates) {
    let mut left = (1_u64 << entry.count) - 1;
    let mut len = 0;
    while left != 0 {
        let neighbour = left.trailing_zeros() as usize;
        let shift = pattern.shifts.0[neighbour];
        let wanted = _mm256_set1_epi32(shift);
        let mut equal = 0_u64;
        for (index, shifts) in pattern.shift_vectors[..VECTORS].iter().enumerate() {
            let same = _mm256_castsi256_ps(_mm256_cmpeq_epi32(*shifts, wanted));
            equal |= u64::from(_mm256_movemask_ps(same).cast_unsigned()) << (8 * index);
        }
        left &= !equal;
        let address = entry.place + shift;
        candidates.addresses.0[len] = address;
        // SAFETY: a neighbour's source, moved by at most the texture's side.
        let pixel = unsafe { *scene.atlas.offset(address as isize) };
        len += usize::from(scalar::is_source(pixel.cast_unsigned()));
    }
    candidates.len = len;
}

/// [`Draws::address`](crate::draws::Draws::address) of all lanes of a step.
#[inline]
#[target_feature(enable = "avx2")]
fn draw(draws: &VectorDraws, number: u32, drawn: &mut Aligned<[i32; ROOM]>) {
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
        store(drawn, index, _mm256_add_epi32(place, map));
    }
}

/// Two numbers below 2^15 as the halves of one.
fn pair((low, high): (u32, u32)) -> u32 {
    high << 16 | low
}

/// Compares all random candidates with the best.
#[inline]
#[target_feature(enable = "avx2,bmi1")]
unsafe fn random(
    scene: &Scene,
    entry: &Entry,
    pattern: &Pattern,
    drawn: &Aligned<[i32; ROOM]>,
    candidates: &mut Candidates,
    best: &mut Best,
) {
    let mut left = (1_u64 << scene.random) - 1;
    // SAFETY: the caller's.
    unsafe {
        left &= if entry.in_rows >= DENSE {
            bound(scene, entry, drawn, best.cost)
        } else {
            first_look(scene, entry, pattern, drawn, best.cost)
        };
    }
    let mut len = 0;
    while left != 0 {
        let lane = left.trailing_zeros() as usize;
        left &= left - 1;
        let address = drawn.0[lane];
        candidates.addresses.0[len] = address;
        // SAFETY: the neighbours of an example's pixel lie in the atlas.
        candidates.costs[len] =
            unsafe { vectors::<0, 2>(scene.atlas.offset(address as isize), &pattern.far, pattern) };
        len += 1;
    }
    let bias = entry.sums.map(|sum| i32::from(sum) * BIAS);
    let mut stay = [0_u8; ROOM];
    let mut staying = 0;
    for index in 0..len {
        #[allow(clippy::cast_possible_truncation)] // Below ROOM.
        let number = index as u8;
        stay[staying] = number;
        staying += usize::from(candidates.costs[index] + bias[0] < best.cost);
    }
    for &index in &stay[..staying] {
        let index = usize::from(index);
        let address = candidates.addresses.0[index];
        // SAFETY: as above.
        let cost = candidates.costs[index]
            + unsafe {
                vectors::<2, 4>(scene.atlas.offset(address as isize), &pattern.far, pattern)
            };
        if cost + bias[1] < best.cost {
            // SAFETY: as above.
            let last = unsafe {
                vectors::<4, VECTORS>(scene.atlas.offset(address as isize), &pattern.far, pattern)
            };
            let cost = cost + last + bias[2];
            if cost < best.cost {
                *best = Best { address, cost };
            }
        }
    }
}

/// The lanes whose nearest neighbours do not cost as much as `limit` already.
#[inline]
#[target_feature(enable = "avx2")]
unsafe fn first_look(
    scene: &Scene,
    entry: &Entry,
    pattern: &Pattern,
    drawn: &Aligned<[i32; ROOM]>,
    limit: i32,
) -> u64 {
    if limit == i32::MAX {
        return u64::MAX;
    }
    let zero = _mm256_setzero_si256();
    let bias: i32 = entry.weights[..FIRST_LOOK]
        .iter()
        .map(|w| i32::from(*w) * BIAS)
        .sum();
    let limit = _mm256_set1_epi32(limit - bias);
    let mut kept = 0;
    for index in 0..VECTORS {
        let mut low = zero;
        let mut high = zero;
        for neighbour in 0..FIRST_LOOK {
            // SAFETY: the neighbours of an example's pixel lie in the atlas.
            let pixels = unsafe {
                let base = scene.atlas.offset(pattern.far.0[neighbour] as isize);
                load8(base, drawn.0.as_ptr().add(8 * index))
            };
            let colour =
                _mm256_unpacklo_epi8(_mm256_set1_epi32(pattern.colours.0[neighbour]), zero);
            let weight =
                _mm256_unpacklo_epi8(_mm256_set1_epi32(pattern.weights.0[neighbour]), zero);
            let low16 = _mm256_sub_epi16(_mm256_unpacklo_epi8(pixels, zero), colour);
            let high16 = _mm256_sub_epi16(_mm256_unpackhi_epi8(pixels, zero), colour);
            low = _mm256_add_epi32(low, _mm256_madd_epi16(cost16(low16), weight));
            high = _mm256_add_epi32(high, _mm256_madd_epi16(cost16(high16), weight));
        }
        let (low, high) = (_mm256_castsi256_ps(low), _mm256_castsi256_ps(high));
        let even = _mm256_castps_si256(_mm256_shuffle_ps::<0x88>(low, high));
        let odd = _mm256_castps_si256(_mm256_shuffle_ps::<0xdd>(low, high));
        let below = _mm256_cmpgt_epi32(limit, _mm256_add_epi32(even, odd));
        let mask = _mm256_movemask_ps(_mm256_castsi256_ps(below)).cast_unsigned();
        kept |= u64::from(mask) << (8 * index);
    }
    kept
}

/// The lanes that a lower bound of their cost does not rule out.
///
/// A channel's cost is convex in its difference, so that a line that touches it
/// lies below: [`Tangent`]. On bytes that takes a fifth of the instructions of
/// the cost itself, and the pixels of the window are in memory side by side.
#[inline]
#[target_feature(enable = "avx2")]
unsafe fn bound(scene: &Scene, entry: &Entry, drawn: &Aligned<[i32; ROOM]>, limit: i32) -> u64 {
    if limit == i32::MAX {
        return u64::MAX;
    }
    let tangent = Tangent::at(limit / (6 * i32::from(entry.row_sum) + 1));
    let free = _mm256_set1_epi8(tangent.free.cast_signed());
    let limit = _mm256_set1_epi32((limit - 1) / (2 * tangent.slope) + 1);
    let ones = _mm256_set1_epi16(1);
    // SAFETY: the cells have room around the texture.
    let (colours, weights) = unsafe { window(scene, entry) };
    // The window's first pixel, seen from a candidate.
    let corner = -(ROWS as i32 / 2) * scene.stride - if scene.sign < 0 { LEFT - 1 } else { LEFT };
    // SAFETY: so has the atlas around the examples.
    let base = unsafe { scene.atlas.offset(corner as isize) };
    let one = |lane: usize| {
        // SAFETY: as above; `lane` is below ROOM.
        unsafe {
            let first = base.offset(*drawn.0.as_ptr().add(lane) as isize);
            let row = |index: usize| {
                let pixels =
                    _mm256_loadu_si256(first.offset(index as isize * scene.stride as isize).cast());
                let more = _mm256_subs_epu8(pixels, colours[index]);
                let less = _mm256_subs_epu8(colours[index], pixels);
                let difference = _mm256_subs_epu8(_mm256_or_si256(more, less), free);
                // Saturation makes the bound lower, never higher.
                _mm256_maddubs_epi16(difference, weights[index])
            };
            let sum = _mm256_adds_epi16(_mm256_adds_epi16(row(0), row(1)), row(2));
            _mm256_madd_epi16(sum, ones)
        }
    };
    let mut kept = 0;
    for index in 0..VECTORS {
        let two = |lane: usize| _mm256_hadd_epi32(one(8 * index + lane), one(8 * index + lane + 1));
        let low = _mm256_hadd_epi32(two(0), two(2));
        let high = _mm256_hadd_epi32(two(4), two(6));
        let sums = _mm256_add_epi32(
            _mm256_permute2x128_si256::<0x20>(low, high),
            _mm256_permute2x128_si256::<0x31>(low, high),
        );
        let below = _mm256_castsi256_ps(_mm256_cmpgt_epi32(limit, sums));
        kept |= u64::from(_mm256_movemask_ps(below).cast_unsigned()) << (8 * index);
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
    for row in 0..ROWS {
        let target = if mirrored { ROWS - 1 - row } else { row };
        let bytes = u64::from_le_bytes(entry.rows[row]);
        let bytes = if mirrored { bytes.swap_bytes() } else { bytes };
        weights[target] = _mm256_shuffle_epi8(_mm256_set1_epi64x(bytes.cast_signed()), spread);
        let first = entry.place + (row as i32 - 1) * scene.stride - LEFT;
        // SAFETY: the caller's: there are cells around the texture.
        let (low, high) = unsafe {
            let cells = scene.cells.offset(first as isize).cast::<f32>();
            (_mm256_loadu_ps(cells), _mm256_loadu_ps(cells.add(8)))
        };
        // Colours of cells 0 1 4 5 2 3 6 7.
        let mixed = _mm256_castps_si256(_mm256_shuffle_ps::<0x88>(low, high));
        colours[target] = _mm256_permutevar8x32_epi32(mixed, order);
    }
    (colours, weights)
}

/// A line below the cost of a channel: `slope * max(0, difference - free)`.
#[derive(Clone, Copy)]
struct Tangent {
    free: u8,
    slope: i32,
}

impl Tangent {
    /// Bits of a cost that do not matter for the choice.
    const COARSE: u32 = 6;

    /// The line that is best where differences cost `cost` on average.
    fn at(cost: i32) -> Self {
        let index = cost.cast_unsigned() >> Self::COARSE;
        TANGENTS[(index as usize).min(TANGENTS.len() - 1)]
    }

    /// The steepest line that starts at `free` and is below the cost everywhere.
    const fn from(free: u8) -> Self {
        let mut slope = i32::MAX;
        let mut difference = free as i32 + 1;
        while difference <= 255 {
            let ratio = channel_cost(difference).cast_signed() / (difference - free as i32);
            slope = if ratio < slope { ratio } else { slope };
            difference += 1;
        }
        Self { free, slope }
    }
}

/// For each coarse cost the tangent that touches there.
static TANGENTS: [Tangent; 708] = {
    let mut tangents = [Tangent { free: 0, slope: 1 }; 708];
    let mut index = 0;
    let mut difference = 2;
    while index < tangents.len() {
        while difference < 250 && (channel_cost(difference) >> Tangent::COARSE) < index as u32 {
            difference += 1;
        }
        let rise = (channel_cost(difference + 1) - channel_cost(difference - 1)).cast_signed();
        let free = difference - 2 * channel_cost(difference).cast_signed() / rise;
        tangents[index] = Tangent::from(free as u8);
        index += 1;
    }
    tangents
};
