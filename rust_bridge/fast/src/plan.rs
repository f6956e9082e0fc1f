use std::sync::Arc;

use crate::kernel::{Canvas, Kernel};
use crate::schedule::{Schedule, Step, Steps};

/// The steps of a texture.
pub enum Plan {
    /// From a schedule that is kept; `done` steps of it were run.
    Kept {
        schedule: Arc<Schedule>,
        done: usize,
    },
    /// Made while they are run.
    Once(Box<OnceSteps>),
}

/// Steps that are made while they are run.
pub struct OnceSteps {
    steps: Steps,
    order: Vec<i32>,
    step: Step,
    done: u32,
}

impl OnceSteps {
    /// Nothing is run yet.
    pub fn new(steps: Steps) -> Self {
        Self {
            order: steps.order(),
            steps,
            step: Step::default(),
            done: 0,
        }
    }

    fn resolve(&mut self, canvas: &mut Canvas<'_>, len: usize) {
        for _ in 0..len {
            if self.steps.next_into(&mut self.step) {
                Kernel::resolve_one(canvas, &self.step, self.done);
                self.done += 1;
            }
        }
    }
}

impl Plan {
    /// Addresses of all pixels in the order in which they are resolved.
    pub fn order(&self) -> &[i32] {
        match self {
            Self::Kept { schedule, .. } => &schedule.order,
            Self::Once(once) => &once.order,
        }
    }

    /// Runs the next `len` steps.
    pub fn resolve(&mut self, kernel: Kernel, canvas: &mut Canvas<'_>, len: usize) {
        match self {
            Self::Kept { schedule, done } => {
                kernel.resolve(canvas, schedule.run(*done, len));
                *done += len;
            }
            Self::Once(once) => once.resolve(canvas, len),
        }
    }
}
