use std::io::{self, BufWriter, Read, Write};
use std::panic::{catch_unwind, AssertUnwindSafe};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use texgen_engine::{Engine, EngineError, Fast, Timings};
use texgen_fast::offload::{Prepared, Preparer};
use texgen_gpu::{Error, Gpu};

use super::queue::Queue;
use super::state::{Loss, State};
use crate::encode::Format;
use crate::job::{parse_job, Job};
use crate::serve::{end_of_frames, hello, synthesize, write_fault, write_texture, Made, FRAME};
use crate::wire::{self, kind, Code, Fault};

/// Textures of a batch, and of a batch on a GPU that a CPU plays.
const BATCH: [usize; 2] = [256, 4];

/// Batches on their way: one is computed while the next is uploaded, and two wait.
const BATCHES: usize = 4;

/// Says hello, then answers jobs in any order until the input ends. `engines` has at least one.
///
/// # Errors
///
/// As [`crate::serve::serve`].
pub fn serve(
    gpu: &Gpu,
    engines: Vec<Fast>,
    input: &mut impl Read,
    output: impl Write + Send,
) -> io::Result<()> {
    let batch = BATCH[usize::from(gpu.is_software())];
    let mut output = BufWriter::with_capacity(FRAME, output);
    let about = Fast::description(&engines[0]);
    let hello = hello(&about, None, Some(gpu.name()), BATCHES * batch)?;
    wire::write_frame(&mut output, kind::HELLO, &[&hello])?;
    let pipeline = Pipeline {
        gpu,
        batch,
        output: Mutex::new(output),
        tasks: Queue::new(),
        ready: Queue::new(),
        state: Mutex::new(State::new()),
        changed: Condvar::new(),
    };
    thread::scope(|scope| {
        for engine in engines {
            scope.spawn(|| pipeline.make_textures(engine));
            scope.spawn(|| pipeline.prepare_and_encode());
        }
        let read = pipeline.read(input);
        pipeline.wait_for_answers();
        pipeline.tasks.close();
        pipeline.ready.close();
        read
    })
}

/// How many engines [`serve`] takes: one for each thread that makes textures where the GPU does not.
/// Two of them use the GPU.
#[must_use]
pub fn engines() -> usize {
    thread::available_parallelism().map_or(2, |count| count.get().max(2))
}

/// A job whose examples are prepared.
struct Ready {
    /// Its frame, which a CPU makes it from where the GPU does not.
    frame: Vec<u8>,
    id: u64,
    format: Option<Format>,
    wants_raw: bool,
    prepared: Prepared,
    load: Duration,
}

enum Task {
    /// A job's frame.
    Prepare(Vec<u8>),
    /// A texture, and how to encode it.
    Encode(Box<Made>, Option<Format>),
}

struct Pipeline<'a, W: Write> {
    gpu: &'a Gpu,
    batch: usize,
    output: Mutex<W>,
    tasks: Queue<Task>,
    ready: Queue<Ready>,
    state: Mutex<State>,
    changed: Condvar,
}

