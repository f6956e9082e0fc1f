use texgen_gpu::Error;

/// Loses the GPU after so many batches, for tests of what comes after; with ` panic` behind the
/// number as wgpu does it where a driver gives up, with ` hang` as a GPU that does not answer.
const LOSE_VARIABLE: &str = "TEXGEN_LOSE_GPU_AFTER";

/// Ways to lose a GPU.
#[derive(Debug, Clone, Copy)]
pub enum Loss {
    /// It is taken away.
    Gone,
    /// wgpu panics.
    Panic,
    /// It works on, and nothing waits for it.
    Hang,
}

/// What the threads of a worker on a GPU share.
#[derive(Default)]
pub struct State {
    /// Jobs without an answer.
    pub unanswered: usize,
    /// Threads that use the GPU.
    pub using_gpu: usize,
    /// Whether the GPU is of no use any more.
    pub lost: bool,
    /// See [`LOSE_VARIABLE`].
    to_lose: Option<(usize, Loss)>,
    /// What was said once and is not said again.
    out_of_memory: bool,
    too_large: bool,
}

impl State {
    /// Nothing has happened yet.
    pub fn new() -> Self {
        let given = std::env::var(LOSE_VARIABLE).unwrap_or_default();
        let (batches, loss) = match given.split_once(' ') {
            Some((batches, "panic")) => (batches, Loss::Panic),
            Some((batches, "hang")) => (batches, Loss::Hang),
            _ => (given.as_str(), Loss::Gone),
        };
        Self {
            to_lose: batches.parse().ok().map(|left| (left, loss)),
            ..Self::default()
        }
    }

    /// Counts a batch; how a test wants the GPU lost with it.
    pub fn count_batch(&mut self) -> Option<Loss> {
        let (left, loss) = self.to_lose.as_mut()?;
        let last = *left == 0;
        *left = left.saturating_sub(1);
        last.then_some(*loss)
    }

    /// Says once what the GPU does not do, and notes where it is lost.
    pub fn note(&mut self, error: &Error) {
        match error {
            // The CPU says the same of its input.
            Error::Input(_) => {}
            Error::TooLarge(_) if self.too_large => {}
            Error::TooLarge(_) => {
                self.too_large = true;
                eprintln!("{error}; the CPU makes what is too large");
            }
            Error::OutOfMemory(_) if self.out_of_memory => {}
            Error::OutOfMemory(_) => {
                self.out_of_memory = true;
                eprintln!("{error}; the CPU makes what does not fit");
            }
            _ if self.lost => {}
            _ => {
                self.lost = true;
                eprintln!("{error}; the CPU makes the textures from here on");
            }
        }
    }
}
