//! Pages of the filter itself under `admin.path_prefix`: the router, who may see them, and their answers.
//!
//! A page is a row of [`PAGES`]: its path below the prefix, and a function of what was asked. Whoever may not see them gets
//! 404, whatever the path, so that nobody can tell that they are there.

mod access;
mod candidate;
mod guards;
mod inventory;
pub(crate) mod json;
mod query;
mod quotas;
mod steer;
mod usage;
mod waste;

pub(crate) use access::RawAdmin;
pub use access::{Access, Admin};
pub(crate) use json::quoted;
use query::Query;
pub use steer::QuotaChange;

use crate::config::Rules;
use crate::head::HeaderPairs;
use crate::reply::LocalReply;
use tollgate_policy::SharedStore;
use tollgate_record::Timestamp;

/// What a page may look at.
#[derive(Clone, Copy)]
pub(crate) struct Asked<'a> {
    pub rules: &'a Rules,
    /// The data that all workers share.
    pub store: &'a dyn SharedStore,
    pub query: Query<'a>,
    pub now: Timestamp,
}

type Page = fn(&Asked<'_>) -> LocalReply;

/// All pages. JSON ones answer with [`json_reply`], mistakes in the query with [`mistake`].
const PAGES: [(&str, Page); 7] = [
    ("/", page),
    ("/usage", usage::reply),
    ("/inventory", inventory::reply),
    ("/quotas", quotas::reply),
    ("/guards", guards::reply),
    ("/waste", waste::reply),
    ("/candidate", candidate::reply),
];

/// What the adapter does about a request that is for the pages.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AdminAnswer {
    /// What the caller gets.
    pub reply: LocalReply,
    /// The path that logs are to show instead of the one that was asked for, which has a secret in it.
    pub shown_path: Option<String>,
    /// What is to be changed before the caller gets the reply.
    pub change: Option<QuotaChange>,
}

impl AdminAnswer {
    /// What the caller gets where the change could not be made.
    pub fn fail(&mut self) {
        self.reply = steer::away();
    }
}

impl Admin {
    /// Whether a path is one of the pages', known or not.
    pub fn covers(&self, path: &str) -> bool {
        self.below(path).is_some()
    }

    /// The path below the prefix, its query included.
    fn below<'a>(&self, path: &'a str) -> Option<&'a str> {
        path.strip_prefix(self.path_prefix.as_str())
            .filter(|rest| rest.is_empty() || rest.starts_with(['/', '?']))
    }

    /// Answers a request that [`Admin::covers`].
    pub fn answer(
        &self,
        rules: &Rules,
        headers: &HeaderPairs,
        property: &dyn Fn(&[&str]) -> Option<Vec<u8>>,
        store: &dyn SharedStore,
        now: Timestamp,
    ) -> AdminAnswer {
        let below = headers.text(":path").and_then(|path| self.below(path)).unwrap_or_default();
        let (path, query) = below.split_once('?').unwrap_or((below, ""));
        let query = Query(query);
        let shown_path = query.value("token").map(|_| format!("{}{path}", self.path_prefix));
        let asked = Asked { rules, store, query, now };
        let (reply, change) = match self.access(headers, &query, property) {
            Access::Denied => (not_found(), None),
            Access::Login(token) => (self.login(&token, headers), None),
            Access::Granted(who) => match (headers.text(":method"), path.strip_prefix("/quotas/")) {
                (Some("GET" | "HEAD"), Some(counter)) => (steer::show(counter, &asked), None),
                (Some("GET" | "HEAD"), None) => (route(path, &asked), None),
                (Some("POST"), Some(counter)) => match steer::answer(counter, &asked, &who) {
                    Ok((reply, change)) => (reply, Some(change)),
                    Err(refusal) => (refusal, None),
                },
                _ => (method_not_allowed(), None),
            },
        };
        AdminAnswer { reply, shown_path, change }
    }

    /// Leaves the token with the browser, out of reach of scripts, and leads it to an address without it.
    fn login(&self, token: &str, headers: &HeaderPairs) -> LocalReply {
        let prefix = &self.path_prefix;
        let secure = if headers.text(":scheme") == Some("https") { "; Secure" } else { "" };
        let cookie = format!("tollgate={token}; Path={prefix}; HttpOnly; SameSite=Strict{secure}");
        let headers = vec![
            ("location", format!("{prefix}/")),
            ("set-cookie", cookie),
            ("cache-control", "no-store".to_owned()),
        ];
        LocalReply { status: 303, headers, body: Vec::new() }
    }
}

fn route(path: &str, asked: &Asked<'_>) -> LocalReply {
    let path = if path.is_empty() { "/" } else { path };
    let page = PAGES.iter().find(|(known, _)| *known == path);
    page.map_or_else(not_found, |(_, answer)| answer(asked))
}

/// The page that draws the live view. It asks for `usage` by itself.
fn page(_: &Asked<'_>) -> LocalReply {
    const POLICY: &str = "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; \
                          connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";
    let mut reply = text_reply(200, "text/html; charset=utf-8", include_bytes!("page.html").to_vec());
    reply.headers.push(("content-security-policy", POLICY.to_owned()));
    reply.headers.push(("referrer-policy", "no-referrer".to_owned()));
    reply
}

fn text_reply(status: u16, content_type: &str, body: Vec<u8>) -> LocalReply {
    let headers = vec![
        ("content-type", content_type.to_owned()),
        ("cache-control", "no-store".to_owned()),
        ("x-content-type-options", "nosniff".to_owned()),
    ];
    LocalReply { status, headers, body }
}

/// A page's answer as JSON.
pub(crate) fn json_reply(status: u16, body: String) -> LocalReply {
    text_reply(status, "application/json", body.into_bytes())
}

/// The answer to a query that makes no sense: what is wrong, and what would be right.
pub(crate) fn mistake(problem: &str) -> LocalReply {
    json_reply(400, format!(r#"{{"error":{}}}"#, quoted(problem)))
}

fn not_found() -> LocalReply {
    text_reply(404, "text/plain", b"not found\n".to_vec())
}

fn method_not_allowed() -> LocalReply {
    let mut reply = text_reply(405, "text/plain", b"only GET and HEAD\n".to_vec());
    reply.headers.push(("allow", "GET, HEAD".to_owned()));
    reply
}

#[cfg(test)]
mod tests;
