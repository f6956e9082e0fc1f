use std::arch::x86_64::*;

use crate::kernel::vector::{Aligned, ROOM};

/// Candidates with the cost of some of their neighbours, less the bias.
pub struct Candidates {
    pub addresses: [i32; ROOM],
    pub costs: Aligned<[i32; ROOM]>,
    /// Costs that are not added up yet.
    sums: [__m256i; ROOM],
}

impl Candidates {
    #[target_feature(enable = "avx2")]
    pub fn empty() -> Self {
        Self {
            addresses: [0; ROOM],
            costs: Aligned([0; ROOM]),
            sums: [_mm256_setzero_si256(); ROOM],
        }
    }

    /// Sets number `index`, below [`ROOM`]; its cost is the sum of `sums`.
    #[inline]
    #[target_feature(enable = "avx2")]
    pub fn set(&mut self, index: usize, address: i32, sums: __m256i) {
        self.addresses[index % ROOM] = address;
        self.sums[index % ROOM] = sums;
    }

    /// Adds up the costs of the first `len`, eight at a time: for each alone it
    /// would be three times the instructions. Those behind cost most.
    #[inline]
    #[target_feature(enable = "avx2")]
    pub fn add_up(&mut self, len: usize) {
        let lanes = _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7);
        let most = _mm256_set1_epi32(i32::MAX);
        for (group, sums) in self.sums.as_chunks().0[..groups(len)].iter().enumerate() {
            #[allow(clippy::cast_possible_truncation, clippy::cast_possible_wrap)] // Below ROOM.
            let left = _mm256_set1_epi32(len as i32 - 8 * group as i32);
            let there = _mm256_cmpgt_epi32(left, lanes);
            let costs = _mm256_blendv_epi8(most, fold(*sums), there);
            self.costs.store(group, costs);
        }
    }

    /// The first of those that cost least of the first `len`, which were added up.
    #[inline]
    #[target_feature(enable = "avx2")]
    pub fn least(&self, len: usize) -> usize {
        let groups = groups(len);
        let mut least = self.costs.eight(0);
        for group in 1..groups {
            least = _mm256_min_epi32(least, self.costs.eight(group));
        }
        let least = _mm256_min_epi32(least, _mm256_permute2x128_si256::<1>(least, least));
        let least = _mm256_min_epi32(least, _mm256_shuffle_epi32::<0x4e>(least));
        let least = _mm256_min_epi32(least, _mm256_shuffle_epi32::<0xb1>(least));
        let mut set = 0;
        for group in 0..groups {
            let same = _mm256_cmpeq_epi32(self.costs.eight(group), least);
            set |= bits(same) << (8 * group);
        }
        set.trailing_zeros() as usize % ROOM
    }

    /// Those of the first `len`, which were added up, that cost less than `limit`, as bits.
    #[inline]
    #[target_feature(enable = "avx2")]
    pub fn below(&self, limit: i32, len: usize) -> u64 {
        let limit = _mm256_set1_epi32(limit);
        let mut set = 0;
        for group in 0..groups(len) {
            let below = _mm256_cmpgt_epi32(limit, self.costs.eight(group));
            set |= bits(below) << (8 * group);
        }
        set
    }
}

/// Groups of eight that hold `len` candidates, at most [`ROOM`].
#[inline(always)]
fn groups(len: usize) -> usize {
    len.div_ceil(8).min(ROOM / 8)
}

/// The signs of eight numbers.
#[inline]
#[target_feature(enable = "avx2")]
pub fn bits(numbers: __m256i) -> u64 {
    u64::from(_mm256_movemask_ps(_mm256_castsi256_ps(numbers)).cast_unsigned())
}

/// The sum of each of eight vectors.
#[inline]
#[target_feature(enable = "avx2")]
fn fold(vectors: [__m256i; 8]) -> __m256i {
    let [a, b, c, d, e, f, g, h] = vectors;
    let four = |a, b, c, d| _mm256_hadd_epi32(_mm256_hadd_epi32(a, b), _mm256_hadd_epi32(c, d));
    let (low, high) = (four(a, b, c, d), four(e, f, g, h));
    _mm256_add_epi32(
        _mm256_permute2x128_si256::<0x20>(low, high),
        _mm256_permute2x128_si256::<0x31>(low, high),
    )
}
