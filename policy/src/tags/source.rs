//! Where a tag's value comes from.

use crate::config::{ConfigError, Object, whole_number};
use serde::Deserialize;
use sha2::{Digest, Sha256};
use std::borrow::Cow;
use std::collections::BTreeMap;

/// A source as the user wrote it: one of the kinds, and what belongs to it.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct RawSource {
    header: Option<String>,
    part: Option<RawPart>,
    query: Option<String>,
    #[serde(deserialize_with = "whole_number")]
    path_segment: Option<u64>,
    baggage: Option<String>,
    jwt_claim: Option<OneOrPath>,
    payload: Option<String>,
    certificate: Option<RawIdentity>,
    api_key: Option<BTreeMap<String, String>>,
    property: Option<OneOrPath>,
    body: Option<String>,
    trusted: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
enum RawPart {
    TraceId,
    ParentId,
}

#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "snake_case")]
enum RawIdentity {
    UriSan,
    DnsSan,
    Subject,
    Sha256,
}

/// A name, or a path of names.
#[derive(Clone, Debug, Deserialize)]
#[serde(untagged, expecting = "expected a name or a list of names")]
enum OneOrPath {
    One(String),
    Path(Vec<String>),
}

impl OneOrPath {
    fn names(&self) -> Vec<String> {
        match self {
            Self::One(name) => vec![name.clone()],
            Self::Path(names) => names.clone(),
        }
    }
}

/// A source of a tag's value.
#[derive(Clone, Debug)]
pub(super) struct Source {
    kind: Kind,
    /// The client cannot make its value up.
    pub trusted: bool,
}

#[derive(Clone, Debug)]
enum Kind {
    Header(String),
    TraceParent {
        header: String,
        part: RawPart,
    },
    Baggage(String),
    Query(String),
    PathSegment(usize),
    ApiKey(BTreeMap<String, String>),
    Property(usize),
    /// By its place among [`Asks::pointers`].
    Body(usize),
}

/// What tags have to be told beside headers and path.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Asks {
    /// Paths of the host's properties.
    pub properties: Vec<Vec<String>>,
    /// JSON pointers into the request's body.
    pub pointers: Vec<String>,
}

/// Where `jwt_authn` leaves the payload of a verified token, by default under this key.
const JWT_METADATA: [&str; 3] = ["metadata", "filter_metadata", "envoy.filters.http.jwt_authn"];
const JWT_PAYLOAD: &str = "jwt_payload";

/// What a request shows of itself to tags.
pub struct Request<'a> {
    /// Looks up a header by its lower-case name.
    pub header: &'a dyn Fn(&str) -> Option<&'a [u8]>,
    /// The path with its query.
    pub path: &'a str,
    /// The values of [`TagRules::properties`](super::TagRules::properties), in their order.
    pub properties: &'a [Option<Vec<u8>>],
    /// The values of [`TagRules::pointers`](super::TagRules::pointers), in their order; `None` as long as the body was not
    /// read.
    pub body: Option<&'a [Option<String>]>,
}

impl Source {
    /// Checks a source. What it has to be told is added to `asks`.
    pub(super) fn compile(raw: &Object<RawSource>, asks: &mut Asks) -> Result<Self, ConfigError> {
        let raw = &raw.0;
        let mut kinds = raw.kinds(asks);
        let (Some(kind), None) = (kinds.pop(), kinds.pop()) else {
            let legal = "`header`, `query`, `path_segment`, `baggage`, `jwt_claim`, `certificate`, `api_key`, `property`, `body`";
            return Err(ConfigError::new("", format!("needs exactly one of {legal}")));
        };
        if raw.part.is_some() && raw.header.is_none() {
            return Err(ConfigError::new("part", "goes with `header`"));
        }
        if raw.payload.is_some() && raw.jwt_claim.is_none() {
            return Err(ConfigError::new("payload", "goes with `jwt_claim`"));
        }
        if raw.body.as_ref().is_some_and(|pointer| !pointer.starts_with('/')) {
            return Err(ConfigError::new(
                "body",
                "is no JSON pointer, expected one such as `/metadata/feature`",
            ));
        }
        if let Some(place) = raw.api_key.iter().flatten().position(|(digest, _)| !is_sha256(digest)) {
            return Err(ConfigError::new("api_key", no_digest(place)));
        }
        // What the proxy verified or knows by itself cannot be made up by the client.
        let verified = matches!(kind, Kind::Property(_) | Kind::ApiKey(_));
        Ok(Self { kind, trusted: raw.trusted || verified })
    }

