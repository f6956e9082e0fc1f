use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::atlas::Atlas;
use crate::draws::Draws;
use crate::identity::{Identity, SCHEDULES};
use crate::kernel::{Canvas, Cells, Kernel};
use crate::layout::Layout;
use crate::plan::{OnceSteps, Plan};
use crate::pyramid::Pyramid;
use crate::schedule::{stages, Schedule, Steps};
use crate::symmetry::Symmetry;
use crate::{Error, Parameters, RgbImage, RgbView, MAX_SIZE};

/// Largest |dx| and |dy| that an entry must be able to hold for schedules to be
/// kept; with larger textures steps are made anew for each.
const NEAR: u32 = 48;

/// Makes textures. It keeps schedules and buffers from call to call, so use one
/// for many textures; what it returns does not depend on earlier calls.
#[derive(Debug)]
pub struct Synthesizer {
    parameters: Parameters,
    kernel: Kernel,
    /// At most `SCHEDULES`, the one used last at the end.
    schedules: Vec<(ScheduleKey, Arc<Schedule>)>,
    pyramid: Pyramid,
    atlas: Atlas,
    cells: Cells,
    last: Option<Last>,
    timings: Timings,
}

/// Where a texture's pixel was copied from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Source {
    /// Index of the example.
    pub example: u32,
    /// Column in it, px.
    pub x: u32,
    /// Row in it, px.
    pub y: u32,
}

/// Wall-clock time of the parts of the last call.
#[derive(Debug, Clone, Copy, Default)]
pub struct Timings {
    /// Building a schedule that is kept; zero where it was there, and where none is kept.
    pub schedule: Duration,
    /// Pyramids and atlases.
    pub load: Duration,
    /// Resolving pixels.
    pub resolve: Duration,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct ScheduleKey {
    size: u32,
    stride: u32,
    seed: u64,
}

impl Synthesizer {
    /// A synthesizer with the default parameters and the fastest kernel.
    ///
    /// # Errors
    ///
    /// None; as [`Synthesizer::with`].
    pub fn new() -> Result<Self, Error> {
        Self::with(Parameters::default(), Kernel::detect())
    }

    /// A synthesizer with these parameters and this kernel.
    ///
    /// # Errors
    ///
    /// [`Error::Parameter`] where a parameter is outside its range,
    /// [`Error::Kernel`] where this processor does not run the kernel.
    pub fn with(parameters: Parameters, kernel: Kernel) -> Result<Self, Error> {
        parameters.check()?;
        Ok(Self {
            parameters,
            kernel: Kernel::named(kernel.name())?,
            schedules: Vec::new(),
            pyramid: Pyramid::default(),
            atlas: Atlas::default(),
            cells: Cells::default(),
            last: None,
            timings: Timings::default(),
        })
    }

    /// The parameters in use.
    #[must_use]
    pub fn parameters(&self) -> Parameters {
        self.parameters
    }

    /// The kernel in use.
    #[must_use]
    pub fn kernel(&self) -> Kernel {
        self.kernel
    }

    /// Where the time of the last call went.
    #[must_use]
    pub fn timings(&self) -> Timings {
        self.timings
    }

    /// The source of each pixel of the last texture, row by row; empty before the first.
    #[must_use]
    pub fn sources(&self) -> Vec<Source> {
        let Some(last) = &self.last else {
            return Vec::new();
        };
        let places = last.places();
        places
            .map(|place| last.source(place, self.cells.at(place).shift))
            .collect()
    }

