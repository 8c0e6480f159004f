//! The life of one call: which callbacks come in which order, what is held and what goes on, as in Envoy.

mod heads;
mod open;
mod request;
mod response;
mod time;

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::protobuf;
use super::world::Stream;
use super::{Host, Reload};
use crate::Error;
use crate::costs::Costs;
use crate::envoy::config::Plugin;
use crate::http::{End, Headers, Reply, Request, Response, Seen};
use crate::scenario::{Engine, Outcome};
use crate::stats::Series;
use heads::request_headers;
pub use open::Open;

/// One route of a listener.
#[derive(Clone, Debug, Default)]
pub struct Route {
    /// The path begins so.
    pub prefix: String,
    /// The whole path is this.
    pub exact: bool,
    /// Where it leads; nothing: Envoy answers itself, with 404.
    pub cluster: Option<String>,
    /// The route's name.
    pub name: String,
    /// Whether the filter is on.
    pub filtered: bool,
}

/// What a callback's return value asks for.
mod action {
    pub const CONTINUE: u32 = 0;
    pub const STOP_ALL: u32 = 4;
    pub const STOP_ALL_BUFFER: u32 = 3;
}

impl Engine for Host {
    fn call(&mut self, request: &Request, reply: &Reply) -> Result<Outcome, Error> {
        let path = request.path.split('?').next().unwrap_or_default();
        let matches =
            |route: &&Route| if route.exact { path == route.prefix } else { path.starts_with(&route.prefix) };
        let route = self.routes.iter().find(matches).cloned();
        match route {
            Some(Route { cluster: Some(cluster), name, filtered: true, .. }) => {
                Call::new(self, request, reply, &cluster, &name)?.run()
            }
            // Where no route leads to an upstream, a filter that does not answer lets Envoy do it.
            Some(Route { cluster: None, name, filtered: true, .. }) => {
                let nobody = Reply { status: 404, ..Reply::default() };
                Call::new(self, request, &nobody, "", &name)?.run()
            }
            _ => Ok(not_filtered(request)),
        }
    }

    fn answer_as_store(&mut self, reply: &Reply) {
        self.world().cluster_reply = reply.clone();
    }

    fn take_store_calls(&mut self) -> Result<Vec<String>, Error> {
        // What goes out by tick goes out within a second.
        let until = self.world().now_ns + 1_000_000_000;
        self.pass_time(until)?;
        Ok(std::mem::take(&mut self.world().cluster_calls))
    }

    fn pass(&mut self, time: Duration) -> Result<(), Error> {
        let nanos = u64::try_from(time.as_nanos()).unwrap_or(u64::MAX);
        let until = self.world().now_ns.saturating_add(nanos);
        self.pass_time(until)
    }

    fn series(&mut self) -> Result<Vec<Series>, Error> {
        Self::series(self)
    }

    fn reconfigure(&mut self, plugin: Plugin) -> Result<Reload, Error> {
        self.configure(&plugin)
    }
}

/// Envoy's own answer where no route leads to an upstream.
fn not_filtered(request: &Request) -> Outcome {
    let response = Response {
        status: 404,
        headers: Headers::default(),
        body: Vec::new(),
        trailers: Headers::default(),
        end: End::Complete,
        first_byte_at: None,
        sent_at: None,
    };
    let log = json!({"method": method(request), "path": request.path, "status": 404, "tollgate": null});
    Outcome { response, log, seen: None, costs: None }
}

fn method(request: &Request) -> &str {
    if request.method.is_empty() { "POST" } else { &request.method }
}

struct Call<'a> {
    host: &'a mut Host,
    id: u32,
    request: &'a Request,
    reply: &'a Reply,
    cluster: String,
    /// Virtual time zero, for the times in what comes out.
    begun: (Instant, u64),
    held: Held,
    seen: Option<Seen>,
    response: Response,
}

/// What stands between the client and the upstream.
#[derive(Default)]
struct Held {
    headers: bool,
    /// No callback comes for the body either.
    all: bool,
    /// Body that a callback has kept.
    kept: Option<Vec<u8>>,
    /// Body that no callback has seen, because everything was held.
    unseen: Vec<u8>,
    ended: bool,
}

impl<'a> Call<'a> {
    fn new(
        host: &'a mut Host,
        request: &'a Request,
        reply: &'a Reply,
        cluster: &str,
        route: &str,
    ) -> Result<Self, Error> {
        let id = host.next_context();
        let (root, begun) = (host.root, (Instant::now(), host.world().now_ns));
        host.world().costs = Costs::default();
        host.world().known =
            [("xds.route_name", route), ("xds.cluster_name", cluster), ("plugin_root_id", "")]
                .map(|(name, value)| (name.to_owned(), value.as_bytes().to_vec()))
                .into();
        host.world().streams.insert(id, Stream { request: request_headers(request), ..Stream::default() });
        host.call::<(u32, u32), ()>("proxy_on_context_create", id, (id, root))?;
        let response = Response { status: 0, ..not_filtered(request).response };
        Ok(Self {
            host,
            id,
            request,
            reply,
            cluster: cluster.to_owned(),
            begun,
            held: Held::default(),
            seen: None,
            response,
        })
    }

    fn run(mut self) -> Result<Outcome, Error> {
        self.request()?;
        if self.answered() {
            self.local_reply()?;
        } else if self.request.abort_after.is_some() {
            self.response.end = End::HungUp;
        } else {
            self.upstream_reply()?;
        }
        self.finish()
    }

    /// Whether the plugin has answered itself.
    fn answered(&mut self) -> bool {
        self.stream().local_reply.is_some()
    }

    fn finish(mut self) -> Result<Outcome, Error> {
        self.stream().logging = true;
        if self.response.end == End::HungUp {
            let details = b"downstream_remote_disconnect".to_vec();
            self.host.world().known.insert("response.code_details".to_owned(), details);
        }
        if let Some(seen) = &mut self.seen {
            seen.end.get_or_insert(End::Cut);
        }
        self.host.call_if_there::<u32, u32>("proxy_on_done", self.id)?;
        self.host.call::<u32, ()>("proxy_on_log", self.id, self.id)?;
        // As the filter left it: logs show the changed path.
        let path = self.stream().request.text(":path");
        let record = self.stream().properties.get("tollgate").map(|bytes| protobuf::decode(bytes));
        self.host.call::<u32, ()>("proxy_on_delete", self.id, self.id)?;
        self.host.world().streams.remove(&self.id);
        let log = json!({
            "method": method(self.request),
            "path": path,
            "status": self.response.status,
            "upstream": self.cluster,
            "tollgate": record.map(|value| json!({"value": value.unwrap_or(Value::Null)})),
        });
        let memory_bytes = self.host.memory_bytes();
        let costs = Costs { memory_bytes, ..std::mem::take(&mut self.host.world().costs) };
        Ok(Outcome { response: self.response, log, seen: self.seen, costs: Some(costs) })
    }

    /// Lets virtual time pass: answers of other clusters and ticks come in it.
    fn advance(&mut self, by: Duration) -> Result<(), Error> {
        let until = self.host.world().now_ns + by.as_nanos() as u64;
        self.host.pass_time(until)?;
        self.after_callback()
    }

    fn now(&mut self) -> Instant {
        let passed = self.host.world().now_ns.saturating_sub(self.begun.1);
        self.begun.0 + Duration::from_nanos(passed)
    }

    fn stream(&mut self) -> &mut Stream {
        self.host.world().streams.entry(self.id).or_default()
    }
}
