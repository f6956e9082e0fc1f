//! Exact nearest resolved pixels, found through rings of offsets.

use crate::math::Random;
use crate::parameters::MAX_NEIGHBOURS;

/// Radius of the rings, px. Where they hold too few pixels, all are looked at.
const RADIUS: i32 = 40;

/// Orders of equally distant offsets, so that no direction is preferred.
const ORDERS: usize = 8;

/// Offsets that are looked at before the count is; at most 32.
const RUN: usize = 16;

/// A place in the texture, px.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    /// Column.
    pub x: u16,
    /// Row.
    pub y: u16,
}

impl Place {
    /// The move to another place; sides fit i16.
    fn move_to(self, other: Self) -> Move {
        let by = |to: u16, from: u16| to.cast_signed() - from.cast_signed();
        (by(other.x, self.x), by(other.y, self.y))
    }

    /// Squared distance, px^2.
    fn distance2(self, other: Self) -> u32 {
        let (dx, dy) = (self.x.abs_diff(other.x), self.y.abs_diff(other.y));
        u32::from(dx) * u32::from(dx) + u32::from(dy) * u32::from(dy)
    }
}

/// Columns and rows from a pixel to another, px.
pub type Move = (i16, i16);

/// The moves that a search found, the shortest first; room for what the last run adds.
pub struct Found {
    moves: [Move; MAX_NEIGHBOURS + RUN],
    len: usize,
}

impl Found {
    /// None.
    pub fn new() -> Self {
        Self {
            moves: [(0, 0); MAX_NEIGHBOURS + RUN],
            len: 0,
        }
    }

    /// The moves, at most [`MAX_NEIGHBOURS`].
    pub fn moves(&self) -> &[Move] {
        &self.moves[..self.len]
    }

    fn push(&mut self, found: Move) {
        self.moves[self.len] = found;
        self.len += 1;
    }

    /// Adds those moves whose bits are set, up to `count` in all; whether there are as many.
    #[inline(always)]
    fn fill(&mut self, mut bits: u32, moves: &[Move], count: usize) -> bool {
        while bits != 0 {
            self.push(moves[bits.trailing_zeros() as usize]);
            bits &= bits - 1;
        }
        let full = self.len >= count;
        self.len = self.len.min(count);
        full
    }
}

/// Which steps of a square lead to resolved pixels, as bits: whether one does is not foreseeable,
/// so that branches would cost more.
#[inline(always)]
fn resolved(square: &[u8], steps: &[u32]) -> u32 {
    steps.iter().enumerate().fold(0, |bits, (index, step)| {
        bits | u32::from(square[*step as usize]) << index
    })
}

/// Moves by distance, equally long ones in random order.
struct Rings {
    moves: Vec<Move>,
    /// The same in the padded occupancy map, from the upper left corner of the rings' square.
    steps: Vec<u32>,
}

/// The pixels that are resolved so far.
pub struct Nearest {
    rings: Vec<Rings>,
    occupied: Vec<u8>,
    stride: usize,
    places: Vec<Place>,
    by_distance: Vec<u64>,
}

impl Nearest {
    /// None is resolved in a texture of `size` px.
    pub fn new(size: u32, random: &mut Random) -> Self {
        let stride = size as usize + 2 * RADIUS as usize;
        let disc: Vec<(i32, i32)> = (-RADIUS..=RADIUS)
            .flat_map(|dy| (-RADIUS..=RADIUS).map(move |dx| (dx, dy)))
            .filter(|(dx, dy)| dx * dx + dy * dy <= RADIUS * RADIUS)
            .collect();
        let rings = (0..ORDERS)
            .map(|_| {
                let mut keyed: Vec<_> = disc
                    .iter()
                    .map(|&(dx, dy)| (dx * dx + dy * dy, random.next(), (dx, dy)))
                    .collect();
                keyed.sort_unstable();
                Rings::new(keyed.into_iter().map(|(_, _, offset)| offset), stride)
            })
            .collect();
        Self {
            rings,
            occupied: vec![0; stride * stride],
            stride,
            places: Vec::new(),
            by_distance: Vec::new(),
        }
    }

    /// Index of the upper left corner of the rings' square around a place.
    fn corner(&self, place: Place) -> usize {
        usize::from(place.y) * self.stride + usize::from(place.x)
    }

