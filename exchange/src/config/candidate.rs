//! `candidate`: rules that judge the same calls and never act. What it does not name is as it is in the active configuration.

use super::Rules;
use crate::refresh::PolicyFile;
use serde_json::{Map, Value};
use std::rc::Rc;
use tollgate_policy::form::Form;
use tollgate_policy::{ConfigError, StoreRef};

/// What a candidate may say itself.
const OWN: [&str; 9] =
    ["name", "tags", "virtual_keys", "routes", "limits", "loops", "retries", "quotas", "unbudgeted"];

/// What both have from the active configuration, since it is no rule, or is learned from what really passes.
const SHARED: [&str; 6] = ["hold", "upstreams", "estimate", "pricing", "stores", "guards"];

/// Stands in the namespaces of candidates and of nobody else: a configuration's own namespace has no control characters.
const MARK: char = '\u{1f}';

/// A configuration on trial.
#[derive(Debug)]
pub struct Candidate {
    /// Its name, under which its counters live on.
    pub name: String,
    /// Its rules. Their namespace is theirs alone.
    pub rules: Rc<Rules>,
    /// Whether its tags read other properties of the host than the active ones.
    pub(crate) asks_more: bool,
    /// Where a quota that is counted in a store outside stands in the configuration.
    pub(crate) counted_here: Vec<String>,
}

/// A candidate as it was written, with what it has from the active configuration.
pub(super) struct Written {
    name: String,
    whole: Value,
    /// The members that it names itself.
    own: Vec<String>,
}

/// Takes the candidate out of a configuration; one that has arrived goes before.
#[inline(never)]
pub(super) fn take_out_of(
    configuration: &mut Value,
    arrived: Option<&PolicyFile>,
) -> Result<Option<Written>, ConfigError> {
    let configured = configuration.as_object_mut().and_then(|members| members.remove("candidate"));
    let own = arrived.and_then(|file| file.member("candidate")).cloned().or(configured);
    match own.filter(|own| !own.is_null()) {
        Some(own) => written(&own, configuration, arrived).map(Some).map_err(|e| e.within("candidate")),
        None => Ok(None),
    }
}

fn written(own: &Value, active: &Value, arrived: Option<&PolicyFile>) -> Result<Written, ConfigError> {
    let form = Form::read(own, &OWN).map_err(explained)?;
    let name = form.text("name")?.unwrap_or("candidate");
    if name.is_empty() || name.contains(char::is_control) {
        return Err(ConfigError::new("name", "must not be empty, nor contain control characters"));
    }
    let mut whole = Map::new();
    for field in OWN.iter().skip(1).chain(&SHARED) {
        let policy = || arrived.and_then(|file| file.member(field));
        let value = own.get(field).or_else(policy).or_else(|| active.get(field));
        whole.extend(value.map(|value| ((*field).to_owned(), value.clone())));
    }
    let namespace = active.get("namespace").and_then(Value::as_str).unwrap_or("default");
    let namespace = format!("{namespace}{MARK}candidate{MARK}{name}");
    whole.insert("namespace".to_owned(), Value::String(namespace));
    let own = OWN.iter().filter(|field| own.get(field).is_some()).map(|field| (*field).to_owned()).collect();
    Ok(Written { name: name.to_owned(), whole: Value::Object(whole), own })
}

/// Says why a field that the active configuration has is none of a candidate's.
fn explained(error: ConfigError) -> ConfigError {
    let why = match error.path.as_str() {
        "guards" => {
            "guards learn from what really passes; give one `mode: shadow` in the active configuration instead"
        }
        "store" | "stores" => "a candidate counts in this process only",
        "emit" | "admin" | "alerts" | "waste" => "a candidate emits nothing of its own",
        "hold" | "upstreams" | "estimate" | "pricing" | "namespace" | "dry_run" | "policy" | "candidate" => {
            "a candidate has it from the active configuration"
        }
        _ => return error,
    };
    ConfigError { problem: format!("{}: {why}", error.problem), ..error }
}

impl Written {
    /// Compiles the candidate beside the active rules.
    #[inline(never)]
    pub(super) fn compile(self, active: &Rules) -> Result<Candidate, ConfigError> {
        let version = active.version.clone();
        let mut rules = Rules::from_value(self.whole, None, version).map_err(|error| {
            let field = error.path.split(['.', '[']).next().unwrap_or_default();
            let inherited = !self.own.iter().any(|own| own == field);
            let problem = match inherited {
                true => format!(
                    "{} (`{field}` is the active configuration's: name it in `candidate`, too)",
                    error.problem
                ),
                false => error.problem,
            };
            ConfigError { problem, ..error }.within("candidate")
        })?;
        rules.feeds.clear();
        let mut counted_here = Vec::new();
        for (place, quota) in rules.quotas.iter_mut().enumerate() {
            if std::mem::replace(&mut quota.store, StoreRef::Local) != StoreRef::Local {
                counted_here.push(format!("quotas[{place}].store"));
            }
        }
        if let (Some(own), Some(guards)) = (rules.guards.as_mut(), &active.guards) {
            own.share_verdicts(guards);
        }
        let asks_more = rules.tags.properties() != active.tags.properties();
        Ok(Candidate { name: self.name, rules: Rc::new(rules), asks_more, counted_here })
    }
}