    /// The header that carries the value, if a client sends it in one of its own.
    pub(super) fn header(&self) -> Option<&str> {
        match &self.kind {
            Kind::Header(name) => Some(name),
            _ => None,
        }
    }

    /// Whether the value stands in the request's body.
    pub(super) fn is_in_body(&self) -> bool {
        matches!(self.kind, Kind::Body(_))
    }

    /// How a client sends the value, for the message of a refusal.
    pub(super) fn hint(&self, pointers: &[String]) -> Option<String> {
        match &self.kind {
            Kind::Header(name) | Kind::TraceParent { header: name, .. } => {
                Some(format!("the header `{name}`"))
            }
            Kind::Baggage(key) => Some(format!("the baggage `{key}`")),
            Kind::Query(name) => Some(format!("the query parameter `{name}`")),
            Kind::PathSegment(index) => Some(format!("segment {index} of the path")),
            Kind::Body(index) => Some(format!("the body at `{}`", pointers.get(*index)?)),
            Kind::ApiKey(_) | Kind::Property(_) => None,
        }
    }

    /// The raw value, if the request has one.
    pub(super) fn value<'a>(&'a self, request: &'a Request<'_>) -> Option<Cow<'a, [u8]>> {
        let made = match &self.kind {
            Kind::Header(name) => return (request.header)(name).map(Cow::Borrowed),
            Kind::Body(index) => {
                return request.body?.get(*index)?.as_deref().map(|text| Cow::Borrowed(text.as_bytes()));
            }
            Kind::ApiKey(values) => {
                let value = values.get(&credential_digest(request)?);
                return value.map(|value| Cow::Borrowed(value.as_bytes()));
            }
            Kind::TraceParent { header, part } => trace_part((request.header)(header)?, *part),
            Kind::Baggage(key) => baggage((request.header)("baggage")?, key),
            Kind::Query(name) => query(request.path, name),
            Kind::PathSegment(index) => path_segment(request.path, *index),
            Kind::Property(index) => property_text(request.properties.get(*index)?.as_deref()?),
        };
        made.map(Cow::Owned)
    }
}

impl RawSource {
    fn kinds(&self, asks: &mut Asks) -> Vec<Kind> {
        let Asks { properties, pointers } = asks;
        let mut property = |path: Vec<String>| Kind::Property(place(properties, path));
        let body = self.body.clone().map(|pointer| Kind::Body(place(pointers, pointer)));
        let lower = |name: &String| name.to_ascii_lowercase();
        let header = self.header.as_ref().map(|name| match self.part {
            Some(part) => Kind::TraceParent { header: lower(name), part },
            None => Kind::Header(lower(name)),
        });
        let claim = self.jwt_claim.as_ref().map(|claim| {
            let payload = self.payload.as_deref().unwrap_or(JWT_PAYLOAD);
            let path = JWT_METADATA.into_iter().chain([payload]).map(str::to_owned);
            property(path.chain(claim.names()).collect())
        });
        let identity = self.certificate.map(|identity| {
            let name = match identity {
                RawIdentity::UriSan => "uri_san_peer_certificate",
                RawIdentity::DnsSan => "dns_san_peer_certificate",
                RawIdentity::Subject => "subject_peer_certificate",
                RawIdentity::Sha256 => "sha256_peer_certificate_digest",
            };
            property(vec!["connection".to_owned(), name.to_owned()])
        });
        let own = self.property.as_ref().map(|path| property(path.names()));
        let segment = self.path_segment.and_then(|n| usize::try_from(n).ok()).map(Kind::PathSegment);
        let query = self.query.clone().map(Kind::Query);
        let baggage = self.baggage.clone().map(Kind::Baggage);
        let key = self.api_key.clone().map(Kind::ApiKey);
        [header, claim, identity, own, segment, query, baggage, key, body].into_iter().flatten().collect()
    }
}