impl<W: Write + Send> Pipeline<'_, W> {
    fn read(&self, input: &mut impl Read) -> io::Result<()> {
        loop {
            let mut frame = Vec::new();
            match wire::read_frame(input, &mut frame) {
                Ok(true) => {
                    self.lock().unanswered += 1;
                    self.tasks.push(Task::Prepare(frame));
                }
                Ok(false) => return Ok(()),
                Err(error) => return end_of_frames(error, &mut *lock(&self.output)),
            }
        }
    }

    fn wait_for_answers(&self) {
        let mut state = self.lock();
        while state.unanswered > 0 {
            state = self.wait(state);
        }
    }

    fn prepare_and_encode(&self) {
        let mut preparer = Preparer::default();
        while let Some(task) = self.tasks.pop() {
            match task {
                Task::Prepare(frame) => self.prepare(&mut preparer, frame),
                Task::Encode(made, format) => self.encode(*made, format),
            }
        }
    }

    fn prepare(&self, preparer: &mut Preparer, frame: Vec<u8>) {
        let start = Instant::now();
        let job = match parse_job(&frame) {
            Ok(job) => job,
            Err((id, fault)) => return self.answer(|output| write_fault(output, id, &fault)),
        };
        let prepared = caught(|| {
            let prepared = preparer.prepare(&job.examples, job.size, job.seed);
            prepared.map_err(EngineError::from)
        });
        let Job {
            id,
            format,
            wants_raw,
            ..
        } = job;
        match prepared {
            Ok(prepared) => self.ready.push(Ready {
                frame,
                id,
                format,
                wants_raw,
                prepared,
                load: start.elapsed(),
            }),
            Err(fault) => self.answer(|output| write_fault(output, id, &fault)),
        }
    }

    fn encode(&self, mut made: Made, format: Option<Format>) {
        let id = made.id;
        match made.encode(format) {
            Ok(()) => self.answer(|output| write_texture(output, &made)),
            Err(fault) => self.answer(|output| write_fault(output, id, &fault)),
        }
    }

    /// Writes an answer. Where nobody reads it, the input ends too.
    fn answer(&self, write: impl FnOnce(&mut W) -> io::Result<()>) {
        let _ = write(&mut lock(&self.output));
        self.lock().unanswered -= 1;
        self.changed.notify_all();
    }

    fn make_textures(&self, mut cpu: Fast) {
        loop {
            let on_gpu = self.enter();
            let most = if on_gpu { self.batch } else { 1 };
            let batch = self
                .ready
                .pop_some(most, |a, b| a.prepared.size == b.prepared.size);
            let over = batch.is_empty();
            if on_gpu {
                self.make_on_gpu(batch, &mut cpu);
                self.lock().using_gpu -= 1;
                self.changed.notify_all();
            } else {
                batch.iter().for_each(|job| self.make_on_cpu(job, &mut cpu));
            }
            if over {
                return;
            }
        }
    }

    /// Waits for a turn on the GPU; false where it is lost.
    fn enter(&self) -> bool {
        let mut state = self.lock();
        while !state.lost && state.using_gpu == 2 {
            state = self.wait(state);
        }
        state.using_gpu += usize::from(!state.lost);
        !state.lost
    }

    fn make_on_gpu(&self, mut batch: Vec<Ready>, cpu: &mut Fast) {
        if batch.is_empty() {
            return;
        }
        let start = Instant::now();
        let wanted: Vec<_> = batch.iter().map(|job| &job.prepared).collect();
        // wgpu panics where a driver says that its device is lost while it is waited for.
        let made = catch_unwind(AssertUnwindSafe(|| {
            self.lose_for_test();
            self.gpu.synthesize(&wanted)
        }));
        let made = made.unwrap_or_else(|_| Err(Error::Lost("its driver gave up".to_owned())));
        match made {
            Ok(textures) => {
                let each = u32::try_from(batch.len()).unwrap_or(u32::MAX);
                let synthesis = start.elapsed() / each;
                for (job, texture) in batch.into_iter().zip(textures) {
                    let made = Made {
                        id: job.id,
                        wants_raw: job.wants_raw,
                        texture,
                        encoded: Vec::new(),
                        timings: Timings {
                            schedule: Duration::ZERO,
                            load: job.load,
                        },
                        synthesis,
                        encoding: Duration::ZERO,
                    };
                    self.tasks
                        .push_first(Task::Encode(Box::new(made), job.format));
                }
            }
            Err(Error::TooLarge(_) | Error::Input(_) | Error::OutOfMemory(_))
                if batch.len() > 1 =>
            {
                let rest = batch.split_off(batch.len() / 2);
                self.make_on_gpu(batch, cpu);
                self.make_on_gpu(rest, cpu);
            }
            Err(error) => {
                self.lock().note(&error);
                self.changed.notify_all();
                batch.iter().for_each(|job| self.make_on_cpu(job, cpu));
            }
        }
    }

    fn make_on_cpu(&self, job: &Ready, cpu: &mut Fast) {
        let made = parse_job(&job.frame)
            .map_err(|(_, fault)| fault)
            .and_then(|job| synthesize(cpu, &job));
        match made {
            Ok(made) => self
                .tasks
                .push_first(Task::Encode(Box::new(made), job.format)),
            Err(fault) => self.answer(|output| write_fault(output, job.id, &fault)),
        }
    }

    fn lose_for_test(&self) {
        let loss = self.lock().count_batch();
        match loss {
            Some(Loss::Gone) => self.gpu.lose(),
            Some(Loss::Panic) => panic!("a driver that gives up, for a test"),
            Some(Loss::Hang) => self.gpu.hang(),
            None => {}
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        lock(&self.state)
    }

    fn wait<'b>(&self, state: MutexGuard<'b, State>) -> MutexGuard<'b, State> {
        self.changed
            .wait(state)
            .unwrap_or_else(PoisonError::into_inner)
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A panic as the engine's own fault, so that the other jobs are still answered.
fn caught<T>(call: impl FnOnce() -> Result<T, EngineError>) -> Result<T, Fault> {
    match catch_unwind(AssertUnwindSafe(call)) {
        Ok(result) => result.map_err(Fault::from),
        Err(_) => Err(Fault {
            code: Code::Panicked,
            text: "the examples could not be prepared".to_owned(),
        }),
    }
}