    /// Adds a resolved pixel.
    pub fn insert(&mut self, place: Place) {
        let pad = RADIUS as usize;
        let index = self.corner(place) + pad * self.stride + pad;
        self.occupied[index] = 1;
        self.places.push(place);
    }

    /// Number of resolved pixels.
    pub fn len(&self) -> usize {
        self.places.len()
    }

    /// The moves from `place` to the `count` resolved pixels nearest to it, or to all where there
    /// are fewer, the nearest first, into `found`. `order` picks among the orders of equally
    /// distant ones.
    pub fn find(&mut self, place: Place, count: usize, order: u64, found: &mut Found) {
        found.len = 0;
        let dense = self.places.len() >= count;
        if !(dense && self.find_in_rings(place, count, order, found)) {
            found.len = 0;
            self.find_in_all(place, count, found);
        }
    }

    fn find_in_rings(&self, place: Place, count: usize, order: u64, found: &mut Found) -> bool {
        // The remainder is below ORDERS.
        #[allow(clippy::cast_possible_truncation)]
        let rings = &self.rings[(order % ORDERS as u64) as usize];
        let square = &self.occupied[self.corner(place)..];
        let (runs, rest) = rings.steps.as_chunks::<RUN>();
        let (moves, last) = rings.moves.split_at(RUN * runs.len());
        for (steps, moves) in runs.iter().zip(moves.chunks_exact(RUN)) {
            if found.fill(resolved(square, steps), moves, count) {
                return true;
            }
        }
        found.fill(resolved(square, rest), last, count)
    }

    fn find_in_all(&mut self, place: Place, count: usize, found: &mut Found) {
        let keys = &mut self.by_distance;
        keys.clear();
        keys.extend(
            (0_u64..)
                .zip(&self.places)
                .map(|(index, other)| u64::from(place.distance2(*other)) << 32 | index),
        );
        if keys.len() > count {
            keys.select_nth_unstable(count);
            keys.truncate(count);
        }
        keys.sort_unstable();
        for key in keys {
            #[allow(clippy::cast_possible_truncation)] // An index into `places`.
            let index = (*key & 0xffff_ffff) as usize;
            found.push(place.move_to(self.places[index]));
        }
    }
}

impl Rings {
    fn new(offsets: impl Iterator<Item = (i32, i32)>, stride: usize) -> Self {
        let mut rings = Self {
            moves: Vec::new(),
            steps: Vec::new(),
        };
        for (dx, dy) in offsets {
            // Both are -RADIUS to RADIUS, so that sums with it are not negative.
            #[allow(clippy::cast_possible_truncation)]
            rings.moves.push((dx as i16, dy as i16));
            let (column, row) = ((dx + RADIUS).cast_unsigned(), (dy + RADIUS).cast_unsigned());
            let stride = u32::try_from(stride).unwrap_or(u32::MAX);
            rings.steps.push(row * stride + column);
        }
        rings
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn they_are_as_near_as_an_exhaustive_search_finds(
            size in 1_u32..130, count in 1_usize..=50, filled in 1_usize..4000, seed: u64
        ) {
            let mut random = Random::new(seed);
            let mut nearest = Nearest::new(size, &mut random);
            let draw = |random: &mut Random| Place {
                x: random.below(size) as u16,
                y: random.below(size) as u16,
            };
            let mut places = std::collections::HashSet::new();
            for _ in 0..filled {
                let place = draw(&mut random);
                if places.insert((place.x, place.y)) {
                    nearest.insert(place);
                }
            }
            let place = draw(&mut random);
            let mut found = Found::new();
            nearest.find(place, count, random.next(), &mut found);
            let mut all: Vec<u32> = places
                .iter()
                .map(|&(x, y)| place.distance2(Place { x, y }))
                .collect();
            all.sort_unstable();
            all.truncate(count);
            let found: Vec<(i32, i32)> = found
                .moves()
                .iter()
                .map(|&(dx, dy)| (i32::from(dx), i32::from(dy)))
                .collect();
            let distances: Vec<u32> = found
                .iter()
                .map(|(dx, dy)| (dx * dx + dy * dy).cast_unsigned())
                .collect();
            prop_assert_eq!(distances, all);
            let distinct: std::collections::HashSet<_> = found.iter().collect();
            prop_assert_eq!(distinct.len(), found.len());
            prop_assert!(found.iter().all(|&(dx, dy)| places.contains(&(
                (i32::from(place.x) + dx) as u16,
                (i32::from(place.y) + dy) as u16,
            ))));
        }
    }
}
