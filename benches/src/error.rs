//! What can go wrong around a measurement.

use std::fmt;
use std::io;

/// Why there are no figures.
#[derive(Debug)]
pub enum Error {
    /// Something of the operating system failed; the text says what was tried.
    Io(String, io::Error),
    /// The kernel says something that we cannot read; the text begins with the file.
    Kernel(String),
    /// Envoy did not start, or answered what it should not.
    Envoy(String),
    /// The user wants to end.
    Stopped,
}

impl Error {
    /// For `map_err`: says what was tried.
    pub fn io(tried: impl Into<String>) -> impl FnOnce(io::Error) -> Self {
        let tried = tried.into();
        move |error| Self::Io(tried, error)
    }

    /// The same error, with the name of the filter that it is about.
    pub fn of(self, filter: &str) -> Self {
        match self {
            Self::Io(tried, error) => Self::Io(format!("{filter}: {tried}"), error),
            Self::Kernel(text) => Self::Kernel(format!("{filter}: {text}")),
            Self::Envoy(text) => Self::Envoy(format!("{filter}: {text}")),
            Self::Stopped => Self::Stopped,
        }
    }
}

impl Error {
    /// The same error, with what the Envoy said last; nothing where the user wanted it to end.
    pub fn after(self, last_words: &str) -> Self {
        match self {
            Self::Stopped => Self::Stopped,
            other if last_words.is_empty() => other,
            other => Self::Envoy(format!("{other}; Envoy's last words:\n{last_words}")),
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Io(tried, error) => write!(f, "{tried}: {error}"),
            Self::Kernel(text) | Self::Envoy(text) => f.write_str(text),
            Self::Stopped => f.write_str("stopped by the user"),
        }
    }
}
