//! Every scenario again, with host calls that fail, lie, or see the clock jump. What must come of the calls is
//! not asked then; but the plugin must never trap, never hold a request for good, never break a length that was
//! announced, and afterwards work as if nothing had been.

use std::num::NonZero;
use std::time::Duration;

use serde_json::json;

use super::file::NamedReply;
use super::on_host::Prepared;
use super::run::Counts;
use super::side_by_side::side_by_side;
use super::{Engine, File};
use crate::Error;
use crate::host::{Compiled, Fault, Faults, Host, Planned};
use crate::http::{Headers, Reply, Request};

/// The host functions that the plugin calls while calls pass.
const FUNCTIONS: [&str; 17] = [
    "proxy_get_header_map_pairs",
    "proxy_replace_header_map_value",
    "proxy_remove_header_map_value",
    "proxy_get_buffer_bytes",
    "proxy_set_buffer_bytes",
    "proxy_get_property",
    "proxy_set_property",
    "proxy_get_shared_data",
    "proxy_set_shared_data",
    "proxy_get_current_time_nanoseconds",
    "proxy_continue_stream",
    "proxy_send_local_response",
    "proxy_http_call",
    "proxy_define_metric",
    "proxy_increment_metric",
    "proxy_record_metric",
    "proxy_set_effective_context",
];

/// Where these fail in the middle of a change, the announced length cannot be kept, whatever the plugin does.
const LENGTHS_DEPEND_ON: [&str; 4] = [
    "proxy_get_buffer_bytes",
    "proxy_remove_header_map_value",
    "proxy_replace_header_map_value",
    "proxy_set_buffer_bytes",
];

/// Where these fail, nobody can let a held request go; Envoy's own time-outs end it.
const RELEASE_DEPENDS_ON: [&str; 2] = ["proxy_continue_stream", "proxy_set_effective_context"];

/// Bodies above this are slow and show nothing more.
const MAX_BODY_BYTES: usize = 65_536;

/// A little more than the time between two ticks.
const TICK: Duration = Duration::from_millis(300);

const DAY_NS: i64 = 86_400_000_000_000;

fn faults() -> Vec<(&'static str, Fault)> {
    vec![
        ("fails with BadArgument", Fault::Status(2)),
        ("fails with CasMismatch", Fault::Status(8)),
        ("fails with InternalFailure", Fault::Status(10)),
        ("returns nothing", Fault::Garbage(Vec::new())),
        ("returns bytes that make no sense", Fault::Garbage(vec![0xff; 37])),
        ("sees the clock a day ahead", Fault::ClockJump(DAY_NS)),
        ("sees the clock a day back", Fault::ClockJump(-DAY_NS)),
    ]
}

/// Runs all files; one case per file, function and fault, in which it hits the first and then every call. A function that no call of a
/// file comes by is one case: whatever its fault, nothing happens.
///
/// # Errors
/// Where a file cannot be run even without faults.
pub fn run_all(compiled: &Compiled, files: &[(String, File)]) -> Result<Counts, Error> {
    let at_once = std::thread::available_parallelism().unwrap_or(NonZero::<usize>::MIN);
    side_by_side(files, at_once, |(name, file)| run_one(compiled, name, file))?.into_iter().sum()
}

fn run_one(compiled: &Compiled, name: &str, file: &File) -> Result<Counts, Error> {
    let prepared = Prepared::new(file)?;
    // Made once: they are sent some two hundred times.
    let calls = sendable(file)?;
    let mut counts = Counts::default();
    for function in FUNCTIONS {
        for (what, fault) in faults() {
            match endure(|| prepared.start(compiled), &calls, function, &fault)? {
                Outcome::Untouched => {
                    counts.passed += 1;
                    break;
                }
                Outcome::Endured => counts.passed += 1,
                Outcome::Wrong(why) => {
                    counts.failed += 1;
                    println!("{name}: {function} {what} ... FAILED: {why}");
                }
            }
        }
    }
    Ok(counts)
}

/// What came of a file's calls with a fault.
enum Outcome {
    /// No call came by it.
    Untouched,
    /// All went on as it must.
    Endured,
    Wrong(String),
}

fn endure(
    start: impl Fn() -> Result<Host, Error>,
    calls: &[Sent],
    function: &'static str,
    fault: &Fault,
) -> Result<Outcome, Error> {
    for nth in [Some(1), None] {
        let mut host = start()?;
        host.plan(Faults::new(vec![Planned { function, nth, fault: fault.clone() }]));
        let wrong = all_calls(&mut host, calls, function);
        let called = host.planned_calls(function);
        if let Some(why) = wrong.or_else(|| afterwards(&mut host)) {
            let place = nth.map_or("every call".to_owned(), |nth| format!("call {nth}"));
            return Ok(Outcome::Wrong(format!("{place}: {why}")));
        }
        if called == 0 {
            return Ok(Outcome::Untouched);
        }
    }
    Ok(Outcome::Endured)
}

/// A call of a file.
struct Sent {
    request: Request,
    reply: Reply,
    /// What a store answers, from this call on and after it.
    stores: [Option<Reply>; 2],
}

/// The calls of a file whose bodies are not too long.
fn sendable(file: &File) -> Result<Vec<Sent>, Error> {
    let mut calls = Vec::new();
    for call in file.cases.iter().flat_map(|case| &case.calls) {
        let (request, reply) = (call.request.to_http(), file.reply(&call.reply)?);
        if request.body.len().max(reply.body.len()) <= MAX_BODY_BYTES {
            let store =
                |named: &Option<NamedReply>| named.as_ref().map(|named| file.reply(named)).transpose();
            calls.push(Sent { request, reply, stores: [store(&call.store)?, store(&call.then_store)?] });
        }
    }
    Ok(calls)
}

fn all_calls(host: &mut Host, calls: &[Sent], function: &str) -> Option<String> {
    for Sent { request, reply, stores: [now, then] } in calls {
        if let Some(store) = now {
            host.answer_as_store(store);
        }
        match host.call(request, reply) {
            Ok(_) => {}
            Err(Error::Length(_)) if LENGTHS_DEPEND_ON.contains(&function) => host.forget_streams(),
            Err(Error::Timeout(_)) if RELEASE_DEPENDS_ON.contains(&function) => host.forget_streams(),
            Err(error) => return Some(format!("{} {}: {error}", request.method, request.path)),
        }
        if let Some(store) = then {
            host.answer_as_store(store);
        }
    }
    // What waits for a tick is done with the fault, too.
    host.pass(TICK).err().map(|error| format!("a tick: {error}"))
}

/// An Anthropic call, since nothing of it is changed in passing.
fn afterwards(host: &mut Host) -> Option<String> {
    host.plan(Faults::default());
    let request = Request {
        path: "/v1/messages".to_owned(),
        headers: Headers::from_iter([("content-type", "application/json"), ("x-team", "afterwards")]),
        body: json!({"model": "claude-haiku-4-5", "messages": []}).to_string().into_bytes(),
        ..Request::default()
    };
    let usage = json!({"input_tokens": 7, "output_tokens": 2});
    let reply =
        Reply::json(json!({"type": "message", "model": "claude-haiku-4-5", "usage": usage}).to_string());
    match host.call(&request, &reply) {
        Err(error) => Some(format!("afterwards: {error}")),
        Ok(outcome) if outcome.log["tollgate"]["value"].is_null() => {
            Some("afterwards there is no record".to_owned())
        }
        Ok(_) => None,
    }
}
