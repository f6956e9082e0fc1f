use super::nearest::{Nearest, Place};
use super::{stages, Stage, STAGES};
use crate::layout::Layout;
use crate::math::{exp_neg, Random};
use crate::parameters::MAX_NEIGHBOURS;

/// The resolution of one pixel, apart from colours.
#[derive(Debug, Clone)]
pub struct Step {
    /// Address of the pixel among the cells.
    pub place: i32,
    /// Neighbours.
    pub count: u8,
    /// From the pixel to each neighbour, as a difference of addresses, the
    /// nearest first; 0 from `count` on.
    pub offsets: [i32; MAX_NEIGHBOURS],
    /// `round(255 exp(-d^2 / mean d^2))` of each neighbour at distance d; 0
    /// from `count` on.
    pub weights: [u8; MAX_NEIGHBOURS],
    /// dx and dy of each neighbour.
    moves: [(i16, i16); MAX_NEIGHBOURS],
}

impl Default for Step {
    fn default() -> Self {
        Self {
            place: 0,
            count: 0,
            offsets: [0; MAX_NEIGHBOURS],
            weights: [0; MAX_NEIGHBOURS],
            moves: [(0, 0); MAX_NEIGHBOURS],
        }
    }
}

impl Step {
    /// The offsets to its neighbours.
    pub fn offsets(&self) -> &[i32] {
        &self.offsets[..usize::from(self.count)]
    }

    /// The weights of its neighbours.
    pub fn weights(&self) -> &[u8] {
        &self.weights[..usize::from(self.count)]
    }

    /// dx, dy and weight of its neighbours.
    pub fn around(&self) -> impl Iterator<Item = (i32, i32, u8)> + '_ {
        let moves = self.moves.iter().zip(self.weights());
        moves.map(|((dx, dy), weight)| (i32::from(*dx), i32::from(*dy), *weight))
    }
}

/// Makes the steps of a schedule, one after the other.
pub struct Steps {
    random: Random,
    nearest: Nearest,
    order: Vec<Place>,
    stages: [Stage; STAGES],
    stage: usize,
    position: usize,
    neighbours: usize,
    stride: i32,
    found: Vec<Place>,
    distances: Vec<u32>,
}

impl Steps {
    /// The steps for a texture of `layout`, with at most `neighbours` neighbours
    /// each; every seed gives another order.
    pub fn new(layout: &Layout, neighbours: usize, seed: u64) -> Self {
        let size = layout.size;
        let mut random = Random::new(seed);
        let mut order: Vec<Place> = (0..size)
            .flat_map(|y| (0..size).map(move |x| (x, y)))
            // MAX_SIZE fits u16.
            .map(|(x, y)| Place {
                x: u16::try_from(x).unwrap_or(0),
                y: u16::try_from(y).unwrap_or(0),
            })
            .collect();
        for last in (1..order.len()).rev() {
            let bound = u32::try_from(last + 1).unwrap_or(u32::MAX);
            order.swap(last, random.below(bound) as usize);
        }
        let nearest = Nearest::new(size, &mut random);
        Self {
            random,
            nearest,
            stages: stages(order.len()),
            order,
            stage: 0,
            position: 0,
            neighbours,
            stride: layout.stride.cast_signed(),
            found: Vec::with_capacity(neighbours),
            distances: Vec::with_capacity(neighbours),
        }
    }

    /// Addresses of all pixels, in the order in which they are resolved.
    pub fn order(&self) -> Vec<i32> {
        self.order.iter().map(|p| self.address(*p)).collect()
    }

    /// Steps to come.
    pub fn remaining(&self) -> usize {
        let later = self.stages[self.stage.min(STAGES)..].iter();
        later.map(|stage| stage.len).sum::<usize>() - self.position
    }

    fn address(&self, place: Place) -> i32 {
        i32::from(place.y) * self.stride + i32::from(place.x)
    }

    /// Puts the next step into `step`; `false` after the last.
    pub fn next_into(&mut self, step: &mut Step) -> bool {
        let Some(stage) = self.stages.get(self.stage).copied() else {
            return false;
        };
        let place = self.order[self.position];
        let order = self.random.next();
        self.nearest
            .find(place, self.neighbours, order, &mut self.found);
        self.describe(place, step);
        // A pixel that is resolved again is its own nearest neighbour.
        if self.position >= self.nearest.len() {
            self.nearest.insert(place);
        }
        self.position += 1;
        if self.position == stage.len {
            self.position = 0;
            self.stage += 1;
        }
        true
    }

    fn describe(&mut self, place: Place, step: &mut Step) {
        step.place = self.address(place);
        // At most MAX_NEIGHBOURS.
        step.count = u8::try_from(self.found.len()).unwrap_or(u8::MAX);
        step.offsets = [0; MAX_NEIGHBOURS];
        step.weights = [0; MAX_NEIGHBOURS];
        for (index, found) in self.found.iter().enumerate() {
            step.offsets[index] = self.address(*found) - step.place;
            let away = |to: u16, from: u16| to.cast_signed() - from.cast_signed();
            step.moves[index] = (away(found.x, place.x), away(found.y, place.y));
        }
        self.distances.clear();
        self.distances
            .extend(self.found.iter().map(|p| p.distance2(place)));
        weigh(&self.distances, &mut step.weights);
    }
}

/// Weights of neighbours at these squared distances, the nearest first.
fn weigh(distances: &[u32], weights: &mut [u8]) {
    let sum: f64 = distances.iter().map(|d| f64::from(*d)).sum();
    // 0 where the pixel is its only neighbour; its weight is 255 all the same.
    #[allow(clippy::cast_precision_loss)] // At most 50.
    let rate = if sum > 0.0 {
        distances.len() as f64 / sum
    } else {
        0.0
    };
    let mut last = (u32::MAX, 0);
    for (weight, &distance) in weights.iter_mut().zip(distances) {
        if distance != last.0 {
            let exact = 255.0 * exp_neg(f64::from(distance) * rate);
            #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // 0 to 255.
            let rounded = (exact + 0.5) as u8;
            last = (distance, rounded);
        }
        *weight = last.1;
    }
}
