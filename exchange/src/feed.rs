//! Prices and policy that one worker fetches while it runs: when to ask, what to ask, and what becomes of the answer.

use crate::refresh::{MAX_CATALOGUE_BYTES, PolicyFile, parse_catalogue};
use std::sync::Arc;
use tollgate_policy::ConfigError;
use tollgate_pricing::Refreshed;
use tollgate_record::Timestamp;

/// `pricing.refresh` or `policy.refresh`: where a file comes from while the filter runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FeedSource {
    /// What is in the file.
    pub kind: FeedKind,
    /// A cluster of the proxy.
    pub cluster: String,
    /// The host that the request names.
    pub host: String,
    /// The path, with a query if there is one.
    pub path: String,
    /// How long to wait between an answer and the next request, in milliseconds.
    pub every_ms: u64,
    /// How long to wait for an answer, in milliseconds.
    pub timeout_ms: u32,
}

/// What a file is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FeedKind {
    /// Rates that go before the compiled-in ones.
    Prices,
    /// Quotas, routes and limits that take the place of the configuration's.
    Policy,
}

impl FeedKind {
    /// The `kind` under which failures are counted.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Prices => "prices",
            Self::Policy => "policy",
        }
    }
}

impl FeedSource {
    /// Whether both lead to the same file.
    pub fn is_same_file(&self, other: &Self) -> bool {
        (self.kind, &self.cluster, &self.host, &self.path)
            == (other.kind, &other.cluster, &other.host, &other.path)
    }
}

/// What a file brought.
#[derive(Clone, Debug)]
pub enum Brought {
    /// Prices.
    Prices(Arc<Refreshed>),
    /// A policy.
    Policy(Arc<PolicyFile>),
}

impl Brought {
    fn version(&self) -> &str {
        match self {
            Self::Prices(prices) => prices.version(),
            Self::Policy(policy) => policy.version(),
        }
    }
}

/// The file of one source in one worker. It outlives a configuration, so that a reload that keeps the source keeps what has come.
#[derive(Debug)]
pub struct Feed {
    source: FeedSource,
    brought: Option<Brought>,
    etag: Option<String>,
    due_ms: u64,
    asked: Option<Asked>,
    /// How many answers in a row were of no use.
    failures: u32,
}

/// A request that is under way.
#[derive(Clone, Copy, Debug)]
struct Asked {
    token: u32,
    /// From then on no answer will come: the host has lost it, with the configuration that had asked for instance.
    until_ms: u64,
}

/// What an answer means.
#[derive(Clone, Debug)]
pub enum Arrival {
    /// The file says what is in use.
    Same,
    /// This holds from now on.
    Fresh(Brought),
    /// It is of no use, for this reason; what is in use stays. `First` of its kind in a row.
    Useless(String, Streak),
}

/// Whether trouble is news.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Streak {
    /// The answer before was good.
    First,
    /// The answer before was of no use either.
    Again,
}

/// After a first failure the next try comes this soon, then after twice as long each time, never later than the usual one.
const FIRST_PAUSE_MS: u64 = 5_000;
/// By how much longer than its time-out a request is waited for.
const GRACE_MS: u64 = 1_000;
/// Longer validators are not kept.
const LONGEST_ETAG: usize = 512;

impl Feed {
    /// A feed that asks at its first occasion.
    pub fn new(source: FeedSource) -> Self {
        Self { source, brought: None, etag: None, due_ms: 0, asked: None, failures: 0 }
    }

    /// Takes over another configuration of the same file; `false` if it is about another one.
    pub fn follow(&mut self, source: &FeedSource) -> bool {
        let same = self.source.is_same_file(source);
        if same && self.source != *source {
            self.source = source.clone();
            self.due_ms = 0;
        }
        same
    }

    /// Whether this feed brings the file of `source`.
    pub fn serves(&self, source: &FeedSource) -> bool {
        self.source.is_same_file(source)
    }

    /// Where the file comes from.
    pub fn source(&self) -> &FeedSource {
        &self.source
    }

    /// What came last and was good.
    pub fn brought(&self) -> Option<&Brought> {
        self.brought.as_ref()
    }

    /// What came last does not fit the configuration that asks for it now: the file is read anew when it comes again.
    pub fn forget(&mut self) {
        self.brought = None;
        self.etag = None;
        self.due_ms = 0;
    }

