use std::fmt;

/// Why no texture was made: the same call fails again.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Error {
    /// The pixels of an image are not `width * height` RGB triples, or there are none.
    PixelCount {
        /// Width that was claimed, in px.
        width: u32,
        /// Height that was claimed, in px.
        height: u32,
        /// Bytes that were given.
        bytes: usize,
    },
    /// No example was given.
    NoExamples,
    /// The examples are larger, together with the texture, than addresses reach.
    ExamplesTooLarge,
    /// The side of the texture is outside 1 to [`MAX_SIZE`](crate::MAX_SIZE) px.
    Size(u32),
    /// A parameter is outside its range.
    Parameter {
        /// Its name.
        name: &'static str,
        /// What it was.
        value: u32,
        /// The largest that is allowed; the smallest is 1.
        max: u32,
    },
    /// A kernel was asked for that this processor does not run, or that does not exist.
    Kernel(String),
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::PixelCount {
                width,
                height,
                bytes,
            } => write!(
                f,
                "an example of {width}x{height} px needs {} bytes and at least one pixel, got {bytes}",
                crate::RgbView::bytes(*width, *height)
            ),
            Self::NoExamples => f.write_str("no example patches"),
            Self::ExamplesTooLarge => f.write_str(
                "the examples are too large: with a margin of the texture's side around each, \
                 they may have 2^28 px together",
            ),
            Self::Size(size) => write!(
                f,
                "a texture's side must be 1 to {} px, not {size}",
                crate::MAX_SIZE
            ),
            Self::Parameter { name, value, max } => {
                write!(f, "{name} must be 1 to {max}, not {value}")
            }
            Self::Kernel(name) => write!(
                f,
                "no kernel {name:?} on this processor; there are: {}",
                crate::Kernel::available()
                    .iter()
                    .map(|kernel| kernel.name())
                    .collect::<Vec<_>>()
                    .join(", ")
            ),
        }
    }
}

impl std::error::Error for Error {}
