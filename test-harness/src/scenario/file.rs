//! The form of a scenario file. Unknown fields are refused, so that a misspelt expectation cannot pass.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::Deserialize;
use serde_json::Value;

use super::body::{Body, from_hex};
use super::expect::Expect;
use crate::Error;
use crate::chunking::Chunking;
use crate::encoding::Encoding;
use crate::envoy::Reload;
use crate::envoy::config::{Plugin, read};
use crate::http::{self, Framing, Headers, Version, When};

/// One file: one configuration and the cases that run on it one after the other.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct File {
    /// What the file is about, in a sentence.
    pub about: String,
    /// The file under `envoy-config/` that Envoy runs; other engines take the filter's part of it.
    #[serde(default = "quickstart")]
    pub base: PathBuf,
    /// The filter's configuration; absent: the one of `base`.
    pub configuration: Option<Value>,
    /// Passes the configuration as a protobuf `Struct` instead of a string of JSON.
    #[serde(default)]
    pub as_struct: bool,
    /// What Envoy speaks with the upstream.
    #[serde(default)]
    pub upstream_http: Version,
    /// A cluster of a store that the filter calls; a stand-in answers in it as each call says.
    pub store_cluster: Option<String>,
    /// Replies that cases call by name.
    #[serde(default)]
    pub replies: BTreeMap<String, Reply>,
    /// What is run.
    pub cases: Vec<Case>,
    /// Engines that cannot run it, with the reason.
    #[serde(default)]
    pub not_on: BTreeMap<String, String>,
}

fn quickstart() -> PathBuf {
    PathBuf::from("quickstart/envoy.yaml")
}

/// Calls one after the other, and what stands in the stats afterwards.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Case {
    /// A sentence that says what holds.
    pub name: String,
    /// Given to the running filter before the calls.
    pub reconfigure: Option<Reconfigure>,
    /// Passes before the calls.
    #[serde(default)]
    pub wait_ms: u64,
    /// In order.
    #[serde(default)]
    pub calls: Vec<Call>,
    /// Passes after the calls.
    #[serde(default)]
    pub then_wait_ms: u64,
    /// By how much series grow over the case: `tollgate_requests;team=search: 2`. Labels that are not named
    /// are summed over.
    #[serde(default)]
    pub stats: BTreeMap<String, f64>,
    /// By how much they grow at least, where it depends on the time.
    #[serde(default)]
    pub stats_at_least: BTreeMap<String, f64>,
    /// Texts that each stand in some call to the store, up to the end of the case: `GET /path`, a header as
    /// `name: value`, or a part of the body.
    #[serde(default)]
    pub store_got: Vec<String>,
}

/// A configuration and what must become of it.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Reconfigure {
    /// The filter's configuration.
    pub configuration: Value,
    /// Envoy's verdict.
    pub expect: Verdict,
}

/// Envoy's verdict.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// It is used from now on.
    Accepted,
    /// The old one goes on.
    Rejected,
}

impl From<Reload> for Verdict {
    fn from(reload: Reload) -> Self {
        match reload {
            Reload::Accepted => Self::Accepted,
            Reload::Rejected => Self::Rejected,
        }
    }
}

/// A request, the reply to it, and what must come of it.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Call {
    /// What the client sends.
    pub request: Request,
    /// What the upstream answers: a name out of `replies`, or the reply itself.
    #[serde(default)]
    pub reply: NamedReply,
    /// What the store answers from here on; at first it refuses nothing.
    pub store: Option<NamedReply>,
    /// What it answers once the call is over: where what must come of the call depends on what the store answered before, and the
    /// filter may ask it at any moment.
    pub then_store: Option<NamedReply>,
    /// What must come of it.
    #[serde(default)]
    pub expect: Expect,
    /// How often the same is done.
    #[serde(default = "once")]
    pub times: usize,
}

fn once() -> usize {
    1
}

/// A name out of `replies`, or the reply itself.
#[derive(Clone, Debug, Deserialize)]
#[serde(untagged)]
pub enum NamedReply {
    /// Out of `replies`.
    Name(String),
    /// As it stands.
    Reply(Box<Reply>),
}

impl Default for NamedReply {
    fn default() -> Self {
        Self::Reply(Box::default())
    }
}

/// What the client sends.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Request {
    method: String,
    path: String,
    /// `\xff` in a value is that byte.
    headers: BTreeMap<String, String>,
    body: Body,
    chunks: Chunking,
    pause_ms: u64,
    framing: Framing,
    trailers: BTreeMap<String, String>,
    abort_after: Option<usize>,
    hang_up_after: Option<usize>,
    http: Version,
}

impl Request {
    /// What the client of an engine sends.
    pub fn to_http(&self) -> http::Request {
        http::Request {
            method: self.method.clone(),
            path: self.path.clone(),
            headers: headers(&self.headers),
            body: self.body.bytes(),
            chunks: self.chunks.clone(),
            pause: Duration::from_millis(self.pause_ms),
            framing: self.framing,
            trailers: headers(&self.trailers),
            abort_after: self.abort_after,
            hang_up_after: self.hang_up_after,
            version: self.http,
        }
    }
}

