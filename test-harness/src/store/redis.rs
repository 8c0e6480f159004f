//! A real Redis, and enough of its protocol to look into it.

use std::collections::BTreeMap;
use std::io::{self, BufRead, BufReader, ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::time::Duration;

use super::process::Process;
use crate::Error;

/// A running Redis that writes every change to its disk before it answers, so that a restart loses nothing.
pub struct Redis {
    process: Process,
}

/// What Redis answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Resp {
    /// Nothing is there.
    Nil,
    /// A whole number.
    Number(i64),
    /// A text.
    Text(String),
    /// An error, in its words.
    Error(String),
    /// Several.
    List(Vec<Resp>),
}

impl Redis {
    /// Starts it on a free port.
    pub fn start(program: &Path) -> Result<Self, Error> {
        let process = Process::start(program, |folder, port| {
            let folder = folder.display().to_string();
            let port = port.to_string();
            let settings = [
                ("--bind", "127.0.0.1"),
                ("--port", &port),
                ("--dir", &folder),
                ("--save", ""),
                ("--appendonly", "yes"),
                ("--appendfsync", "always"),
            ];
            settings.iter().flat_map(|(name, value)| [(*name).to_owned(), (*value).to_owned()]).collect()
        })?;
        Ok(Self { process })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.process.address()
    }

    /// Ends it at once.
    pub fn kill(&mut self) {
        self.process.kill();
    }

    /// Starts it again with what it had written.
    pub fn restart(&mut self) -> Result<(), Error> {
        self.process.restart()
    }

    /// Stops it for a while: connections stay open, and nothing is answered.
    pub fn pause(&self, time: Duration) -> Result<(), Error> {
        self.process.signal("STOP")?;
        std::thread::sleep(time);
        self.process.signal("CONT")
    }

    /// Runs a command.
    pub fn command(&self, words: &[&str]) -> Result<Resp, Error> {
        command(self.address(), words)
            .map_err(Error::io(format!("no answer from Redis to {}", words.join(" "))))
    }

    /// The fields of a hash; nothing where there is none.
    pub fn hash(&self, key: &str) -> Result<BTreeMap<String, String>, Error> {
        let Resp::List(all) = self.command(&["HGETALL", key])? else { return Ok(BTreeMap::new()) };
        let pairs = all.chunks(2).filter_map(|pair| match pair {
            [Resp::Text(name), Resp::Text(value)] => Some((name.clone(), value.clone())),
            _ => None,
        });
        Ok(pairs.collect())
    }

    /// All keys that match a pattern.
    pub fn keys(&self, pattern: &str) -> Result<Vec<String>, Error> {
        let Resp::List(all) = self.command(&["KEYS", pattern])? else { return Ok(Vec::new()) };
        let texts = all.into_iter().filter_map(|key| match key {
            Resp::Text(text) => Some(text),
            _ => None,
        });
        Ok(texts.collect())
    }
}

/// One command over a connection of its own.
pub fn command(address: SocketAddr, words: &[&str]) -> io::Result<Resp> {
    let mut stream = TcpStream::connect(address)?;
    stream.set_read_timeout(Some(Duration::from_secs(10)))?;
    let mut bytes = format!("*{}\r\n", words.len()).into_bytes();
    for word in words {
        bytes.extend(format!("${}\r\n{word}\r\n", word.len()).into_bytes());
    }
    stream.write_all(&bytes)?;
    answer(&mut BufReader::new(stream))
}

fn answer(reader: &mut BufReader<TcpStream>) -> io::Result<Resp> {
    let mut line = String::new();
    reader.read_line(&mut line)?;
    let bad =
        || io::Error::new(ErrorKind::InvalidData, format!("`{}` is no answer of Redis", line.trim_end()));
    let rest = line.get(1..).unwrap_or_default().trim_end();
    let length = || rest.parse::<i64>().map_err(|_| bad());
    match line.as_bytes().first() {
        Some(b'+') => Ok(Resp::Text(rest.to_owned())),
        Some(b'-') => Ok(Resp::Error(rest.to_owned())),
        Some(b':') => length().map(Resp::Number),
        Some(b'$') => match usize::try_from(length()?) {
            Ok(length) => {
                let mut text = vec![0; length + 2];
                reader.read_exact(&mut text)?;
                text.truncate(length);
                Ok(Resp::Text(String::from_utf8_lossy(&text).into_owned()))
            }
            Err(_) => Ok(Resp::Nil),
        },
        Some(b'*') => (0..length()?).map(|_| answer(reader)).collect::<io::Result<_>>().map(Resp::List),
        _ => Err(bad()),
    }
}