    /// Asks, if it is time. `send` performs a GET with the headers that it is given, and gives the number under which
    /// the answer will come. A request that cannot be sent is an answer of no use.
    pub fn ask(
        &mut self,
        now: Timestamp,
        send: impl FnOnce(&FeedSource, &[(&str, &str)]) -> Option<u32>,
    ) -> Option<Arrival> {
        let now_ms = millis(now);
        if let Some(asked) = self.asked {
            if now_ms < asked.until_ms {
                return None;
            }
            self.asked = None;
            return Some(self.failed(now, "no answer came".to_owned()));
        }
        if now_ms < self.due_ms {
            return None;
        }
        let etag = self.etag.as_deref().map(|etag| ("if-none-match", etag));
        let fixed = [
            (":method", "GET"),
            (":path", self.source.path.as_str()),
            (":authority", self.source.host.as_str()),
            ("accept", "application/json"),
        ];
        let headers: Vec<_> = fixed.into_iter().chain(etag).collect();
        match send(&self.source, &headers) {
            Some(token) => {
                let wait = u64::from(self.source.timeout_ms).saturating_add(GRACE_MS);
                self.asked = Some(Asked { token, until_ms: now_ms.saturating_add(wait) });
                None
            }
            None => {
                let cluster = &self.source.cluster;
                let why = format!("cannot call cluster `{cluster}`");
                Some(self.failed(now, why))
            }
        }
    }

    /// Whether an answer under this number is for this feed.
    pub fn waits_for(&self, token: u32) -> bool {
        self.asked.is_some_and(|asked| asked.token == token)
    }

    /// Takes the answer that [`Feed::waits_for`]; no status: none came in time. `read` gives the body, which has
    /// `size` bytes; `apply` puts to use what is in it, or says why it cannot be.
    pub fn answered(
        &mut self,
        status: Option<u16>,
        etag: Option<&str>,
        size: usize,
        read: impl FnOnce() -> Vec<u8>,
        apply: impl FnOnce(&Brought) -> Result<(), ConfigError>,
        now: Timestamp,
    ) -> Arrival {
        self.asked = None;
        let why = match status {
            Some(304) if self.brought.is_some() => {
                self.rest(now);
                return Arrival::Same;
            }
            Some(200) if size > MAX_CATALOGUE_BYTES => {
                format!("{size} bytes are more than {MAX_CATALOGUE_BYTES}")
            }
            Some(200) => match self.take(&read(), apply) {
                Ok(fresh) => {
                    self.rest(now);
                    self.etag = etag.filter(|etag| etag.len() <= LONGEST_ETAG).map(str::to_owned);
                    return fresh.map_or(Arrival::Same, Arrival::Fresh);
                }
                Err(error) => error.to_string(),
            },
            Some(status) => format!("HTTP status {status}"),
            None => "no answer came".to_owned(),
        };
        self.failed(now, why)
    }

    /// Reads a file and puts it to use, unless it says what is in use.
    fn take(
        &mut self,
        body: &[u8],
        apply: impl FnOnce(&Brought) -> Result<(), ConfigError>,
    ) -> Result<Option<Brought>, ConfigError> {
        let brought = match self.source.kind {
            FeedKind::Prices => Brought::Prices(Arc::new(parse_catalogue(body)?)),
            FeedKind::Policy => Brought::Policy(Arc::new(PolicyFile::parse(body)?)),
        };
        if self.brought.as_ref().is_some_and(|known| known.version() == brought.version()) {
            return Ok(None);
        }
        apply(&brought)?;
        self.brought = Some(brought.clone());
        Ok(Some(brought))
    }

    /// Waits as long as is configured, less up to a tenth, so that workers that started together do not ask together for ever.
    fn rest(&mut self, now: Timestamp) {
        self.failures = 0;
        let nanos = u64::try_from(now.unix_nanos()).unwrap_or_default();
        let spread = self.source.every_ms.checked_div(10).and_then(|tenth| nanos.checked_rem(tenth));
        let pause = self.source.every_ms.saturating_sub(spread.unwrap_or_default());
        self.due_ms = millis(now).saturating_add(pause);
    }

    fn failed(&mut self, now: Timestamp, why: String) -> Arrival {
        let streak = if self.failures == 0 { Streak::First } else { Streak::Again };
        let doubled = 1_u64.checked_shl(self.failures.min(16)).and_then(|n| FIRST_PAUSE_MS.checked_mul(n));
        let pause = doubled.map_or(self.source.every_ms, |pause| pause.min(self.source.every_ms));
        self.failures = self.failures.saturating_add(1);
        self.due_ms = millis(now).saturating_add(pause);
        Arrival::Useless(why, streak)
    }
}

fn millis(now: Timestamp) -> u64 {
    u64::try_from(now.unix_nanos().div_euclid(1_000_000)).unwrap_or_default()
}

#[cfg(test)]
#[expect(clippy::arithmetic_side_effects, reason = "tests may overflow: they would fail")]
mod tests;
