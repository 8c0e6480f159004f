//! What can go wrong around a test, as opposed to in it.

use std::fmt;
use std::io;

/// Why the harness could not do what it was asked for.
#[derive(Debug)]
pub enum Error {
    /// Something of the operating system failed; the text says what was tried.
    Io(String, io::Error),
    /// A file is not what it should be; the text begins with its path.
    File(String),
    /// The proxy did not start or went away; the text ends with the last lines of its log.
    Proxy(String),
    /// The plugin changed a body without keeping to the length that the headers announce.
    Length(String),
    /// Nothing happened in time; the text says what was waited for.
    Timeout(String),
}

impl Error {
    /// For `map_err`: says what was tried.
    pub fn io(tried: impl Into<String>) -> impl FnOnce(io::Error) -> Self {
        let tried = tried.into();
        move |error| Self::Io(tried, error)
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Io(tried, error) => write!(f, "{tried}: {error}"),
            Self::File(text) | Self::Proxy(text) | Self::Length(text) => f.write_str(text),
            Self::Timeout(text) => write!(f, "timed out: {text}"),
        }
    }
}

impl std::error::Error for Error {}
