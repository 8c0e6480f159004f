//! Many calls over many kept-alive connections, tallied.

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use crate::http::Headers;
use crate::http1::{BodyLength, Incoming, head_bytes};

/// One call of a load.
#[derive(Clone, Debug, Default)]
pub struct Call {
    /// Path with query.
    pub path: &'static str,
    /// Besides host and length.
    pub headers: Vec<(&'static str, String)>,
    /// Exact bytes.
    pub body: Vec<u8>,
    /// The client goes away after so many bytes of the response's body.
    pub hang_up_after: Option<usize>,
}

/// How much load, and where it goes.
#[derive(Clone, Debug)]
pub struct Load {
    /// Connections are dealt out to these in turn.
    pub to: Vec<SocketAddr>,
    /// How many are open at a time.
    pub connections: usize,
    /// How many calls are made in all.
    pub calls: u64,
}

/// What came of a load.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// How many answers had which status; 0 stands for none.
    pub statuses: BTreeMap<u16, u64>,
    /// How many bodies ended before their end, by either side.
    pub cut: u64,
    /// The longest that a call took.
    pub longest: Duration,
}

impl Tally {
    /// How many answers had that status.
    pub fn of(&self, status: u16) -> u64 {
        self.statuses.get(&status).copied().unwrap_or(0)
    }

    /// Both together.
    pub fn add(&mut self, other: &Self) {
        other.statuses.iter().for_each(|(status, n)| *self.statuses.entry(*status).or_default() += n);
        self.cut += other.cut;
        self.longest = self.longest.max(other.longest);
    }
}

/// Longer than any call of a load may take.
const PATIENCE: Duration = Duration::from_secs(20);

impl Load {
    /// Makes the calls, numbered from 0, and returns when the last is answered.
    pub fn run(&self, call: impl Fn(u64) -> Call + Sync) -> Tally {
        self.run_until(&AtomicBool::new(false), call)
    }

    /// The same, but it ends early once `stop` is set.
    pub fn run_until(&self, stop: &AtomicBool, call: impl Fn(u64) -> Call + Sync) -> Tally {
        let next = AtomicU64::new(0);
        let take = || {
            let number = next.fetch_add(1, Ordering::Relaxed);
            (number < self.calls && !stop.load(Ordering::Relaxed)).then_some(number)
        };
        let mut all = Tally::default();
        std::thread::scope(|scope| {
            let clients: Vec<_> = self
                .to
                .iter()
                .cycle()
                .take(self.connections)
                .map(|&to| {
                    scope.spawn({
                        let (take, call) = (&take, &call);
                        move || client(to, take, call)
                    })
                })
                .collect();
            // A client that panicked made no sense of an answer; its calls are missing from the tally.
            clients.into_iter().for_each(|client| all.add(&client.join().unwrap_or_default()));
        });
        all
    }
}

fn client(to: SocketAddr, take: &impl Fn() -> Option<u64>, call: &impl Fn(u64) -> Call) -> Tally {
    let (mut tally, mut connection) = (Tally::default(), None);
    while let Some(number) = take() {
        let begun = Instant::now();
        let answer = one(&mut connection, to, &call(number));
        tally.longest = tally.longest.max(begun.elapsed());
        let (status, complete) = answer.unwrap_or((0, false));
        *tally.statuses.entry(status).or_default() += 1;
        if !complete {
            tally.cut += 1;
            connection = None;
        }
    }
    tally
}

/// A kept connection, from both ends.
type Connection = (TcpStream, Incoming);

/// The status of the answer, and whether its body came whole.
fn one(kept: &mut Option<Connection>, to: SocketAddr, call: &Call) -> io::Result<(u16, bool)> {
    let mut connection = kept.take().map_or_else(|| connect(to), Ok)?;
    connection.0.write_all(&bytes(call))?;
    let Some(head) = connection.1.head()? else { return Ok((0, false)) };
    let status = head.first_line.split(' ').nth(1).and_then(|word| word.parse().ok()).unwrap_or(0);
    let (mut seen, hang_up_after) = (0, call.hang_up_after.unwrap_or(usize::MAX));
    let read = connection.1.body(BodyLength::of(&head.headers, BodyLength::Known(0)), |piece| {
        seen += piece.len();
        if seen >= hang_up_after { Err(io::ErrorKind::Interrupted.into()) } else { Ok(()) }
    });
    if read.is_err() {
        return Ok((status, false));
    }
    let closes = head.headers.text("connection").is_some_and(|value| value.eq_ignore_ascii_case("close"));
    *kept = (!closes).then_some(connection);
    Ok((status, true))
}

fn connect(to: SocketAddr) -> io::Result<Connection> {
    let stream = TcpStream::connect_timeout(&to, PATIENCE)?;
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    Ok((stream.try_clone()?, Incoming::new(stream)))
}

fn bytes(call: &Call) -> Vec<u8> {
    let mut headers = Headers::default();
    headers.push("host", "llm.test");
    headers.push("content-length", call.body.len().to_string());
    call.headers.iter().for_each(|(name, value)| headers.push(name, value.as_str()));
    let mut bytes = head_bytes(&format!("POST {} HTTP/1.1", call.path), &headers);
    bytes.extend_from_slice(&call.body);
    bytes
}