/// The place of what is asked for; what is not asked for yet is added.
fn place<T: PartialEq>(asked: &mut Vec<T>, one: T) -> usize {
    asked.iter().position(|known| *known == one).unwrap_or_else(|| {
        asked.push(one);
        asked.len().saturating_sub(1)
    })
}

/// What is wrong with a digest that is none. It may be a key, so it is not shown.
pub(super) fn no_digest(place: usize) -> String {
    let entry = place.saturating_add(1);
    format!(
        "entry {entry} is no SHA-256 in lower-case hexadecimal: the configuration must not hold a key itself"
    )
}

/// Whether this is a digest as [`credential_digest`] writes it.
pub(super) fn is_sha256(text: &str) -> bool {
    text.len() == 64 && text.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b))
}

/// The SHA-256 of the request's credential in lower-case hexadecimal: the bearer token, or what stands in one of the
/// headers that providers take keys in (`x-api-key` Anthropic, `api-key` Azure, `x-goog-api-key` Google), or Google's
/// query parameter `key`.
pub fn credential_digest(request: &Request<'_>) -> Option<String> {
    let bearer = || {
        let value = (request.header)("authorization")?;
        let (scheme, token) = value.split_at_checked(7)?;
        scheme.eq_ignore_ascii_case(b"bearer ").then(|| token.trim_ascii().to_vec())
    };
    let header = |name: &str| (request.header)(name).map(<[u8]>::to_vec);
    let credential = bearer()
        .or_else(|| ["x-api-key", "api-key", "x-goog-api-key"].into_iter().find_map(header))
        .or_else(|| query(request.path, "key"))?;
    let digest = Sha256::digest(&credential);
    Some(
        digest
            .iter()
            .flat_map(|byte| [byte >> 4, byte & 15])
            .filter_map(|n| char::from_digit(n.into(), 16))
            .collect(),
    )
}

/// W3C Trace Context, section 3.2: `version-trace_id-parent_id-flags`.
fn trace_part(value: &[u8], part: RawPart) -> Option<Vec<u8>> {
    let mut parts = value.split(|b| *b == b'-').skip(1);
    let (trace, parent) = (parts.next()?, parts.next()?);
    let (chosen, length) = match part {
        RawPart::TraceId => (trace, 32),
        RawPart::ParentId => (parent, 16),
    };
    let valid = chosen.len() == length
        && chosen.iter().all(u8::is_ascii_hexdigit)
        && chosen.iter().any(|b| *b != b'0');
    valid.then(|| chosen.to_ascii_lowercase())
}

/// W3C Baggage, section 3.3: `key=value;property, key=value`, values percent-encoded.
fn baggage(value: &[u8], key: &str) -> Option<Vec<u8>> {
    let members =
        value.split(|b| *b == b',').map(|member| member.split(|b| *b == b';').next().unwrap_or(member));
    let mut pairs = members.filter_map(|member| {
        let equals = member.iter().position(|b| *b == b'=')?;
        let (name, value) = member.split_at_checked(equals)?;
        Some((name.trim_ascii(), value.get(1..)?.trim_ascii()))
    });
    pairs.find(|(name, _)| *name == key.as_bytes()).map(|(_, value)| percent_decoded(value))
}

