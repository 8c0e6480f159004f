//! Hand-made decisions: where the sources are known to be wrong or disagree, with the reason.

use super::file::{Model, Prices, ProviderFile};
use super::names::Names;
use serde::Deserialize;
use std::collections::BTreeMap;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Decisions {
    /// What the file is, for those who open it.
    #[serde(rename = "about")]
    _about: String,
    pub decisions: Vec<Decision>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Decision {
    provider: String,
    models: Vec<String>,
    /// Adds a model of that name (from the first of `models`) if there is none.
    #[serde(default)]
    new: bool,
    /// More names of the model.
    #[serde(default)]
    names: Vec<String>,
    /// Rates to put in: into every list, or, with `when`, as the first variant.
    #[serde(default)]
    set: BTreeMap<String, String>,
    #[serde(default)]
    when: BTreeMap<String, String>,
    /// Days of the week (UTC) to which the lists with a time of day are narrowed.
    #[serde(default)]
    weekdays: Vec<String>,
    /// Classes to take out everywhere.
    #[serde(default)]
    remove: Vec<String>,
    /// The model costs nothing.
    #[serde(default)]
    free: bool,
    reason: String,
    checked: String,
}

/// Carries out the decisions about a provider.
pub fn apply(decisions: &Decisions, file: &mut ProviderFile) -> Result<(), String> {
    let provider = file.provider.clone();
    let mut own = decisions.decisions.iter().filter(|decision| decision.provider == provider);
    own.try_for_each(|decision| decision.carry_out(file))
}

impl Decision {
    fn carry_out(&self, file: &mut ProviderFile) -> Result<(), String> {
        for name in &self.models {
            for at in self.places(file, name)? {
                self.change(&mut file.models[at]);
            }
        }
        Ok(())
    }

    /// The models of that name; `grok-*` means all whose names begin so.
    fn places(&self, file: &mut ProviderFile, name: &str) -> Result<Vec<usize>, String> {
        if let Some(start) = name.strip_suffix('*') {
            let models = file.models.iter().enumerate();
            return Ok(models.filter(|(_, model)| model.name.starts_with(start)).map(|(at, _)| at).collect());
        }
        match Names::of(&file.models).find(name) {
            Some(at) if file.models[at].name == *name => Ok(vec![at]),
            _ if self.new => Ok(vec![add(file, name, &self.checked)]),
            _ => Err(format!("decisions.json: {}: no model `{name}`", self.provider)),
        }
    }

    fn change(&self, model: &mut Model) {
        model.free |= self.free;
        model.matches.equals.extend(self.names.iter().cloned());
        for prices in model.lists.iter_mut().chain(&mut model.variants) {
            prices.rates.retain(|class, _| !self.remove.contains(class));
        }
        if !self.remove.is_empty() {
            model.variants.retain(|variant| !variant.rates.is_empty());
        }
        if !self.weekdays.is_empty() {
            let timed = model.lists.iter_mut().filter(|list| list.daily.is_some());
            timed.for_each(|list| list.weekdays = self.weekdays.clone());
        }
        if !self.when.is_empty() {
            let prices = Prices { when: self.when.clone(), rates: self.set.clone(), ..Prices::default() };
            model.variants.insert(0, prices);
        } else if !self.set.is_empty() {
            self.set_in_lists(model);
        }
        model.decisions.push(format!("{} ({})", self.reason, self.checked));
    }

    fn set_in_lists(&self, model: &mut Model) {
        if model.lists.is_empty() {
            model.lists.push(Prices::default());
        }
        for list in &mut model.lists {
            let named = |class: &str| class.split('>').next().is_some_and(|bare| self.set.contains_key(bare));
            list.rates.retain(|class, _| !named(class));
            list.rates.extend(self.set.clone());
        }
    }
}

fn add(file: &mut ProviderFile, name: &str, checked: &str) -> usize {
    let model = Model {
        name: name.into(),
        source: "decisions.json".into(),
        checked: checked.into(),
        ..Model::default()
    };
    file.models.push(model);
    file.models.len() - 1
}
