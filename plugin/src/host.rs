//! What the exchange asks of a host, on top of the ABI.

use crate::abi::{self, Headers, Map};
use std::cell::RefCell;
use tollgate_exchange::{
    AdminAnswer, AlertCall, FeedSource, HeaderEdit, HttpCall, LocalReply, MetricKind, MetricSink,
};
use tollgate_policy::{SharedStore, StoreFailure, Swap};
use tollgate_record::Timestamp;

/// The host's clock.
pub fn now() -> Timestamp {
    // A clock past the year 2262 does not fit: the latest instant that does stands in for it.
    Timestamp::from_unix_nanos(i64::try_from(abi::now_nanos()).unwrap_or(i64::MAX))
}

/// Applies edits to a header map, all that the host takes; `false` if it refused one.
pub fn edit_headers(map: Map, edits: &[HeaderEdit]) -> bool {
    let edit = |edit: &HeaderEdit| match edit {
        HeaderEdit::Set(name, value) => abi::set_header(map, name, value),
        HeaderEdit::Remove(name) => abi::remove_header(map, name),
    };
    let mut taken = true;
    for one in edits {
        taken &= edit(one).is_ok();
    }
    taken
}

/// Answers the client; `false` if the host would not.
pub fn reply(reply: &LocalReply) -> bool {
    let headers: Vec<(&str, &str)> =
        reply.headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
    abi::reply(u32::from(reply.status), "tollgate", &headers, &reply.body).is_ok()
}

/// Answers a request for one of the filter's own pages. A host that cannot reply lets it pass, to a route that has no
/// such pages.
pub fn answer_admin(answer: &AdminAnswer) -> Headers {
    if let Some(path) = &answer.shown_path {
        let _logs_show_more_then = abi::set_header(Map::Request, ":path", path);
    }
    if reply(&answer.reply) { Headers::HoldAll } else { Headers::Continue }
}

/// Sends a store's call; the number under which its answer will come.
pub fn send(call: &HttpCall) -> Option<u32> {
    let headers = [
        (":method", "POST"),
        (":path", "/"),
        (":authority", call.host.as_str()),
        ("content-type", call.content_type),
    ];
    abi::http_call(&call.cluster, &headers, &call.body, call.timeout_ms).ok()
}

/// Tells a destination of alerts; the number under which its answer will come.
pub fn tell(call: &AlertCall<'_>) -> Option<u32> {
    let fixed = [
        (":method", "POST"),
        (":path", call.to.path.as_str()),
        (":authority", call.to.host.as_str()),
        ("content-type", call.content_type),
    ];
    let own = call.to.headers.iter().map(|(name, value)| (name.as_str(), value.as_str()));
    let headers: Vec<_> = fixed.into_iter().chain(own).collect();
    abi::http_call(&call.to.cluster, &headers, call.body.as_bytes(), call.to.timeout_ms).ok()
}

/// Asks for a file; the number under which its answer will come.
pub fn fetch(source: &FeedSource, headers: &[(&str, &str)]) -> Option<u32> {
    abi::http_call(&source.cluster, headers, &[], source.timeout_ms).ok()
}

/// Shared data, as a ledger's store.
pub struct SharedData;

impl SharedStore for SharedData {
    fn read(&self, key: &str) -> Result<Option<(Vec<u8>, u32)>, StoreFailure> {
        abi::shared(key).map_err(|_| StoreFailure)
    }

    fn swap(&self, key: &str, value: &[u8], cas: Option<u32>) -> Result<Swap, StoreFailure> {
        match abi::set_shared(key, value, cas) {
            Ok(true) => Ok(Swap::Done),
            Ok(false) => Ok(Swap::Conflict),
            Err(_) => Err(StoreFailure),
        }
    }
}

/// The proxy's stats. What is counted goes to the proxy by tick, so that a call costs no host call for each of its counters.
pub struct ProxyStats;

/// What the proxy was not told yet. Numbers of metrics are the VM's, whatever configuration they were defined under.
#[derive(Default)]
struct Untold {
    /// By the counter's number.
    counters: Vec<u64>,
    /// The counters that are not zero there.
    grown: Vec<u32>,
    /// Samples of histograms, and values of gauges.
    values: Vec<(u32, u64)>,
}

/// Counters with a greater number are told at once: they would make the table long.
const MOST_COUNTERS: usize = 65_536;

/// So many values wait at most.
const MOST_VALUES: usize = 4096;

thread_local! {
    static UNTOLD: RefCell<Untold> = RefCell::default();
}

impl MetricSink for ProxyStats {
    fn define(&mut self, kind: MetricKind, name: &str) -> Option<u32> {
        let kind = match kind {
            MetricKind::Counter => 0,
            MetricKind::Gauge => 1,
            MetricKind::Histogram => 2,
        };
        abi::define_metric(kind, name).ok()
    }

    fn put(&mut self, kind: MetricKind, id: u32, value: u64) {
        UNTOLD.with_borrow_mut(|untold| match kind {
            MetricKind::Counter => untold.count(id, value),
            MetricKind::Gauge | MetricKind::Histogram => {
                untold.values.push((id, value));
                if untold.values.len() >= MOST_VALUES {
                    untold.tell_values();
                }
            }
        });
    }
}

impl ProxyStats {
    /// Tells the proxy what was counted since the last time.
    pub fn tell() {
        UNTOLD.with_borrow_mut(|untold| {
            untold.tell_values();
            // Calls are counted first and told last: who reads in between sees no call without its cost.
            for id in std::mem::take(&mut untold.grown).into_iter().rev() {
                let counter = usize::try_from(id).ok().and_then(|id| untold.counters.get_mut(id));
                increment(id, counter.map(std::mem::take).unwrap_or_default());
            }
        });
    }
}

impl Untold {
    fn count(&mut self, id: u32, by: u64) {
        let Some(place) = usize::try_from(id).ok().filter(|place| *place < MOST_COUNTERS) else {
            return increment(id, by);
        };
        if self.counters.len() <= place {
            self.counters.resize(place.saturating_add(1), 0);
        }
        let Some(counter) = self.counters.get_mut(place) else { return };
        if *counter == 0 && by > 0 {
            self.grown.push(id);
        }
        match counter.checked_add(by) {
            Some(sum) => *counter = sum,
            None => increment(id, by),
        }
    }

    fn tell_values(&mut self) {
        for (id, value) in self.values.drain(..) {
            let _nothing_to_do_about_it = abi::record_metric(id, value);
        }
    }
}

/// What does not fit into the proxy's sign is more than any proxy counts.
fn increment(id: u32, by: u64) {
    let _nothing_to_do_about_it = abi::increment_metric(id, i64::try_from(by).unwrap_or(i64::MAX));
}
