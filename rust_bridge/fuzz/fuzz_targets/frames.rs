//! Any bytes on the worker's input: each frame has its answer, what is taken
//! for a job means what its bytes say, and memory follows what has arrived.
#![no_main]

use libfuzzer_sys::fuzz_target;
use texgen_engine::{Description, Engine, EngineError, RgbImage, RgbView};
use texgen_worker::encode::Format;
use texgen_worker::job::{parse_job, Job};
use texgen_worker::serve::serve;
use texgen_worker::wire::{self, kind, Code};

/// Takes any size and answers in next to no time, with an example's pixels.
struct Echo;

impl Engine for Echo {
    fn description(&self) -> Description {
        Description {
            name: "echo",
            version: "0".to_owned(),
            parameters: Vec::new(),
        }
    }

    fn synthesize(
        &mut self,
        examples: &[RgbView<'_>],
        size: u32,
        _: u64,
    ) -> Result<RgbImage, EngineError> {
        let first = examples
            .first()
            .ok_or_else(|| EngineError::Rejected("no examples".to_owned()))?;
        let index = size as usize % examples.len();
        Ok(examples.get(index).unwrap_or(first).to_image())
    }
}

/// The frame's body for a job, as the parent writes it.
fn body(job: &Job<'_>) -> Vec<u8> {
    let (format, quality) = match job.format {
        None => (0, 0),
        Some(Format::Png) => (1, 0),
        Some(Format::Webp) => (2, 0),
        Some(Format::Jpg(quality)) => (3, quality),
    };
    let count = u8::try_from(job.examples.len()).expect("the frame has it in a byte");
    let mut body = vec![kind::JOB];
    body.extend(job.id.to_le_bytes());
    body.extend(job.seed.to_le_bytes());
    body.extend(job.size.to_le_bytes());
    body.extend([format, quality, job.wants_raw.into(), count]);
    for example in &job.examples {
        body.extend(example.width().to_le_bytes());
        body.extend(example.height().to_le_bytes());
        body.extend(example.pixels());
    }
    body
}

/// `frame` with the two bytes that have several spellings spelt as [`body`] does.
fn plain(frame: &[u8]) -> Vec<u8> {
    const FORMAT: usize = 1 + 8 + 8 + 4;
    let mut frame = frame.to_vec();
    if frame[FORMAT] != 3 {
        frame[FORMAT + 1] = 0;
    }
    frame[FORMAT + 2] = (frame[FORMAT + 2] != 0).into();
    frame
}

/// A frame's kind and id, as the answer to `frame` must begin, and whether
/// there was a job.
fn expected(frame: &[u8]) -> (u64, Option<Format>, bool) {
    match parse_job(frame) {
        Ok(job) => {
            let written = body(&job);
            assert_eq!(written, plain(frame));
            assert_eq!(parse_job(&written).expect("it was a job"), job);
            (job.id, job.format, !job.examples.is_empty())
        }
        Err((id, fault)) => {
            assert!(matches!(fault.code, Code::BadFrame | Code::Rejected));
            assert!(!fault.text.is_empty());
            (id, None, false)
        }
    }
}

fn fuzz(data: &[u8]) {
    let mut answers = Vec::new();
    let served = serve(&mut Echo, &mut &data[..], &mut answers);
    let mut answers = answers.as_slice();
    let (mut frame, mut answer) = (Vec::new(), Vec::new());
    let mut next = |answer: &mut Vec<u8>| {
        wire::read_frame(&mut answers, answer).expect("the worker writes frames")
    };
    assert!(next(&mut answer));
    assert_eq!(answer[0], kind::HELLO);
    let mut input = data;
    let ended = loop {
        let read = wire::read_frame(&mut input, &mut frame);
        assert!(frame.capacity() <= 2 * data.len() + 64);
        match read {
            Ok(true) => {}
            Ok(false) => break true,
            Err(error) => break error.kind() == std::io::ErrorKind::UnexpectedEof,
        }
        assert!(next(&mut answer));
        let (id, format, made) = expected(&frame);
        let kind = if made { kind::TEXTURE } else { kind::ERROR };
        // An encoder may refuse: WebP has a longest side, JPEG too.
        let refused = format.is_some() && answer[0] == kind::ERROR;
        assert!(answer[0] == kind || refused, "{kind} {answer:?}");
        assert_eq!(answer[1..9], id.to_le_bytes());
        if refused && made {
            assert_eq!(answer[9], Code::Encoding as u8);
        }
    };
    assert_eq!(served.is_ok(), ended);
    if !ended {
        assert!(next(&mut answer));
        assert_eq!((answer[0], answer[9]), (kind::ERROR, Code::BadFrame as u8));
    }
    assert!(!next(&mut answer));
}

fuzz_target!(|data: &[u8]| fuzz(data));
