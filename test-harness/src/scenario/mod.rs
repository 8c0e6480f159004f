//! Scenarios: a configuration of the filter, calls, and what must come of them, as data in
//! `test-harness/scenarios/*.yaml`. The same files run on every [`Engine`].

mod body;
#[cfg(feature = "host")]
pub mod budget;
mod check;
#[cfg(feature = "host")]
pub mod endure;
mod expect;
mod file;
pub mod on_envoy;
#[cfg(feature = "host")]
pub mod on_host;
pub mod run;
mod side_by_side;

use std::time::Duration;

use serde_json::Value;

use crate::Error;
use crate::costs::Costs;
use crate::envoy::Reload;
use crate::envoy::config::Plugin;
use crate::http::{Headers, Reply, Request, Response, Seen};
use crate::stats::Series;

pub use check::field;
pub use file::{Case, File, load, load_named};

/// Something that runs the filter between a client and an upstream.
pub trait Engine {
    /// One call from end to end.
    fn call(&mut self, request: &Request, reply: &Reply) -> Result<Outcome, Error>;
    /// What the stand-in of the store's cluster answers from now on.
    fn answer_as_store(&mut self, reply: &Reply);
    /// The calls that the store has got since the last time, as far as they have come: see [`store_call`].
    fn take_store_calls(&mut self) -> Result<Vec<String>, Error>;
    /// Lets time pass.
    fn pass(&mut self, time: Duration) -> Result<(), Error>;
    /// All of Tollgate's stats as they are now.
    fn series(&mut self) -> Result<Vec<Series>, Error>;
    /// Gives the filter another configuration while it runs.
    fn reconfigure(&mut self, plugin: Plugin) -> Result<Reload, Error>;
}

/// A call to a store as text: `GET /path`, a line for each header, an empty line, the body.
pub fn store_call(method: &str, path: &str, headers: &Headers, body: &[u8]) -> String {
    let lines = headers.0.iter().map(|(name, value)| format!("{name}: {}\n", String::from_utf8_lossy(value)));
    format!("{method} {path}\n{}\n{}", lines.collect::<String>(), String::from_utf8_lossy(body))
}

/// What came of one call.
#[derive(Debug)]
pub struct Outcome {
    /// What the client got.
    pub response: Response,
    /// The access log's line.
    pub log: Value,
    /// What the upstream got, where anything reached it.
    pub seen: Option<Seen>,
    /// What the filter's work cost, where the engine can tell.
    pub costs: Option<Costs>,
}