fn query(path: &str, name: &str) -> Option<Vec<u8>> {
    let (_, query) = path.split_once('?')?;
    let mut pairs = query.split('&').filter_map(|pair| pair.split_once('='));
    let spaced = |value: &str| value.replace('+', " ");
    pairs
        .find(|(key, _)| percent_decoded(key.as_bytes()) == name.as_bytes())
        .map(|(_, v)| percent_decoded(spaced(v).as_bytes()))
}

/// The n-th segment of the path, counted from 0: of `/tenants/acme/v1`, 1 is `acme`.
fn path_segment(path: &str, index: usize) -> Option<Vec<u8>> {
    let path = path.split('?').next().unwrap_or(path);
    path.split('/').filter(|s| !s.is_empty()).nth(index).map(|s| percent_decoded(s.as_bytes()))
}

/// RFC 3986, section 2.1; what is no valid escape stands for itself.
fn percent_decoded(bytes: &[u8]) -> Vec<u8> {
    let digit = |byte: &u8| char::from(*byte).to_digit(16).and_then(|d| u8::try_from(d).ok());
    let (mut out, mut rest) = (Vec::with_capacity(bytes.len()), bytes);
    while let Some((first, after)) = rest.split_first() {
        let pair = after.first_chunk::<2>().filter(|_| *first == b'%');
        let escaped = pair.and_then(|[high, low]| Some(digit(high)? << 4 | digit(low)?));
        out.push(escaped.unwrap_or(*first));
        rest = if escaped.is_some() { after.get(2..).unwrap_or_default() } else { after };
    }
    out
}

