//! Exact nearest resolved pixels, found through rings of offsets.

use crate::math::Random;

/// Radius of the rings, px. Where they hold too few pixels, all are looked at.
const RADIUS: i32 = 40;

/// Orders of equally distant offsets, so that no direction is preferred.
const ORDERS: usize = 8;

/// Offsets that are looked at before the count is.
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
    fn moved(self, dx: i32, dy: i32) -> Self {
        // Only called with offsets to places that were inserted.
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
        let go = |from: u16, by: i32| (i32::from(from) + by) as u16;
        Self {
            x: go(self.x, dx),
            y: go(self.y, dy),
        }
    }

    /// Squared distance, px^2.
    pub fn distance2(self, other: Self) -> u32 {
        let (dx, dy) = (self.x.abs_diff(other.x), self.y.abs_diff(other.y));
        u32::from(dx) * u32::from(dx) + u32::from(dy) * u32::from(dy)
    }
}

/// Offsets by distance, equally distant ones in random order.
struct Rings {
    offsets: Vec<(i32, i32)>,
    /// The same in the padded occupancy map.
    steps: Vec<isize>,
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
                let offsets: Vec<_> = keyed.into_iter().map(|(_, _, offset)| offset).collect();
                let steps = offsets
                    .iter()
                    .map(|&(dx, dy)| dy as isize * stride.cast_signed() + dx as isize)
                    .collect();
                Rings { offsets, steps }
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

    fn index(&self, place: Place) -> usize {
        let pad = RADIUS as usize;
        (usize::from(place.y) + pad) * self.stride + usize::from(place.x) + pad
    }

    /// Adds a resolved pixel.
    pub fn insert(&mut self, place: Place) {
        let index = self.index(place);
        self.occupied[index] = 1;
        self.places.push(place);
    }

    /// Number of resolved pixels.
    pub fn len(&self) -> usize {
        self.places.len()
    }

    /// The `count` resolved pixels nearest to `place`, or all where there are
    /// fewer, the nearest first, into `found`. `order` picks among the orders of
    /// equally distant ones.
    pub fn find(&mut self, place: Place, count: usize, order: u64, found: &mut Vec<Place>) {
        found.clear();
        let dense = self.places.len() >= count;
        if !(dense && self.find_in_rings(place, count, order, found)) {
            self.find_in_all(place, count, found);
        }
    }

    fn find_in_rings(
        &self,
        place: Place,
        count: usize,
        order: u64,
        found: &mut Vec<Place>,
    ) -> bool {
        // The remainder is below ORDERS.
        #[allow(clippy::cast_possible_truncation)]
        let rings = &self.rings[(order % ORDERS as u64) as usize];
        let center = self.index(place);
        let mut hits = [0_u16; crate::parameters::MAX_NEIGHBOURS + RUN];
        let mut len = 0;
        for (run, steps) in rings.steps.chunks(RUN).enumerate() {
            for (offset, &step) in steps.iter().enumerate() {
                // Written always, kept where the place is resolved: no branch.
                // The rings have 5,025 offsets.
                #[allow(clippy::cast_possible_truncation)]
                let hit = (run * RUN + offset) as u16;
                hits[len] = hit;
                len += usize::from(self.occupied[center.wrapping_add_signed(step)]);
            }
            if len >= count {
                found.extend(hits[..count].iter().map(|&hit| {
                    let (dx, dy) = rings.offsets[usize::from(hit)];
                    place.moved(dx, dy)
                }));
                return true;
            }
        }
        false
    }

    fn find_in_all(&mut self, place: Place, count: usize, found: &mut Vec<Place>) {
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
        found.extend(keys.iter().map(|key| {
            #[allow(clippy::cast_possible_truncation)] // An index into `places`.
            let index = (*key & 0xffff_ffff) as usize;
            self.places[index]
        }));
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
            let mut found = Vec::new();
            nearest.find(place, count, random.next(), &mut found);
            let mut all: Vec<u32> = places
                .iter()
                .map(|&(x, y)| place.distance2(Place { x, y }))
                .collect();
            all.sort_unstable();
            all.truncate(count);
            let distances: Vec<u32> = found.iter().map(|p| place.distance2(*p)).collect();
            prop_assert_eq!(distances, all);
            let distinct: std::collections::HashSet<_> = found.iter().map(|p| (p.x, p.y)).collect();
            prop_assert_eq!(distinct.len(), found.len());
            prop_assert!(distinct.iter().all(|p| places.contains(p)));
        }
    }
}
