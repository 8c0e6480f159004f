//! A stand-in for an LLM provider: replays replies and records every request, with the times of its bytes.

use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::Error;
use crate::http::{End, Headers, Reply, Seen};

mod http1;
mod http2;

/// A server on a free port of 127.0.0.1 that lives as long as this value.
pub struct Upstream {
    address: SocketAddr,
    shared: Arc<Shared>,
}

/// Which reply a request gets.
pub type Script = dyn Fn(&Seen) -> Reply + Send + Sync;

struct Shared {
    /// Set by `reply_with`, where the script does not decide.
    next: Mutex<Option<Reply>>,
    script: Box<Script>,
    seen: Mutex<Vec<Arc<Mutex<Seen>>>>,
    changed: Condvar,
    stopping: AtomicBool,
}

impl Upstream {
    /// Starts a server that answers as `script` says. The script is asked once the request's headers are
    /// there; for replies that wait for the whole request it is asked again with the body.
    pub fn start(script: impl Fn(&Seen) -> Reply + Send + Sync + 'static) -> Result<Self, Error> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).map_err(Error::io("cannot listen"))?;
        let address = listener.local_addr().map_err(Error::io("cannot listen"))?;
        let shared = Arc::new(Shared {
            next: Mutex::default(),
            script: Box::new(script),
            seen: Mutex::default(),
            changed: Condvar::new(),
            stopping: AtomicBool::new(false),
        });
        let served = Arc::clone(&shared);
        std::thread::spawn(move || accept(&listener, &served));
        Ok(Self { address, shared })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// From now on every request gets this reply, whatever the script says.
    pub fn reply_with(&self, reply: Reply) {
        *lock(&self.shared.next) = Some(reply);
    }

    /// Takes out what has been recorded so far; a request that is still coming is taken as it is.
    pub fn take_seen(&self) -> Vec<Seen> {
        lock(&self.shared.seen).drain(..).map(|seen| lock(&seen).clone()).collect()
    }

    /// Waits until all requests have ended, at most that long, and takes out everything.
    pub fn take_ended(&self, at_most: Duration) -> Vec<Seen> {
        self.take_once(at_most, |seen| seen.end.is_some())
    }

    /// Waits until all requests have been answered, or the proxy has gone away; then the same.
    pub fn take_answered(&self, at_most: Duration) -> Vec<Seen> {
        self.take_once(at_most, |seen| seen.answered.is_some())
    }

    fn take_once(&self, at_most: Duration, done: impl Fn(&Seen) -> bool) -> Vec<Seen> {
        let until = Instant::now() + at_most;
        let mut all = lock(&self.shared.seen);
        while all.iter().any(|seen| !done(&lock(seen))) && Instant::now() < until {
            // A wake-up can come between the look and the wait, so nobody waits for long.
            let waited = self.shared.changed.wait_timeout(all, Duration::from_millis(5));
            all = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
        all.drain(..).map(|seen| lock(&seen).clone()).collect()
    }
}

impl Drop for Upstream {
    fn drop(&mut self) {
        self.shared.stopping.store(true, Ordering::SeqCst);
        // Wakes the accepting thread, so that it sees the flag.
        let _ = TcpStream::connect(self.address);
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn accept(listener: &TcpListener, shared: &Arc<Shared>) {
    for stream in listener.incoming().map_while(Result::ok) {
        if shared.stopping.load(Ordering::SeqCst) {
            return;
        }
        let shared = Arc::clone(shared);
        // A connection that fails is a client that went away, which the record of its request says.
        std::thread::spawn(move || drop(serve(stream, &shared)));
    }
}

/// HTTP/2 begins with a request line that HTTP/1 does not have.
fn serve(stream: TcpStream, shared: &Arc<Shared>) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let mut first = [0; 3];
    match stream.peek(&mut first)? {
        3 if first == *b"PRI" => http2::serve(stream, shared),
        _ => http1::serve(stream, shared),
    }
}

/// The record of one request, which stands in the list from its first line on.
struct Record {
    seen: Arc<Mutex<Seen>>,
    shared: Arc<Shared>,
}

impl Record {
    fn begin(shared: &Arc<Shared>, method: &str, path: &str, headers: Headers) -> Self {
        let seen = Arc::new(Mutex::new(Seen {
            method: method.to_owned(),
            path: path.to_owned(),
            headers,
            body: Vec::new(),
            trailers: Headers::default(),
            end: None,
            first_byte_at: None,
            last_byte_at: None,
            answered: None,
        }));
        lock(&shared.seen).push(Arc::clone(&seen));
        Self { seen, shared: Arc::clone(shared) }
    }

    fn add(&self, piece: &[u8]) {
        let mut seen = lock(&self.seen);
        let now = Instant::now();
        seen.first_byte_at.get_or_insert(now);
        seen.last_byte_at = Some(now);
        seen.body.extend_from_slice(piece);
    }

    fn complete(&self, trailers: Headers) {
        let mut seen = lock(&self.seen);
        seen.trailers = trailers;
        seen.end = Some(End::Complete);
        drop(seen);
        self.shared.changed.notify_all();
    }

    /// Notes how sending the answer ended: an error is a proxy that does not want any more of it.
    fn answered<T, E>(&self, result: &Result<T, E>) {
        let end = if result.is_ok() { End::Complete } else { End::Cut };
        lock(&self.seen).answered = Some((end, Instant::now()));
        self.shared.changed.notify_all();
    }

    fn reply(&self) -> Reply {
        let chosen = lock(&self.shared.next).clone();
        chosen.unwrap_or_else(|| (self.shared.script)(&lock(&self.seen)))
    }
}

/// A request whose connection goes away before its end was cut.
impl Drop for Record {
    fn drop(&mut self) {
        lock(&self.seen).end.get_or_insert(End::Cut);
        self.shared.changed.notify_all();
    }
}
