//! The client: one keep-alive connection, one call at a time, every answer checked.

use std::io::Write;
use std::net::{SocketAddr, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use crate::error::Error;
use crate::http1::Incoming;
use crate::workload::Workload;

/// Set when the user wants us to end: the Envoys must be ended first.
pub static STOPPING: AtomicBool = AtomicBool::new(false);

/// A connection to an Envoy.
pub struct Client {
    stream: TcpStream,
    incoming: Incoming,
}

impl Client {
    /// Connects.
    pub fn connect(address: SocketAddr) -> Result<Self, Error> {
        let failed = || Error::io(format!("cannot connect to Envoy at {address}"));
        let stream = TcpStream::connect(address).map_err(failed())?;
        stream.set_nodelay(true).map_err(failed())?;
        stream.set_read_timeout(Some(Duration::from_secs(30))).map_err(failed())?;
        let incoming = Incoming::new(stream.try_clone().map_err(failed())?);
        Ok(Self { stream, incoming })
    }

    /// Makes so many calls.
    ///
    /// # Errors
    /// At the first answer that is not the one expected, and when the user wants to end.
    pub fn calls(&mut self, workload: &Workload, calls: u32) -> Result<(), Error> {
        (0..calls).try_for_each(|_| self.call(workload))
    }

    fn call(&mut self, workload: &Workload) -> Result<(), Error> {
        if STOPPING.load(Ordering::Relaxed) {
            return Err(Error::Stopped);
        }
        let (status, length) =
            self.exchange(workload).map_err(Error::io(format!("a call of `{}`", workload.name)))?;
        let expected = ("http/1.1 200 ok", workload.body_length);
        if (status.as_str(), length) == expected {
            return Ok(());
        }
        let name = workload.name;
        Err(Error::Envoy(format!(
            "a call of `{name}` was answered by `{status}` and {length} bytes, expected `{}` and {} bytes",
            expected.0, expected.1
        )))
    }

    fn exchange(&mut self, workload: &Workload) -> std::io::Result<(String, usize)> {
        self.stream.write_all(&workload.request)?;
        let head = self.incoming.head()?.ok_or(std::io::ErrorKind::UnexpectedEof)?;
        let length = self.incoming.body_length(&head)?;
        Ok((head.first_line().to_owned(), length))
    }
}