/// What the upstream answers.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Reply {
    status: Option<u16>,
    headers: BTreeMap<String, String>,
    body: Body,
    encoding: Option<Encoding>,
    chunks: Chunking,
    wait_ms: u64,
    pause_ms: u64,
    framing: Framing,
    trailers: BTreeMap<String, String>,
    cut_after: Option<usize>,
    when: When,
}

impl Reply {
    /// What the upstream of an engine answers.
    pub fn to_http(&self) -> http::Reply {
        http::Reply {
            status: self.status.unwrap_or(200),
            headers: headers(&self.headers),
            body: self.body.bytes(),
            encoding: self.encoding,
            chunks: self.chunks.clone(),
            wait: Duration::from_millis(self.wait_ms),
            pause: Duration::from_millis(self.pause_ms),
            framing: self.framing,
            trailers: headers(&self.trailers),
            cut_after: self.cut_after,
            when: self.when,
        }
    }
}

fn headers(pairs: &BTreeMap<String, String>) -> Headers {
    pairs.iter().map(|(name, value)| (name, unescape(value))).collect()
}

/// `\xff` becomes that byte; everything else stands for itself.
fn unescape(text: &str) -> Vec<u8> {
    let mut parts = text.split("\\x");
    let mut bytes = parts.next().unwrap_or_default().as_bytes().to_vec();
    for part in parts {
        let (digits, rest) = part.split_at_checked(2).unwrap_or((part, ""));
        bytes.extend(from_hex(digits));
        bytes.extend_from_slice(rest.as_bytes());
    }
    bytes
}

impl File {
    /// The filter's configuration in the form that the file asks for.
    pub fn plugin(&self, configuration: &Value) -> Plugin {
        match self.as_struct {
            true => Plugin::Struct(configuration.clone()),
            false => Plugin::Text(configuration.to_string()),
        }
    }

    /// How long its cases wait, calls left aside.
    pub fn waits(&self) -> Duration {
        Duration::from_millis(self.cases.iter().map(|case| case.wait_ms + case.then_wait_ms).sum())
    }

    /// The reply to a call.
    pub fn reply(&self, named: &NamedReply) -> Result<http::Reply, Error> {
        match named {
            NamedReply::Reply(reply) => Ok(reply.to_http()),
            NamedReply::Name(name) => {
                let reply = self
                    .replies
                    .get(name)
                    .ok_or_else(|| Error::File(format!("there is no reply `{name}`")))?;
                Ok(reply.to_http())
            }
        }
    }
}

/// Reads all scenario files of a folder, by name.
///
/// # Errors
/// Where one cannot be read or has a field that is not known.
pub fn load(folder: &Path) -> Result<Vec<(String, File)>, Error> {
    let entries = fs::read_dir(folder).map_err(Error::io(format!("cannot read `{}`", folder.display())))?;
    let mut paths: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).collect();
    paths.retain(|path| path.extension().is_some_and(|end| end == "yaml"));
    paths.sort();
    paths.iter().map(|path| load_file(path)).collect()
}

/// Reads those of a folder whose names contain a text.
///
/// # Errors
/// Where one cannot be read, or there is none: nothing would be run, and all would be well.
pub fn load_named(folder: &Path, filter: &str) -> Result<Vec<(String, File)>, Error> {
    let mut files = load(folder)?;
    files.retain(|(name, _)| name.contains(filter));
    let none =
        || Error::File(format!("`{}` has no scenarios whose name contains `{filter}`", folder.display()));
    if files.is_empty() { Err(none()) } else { Ok(files) }
}

fn load_file(path: &Path) -> Result<(String, File), Error> {
    let name = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
    let file = serde_json::from_value(read(path)?);
    Ok((name, file.map_err(|error| Error::File(format!("`{}`: {error}", path.display())))?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn header_values_can_hold_any_byte() {
        assert_eq!(unescape(r"a\xff\xFEb"), b"a\xff\xfeb");
        assert_eq!(unescape("plain"), b"plain");
    }

    #[test]
    fn a_name_that_no_scenario_has_is_an_error() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("scenarios");
        assert!(
            load_named(&folder, "quick").is_ok_and(|files| files.len() == 1 && files[0].0 == "quickstart")
        );
        let error = load_named(&folder, "qiuck").unwrap_err().to_string();
        assert!(error.ends_with("has no scenarios whose name contains `qiuck`"), "{error}");
    }

    #[test]
    fn every_scenario_of_the_project_can_be_read() {
        let files = load(&Path::new(env!("CARGO_MANIFEST_DIR")).join("scenarios")).unwrap();
        for (name, file) in &files {
            for call in file.cases.iter().flat_map(|case| &case.calls) {
                file.reply(&call.reply).unwrap_or_else(|error| panic!("{name}: {error}"));
            }
        }
    }
}
