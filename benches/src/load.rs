//! The client: keep-alive connections, one call at a time on each, every answer checked.

use std::io::Write;
use std::net::{SocketAddr, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

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
        (0..calls).try_for_each(|_| self.call(workload, &workload.request))
    }

    /// Makes a call of each of these users.
    ///
    /// # Errors
    /// As [`Client::calls`].
    pub fn calls_of(
        &mut self,
        workload: &Workload,
        mut users: impl Iterator<Item = u32>,
    ) -> Result<(), Error> {
        users.try_for_each(|user| self.call(workload, &workload.request_of(user)))
    }

    /// Makes so many calls, and notes how many microseconds each took.
    ///
    /// # Errors
    /// As [`Client::calls`].
    pub fn timed_calls(
        &mut self,
        workload: &Workload,
        calls: u32,
        waits: &mut Vec<f64>,
    ) -> Result<(), Error> {
        (0..calls).try_for_each(|_| {
            let begun = Instant::now();
            self.call(workload, &workload.request)?;
            waits.push(begun.elapsed().as_secs_f64() * 1e6);
            Ok(())
        })
    }

    /// Makes a call whose answer does not end, and waits until all that comes of it has come.
    ///
    /// # Errors
    /// As [`Client::calls`].
    pub fn open(&mut self, workload: &Workload) -> Result<(), Error> {
        if STOPPING.load(Ordering::Relaxed) {
            return Err(Error::Stopped);
        }
        let failed = || Error::io(format!("a call of `{}`", workload.name));
        self.stream.write_all(&workload.request).map_err(failed())?;
        let head = self.incoming.head().map_err(failed())?;
        let head = head.ok_or_else(|| failed()(std::io::ErrorKind::UnexpectedEof.into()))?;
        self.incoming.first_bytes(workload.body_length).map_err(failed())?;
        match head.first_line() {
            "http/1.1 200 ok" => Ok(()),
            other => Err(Error::Envoy(format!("a call of `{}` was answered by `{other}`", workload.name))),
        }
    }

    fn call(&mut self, workload: &Workload, request: &[u8]) -> Result<(), Error> {
        if STOPPING.load(Ordering::Relaxed) {
            return Err(Error::Stopped);
        }
        let (status, length) =
            self.exchange(request).map_err(Error::io(format!("a call of `{}`", workload.name)))?;
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

    fn exchange(&mut self, request: &[u8]) -> std::io::Result<(String, usize)> {
        self.stream.write_all(request)?;
        let head = self.incoming.head()?.ok_or(std::io::ErrorKind::UnexpectedEof)?;
        let length = self.incoming.body_length(&head)?;
        Ok((head.first_line().to_owned(), length))
    }
}

/// Makes that many calls on each of so many connections at the same time.
///
/// # Errors
/// At the first answer that is not the one expected, and when the user wants to end.
pub fn at_once(address: SocketAddr, workload: &Workload, connections: u32, calls: u32) -> Result<(), Error> {
    std::thread::scope(|scope| {
        let each = || scope.spawn(|| Client::connect(address)?.calls(workload, calls));
        let clients: Vec<_> = (0..connections).map(|_| each()).collect();
        let gone = |_| Err(Error::Envoy("a client of the load is gone".to_owned()));
        clients.into_iter().try_for_each(|client| client.join().unwrap_or_else(gone))
    })
}
