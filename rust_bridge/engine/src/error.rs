use std::fmt;

/// Why an engine gave no texture.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum EngineError {
    /// The input is outside what the engine takes; the same call fails again.
    Rejected(String),
    /// The algorithm panicked; the same call panics again.
    Panicked(String),
    /// Something outside the algorithm failed; the same call may succeed.
    Failed(String),
}

impl fmt::Display for EngineError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Rejected(why) => write!(f, "rejected: {why}"),
            Self::Panicked(why) => write!(f, "panicked: {why}"),
            Self::Failed(why) => write!(f, "failed: {why}"),
        }
    }
}

impl std::error::Error for EngineError {}

impl From<texgen_fast::Error> for EngineError {
    fn from(error: texgen_fast::Error) -> Self {
        Self::Rejected(error.to_string())
    }
}
