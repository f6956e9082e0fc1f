use crate::metric::channel_cost;

/// A line below the cost of a channel: `slope * max(0, difference - free)`.
#[derive(Clone, Copy)]
pub struct Tangent {
    /// Difference up to which the line is 0.
    pub free: u8,
    /// Its slope from there on.
    pub slope: i32,
}

impl Tangent {
    /// Bits of a cost that do not matter for the choice.
    const COARSE: u32 = 6;

    /// The line that is best where differences cost `cost` on average.
    pub fn at(cost: i32) -> Self {
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

/// A lower bound of a weighted cost: of each channel the excess over `free`, by weight.
#[derive(Clone, Copy)]
pub struct Line {
    /// See [`Tangent::free`].
    pub free: u8,
    /// Excess by halved weights from which on the cost is not below the limit.
    pub limit: i32,
}

impl Line {
    /// The line for pixels whose halved weights have this sum, to tell whether they cost `limit`.
    ///
    /// It touches where a channel costs twice the average at that limit, since few
    /// channels have most of a cost: so fewer candidates are left.
    pub fn at(limit: i32, half_weight: u16) -> Self {
        let tangent = Tangent::at(limit / (3 * i32::from(half_weight) + 1));
        Self {
            free: tangent.free,
            limit: (limit - 1) / (2 * tangent.slope) + 1,
        }
    }
}

/// For each coarse cost the tangent that touches there.
#[allow(clippy::cast_possible_truncation)] // An index below 708, a difference below 256.
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_tangent_lies_below_the_cost() {
        for tangent in &TANGENTS {
            assert!(tangent.slope > 0);
            for difference in 0..=255 {
                let line = tangent.slope * (difference - i32::from(tangent.free)).max(0);
                assert!(line <= channel_cost(difference).cast_signed());
            }
        }
    }
}
