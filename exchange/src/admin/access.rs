//! Who may see the pages: whoever has the token, or a client certificate with one of the named identities.

use super::Query;
use crate::head::HeaderPairs;
use sha2::{Digest, Sha256};
use tollgate_policy::{ConfigError, Pattern, RawSelector};

/// The `admin` part of the configuration as the user wrote it: every field a text or a list of texts.
pub(crate) type RawAdmin = RawSelector;

const FIELDS: [&str; 3] = ["path_prefix", "token_sha256", "identities"];

/// Where the pages are, and who may see them.
#[derive(Clone, Debug)]
pub struct Admin {
    pub(super) path_prefix: String,
    token: Option<[u8; 32]>,
    identities: Vec<Pattern>,
}

/// What a request may do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Access {
    /// Nothing: the pages are not there.
    Denied,
    /// See them, and change what they show; under this name the log has it.
    Granted(String),
    /// Have the browser keep this token, which came in the address.
    Login(String),
}

/// Identities that Envoy takes from a client's certificate.
const IDENTITIES: [&str; 3] =
    ["uri_san_peer_certificate", "dns_san_peer_certificate", "subject_peer_certificate"];

impl Admin {
    pub(crate) fn compile(raw: &RawAdmin) -> Result<Self, ConfigError> {
        if let Some(name) = raw.keys().find(|name| !FIELDS.contains(&name.as_str())) {
            let problem = format!("unknown field `{name}`, expected one of `{}`", FIELDS.join("`, `"));
            return Err(ConfigError::new(name, problem));
        }
        let path_prefix = one(raw, "path_prefix")?.unwrap_or("/.tollgate").to_owned();
        let plain = |b: u8| b.is_ascii_alphanumeric() || b"-._~/".contains(&b);
        let absolute = path_prefix.len() > 1 && path_prefix.starts_with('/') && !path_prefix.ends_with('/');
        if !absolute || !path_prefix.bytes().all(plain) {
            let problem =
                "is not a path such as `/.tollgate`: letters, digits and -._~/, no slash at the end";
            return Err(ConfigError::new("path_prefix", problem));
        }
        let token = match one(raw, "token_sha256")? {
            // It may be the token itself, so it is not shown.
            Some(hex) => Some(digest(hex).ok_or_else(|| {
                let problem = "is no SHA-256 in hexadecimal: `printf %s TOKEN | sha256sum` prints it";
                ConfigError::new("token_sha256", problem)
            })?),
            None => None,
        };
        let identities: Vec<_> =
            raw.get("identities").iter().flat_map(|names| &names.0).map(|name| Pattern::new(name)).collect();
        if token.is_none() && identities.is_empty() {
            return Err(ConfigError::new("", "needs `token_sha256`, `identities` or both"));
        }
        Ok(Self { path_prefix, token, identities })
    }

    /// What a request may do. The host is asked for identities only where the configuration names some.
    pub(super) fn access(
        &self,
        headers: &HeaderPairs,
        query: &Query<'_>,
        property: &dyn Fn(&[&str]) -> Option<Vec<u8>>,
    ) -> Access {
        let named = |name: &&str| {
            let identity = property(&["connection", name]).and_then(|bytes| String::from_utf8(bytes).ok());
            identity.filter(|identity| self.identities.iter().any(|p| p.matches(identity)))
        };
        let names = if self.identities.is_empty() { &[][..] } else { &IDENTITIES };
        if let Some(identity) = names.iter().find_map(named) {
            return Access::Granted(identity);
        }
        if bearer(headers).or_else(|| cookie(headers)).is_some_and(|token| self.is_token(token)) {
            return Access::Granted("the token".to_owned());
        }
        // What goes into a cookie must be able to stand in one.
        let plain = |token: &String| token.bytes().all(|b| b.is_ascii_graphic() && !b"\",;\\".contains(&b));
        let in_address = query.value("token").filter(|token| plain(token) && self.is_token(token.as_bytes()));
        in_address.map_or(Access::Denied, Access::Login)
    }

    /// Digests are compared, not tokens: the time that takes tells nothing of use.
    fn is_token(&self, token: &[u8]) -> bool {
        self.token.is_some_and(|digest| Sha256::digest(token).as_slice() == digest)
    }
}

/// A field that takes one text.
fn one<'a>(raw: &'a RawAdmin, name: &str) -> Result<Option<&'a str>, ConfigError> {
    match raw.get(name).map(|texts| texts.0.as_slice()) {
        None => Ok(None),
        Some([text]) => Ok(Some(text)),
        Some(_) => Err(ConfigError::new(name, "is a list, expected a string")),
    }
}

fn digest(hex: &str) -> Option<[u8; 32]> {
    let digit = |byte: u8| char::from(byte).to_digit(16).and_then(|d| u8::try_from(d).ok());
    let pairs = hex.as_bytes().chunks_exact(2).map(|pair| match pair {
        [high, low] => Some(digit(*high)? << 4 | digit(*low)?),
        _ => None,
    });
    let bytes = pairs.collect::<Option<Vec<u8>>>()?;
    bytes.try_into().ok().filter(|_| hex.len() == 64)
}

fn bearer(headers: &HeaderPairs) -> Option<&[u8]> {
    let (scheme, token) = headers.value("authorization")?.split_at_checked(7)?;
    scheme.eq_ignore_ascii_case(b"bearer ").then(|| token.trim_ascii())
}

fn cookie(headers: &HeaderPairs) -> Option<&[u8]> {
    let cookies = headers.iter().filter(|(name, _)| *name == b"cookie").map(|(_, value)| value);
    let mut pairs = cookies.flat_map(|value| value.split(|b| *b == b';')).map(<[u8]>::trim_ascii);
    pairs.find_map(|pair| pair.strip_prefix(b"tollgate="))
}
