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
/// A [`Fault`] with [`Code::BadFrame`] or, for patches that do not fit,
/// [`Code::Rejected`].
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
        let length = u64::from(width) * u64::from(height) * 3;
        let pixels = fields.take(length)?;
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
    fn take(&mut self, count: u64) -> Result<&'a [u8], Fault> {
        let split = usize::try_from(count)
            .ok()
            .and_then(|count| self.0.split_at_checked(count));
        let (head, tail) = split.ok_or_else(|| Fault::bad_frame("the frame ends too early"))?;
        self.0 = tail;
        Ok(head)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], Fault> {
        let mut bytes = [0; N];
        bytes.copy_from_slice(self.take(N as u64)?);
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

    fn job_frame(id: u64, seed: u64, size: u32, patch: (u32, u32)) -> Vec<u8> {
        let mut frame = vec![kind::JOB];
        frame.extend(id.to_le_bytes());
        frame.extend(seed.to_le_bytes());
        frame.extend(size.to_le_bytes());
        frame.extend([1, 0, 1, 1]);
        frame.extend(patch.0.to_le_bytes());
        frame.extend(patch.1.to_le_bytes());
        frame.extend(vec![9; (patch.0 * patch.1 * 3) as usize]);
        frame
    }

    proptest! {
        #[test]
        fn a_job_comes_back_as_it_was_sent(
            id: u64, seed: u64, size: u32, width in 1_u32..20, height in 1_u32..20
        ) {
            let frame = job_frame(id, seed, size, (width, height));
            let job = parse_job(&frame).unwrap();
            prop_assert_eq!((job.id, job.seed, job.size), (id, seed, size));
            prop_assert_eq!(job.examples[0].width(), width);
            prop_assert_eq!(job.examples[0].height(), height);
            prop_assert_eq!(job.format, Some(Format::Png));
        }

        #[test]
        fn garbage_is_refused_without_a_panic(bytes: Vec<u8>) {
            let _ = parse_job(&bytes);
        }

        #[test]
        fn a_job_with_a_byte_changed_or_cut_is_refused_or_parsed_but_never_panics(
            at in 0_usize..100, value: u8, keep in 0_usize..100
        ) {
            let mut frame = job_frame(1, 2, 64, (4, 4));
            let at = at % frame.len();
            frame[at] = value;
            let _ = parse_job(&frame);
            frame.truncate(keep);
            let _ = parse_job(&frame);
        }
    }

    #[test]
    fn a_fault_in_a_job_names_the_job() {
        let mut frame = job_frame(42, 0, 64, (4, 4));
        frame.pop();
        let (id, fault) = parse_job(&frame).unwrap_err();
        assert_eq!((id, fault.code), (42, Code::BadFrame));
    }
}
