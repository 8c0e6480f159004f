//! A policy file: quotas, routes, limits and a candidate that take the place of the configuration's while the filter runs.

use crate::config::{digest, json};
use serde_json::Value;
use tollgate_policy::ConfigError;
use tollgate_policy::form::Form;

/// What a policy file may say. A member that is missing stays as it is configured.
const MEMBERS: [&str; 4] = ["quotas", "routes", "limits", "candidate"];

/// A policy file whose members are known. Whether they make sense depends on the configuration's tags and stores.
#[derive(Debug)]
pub struct PolicyFile {
    members: Value,
    version: String,
}

impl PolicyFile {
    /// Reads a file.
    ///
    /// # Errors
    /// If it is no JSON object, or has a member that no policy file has.
    pub fn parse(bytes: &[u8]) -> Result<Self, ConfigError> {
        let members = json(bytes)?;
        Form::read(&members, &MEMBERS)?;
        let version = digest(&members.to_string());
        Ok(Self { members, version })
    }

    /// A digest of what it says.
    pub fn version(&self) -> &str {
        &self.version
    }

    /// What goes before the configuration's member of that name.
    pub(crate) fn member(&self, name: &str) -> Option<&Value> {
        self.members.get(name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_policy_is_refused() {
        for (json, why) in [
            ("", "not valid JSON: EOF while parsing a value"),
            ("[]", "invalid list, expected an object"),
            (r#"{"quota":[]}"#, "quota: unknown field `quota`, expected one of `quotas`, `routes`"),
            (r#"{"tags":{}}"#, "tags: unknown field `tags`, expected one of `quotas`"),
            (r#"{"quotas":[]}x"#, "not valid JSON: trailing characters"),
        ] {
            let error = PolicyFile::parse(json.as_bytes()).unwrap_err().to_string();
            assert!(error.starts_with(why), "{error}");
        }
    }

    #[test]
    fn the_version_tells_files_apart_and_ignores_their_spelling() {
        let version = |json: &str| PolicyFile::parse(json.as_bytes()).unwrap().version().to_owned();
        assert_eq!(version(r#"{"quotas":[],"limits":[]}"#), version("{ \"limits\": [], \"quotas\": [] }"));
        assert_ne!(version(r#"{"quotas":[]}"#), version("{}"));
    }
}
