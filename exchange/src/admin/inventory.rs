//! `inventory`: LLM hosts, families of paths and fingerprints of credentials, with first and last seen and calls.

use super::json::{instant, list, quoted};
use super::{Asked, json_reply, mistake};
use crate::inventory::{Row, Seen, load};
use crate::reply::LocalReply;

pub(super) fn reply(asked: &Asked<'_>) -> LocalReply {
    if let Some(name) = asked.query.unknown(&["token"]) {
        return mistake(&format!("unknown parameter `{name}`, there is none"));
    }
    let table = load(&asked.rules.namespace, asked.store);
    let rows: Vec<String> = table.iter().map(|(row, seen)| one(row, seen)).collect();
    json_reply(200, format!(r#"{{"now":"{}","endpoints":{}}}"#, asked.now, list(&rows)))
}

fn one(row: &Row, seen: &Seen) -> String {
    format!(
        r#"{{"host":{},"path":{},"credential":{},"metered":{},"first_seen":"{}","last_seen":"{}","calls":{}}}"#,
        quoted(&row.host),
        quoted(&row.path),
        if row.credential.is_empty() { "null".to_owned() } else { quoted(&row.credential) },
        row.metered,
        instant(seen.first),
        instant(seen.last),
        seen.calls
    )
}
