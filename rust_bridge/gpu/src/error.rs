use std::fmt;

/// Why a GPU made no textures. A CPU can make them all the same.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Error {
    /// There is no device of that kind, or its driver does not start.
    NoDevice(String),
    /// The device makes other textures than the CPU.
    SelfTest(String),
    /// The device ended, or was taken away.
    Lost(String),
    /// The device has no memory left.
    OutOfMemory(String),
    /// The device did not answer in time.
    Timeout,
    /// The texture or its examples are larger than this device or the kernel takes.
    TooLarge(String),
    /// The same call fails on a CPU.
    Input(texgen_fast::Error),
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoDevice(text) => write!(f, "no usable GPU: {text}"),
            Self::SelfTest(text) => write!(f, "the GPU fails its self-test: {text}"),
            Self::Lost(text) => write!(f, "the GPU was lost: {text}"),
            Self::OutOfMemory(text) => write!(f, "the GPU is out of memory: {text}"),
            Self::Timeout => f.write_str("the GPU did not answer in time"),
            Self::TooLarge(text) => write!(f, "too large for the GPU: {text}"),
            Self::Input(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for Error {}

impl From<texgen_fast::Error> for Error {
    fn from(error: texgen_fast::Error) -> Self {
        Self::Input(error)
    }
}
