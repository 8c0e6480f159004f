//! `waste`: which calls are looked at for what of them was wasted.

use crate::config::ConfigError;
use crate::form::Form;
use crate::selector::Selector;
use serde_json::Value;

/// How calls are looked at for waste.
#[derive(Clone, Debug)]
pub struct WasteRule {
    /// Which calls.
    pub when: Selector,
}

/// Reads `waste` of a configuration; nothing if there is none.
#[cold]
#[inline(never)]
pub fn compile_waste(value: &Value, tag_names: &[String]) -> Result<Option<WasteRule>, ConfigError> {
    if value.is_null() {
        return Ok(None);
    }
    WasteRule::read(value, tag_names).map(Some).map_err(|error| error.within("waste"))
}

impl WasteRule {
    fn read(value: &Value, tag_names: &[String]) -> Result<Self, ConfigError> {
        let form = Form::read(value, &["when"])?;
        let when = Selector::compile(&form.selector("when")?, tag_names).map_err(|e| e.within("when"))?;
        Ok(Self { when })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_be_is_refused_with_its_path() {
        for (json, message) in [
            ("true", "waste: invalid boolean `true`, expected an object"),
            (r#"{"mode":"on"}"#, "waste.mode: unknown field `mode`, expected one of `when`"),
            (r#"{"when":{"taem":"a"}}"#, "waste.when.taem: "),
        ] {
            let error = compile_waste(&serde_json::from_str(json).unwrap(), &[]).unwrap_err().to_string();
            assert!(error.starts_with(message), "{error}");
        }
        assert!(compile_waste(&Value::Null, &[]).unwrap().is_none());
    }
}