    /// Makes a texture of `size` x `size` px from `examples` of any sizes.
    ///
    /// # Errors
    ///
    /// [`Error::NoExamples`], [`Error::Size`] where `size` is not 1 to
    /// [`MAX_SIZE`], [`Error::ExamplesTooLarge`] where the examples, padded by
    /// the texture's size, have 2^28 px or more.
    pub fn synthesize(
        &mut self,
        examples: &[RgbView<'_>],
        size: u32,
        seed: u64,
    ) -> Result<RgbImage, Error> {
        if !(1..=MAX_SIZE).contains(&size) {
            return Err(Error::Size(size));
        }
        let identity = Identity::new(seed);
        let turned: Vec<_> = examples
            .iter()
            .map(|e| identity.symmetry.turn(*e))
            .collect();
        let views: Vec<_> = turned.iter().map(RgbImage::view).collect();
        let layout = Layout::new(size, &views)?;
        self.timings = Timings::default();
        self.cells.reset(&layout);
        self.atlas.reset(&layout);
        self.run(&layout, &views, &identity);
        let last = self.last.insert(Last {
            layout,
            symmetry: identity.symmetry,
        });
        Ok(last.image(&self.cells))
    }

    fn run(&mut self, layout: &Layout, examples: &[RgbView<'_>], identity: &Identity) {
        let mut plan = self.plan(layout, identity.schedule_seed);
        let draws = Draws::new(layout, identity.draw_seed);
        let mut level = usize::MAX;
        for stage in stages(layout.size as usize * layout.size as usize) {
            if stage.level != level {
                level = stage.level;
                let start = Instant::now();
                let images: Vec<_> = examples
                    .iter()
                    .map(|e| self.pyramid.level(*e, level))
                    .collect();
                self.atlas.load(layout, &images);
                recolour(
                    &self.atlas,
                    &mut self.cells,
                    &plan.order()[..stage.resolved],
                );
                self.timings.load += start.elapsed();
            }
            let start = Instant::now();
            let mut canvas = Canvas {
                atlas: &self.atlas,
                cells: &mut self.cells,
                draws: &draws,
                parameters: self.parameters,
            };
            plan.resolve(self.kernel, &mut canvas, stage.len);
            self.timings.resolve += start.elapsed();
        }
    }

    fn plan(&mut self, layout: &Layout, seed: u64) -> Plan {
        let neighbours = self.parameters.neighbours as usize;
        let key = ScheduleKey {
            size: layout.size,
            stride: layout.stride,
            seed,
        };
        if NEAR * layout.stride + NEAR >= 1 << 15 {
            let steps = Steps::new(layout.size, layout.stride, neighbours, seed);
            return Plan::Once(Box::new(OnceSteps::new(steps)));
        }
        let known = self.schedules.iter().position(|(other, _)| *other == key);
        let found = known.map(|index| self.schedules.remove(index));
        let kept = found.unwrap_or_else(|| {
            if self.schedules.len() == SCHEDULES {
                // First, so that both are never in memory.
                self.schedules.remove(0);
            }
            let start = Instant::now();
            let steps = Steps::new(layout.size, layout.stride, neighbours, seed);
            let schedule = Arc::new(Schedule::collect(steps));
            self.timings.schedule = start.elapsed();
            (key, schedule)
        });
        let schedule = Arc::clone(&kept.1);
        self.schedules.push(kept);
        Plan::Kept { schedule, done: 0 }
    }
}

/// What the cells mean after a synthesis.
#[derive(Debug)]
struct Last {
    layout: Layout,
    symmetry: Symmetry,
}

impl Last {
    /// Addresses of the cells, for the texture's pixels row by row.
    fn places(&self) -> impl Iterator<Item = i32> + '_ {
        let (size, stride) = (self.layout.size, self.layout.stride);
        let back = self.symmetry.inverse();
        (0..size).flat_map(move |y| {
            (0..size).map(move |x| {
                let (x, y) = back.origin(x, y, size, size);
                (y * stride + x).cast_signed()
            })
        })
    }

    fn image(&self, cells: &Cells) -> RgbImage {
        let size = self.layout.size;
        let mut pixels = Vec::with_capacity(size as usize * size as usize * 3);
        for place in self.places() {
            let [red, green, blue, _] = cells.at(place).colour.to_le_bytes();
            pixels.extend_from_slice(&[red, green, blue]);
        }
        RgbImage {
            width: size,
            height: size,
            pixels,
        }
    }

    fn source(&self, place: i32, shift: i32) -> Source {
        let (example, x, y) = self.layout.locate(place + shift);
        let (width, height) = self.layout.sides[example as usize];
        // The layout has the turned sides.
        let (width, height) = self.symmetry.sides(width, height);
        let (x, y) = self.symmetry.origin(x, y, width, height);
        Source { example, x, y }
    }
}

/// Takes the colours of resolved pixels from a new level.
fn recolour(atlas: &Atlas, cells: &mut Cells, resolved: &[i32]) {
    for &place in resolved {
        let mut cell = cells.at(place);
        cell.colour = atlas.at(place + cell.shift);
        cells.set(place, cell);
    }
}
