use super::nearest::{Found, Move, Nearest, Place};
use super::{stages, Stage, STAGES};
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
    moves: [Move; MAX_NEIGHBOURS],
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
    found: Found,
    weights: Weights,
}

impl Steps {
    /// The steps for a texture of `size` px, with at most `neighbours` neighbours
    /// each; every seed gives another order. Addresses of cells have `stride`.
    pub fn new(size: u32, stride: u32, neighbours: usize, seed: u64) -> Self {
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
            stride: stride.cast_signed(),
            found: Found::new(),
            weights: Weights::new(),
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
        let moves = self.found.moves();
        // At most MAX_NEIGHBOURS.
        step.count = u8::try_from(moves.len()).unwrap_or(u8::MAX);
        step.offsets = [0; MAX_NEIGHBOURS];
        step.weights = [0; MAX_NEIGHBOURS];
        step.moves[..moves.len()].copy_from_slice(moves);
        let mut distances = [0; MAX_NEIGHBOURS];
        let described = step.offsets.iter_mut().zip(&mut distances);
        for ((offset, distance), &(dx, dy)) in described.zip(moves) {
            let (dx, dy) = (i32::from(dx), i32::from(dy));
            *offset = dy * self.stride + dx;
            *distance = (dx * dx + dy * dy).cast_unsigned();
        }
        self.weights
            .weigh(&distances[..moves.len()], &mut step.weights);
    }
}

/// Weights of neighbours by their squared distances, px^2.
///
/// They depend on a distance, on the number of neighbours and on the sum of their distances. Dense
/// surroundings have the same sums again and again, so that weights of [`MAX_NEIGHBOURS`] are kept.
struct Weights {
    /// A row for each sum; 1 more than the weight, and 0 where it is not known yet.
    kept: Vec<[u16; Self::DISTANCES]>,
}

impl Weights {
    /// Where an eighth of the pixels is resolved, hardly any distance is larger.
    const DISTANCES: usize = 128;
    const SUMS: usize = 4096;

    fn new() -> Self {
        Self {
            kept: vec![[0; Self::DISTANCES]; Self::SUMS],
        }
    }

    /// The nearest is the first of the distances.
    fn weigh(&mut self, distances: &[u32], weights: &mut [u8]) {
        // At most 50 squares of at most 2 * 1,023^2.
        let sum = distances.iter().sum::<u32>();
        let rate = rate(distances.len(), sum);
        let farthest = distances.last().map_or(0, |distance| *distance as usize);
        let dense = distances.len() == MAX_NEIGHBOURS && farthest < Self::DISTANCES;
        let row = self.kept.get_mut(sum as usize).filter(|_| dense);
        let Some(row) = row else {
            for (weight, &distance) in weights.iter_mut().zip(distances) {
                *weight = weight_at(distance, rate);
            }
            return;
        };
        for (weight, &distance) in weights.iter_mut().zip(distances) {
            let kept = &mut row[distance as usize % Self::DISTANCES];
            if *kept == 0 {
                *kept = u16::from(weight_at(distance, rate)) + 1;
            }
            #[allow(clippy::cast_possible_truncation)] // 0 to 255.
            let known = (*kept - 1) as u8;
            *weight = known;
        }
    }
}

/// What a squared distance is multiplied with; 0 where the pixel is its only neighbour, whose weight
/// is 255 all the same.
#[allow(clippy::cast_precision_loss)] // At most 50.
fn rate(count: usize, sum: u32) -> f64 {
    if sum > 0 {
        count as f64 / f64::from(sum)
    } else {
        0.0
    }
}

fn weight_at(distance: u32, rate: f64) -> u8 {
    let exact = 255.0 * exp_neg(f64::from(distance) * rate);
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // 0 to 255.
    let rounded = (exact + 0.5) as u8;
    rounded
}