/// A host's property as text. Hosts give strings as they are, and numbers as eight bytes of a double.
fn property_text(bytes: &[u8]) -> Option<Vec<u8>> {
    let readable = std::str::from_utf8(bytes).is_ok_and(|text| !text.chars().any(char::is_control));
    if readable {
        return Some(bytes.to_vec()).filter(|b| !b.is_empty());
    }
    let number = f64::from_le_bytes(*bytes.first_chunk::<8>().filter(|_| bytes.len() == 8)?);
    number.is_finite().then(|| number.to_string().into_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn value(
        json: &str,
        headers: &[(&str, &str)],
        path: &str,
        properties: &[Option<Vec<u8>>],
    ) -> Option<String> {
        let raw: Object<RawSource> = serde_json::from_str(json).unwrap();
        let source = Source::compile(&raw, &mut Asks::default()).unwrap();
        let header = |name: &str| headers.iter().find(|(h, _)| *h == name).map(|(_, v)| v.as_bytes());
        let request = Request { header: &header, path, properties, body: None };
        source.value(&request).map(|bytes| String::from_utf8(bytes.into_owned()).unwrap())
    }

    const TRACE: &str = "00-4BF92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

    #[test]
    fn each_kind_of_source_finds_its_value() {
        let digest = "2bb80d537b1da3e38bd30361aa855686bde0eacd7162fef6a25fe97bf527a25b"; // of "secret"
        let key = format!(r#"{{"api_key":{{"{digest}":"search"}}}}"#);
        for (json, headers, path, expected) in [
            (r#"{"header":"X-Team"}"#, vec![("x-team", "ads")], "/", Some("ads")),
            (
                r#"{"header":"traceparent","part":"trace_id"}"#,
                vec![("traceparent", TRACE)],
                "/",
                Some("4bf92f3577b34da6a3ce929d0e0e4736"),
            ),
            (
                r#"{"header":"traceparent","part":"parent_id"}"#,
                vec![("traceparent", TRACE)],
                "/",
                Some("00f067aa0ba902b7"),
            ),
            (r#"{"header":"traceparent","part":"trace_id"}"#, vec![("traceparent", "00-0-0-0")], "/", None),
            (r#"{"baggage":"team"}"#, vec![("baggage", "a=b, team = a%20b ;p=1,c=d")], "/", Some("a b")),
            (r#"{"query":"team"}"#, vec![], "/v1?x=1&team=a%2Fb+c", Some("a/b c")),
            (r#"{"query":"team"}"#, vec![], "/v1", None),
            (r#"{"path_segment":1}"#, vec![], "/tenants/ac%6De/v1?x", Some("acme")),
            (r#"{"path_segment":7}"#, vec![], "/tenants", None),
            (key.as_str(), vec![("authorization", "BEARER secret")], "/", Some("search")),
            (key.as_str(), vec![("x-api-key", "secret")], "/", Some("search")),
            (key.as_str(), vec![], "/v1beta?key=secret", Some("search")),
            (key.as_str(), vec![("x-api-key", "other")], "/", None),
        ] {
            assert_eq!(value(json, &headers, path, &[]).as_deref(), expected, "{json} {path}");
        }
    }

    #[test]
    fn properties_of_the_host_are_asked_for_by_path_and_read_as_text() {
        for (json, path) in [
            (
                r#"{"jwt_claim":"tenant"}"#,
                "metadata/filter_metadata/envoy.filters.http.jwt_authn/jwt_payload/tenant",
            ),
            (
                r#"{"jwt_claim":["org","id"],"payload":"p"}"#,
                "metadata/filter_metadata/envoy.filters.http.jwt_authn/p/org/id",
            ),
            (r#"{"certificate":"uri_san"}"#, "connection/uri_san_peer_certificate"),
            (r#"{"property":["xds","route_name"]}"#, "xds/route_name"),
        ] {
            let raw: Object<RawSource> = serde_json::from_str(json).unwrap();
            let mut asks = Asks::default();
            let source = Source::compile(&raw, &mut asks).unwrap();
            assert_eq!((asks.properties[0].join("/").as_str(), source.trusted), (path, true));
        }
        let claim = r#"{"jwt_claim":"tenant"}"#;
        for (bytes, expected) in [
            (Some(b"acme".to_vec()), Some("acme")),
            (Some(b"12345678".to_vec()), Some("12345678")),
            (Some(42.0_f64.to_le_bytes().to_vec()), Some("42")),
            (Some(Vec::new()), None),
            (None, None),
        ] {
            assert_eq!(value(claim, &[], "/", &[bytes]).as_deref(), expected);
        }
    }

    #[test]
    fn impossible_sources_are_refused() {
        for (json, expected) in [
            ("{}", "needs exactly one of `header`"),
            (r#"{"header":"a","query":"b"}"#, "needs exactly one of"),
            (r#"{"query":"b","part":"trace_id"}"#, "part: goes with `header`"),
            (r#"{"query":"b","payload":"p"}"#, "payload: goes with `jwt_claim`"),
            (r#"{"body":"metadata.feature"}"#, "body: is no JSON pointer"),
            (r#"{"api_key":{"sk-secret":"a"}}"#, "api_key: entry 1 is no SHA-256"),
        ] {
            let raw: Object<RawSource> = serde_json::from_str(json).unwrap();
            let error = Source::compile(&raw, &mut Asks::default()).map(|_| ()).unwrap_err().to_string();
            assert!(error.starts_with(expected), "{json}: {error}");
        }
    }

    proptest::proptest! {
        #[test]
        fn no_bytes_break_a_source(header in proptest::collection::vec(proptest::num::u8::ANY, 0..80), path in ".{0,60}") {
            for json in [r#"{"header":"traceparent","part":"trace_id"}"#, r#"{"baggage":"a"}"#, r#"{"query":"a"}"#, r#"{"path_segment":0}"#, r#"{"property":"a"}"#] {
                let raw: Object<RawSource> = serde_json::from_str(json).unwrap();
                let source = Source::compile(&raw, &mut Asks::default()).unwrap();
                let properties = [Some(header.clone())];
                let _any = source.value(&Request { header: &|_| Some(&header), path: &path, properties: &properties, body: None });
            }
        }
    }
}
