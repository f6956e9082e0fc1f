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

    fn synthesize(&mut self, _: &[RgbView<'_>], _: u32, _: u64) -> Result<RgbImage, EngineError> {
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
