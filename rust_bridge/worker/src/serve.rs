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
mod tests {
    use proptest::prelude::*;
    use texgen_engine::{EngineError, RgbView, Stub};

    use super::*;

    struct Refuses;

    impl Engine for Refuses {
        fn description(&self) -> Description {
            Description {
                name: "refuses",
                version: "0".to_owned(),
                parameters: vec![("k", 50.0)],
            }
        }

        fn synthesize(
            &mut self,
            _: &[RgbView<'_>],
            _: u32,
            _: u64,
        ) -> Result<RgbImage, EngineError> {
            Err(EngineError::Panicked("index out of bounds".to_owned()))
        }
    }

    /// Claims to have spent more time on preparations than it took.
    struct Claims(Stub);

    impl Engine for Claims {
        fn description(&self) -> Description {
            self.0.description()
        }

        fn synthesize(
            &mut self,
            examples: &[RgbView<'_>],
            size: u32,
            seed: u64,
        ) -> Result<RgbImage, EngineError> {
            self.0.synthesize(examples, size, seed)
        }

        fn timings(&self) -> Timings {
            Timings {
                schedule: Duration::from_secs(20),
                load: Duration::from_nanos(3),
            }
        }
    }

    fn frames(mut wire: &[u8]) -> Vec<Vec<u8>> {
        let mut frames = Vec::new();
        let mut frame = Vec::new();
        while wire::read_frame(&mut wire, &mut frame).unwrap() {
            frames.push(frame.clone());
        }
        frames
    }

    fn job(id: u64) -> Vec<u8> {
        let mut wire = Vec::new();
        let patch = [5; 12];
        let (head, side) = ([0, 0, 1, 1], 2_u32.to_le_bytes());
        let (id, seed, size) = (id.to_le_bytes(), 0_u64.to_le_bytes(), 8_u32.to_le_bytes());
        let parts: [&[u8]; 7] = [&id, &seed, &size, &head, &side, &side, &patch];
        wire::write_frame(&mut wire, kind::JOB, &parts).unwrap();
        wire
    }

    proptest! {
        #[test]
        fn every_frame_has_its_answer_whatever_is_in_it_and_comes_after_it(
            bodies in prop::collection::vec(prop::collection::vec(any::<u8>(), 1..80), 0..5),
            jobs in 0_u8..3,
            tail: Vec<u8>,
        ) {
            let mut input = Vec::new();
            for body in &bodies {
                wire::write_frame(&mut input, body[0], &[&body[1..]]).unwrap();
            }
            (0..jobs).for_each(|id| input.extend(job(id.into())));
            let whole = bodies.len() + usize::from(jobs);
            input.extend(tail);
            let mut output = Vec::new();
            let served = serve(&mut Stub, &mut input.as_slice(), &mut output);
            let answers = frames(&output);
            // Hello first; a tail that is no frame is answered too.
            prop_assert!(answers.len() > whole + usize::from(served.is_err()));
            for (id, answer) in (0..jobs).zip(&answers[1 + bodies.len()..]) {
                prop_assert_eq!(&answer[..2], &[kind::TEXTURE, id]);
            }
        }
    }

    #[test]
    fn a_panic_is_an_error_frame_and_the_next_job_is_still_answered() {
        let input = [job(1), job(2)].concat();
        let mut output = Vec::new();
        serve(&mut Refuses, &mut input.as_slice(), &mut output).unwrap();
        let frames = frames(&output);
        assert_eq!(frames.len(), 3);
        for (id, frame) in (1_u8..).zip(&frames[1..]) {
            assert_eq!(frame[..2], [kind::ERROR, id]);
            assert_eq!(frame[9], Code::Panicked as u8);
        }
    }

    #[test]
    fn a_texture_says_where_the_time_went() {
        let mut output = Vec::new();
        serve(&mut Claims(Stub), &mut job(1).as_slice(), &mut output).unwrap();
        let texture = &frames(&output)[1];
        let times = texture[17..49].chunks_exact(8);
        let times: Vec<_> = times
            .map(|t| u64::from_le_bytes(t.try_into().unwrap()))
            .collect();
        assert_eq!(times[..3], [20_000_000_000, 3, 0]);
        assert_eq!(texture.len(), 1 + 8 + 4 + 4 + 4 * 8 + 4 + 8 * 8 * 3);
    }

    #[test]
    fn hello_names_protocol_engine_and_parameters() {
        let mut output = Vec::new();
        serve(&mut Refuses, &mut [].as_slice(), &mut output).unwrap();
        let hello: serde_json::Value = serde_json::from_slice(&frames(&output)[0][1..]).unwrap();
        assert_eq!(hello["protocol"], wire::PROTOCOL);
        assert_eq!(hello["engine"], "refuses");
        assert_eq!(hello["parameters"]["k"], 50.0);
    }

    #[test]
    fn garbage_is_answered_with_a_bad_frame_and_the_end() {
        let mut output = Vec::new();
        let input = [0_u8; 16];
        assert!(serve(&mut Refuses, &mut input.as_slice(), &mut output).is_err());
        let last = frames(&output).pop().unwrap();
        assert_eq!((last[0], last[9]), (kind::ERROR, Code::BadFrame as u8));
    }
}
