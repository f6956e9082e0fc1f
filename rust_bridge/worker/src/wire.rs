//! Frames on the worker's pipes; `docs/formats.md` has the layout.
//!
//! A frame is a little-endian `u32` length and that many bytes, the first of
//! which is the kind. Nothing in here panics or allocates on a length that a
//! frame merely claims.

use std::io::{self, Read, Write};

use texgen_engine::{EngineError, RgbView};

use crate::encode::{EncodeError, Format};

/// Version of the frames: the parent refuses a worker that speaks another.
pub const PROTOCOL: u32 = 1;

/// Longest frame that the worker takes, in bytes.
pub const MAX_FRAME: u32 = 256 << 20;

/// Kinds of frame.
pub mod kind {
    /// Worker to parent, once, first: JSON about engine and encoders.
    pub const HELLO: u8 = 1;
    /// Parent to worker: one texture to make.
    pub const JOB: u8 = 2;
    /// Worker to parent: a texture.
    pub const TEXTURE: u8 = 3;
    /// Worker to parent: why there is no texture.
    pub const ERROR: u8 = 4;
}

/// Codes of an error frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Code {
    /// The frame is not one that this worker takes.
    BadFrame = 1,
    /// The engine does not take this input.
    Rejected = 2,
    /// The engine panicked.
    Panicked = 3,
    /// Something outside the engine failed; the sample may be tried again.
    Failed = 4,
    /// The texture could not be encoded.
    Encoding = 5,
}

/// What the parent is told instead of a texture.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// What kind of fault.
    pub code: Code,
    /// In a sentence.
    pub text: String,
}

impl Fault {
    fn bad_frame(text: &str) -> Self {
        Self {
            code: Code::BadFrame,
            text: text.to_owned(),
        }
    }
}

impl From<EngineError> for Fault {
    fn from(error: EngineError) -> Self {
        let (code, text) = match error {
            EngineError::Rejected(text) => (Code::Rejected, text),
            EngineError::Panicked(text) => (Code::Panicked, text),
            EngineError::Failed(text) => (Code::Failed, text),
        };
        Self { code, text }
    }
}

impl From<EncodeError> for Fault {
    fn from(error: EncodeError) -> Self {
        Self {
            code: Code::Encoding,
            text: error.to_string(),
        }
    }
}

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

/// Reads one frame into `buffer`; `false` at the end of the stream.
///
/// # Errors
///
/// `InvalidData` on a length of 0 or above [`MAX_FRAME`], `UnexpectedEof`
/// within a frame, else what the reader says.
pub fn read_frame(reader: &mut impl Read, buffer: &mut Vec<u8>) -> io::Result<bool> {
    let mut prefix = [0; 4];
    if !read_or_end(reader, &mut prefix)? {
        return Ok(false);
    }
    let length = u32::from_le_bytes(prefix);
    if length == 0 || length > MAX_FRAME {
        return Err(io::Error::new(
            io::ErrorKind::InvalidData,
            format!("a frame of {length} bytes; 1 to {MAX_FRAME} are allowed"),
        ));
    }
    buffer.clear();
    // `take` grows the buffer with what arrives, not with what was announced.
    reader.take(u64::from(length)).read_to_end(buffer)?;
    if buffer.len() as u64 != u64::from(length) {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    Ok(true)
}

fn read_or_end(reader: &mut impl Read, prefix: &mut [u8; 4]) -> io::Result<bool> {
    let mut filled = 0;
    while filled < prefix.len() {
        match reader.read(&mut prefix[filled..]) {
            Ok(0) if filled == 0 => return Ok(false),
            Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
            Ok(count) => filled += count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(true)
}

/// Writes a frame of `kind` whose body is `parts`, one after the other.
///
/// # Errors
///
/// `InvalidInput` when the body is too long for a frame, else what the writer
/// says.
pub fn write_frame(writer: &mut impl Write, kind: u8, parts: &[&[u8]]) -> io::Result<()> {
    let length = parts.iter().map(|part| part.len()).sum::<usize>() + 1;
    let length = u32::try_from(length)
        .map_err(|_| io::Error::new(io::ErrorKind::InvalidInput, "frame over 4 GiB"))?;
    writer.write_all(&length.to_le_bytes())?;
    writer.write_all(&[kind])?;
    for part in parts {
        writer.write_all(part)?;
    }
    writer.flush()
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
        examples.push(RgbView::new(width, height, pixels)?);
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
            let mut wire = Vec::new();
            write_frame(&mut wire, frame[0], &[&frame[1..]]).unwrap();
            let mut buffer = Vec::new();
            prop_assert!(read_frame(&mut wire.as_slice(), &mut buffer).unwrap());
            let job = parse_job(&buffer).unwrap();
            prop_assert_eq!((job.id, job.seed, job.size), (id, seed, size));
            prop_assert_eq!(job.examples[0].width(), width);
            prop_assert_eq!(job.examples[0].height(), height);
            prop_assert_eq!(job.format, Some(Format::Png));
        }

        #[test]
        fn garbage_is_refused_without_a_panic(bytes: Vec<u8>) {
            let mut buffer = Vec::new();
            let _ = read_frame(&mut bytes.as_slice(), &mut buffer);
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
    fn a_frame_that_claims_gigabytes_is_refused_before_they_are_allocated() {
        let mut buffer = Vec::new();
        let wire = [0xff, 0xff, 0xff, 0xff, 2];
        let error = read_frame(&mut wire.as_slice(), &mut buffer).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::InvalidData);
        let wire = [0, 0, 0, 8, 2];
        let error = read_frame(&mut wire.as_slice(), &mut buffer).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::UnexpectedEof);
        assert!(buffer.capacity() < 1 << 20);
    }

    #[test]
    fn a_fault_in_a_job_names_the_job() {
        let mut frame = job_frame(42, 0, 64, (4, 4));
        frame.pop();
        let (id, fault) = parse_job(&frame).unwrap_err();
        assert_eq!((id, fault.code), (42, Code::BadFrame));
    }

    #[test]
    fn the_end_between_frames_is_no_error() {
        let mut buffer = Vec::new();
        assert!(!read_frame(&mut [].as_slice(), &mut buffer).unwrap());
    }
}