impl Rules {
    /// Paths of the host's properties that are wanted of each call: those of the tags, then those of a candidate's tags.
    pub fn properties_of_host(&self) -> impl Iterator<Item = &Vec<String>> {
        let more = self.candidate.as_ref().filter(|candidate| candidate.asks_more);
        let more = more.map(|candidate| candidate.rules.tags.properties()).unwrap_or_default();
        self.tags.properties().iter().chain(more)
    }
}

/// Whether a key of shared data belongs to a candidate.
pub(crate) fn is_candidates(key: &str) -> bool {
    key.split('/').nth(2).is_some_and(|namespace| namespace.contains(MARK))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn compiled(candidate: &str) -> Result<Rules, String> {
        let json = format!(
            r#"{{"tags":{{"team":{{"from":[{{"header":"x-team"}}]}}}},"stores":{{"fleet":{{"cluster":"c","protocol":"webdis"}}}},
                 "quotas":[{{"name":"a","per":["team"],"limit":{{"requests":1}},"window":"1h","store":"fleet"}}],"candidate":{candidate}}}"#
        );
        Rules::compile(json.as_bytes()).map_err(|error| error.to_string())
    }

    #[test]
    fn what_cannot_be_is_refused_with_its_path() {
        for (candidate, message) in [
            ("[]", "candidate: invalid list, expected an object"),
            (r#"{"quota":[]}"#, "candidate.quota: unknown field `quota`, expected one of `name`, `tags`"),
            (
                r#"{"emit":{}}"#,
                "candidate.emit: unknown field `emit`, expected one of `name`, `tags`, `virtual_keys`, `routes`, `limits`, `loops`, `retries`, `quotas`, `unbudgeted`: a candidate emits nothing of its own",
            ),
            (r#"{"guards":[]}"#, "candidate.guards: unknown field `guards`, expected one of"),
            (r#"{"candidate":{}}"#, "candidate.candidate: unknown field `candidate`, expected one of"),
            (r#"{"name":""}"#, "candidate.name: must not be empty"),
            (r#"{"name":7}"#, "candidate.name: invalid number `7`, expected a string"),
            (
                r#"{"quotas":[{"name":"a","limit":{"requests":1},"window":"dya"}]}"#,
                "candidate.quotas[0].window: unknown unit `dya`, expected one of minute",
            ),
            (
                r#"{"tags":{"team":{"form":[]}}}"#,
                "candidate.tags.team.form: unknown field `form`, expected one of `from`",
            ),
            (
                r#"{"tags":{}}"#,
                "candidate.quotas[0].per[0]: unknown tag `team`, expected one of `provider`, `model` (`quotas` is the active configuration's: name it in `candidate`, too)",
            ),
            (
                r#"{"unbudgeted":"maybe"}"#,
                "candidate.unbudgeted: unknown variant `maybe`, expected `allow` or `deny`",
            ),
        ] {
            let error = compiled(candidate).map(|_| ()).unwrap_err();
            assert!(error.starts_with(message), "{candidate}\n  is       {error}\n  expected {message}");
        }
        let control = Rules::compile(br#"{"namespace":"a\u001fb"}"#).map(|_| ()).unwrap_err().to_string();
        assert_eq!(control, "namespace: must not contain control characters");
        let both =
            Rules::compile(br#"{"hold":"x","candidate":{"name":""}}"#).map(|_| ()).unwrap_err().to_string();
        assert!(both.starts_with("hold: "), "what is wrong with the active part is told first: {both}");
    }

    #[test]
    fn what_it_does_not_name_is_as_it_is_and_its_counters_are_its_own() {
        let rules = compiled(r#"{"name":"next","routes":[{"deny":"o3"}]}"#).unwrap();
        let candidate = rules.candidate.as_ref().unwrap();
        let own = &candidate.rules;
        assert_eq!((candidate.name.as_str(), own.routes.len(), own.quotas.len()), ("next", 1, 1));
        assert_eq!((rules.routes.len(), own.tags.names()), (0, rules.tags.names()));
        let quota =
            |rules: &Rules| rules.quotas.first().map(|quota| (quota.base(&rules.namespace), quota.store));
        let (ours, theirs) = (quota(&rules).unwrap(), quota(own).unwrap());
        assert!(is_candidates(&theirs.0) && !is_candidates(&ours.0), "{theirs:?}");
        assert_eq!((ours.1, theirs.1), (StoreRef::Remote(0), StoreRef::Local));
        let warning = "candidate.quotas[0].store: a candidate counts in this process only";
        assert_eq!(rules.warnings(), [warning]);
        assert!(compiled("null").unwrap().candidate.is_none());
    }

    #[test]
    fn one_that_has_arrived_goes_before_and_stands_on_what_has_arrived() {
        let policy =
            br#"{"routes":[{"deny":"o3"}],"candidate":{"name":"sent","limits":[{"max_output_tokens":7}]}}"#;
        let policy = PolicyFile::parse(policy).unwrap();
        let rules = Rules::compile_with(br#"{"candidate":{"name":"written"}}"#, Some(&policy)).unwrap();
        let candidate = rules.candidate.unwrap();
        assert_eq!((candidate.name.as_str(), candidate.rules.routes.len()), ("sent", 1));
        assert_eq!((rules.limits.len(), candidate.rules.limits.len()), (0, 1));
    }
}
