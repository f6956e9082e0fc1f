//! The worker's loop: a frame in, a frame out.

use std::io::{self, BufWriter, Read, Write};
use std::time::{Duration, Instant};

use serde::Serialize;
use texgen_engine::{Description, Engine, RgbImage, Timings};

use crate::encode::{self, Format, ENCODERS};
use crate::job::{self, Job};
use crate::wire::{self, kind, Code, Fault};

/// Room for most answers, so that each is written at once: the pixels of a
/// texture of 224 px take 150 kB.
pub(crate) const FRAME: usize = 1 << 18;

#[derive(Serialize)]
struct Hello<'a> {
    protocol: u32,
    worker: &'a str,
    engine: &'a str,
    engine_version: &'a str,
    kernel: Option<&'a str>,
    device: Option<&'a str>,
    capacity: usize,
    parameters: serde_json::Map<String, serde_json::Value>,
    encoders: serde_json::Map<String, serde_json::Value>,
}

/// Says hello, then answers jobs, one after the other, until the input ends.
///
/// # Errors
///
/// `InvalidData` when the input is not made of frames (an error frame says so
/// to the parent), else what the pipes say.
pub fn serve(engine: &mut dyn Engine, input: &mut impl Read, output: impl Write) -> io::Result<()> {
    let mut output = BufWriter::with_capacity(FRAME, output);
    let hello = hello(&engine.description(), engine.kernel(), None, 1)?;
    wire::write_frame(&mut output, kind::HELLO, &[&hello])?;
    let mut frame = Vec::new();
    loop {
        match wire::read_frame(input, &mut frame) {
            Ok(true) => answer(engine, &frame, &mut output)?,
            Ok(false) => return Ok(()),
            Err(error) => return end_of_frames(error, &mut output),
        }
    }
}

/// The frame in which a worker says what it is; `capacity` is the number of jobs that it takes
/// before it answers the first, `device` its GPU.
///
/// # Errors
///
/// None; as serde.
pub fn hello(
    about: &Description,
    kernel: Option<&str>,
    device: Option<&str>,
    capacity: usize,
) -> io::Result<Vec<u8>> {
    let hello = Hello {
        protocol: wire::PROTOCOL,
        worker: env!("CARGO_PKG_VERSION"),
        engine: about.name,
        engine_version: &about.version,
        kernel,
        device,
        capacity,
        parameters: about
            .parameters
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).into()))
            .collect(),
        encoders: ENCODERS
            .iter()
            .map(|(name, about)| ((*name).to_owned(), (*about).into()))
            .collect(),
    };
    Ok(serde_json::to_vec(&hello)?)
}

/// What to do when no frame could be read: garbage is answered.
pub(crate) fn end_of_frames(error: io::Error, output: &mut impl Write) -> io::Result<()> {
    if error.kind() == io::ErrorKind::UnexpectedEof {
        // The parent died while it wrote: nobody is left to tell.
        return Ok(());
    }
    let text = error.to_string();
    let code = Code::BadFrame;
    write_fault(output, 0, &Fault { code, text })?;
    Err(error)
}

fn answer(engine: &mut dyn Engine, frame: &[u8], output: &mut impl Write) -> io::Result<()> {
    match job::parse_job(frame) {
        Err((id, fault)) => write_fault(output, id, &fault),
        Ok(job) => match make(engine, &job) {
            Ok(made) => write_texture(output, &made),
            Err(fault) => write_fault(output, job.id, &fault),
        },
    }
}

/// A texture, and where its time went.
pub(crate) struct Made {
    pub id: u64,
    pub wants_raw: bool,
    pub texture: RgbImage,
    pub encoded: Vec<u8>,
    pub timings: Timings,
    /// What the engine took beyond `timings`.
    pub synthesis: Duration,
    pub encoding: Duration,
}

impl Made {
    /// Encodes the texture as the job wants it.
    pub(crate) fn encode(&mut self, format: Option<Format>) -> Result<(), Fault> {
        let start = Instant::now();
        if let Some(format) = format {
            self.encoded = encode::encode(&self.texture, format)?;
        }
        self.encoding = start.elapsed();
        Ok(())
    }
}

fn make(engine: &mut dyn Engine, job: &Job<'_>) -> Result<Made, Fault> {
    let mut made = synthesize(engine, job)?;
    made.encode(job.format)?;
    Ok(made)
}

/// A texture of a job, not encoded yet.
pub(crate) fn synthesize(engine: &mut dyn Engine, job: &Job<'_>) -> Result<Made, Fault> {
    let start = Instant::now();
    let texture = engine.synthesize(&job.examples, job.size, job.seed)?;
    let total = start.elapsed();
    let timings = engine.timings();
    Ok(Made {
        id: job.id,
        wants_raw: job.wants_raw,
        texture,
        encoded: Vec::new(),
        timings,
        synthesis: total.saturating_sub(timings.schedule + timings.load),
        encoding: Duration::ZERO,
    })
}

fn nanoseconds(duration: Duration) -> [u8; 8] {
    u64::try_from(duration.as_nanos())
        .unwrap_or(u64::MAX)
        .to_le_bytes()
}

pub(crate) fn write_texture(output: &mut impl Write, made: &Made) -> io::Result<()> {
    let raw: &[u8] = if made.wants_raw {
        &made.texture.pixels
    } else {
        &[]
    };
    wire::write_frame(
        output,
        kind::TEXTURE,
        &[
            &made.id.to_le_bytes(),
            &made.texture.width.to_le_bytes(),
            &made.texture.height.to_le_bytes(),
            &nanoseconds(made.timings.schedule),
            &nanoseconds(made.timings.load),
            &nanoseconds(made.synthesis),
            &nanoseconds(made.encoding),
            &u32::try_from(raw.len()).unwrap_or(u32::MAX).to_le_bytes(),
            raw,
            &made.encoded,
        ],
    )
}

pub(crate) fn write_fault(output: &mut impl Write, id: u64, fault: &Fault) -> io::Result<()> {
    wire::write_frame(
        output,
        kind::ERROR,
        &[
            &id.to_le_bytes(),
            &[fault.code as u8],
            fault.text.as_bytes(),
        ],
    )
}

#[cfg(test)]
mod tests;
