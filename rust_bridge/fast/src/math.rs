//! Arithmetic whose results are the same on every platform.

/// `exp(-x)` for `x >= 0`, to within 1e-12 of the value.
///
/// Only additions, multiplications and divisions, which IEEE 754 defines to the
/// last bit, so that schedules do not depend on a platform's libm.
pub fn exp_neg(x: f64) -> f64 {
    debug_assert!(x >= 0.0);
    // exp(-x) = (exp(-x / 64))^64, and below 1/2 twelve terms are exact to 1e-16.
    const HALVINGS: u32 = 6;
    const LARGEST: f64 = 32.0;
    if x > LARGEST {
        let half = exp_neg(x / 2.0);
        return half * half;
    }
    let small = -x / f64::from(1_u32 << HALVINGS);
    let mut sum = 1.0;
    for term in RECIPROCALS.iter().rev() {
        sum = 1.0 + sum * small * term;
    }
    for _ in 0..HALVINGS {
        sum *= sum;
    }
    sum
}

/// 1, 1/2, … 1/14.
const RECIPROCALS: [f64; 14] = {
    let mut reciprocals = [1.0; 14];
    let mut term = 1;
    while term < reciprocals.len() {
        #[allow(clippy::cast_precision_loss)] // Below 15.
        let divisor = (term + 1) as f64;
        reciprocals[term] = 1.0 / divisor;
        term += 1;
    }
    reciprocals
};

/// A permutation of 32-bit integers that scatters well (Wellons's `lowbias32`).
#[inline(always)]
pub const fn scatter(mut x: u32) -> u32 {
    x ^= x >> 16;
    x = x.wrapping_mul(SCATTER_A);
    x ^= x >> 15;
    x = x.wrapping_mul(SCATTER_B);
    x ^ (x >> 16)
}

/// First factor of [`scatter`]; the vector kernels compute the same.
pub const SCATTER_A: u32 = 0x7feb_352d;
/// Second factor of [`scatter`].
pub const SCATTER_B: u32 = 0x846c_a68b;

/// `SplitMix64` (Steele, Lea and Flood 2014).
#[derive(Debug, Clone)]
pub struct Random(u64);

impl Random {
    /// A stream for each seed.
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// The next 64 bits.
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// Uniform in `0..bound`; `bound` is at least 1.
    pub fn below(&mut self, bound: u32) -> u32 {
        let wide = (self.next() >> 32) * u64::from(bound);
        // The high half of a product of two 32-bit numbers fits.
        #[allow(clippy::cast_possible_truncation)]
        let high = (wide >> 32) as u32;
        high
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn exp_neg_is_that_of_the_platform_to_1e_12(x in 0.0..300.0_f64) {
            let (ours, theirs) = (exp_neg(x), (-x).exp());
            prop_assert!((ours - theirs).abs() <= theirs * 1e-12, "{ours} {theirs}");
        }
    }

    #[test]
    fn exp_neg_has_these_bits_on_every_platform() {
        let bits = [0.0, 0.3, 1.0, 7.5, 40.0].map(|x| exp_neg(x).to_bits());
        assert_eq!(exp_neg(0.0), 1.0);
        assert_eq!(bits, PINNED);
    }

    const PINNED: [u64; 5] = [
        4_607_182_418_800_017_408,
        4_604_847_916_870_499_335,
        4_600_298_746_774_613_830,
        4_558_240_526_185_214_411,
        4_346_984_719_898_581_574,
    ];
}
