//! Frames on the worker's pipes; `docs/formats.md` has the layout.
//!
//! A frame is a little-endian `u32` length and that many bytes, the first of
//! which is the kind. Nothing in here panics or allocates on a length that a
//! frame merely claims.

use std::io::{self, Read, Write};

use texgen_engine::EngineError;

use crate::encode::EncodeError;

/// Version of the frames: the parent refuses a worker that speaks another.
pub const PROTOCOL: u32 = 4;

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
    /// A frame that this worker does not take.
    #[must_use]
    pub fn bad_frame(text: &str) -> Self {
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

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_frame_comes_back_as_it_was_sent(kind: u8, first: Vec<u8>, second: Vec<u8>) {
            let mut wire = Vec::new();
            write_frame(&mut wire, kind, &[&first, &second]).unwrap();
            let mut buffer = Vec::new();
            prop_assert!(read_frame(&mut wire.as_slice(), &mut buffer).unwrap());
            prop_assert_eq!(buffer, [vec![kind], first, second].concat());
        }

        #[test]
        fn garbage_is_refused_without_a_panic_or_more_memory_than_it_has(bytes: Vec<u8>) {
            let mut buffer = Vec::new();
            let _ = read_frame(&mut bytes.as_slice(), &mut buffer);
            prop_assert!(buffer.capacity() <= 2 * bytes.len() + 64);
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
    fn the_end_between_frames_is_no_error() {
        let mut buffer = Vec::new();
        assert!(!read_frame(&mut [].as_slice(), &mut buffer).unwrap());
    }
}
