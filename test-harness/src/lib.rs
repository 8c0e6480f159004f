//! Drives `tollgate.wasm` as a proxy does. Like Envoy, nothing here knows more of Tollgate than the `.wasm`
//! and its configuration.
//!
//! * [`upstream`]: a stand-in LLM that replays a body in any chunking, encoding or cut and records what it got.
//! * [`client`]: sends a request in any chunking, slowly, with trailers, or goes away in the middle.
//! * [`envoy`]: starts a real Envoy on a configuration of `envoy-config/`, reads its log and stats.
//! * `host`: runs the `.wasm` without a proxy, counts what it costs, and lets host calls fail.
//! * [`load`]: many calls over many connections.
//! * [`store`]: a real Redis and Webdis that a fleet shares.
//! * [`scenario`]: calls and what must come of them, as data; one runner for every engine.

pub mod alertmanager;
pub mod chunking;
pub mod client;
pub mod costs;
pub mod encoding;
pub mod envoy;
pub mod error;
#[cfg(feature = "host")]
pub mod host;
pub mod http;
mod http1;
mod http2;
pub mod load;
pub mod scenario;
pub mod stats;
pub mod store;
pub mod upstream;

pub use error::Error;
