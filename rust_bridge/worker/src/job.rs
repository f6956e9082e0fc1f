//! The job frame: what the parent asks for.

use texgen_engine::{EngineError, RgbView};

use crate::encode::Format;
use crate::wire::{kind, Fault};

/// One texture to make.
#[derive(Debug, PartialEq, Eq)]
pub struct Job<'a> {
    /// Echoed in the answer.
    pub id: u64,
    /// Seed of the synthesis.
    pub seed: u64,
    /// Side of the texture, px.
    pub size: u32,
    /// How to encode it, if at all.
    pub format: Option<Format>,
    /// Whether the raw pixels are wanted too.
    pub wants_raw: bool,
    /// The example patches.
    pub examples: Vec<RgbView<'a>>,
}

/// Parses the frame of a job. The error carries the job's id where it was
/// there to read, else 0.
///
/// # Errors
///
/// A [`Fault`] with [`BadFrame`](crate::wire::Code::BadFrame) or, for patches that do not fit,
/// [`Rejected`](crate::wire::Code::Rejected).
pub fn parse_job(frame: &[u8]) -> Result<Job<'_>, (u64, Fault)> {
    let mut fields = Fields(frame);
    match fields.u8() {
        Ok(kind::JOB) => {}
        _ => return Err((0, Fault::bad_frame("not a job frame"))),
    }
    let id = fields.u64().map_err(|fault| (0, fault))?;
    parse_body(id, &mut fields).map_err(|fault| (id, fault))
}

fn parse_body<'a>(id: u64, fields: &mut Fields<'a>) -> Result<Job<'a>, Fault> {
    let seed = fields.u64()?;
    let size = fields.u32()?;
    let (format, quality) = (fields.u8()?, fields.u8()?);
    let format = Format::from_wire(format, quality).map_err(|text| Fault::bad_frame(&text))?;
    let wants_raw = fields.u8()? != 0;
    let count = fields.u8()?;
    let mut examples = Vec::with_capacity(count.into());
    for _ in 0..count {
        let (width, height) = (fields.u32()?, fields.u32()?);
        let pixels = fields.take(RgbView::bytes(width, height))?;
        let example = RgbView::new(width, height, pixels).map_err(EngineError::from)?;
        examples.push(example);
    }
    if !fields.0.is_empty() {
        return Err(Fault::bad_frame("bytes after the last patch"));
    }
    Ok(Job {
        id,
        seed,
        size,
        format,
        wants_raw,
        examples,
    })
}

/// A cursor over a frame's bytes.
struct Fields<'a>(&'a [u8]);

impl<'a> Fields<'a> {
    fn take(&mut self, count: u128) -> Result<&'a [u8], Fault> {
        let split = usize::try_from(count)
            .ok()
            .and_then(|count| self.0.split_at_checked(count));
        let (head, tail) = split.ok_or_else(|| Fault::bad_frame("the frame ends too early"))?;
        self.0 = tail;
        Ok(head)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], Fault> {
        let mut bytes = [0; N];
        bytes.copy_from_slice(self.take(N as u128)?);
        Ok(bytes)
    }

    fn u8(&mut self) -> Result<u8, Fault> {
        self.array().map(u8::from_le_bytes)
    }

    fn u32(&mut self) -> Result<u32, Fault> {
        self.array().map(u32::from_le_bytes)
    }

    fn u64(&mut self) -> Result<u64, Fault> {
        self.array().map(u64::from_le_bytes)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::wire::Code;

    fn job_frame(job: &Job<'_>) -> Vec<u8> {
        let (format, quality) = match job.format {
            None => (0, 0),
            Some(Format::Png) => (1, 0),
            Some(Format::Webp) => (2, 0),
            Some(Format::Jpg(quality)) => (3, quality),
        };
        let mut frame = vec![kind::JOB];
        frame.extend(job.id.to_le_bytes());
        frame.extend(job.seed.to_le_bytes());
        frame.extend(job.size.to_le_bytes());
        let count = job.examples.len() as u8;
        frame.extend([format, quality, job.wants_raw.into(), count]);
        for example in &job.examples {
            frame.extend(example.width().to_le_bytes());
            frame.extend(example.height().to_le_bytes());
            frame.extend(example.pixels());
        }
        frame
    }

    fn frame_of_one_patch(id: u64) -> Vec<u8> {
        job_frame(&Job {
            id,
            seed: 2,
            size: 64,
            format: Some(Format::Png),
            wants_raw: true,
            examples: vec![RgbView::new(4, 4, &[9; 48]).unwrap()],
        })
    }

    proptest! {
        #[test]
        fn a_job_comes_back_as_it_was_sent(
            id: u64, seed: u64, size: u32, format in 0_u8..4, quality in 1_u8..=100,
            wants_raw: bool, sides in prop::collection::vec((1_u32..20, 1_u32..20), 0..6),
        ) {
            let format = Format::from_wire(format, quality).unwrap();
            let pixels: Vec<u8> = (0..20 * 20 * 3).map(|i| i as u8).collect();
            let examples = sides
                .iter()
                .map(|&(w, h)| RgbView::new(w, h, &pixels[..(w * h * 3) as usize]).unwrap())
                .collect();
            let job = Job { id, seed, size, format, wants_raw, examples };
            let frame = job_frame(&job);
            prop_assert_eq!(parse_job(&frame).unwrap(), job);
        }

        #[test]
        fn garbage_is_refused_without_a_panic(bytes: Vec<u8>) {
            let _ = parse_job(&bytes);
        }

        #[test]
        fn a_job_with_a_byte_changed_or_cut_is_refused_or_parsed_but_never_panics(
            at in 0_usize..100, value: u8, keep in 0_usize..100
        ) {
            let mut frame = frame_of_one_patch(1);
            let at = at % frame.len();
            frame[at] = value;
            let _ = parse_job(&frame);
            frame.truncate(keep);
            let _ = parse_job(&frame);
        }

        #[test]
        fn sides_that_do_not_fit_their_pixels_are_refused(width: u32, height: u32, bytes: u8) {
            prop_assume!(RgbView::bytes(width, height) != bytes.into());
            let pixels = vec![0; bytes.into()];
            prop_assert!(parse_job(&frame_with_sides(width, height, &pixels)).is_err());
        }
    }

    fn frame_with_sides(width: u32, height: u32, pixels: &[u8]) -> Vec<u8> {
        let mut frame = frame_of_one_patch(1);
        frame.truncate(1 + 8 + 8 + 4 + 4);
        frame.extend(width.to_le_bytes());
        frame.extend(height.to_le_bytes());
        frame.extend(pixels);
        frame
    }

    #[test]
    fn sides_whose_bytes_wrap_around_64_bits_are_refused() {
        // 3 * 3,062,868,337 * 2,007,567,422 is 2^64 + 26.
        let frame = frame_with_sides(3_062_868_337, 2_007_567_422, &[0; 26]);
        assert_eq!(parse_job(&frame).unwrap_err().1.code, Code::BadFrame);
    }

    #[test]
    fn a_fault_in_a_job_names_the_job() {
        let mut frame = frame_of_one_patch(42);
        frame.pop();
        let (id, fault) = parse_job(&frame).unwrap_err();
        assert_eq!((id, fault.code), (42, Code::BadFrame));
    }
}
