//! `upstreams`: which provider answers, and how it talks.

use super::raw::{RawCustom, RawIncludeUsage, RawStreamCounts, RawUnmetered, RawUpstream};
use tollgate_policy::{ConfigError, Facts, Object, Selector, Tags};
use tollgate_wire::{Custom, CustomShape, DialectName, IncludeUsage, StreamCounts};

/// Which provider answers, for the requests that `when` selects.
#[derive(Debug)]
pub struct Upstream {
    pub(super) when: Selector,
    /// What the wire is told.
    pub wire: tollgate_wire::Upstream,
    /// What becomes of calls that cannot be metered.
    pub on_unmetered: OnUnmetered,
}

/// What becomes of calls to a configured upstream that cannot be metered. They are counted in any case.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OnUnmetered {
    /// They go by.
    Pass,
    /// They are refused with 403.
    Deny,
}

impl Upstream {
    pub(super) fn compile(raw: &RawUpstream) -> Result<Self, ConfigError> {
        const KNOWN_EARLY: [&str; 4] = ["host", "path_prefix", "route", "cluster"];
        if let Some(name) = raw.when.keys().find(|name| !KNOWN_EARLY.contains(&name.as_str())) {
            let problem = format!(
                "`{name}` is not known yet when the upstream is chosen, expected one of `host`, `path_prefix`, `route`, `cluster`"
            );
            return Err(ConfigError::new(format!("when.{name}"), problem));
        }
        let when = Selector::compile(&raw.when, &[]).map_err(|e| e.within("when"))?;
        let dialect = raw.dialect.as_deref().map(dialect).transpose()?;
        let include_usage = match raw.include_usage {
            RawIncludeUsage::Auto => IncludeUsage::Auto,
            RawIncludeUsage::Always => IncludeUsage::Always,
            RawIncludeUsage::Never => IncludeUsage::Never,
        };
        let on_unmetered = match raw.unmetered {
            RawUnmetered::Pass => OnUnmetered::Pass,
            RawUnmetered::Deny => OnUnmetered::Deny,
        };
        let custom =
            custom(dialect, raw.custom.as_ref()).map_err(|problem| ConfigError::new("custom", problem))?;
        let wire = tollgate_wire::Upstream { provider: raw.provider.clone(), dialect, include_usage, custom };
        Ok(Self { when, wire, on_unmetered })
    }
}

/// The shape that goes with `dialect: custom`, and with that alone.
fn custom(dialect: Option<DialectName>, raw: Option<&Object<RawCustom>>) -> Result<Option<Custom>, String> {
    let raw = match (dialect == Some(DialectName::Custom), raw) {
        (true, Some(Object(raw))) => raw,
        (true, None) => return Err("is needed under `dialect: custom`".to_owned()),
        (false, Some(_)) => return Err("needs `dialect: custom`".to_owned()),
        (false, None) => return Ok(None),
    };
    let stream = match raw.stream {
        RawStreamCounts::Last => StreamCounts::Last,
        RawStreamCounts::Sum => StreamCounts::Sum,
    };
    let shape = CustomShape {
        model: raw.model.as_deref(),
        input_tokens: raw.input_tokens.as_deref(),
        output_tokens: raw.output_tokens.as_deref(),
        cache_read_tokens: raw.cache_read_tokens.as_deref(),
        reasoning_tokens: raw.reasoning_tokens.as_deref(),
        stream,
    };
    if raw.input_tokens.is_none() && raw.output_tokens.is_none() {
        return Err("needs `input_tokens`, `output_tokens` or both".to_owned());
    }
    Custom::new(&shape).map(Some).map_err(|error| error.to_string())
}

fn dialect(name: &str) -> Result<DialectName, ConfigError> {
    name.parse().map_err(|error| {
        let known: Vec<_> = DialectName::ALL.iter().map(|d| format!("`{}`", d.as_str())).collect();
        ConfigError::new("dialect", format!("{error}, expected one of {}", known.join(", ")))
    })
}

/// Facts before anything but the head is known, for choosing the upstream.
pub(crate) fn early_facts<'a>(
    tags: &'a Tags,
    host: &'a str,
    path: &'a str,
    head: &'a crate::Head,
) -> Facts<'a> {
    Facts {
        tags,
        provider: "",
        model: None,
        operation: "",
        host,
        path,
        route: head.route.as_deref(),
        cluster: head.cluster.as_deref(),
    }
}
