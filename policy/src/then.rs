//! What rules do about a call that looks wrong.

use crate::config::ConfigError;
use crate::form::{Form, text, wrong};
use serde_json::Value;

/// What a rule does about a call that it is against.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Then {
    /// Says so, and lets it pass.
    Alert,
    /// Lets it pass so often, and no oftener.
    Throttle,
    /// Sends another model than asked for.
    Downgrade {
        /// That model.
        to: String,
    },
    /// Refuses it.
    #[default]
    Deny,
}

impl Then {
    const EXPECTED: &str = "`alert`, `throttle`, `deny` or `{downgrade: {to: MODEL}}`";

    /// Reads a rule's `then`; none is `deny`.
    pub fn read(form: &Form<'_>) -> Result<Self, ConfigError> {
        Ok(form.object("then", Self::read_value)?.unwrap_or_default())
    }

    #[inline(never)]
    fn read_value(value: &Value) -> Result<Self, ConfigError> {
        match value.as_str() {
            Some("alert") => return Ok(Self::Alert),
            Some("throttle") => return Ok(Self::Throttle),
            Some("deny") => return Ok(Self::Deny),
            Some(_) => return Err(wrong(value, Self::EXPECTED)),
            None if value.is_object() => {}
            None => return Err(wrong(value, Self::EXPECTED)),
        }
        let to = |value| {
            let to = Form::read(value, &["to"])?.object("to", text)?;
            to.map(str::to_owned).ok_or_else(|| ConfigError::new("to", "is needed: the cheaper model"))
        };
        let to = Form::read(value, &["downgrade"])?.object("downgrade", to)?;
        to.map(|to| Self::Downgrade { to }).ok_or_else(|| wrong(value, Self::EXPECTED))
    }

    /// Whether the request may have to be changed.
    pub const fn rewrites(&self) -> bool {
        matches!(self, Self::Downgrade { .. })
    }
}
