//! Steps sorted into waves: those of a wave read nothing that another one writes.

use texgen_fast::offload::{each_step, StepView, MAX_NEIGHBOURS, STAGES};

/// Words of a step: place and count, number, neighbours.
pub const STEP_WORDS: usize = 2 + MAX_NEIGHBOURS;

/// Steps of a wave that a workgroup works on at once, as in `resolve.wgsl`.
pub const TEAMS: u32 = 8;

/// Most steps of a wave; those of a wider one become several waves. It bounds the work of a dispatch,
/// which consists of whole waves.
pub const MAX_WIDTH: usize = 1024;

/// What is added to dx and dy, so that they are not negative.
const MIDDLE: i32 = 1024;

/// All steps of a texture, in the form that the kernel reads.
#[derive(Debug)]
pub struct Waves {
    /// [`STEP_WORDS`] for each step, wave by wave.
    pub steps: Vec<u32>,
    /// The first step of each wave, and the number of all steps.
    pub starts: Vec<u32>,
    /// For each stage, one past its last wave.
    pub stage_ends: [u32; STAGES],
}

/// Waves of the stage in progress, by pixel.
struct Latest {
    size: u32,
    /// The wave in which a pixel was written, from 1 on.
    written: Vec<u32>,
    /// The last wave in which a pixel was read.
    read: Vec<u32>,
}

impl Latest {
    fn new(size: u32) -> Self {
        let pixels = size as usize * size as usize;
        Self {
            size,
            written: vec![0; pixels],
            read: vec![0; pixels],
        }
    }

    fn clear(&mut self) {
        self.written.fill(0);
        self.read.fill(0);
    }

    /// The wave of the next step: after those that write what it reads, and after those that read
    /// what it writes.
    fn place(&mut self, step: &StepView<'_>) -> u32 {
        let size = self.size;
        let cells = step.neighbours.iter().map(|neighbour| {
            let column = step.x.wrapping_add_signed(neighbour.dx);
            let row = step.y.wrapping_add_signed(neighbour.dy);
            row as usize * size as usize + column as usize
        });
        let own = step.y as usize * size as usize + step.x as usize;
        let last_write = cells.clone().map(|cell| self.written[cell]).max();
        let wave = 1 + last_write.unwrap_or(0).max(self.read[own]);
        for cell in cells {
            self.read[cell] = self.read[cell].max(wave);
        }
        self.written[own] = wave;
        wave
    }
}

impl Waves {
    /// The waves of a texture of `size` px; see [`each_step`].
    #[must_use]
    pub fn new(size: u32, neighbours: u32, schedule_seed: u64) -> Self {
        let mut waves = Self {
            steps: Vec::new(),
            starts: vec![0],
            stage_ends: [0; STAGES],
        };
        let mut latest = Latest::new(size);
        let mut stage = Vec::new();
        let mut current = 0;
        each_step(size, neighbours, schedule_seed, |step| {
            if step.stage != current {
                waves.append(&mut stage, current);
                latest.clear();
                current = step.stage;
            }
            stage.push((latest.place(step), pack(step)));
        });
        waves.append(&mut stage, current);
        waves
    }

    /// Number of steps.
    #[must_use]
    pub fn count(&self) -> usize {
        self.steps.len() / STEP_WORDS
    }

    fn append(&mut self, stage: &mut Vec<(u32, [u32; STEP_WORDS])>, index: usize) {
        // Stable, so that waves do not depend on how they are sorted.
        stage.sort_by_key(|(wave, _)| *wave);
        let mut last = 1;
        let mut first = self.count();
        for (wave, words) in stage.drain(..) {
            if wave != last || self.count() == first + MAX_WIDTH {
                first = self.count();
                self.starts.push(narrow(first));
                last = wave;
            }
            self.steps.extend(words);
        }
        self.starts.push(narrow(self.count()));
        self.stage_ends[index] = narrow(self.starts.len() - 1);
    }
}

/// At most 2^21 steps.
fn narrow(len: usize) -> u32 {
    u32::try_from(len).unwrap_or(u32::MAX)
}

fn pack(step: &StepView<'_>) -> [u32; STEP_WORDS] {
    let mut words = [0; STEP_WORDS];
    words[0] = step.x | step.y << 10 | narrow(step.neighbours.len()) << 20;
    words[1] = step.number;
    for (word, neighbour) in words[2..].iter_mut().zip(step.neighbours) {
        let part = |distance: i32| (distance + MIDDLE).cast_unsigned();
        *word = part(neighbour.dx) | part(neighbour.dy) << 11 | u32::from(neighbour.weight) << 22;
    }
    words
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(24))]
        #[test]
        fn steps_see_what_they_would_see_one_after_the_other(
            size in 1_u32..90, neighbours in 1_u32..=50, seed in 0_u64..2
        ) {
            // Who wrote each pixel that a step reads, in the order of the steps.
            let mut writers = vec![None; (size * size) as usize];
            let mut expected = Vec::new();
            each_step(size, neighbours, seed, |step| {
                let cells = cells_of(size, pack(step));
                let seen: Vec<Option<u32>> = cells.1.iter().map(|cell| writers[*cell]).collect();
                expected.push(seen);
                writers[cells.0] = Some(step.number);
            });
            let waves = Waves::new(size, neighbours, seed);
            let mut writers = vec![None; (size * size) as usize];
            let mut numbers = HashSet::new();
            for wave in waves.starts.windows(2) {
                prop_assert!((1..=MAX_WIDTH).contains(&((wave[1] - wave[0]) as usize)));
                let steps = waves.steps.chunks_exact(STEP_WORDS);
                let steps: Vec<_> = steps.skip(wave[0] as usize).take((wave[1] - wave[0]) as usize).collect();
                let mut written = Vec::new();
                for words in steps {
                    let (own, cells) = cells_of(size, words.try_into().unwrap());
                    let seen: Vec<Option<u32>> = cells.iter().map(|cell| writers[*cell]).collect();
                    prop_assert_eq!(&seen, &expected[words[1] as usize]);
                    prop_assert!(numbers.insert(words[1]));
                    written.push((own, words[1]));
                }
                for (own, number) in written {
                    writers[own] = Some(number);
                }
            }
            prop_assert_eq!(numbers.len(), expected.len());
        }
    }

    /// The pixel of a step, and those of its neighbours.
    fn cells_of(size: u32, words: [u32; STEP_WORDS]) -> (usize, Vec<usize>) {
        let (x, y) = (words[0] & 0x3ff, (words[0] >> 10) & 0x3ff);
        let neighbours = words[2..].iter().take((words[0] >> 20) as usize);
        let cells = neighbours.map(|word| {
            let part = |bits: u32| (bits & 0x7ff).cast_signed() - MIDDLE;
            let x = x.wrapping_add_signed(part(*word));
            let y = y.wrapping_add_signed(part(word >> 11));
            assert!(x < size && y < size);
            (y * size + x) as usize
        });
        ((y * size + x) as usize, cells.collect())
    }
}
