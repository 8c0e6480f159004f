//! Two sources into one: the first one leads, the second one completes it, and where they disagree
//! it is said.

use super::file::{Model, Prices, ProviderFile};
use super::litellm::{self, Item};
use super::measure;
use super::names::Names;
use std::collections::{BTreeMap, BTreeSet};

/// What was found on the way.
#[derive(Default)]
pub struct Findings {
    /// `provider model: class: ours, theirs`.
    pub disagreements: BTreeSet<String>,
    pub models_added: usize,
    pub models_completed: usize,
}

/// Brings the second source's items into the provider's file. `others` are the providers whose models
/// this one also serves: a model that costs there what the item says needs no entry here.
pub fn complete(file: &mut ProviderFile, items: Vec<Item>, others: &[ProviderFile], findings: &mut Findings) {
    // The plain item of a model comes before those of its regions and sizes.
    let (plain, narrow): (Vec<Item>, Vec<Item>) = items.into_iter().partition(|item| item.when.is_empty());
    let led = file.models.len();
    let mut changed = BTreeSet::new();
    for item in plain {
        match Names::of(&file.models).find(&item.model.name) {
            Some(at) if at < led => {
                also_named(&mut file.models[at], &item.model.name);
                if agree(file, at, &item.model, findings) && add_missing(&mut file.models[at], item.model) {
                    changed.insert(at);
                }
            }
            Some(at) => drop(add_missing(&mut file.models[at], item.model)),
            None if others.iter().any(|other| sells_alike(other, &item.model, findings)) => {}
            None => {
                findings.models_added += 1;
                file.models.push(item.model);
            }
        }
    }
    narrow.into_iter().for_each(|item| add_narrow(file, item, others, findings));
    file.models.iter_mut().for_each(measure::once);
    findings.models_completed += changed.len();
}

/// A name that a rule leads to the model becomes a whole name of it, which is found faster.
fn also_named(model: &mut Model, name: &str) {
    if model.name != name && !model.matches.equals.iter().any(|known| known == name) {
        model.matches.equals.push(name.into());
    }
}

/// Whether both sources have the same base price today; only then the second one may complete the
/// first. Every difference is noted.
fn agree(file: &ProviderFile, at: usize, theirs: &Model, findings: &mut Findings) -> bool {
    let ours = &file.models[at];
    let (Some(our_list), Some(their_list)) = (current(ours), theirs.lists.first()) else { return false };
    let mut same = true;
    for (class, price) in &their_list.rates {
        let Some(our_price) = our_list.rates.get(class).filter(|ours| value(ours) != value(price)) else {
            continue;
        };
        let line = format!(
            "{} {}: {class}: {our_price} ({}), {price} ({})",
            file.provider, theirs.name, ours.source, theirs.source
        );
        findings.disagreements.insert(line);
        same &= !matches!(class.as_str(), "input" | "output");
    }
    same && (our_list.rates.contains_key("input") || !their_list.rates.contains_key("input"))
}

fn sells_alike(other: &ProviderFile, theirs: &Model, findings: &mut Findings) -> bool {
    Names::of(&other.models).find(&theirs.name).is_some_and(|at| agree(other, at, theirs, findings))
}

/// The list in force today: the last one that has begun and has no time of day.
fn current(model: &Model) -> Option<&Prices> {
    let begun = |list: &&Prices| list.from.as_deref().is_none_or(|from| from <= super::CHECKED);
    model.lists.iter().filter(begun).rfind(|list| list.daily.is_none()).or(model.lists.first())
}

/// `10/1000` and `0.01` are one price.
fn value(rate: &str) -> Option<(u128, u128)> {
    let (usd, per) = rate.split_once('/').unwrap_or((rate, "1"));
    let (whole, fraction) = usd.split_once('.').unwrap_or((usd, ""));
    let digits: u128 = format!("{whole}{fraction}").parse().ok()?;
    let down = 10u128.checked_pow(fraction.len() as u32)?.checked_mul(per.parse().ok()?)?;
    let shared = gcd(digits, down);
    Some((digits / shared, down / shared))
}

fn gcd(a: u128, b: u128) -> u128 {
    if b == 0 { a } else { gcd(b, a % b) }
}

/// Adds the classes, situations and dates that `ours` lacks. Whether there were any.
fn add_missing(ours: &mut Model, theirs: Model) -> bool {
    let before = (ours.variants.len(), ours.uplifts.len());
    let tiers: Vec<_> = ours.variants.iter().map(|variant| variant.when.clone()).collect();
    let new = theirs.variants.into_iter().filter(|variant| !tiers.contains(&variant.when));
    ours.variants.extend(new);
    let speeds: Vec<_> = ours.variants.iter().map(|variant| variant.when.clone()).collect();
    let known = |uplift: &super::file::Uplift| speeds.contains(&uplift.when);
    let uplifts: Vec<_> = theirs.uplifts.into_iter().filter(|uplift| !known(uplift)).collect();
    if ours.uplifts.is_empty() {
        ours.uplifts = uplifts;
    }
    let list = theirs.lists.into_iter().next().unwrap_or_default();
    let lacking = lacking(ours, list.rates);
    if !lacking.is_empty() {
        ours.variants.push(Prices { rates: lacking, ..Prices::default() });
    }
    // The date of a snapshot is not that of its family.
    if ours.name == theirs.name {
        ours.retires = ours.retires.take().or(theirs.retires);
    }
    let more = before != (ours.variants.len(), ours.uplifts.len());
    if more && !ours.source.contains(&theirs.source) {
        ours.source = format!("{} + {}", ours.source, theirs.source);
    }
    more
}

/// The classes that none of our lists prices. They go into a variant without condition, which
/// counts last. A class that we price without tiers takes no tiers from the other source.
fn lacking(ours: &Model, rates: BTreeMap<String, String>) -> BTreeMap<String, String> {
    let bare = |class: &str| class.split('>').next().unwrap_or_default().to_string();
    let completed = ours.variants.iter().filter(|variant| variant.when.is_empty());
    let priced = ours.lists.iter().chain(completed).flat_map(|list| list.rates.keys());
    let known: Vec<String> = priced.map(|class| bare(class)).collect();
    let list = current(ours).map(|list| list.rates.clone()).unwrap_or_default();
    // Zero is how the second source writes that it does not know a single class.
    let new = |class: &str, usd: &String| !known.contains(&bare(class)) && usd != "0";
    let rates = rates.into_iter().filter(|(class, usd)| new(class, usd));
    rates.filter(|(class, usd)| !litellm::is_echo(class, usd, &list)).collect()
}

/// The model as another provider sells it, else one without prices.
fn elsewhere(others: &[ProviderFile], theirs: &Model) -> Model {
    let sold = others.iter().find_map(|other| other.models.get(Names::of(&other.models).find(&theirs.name)?));
    let bare = Model { lists: Vec::new(), variants: Vec::new(), ..theirs.clone() };
    sold.cloned().unwrap_or(bare)
}

/// A region's or a size's prices become a variant of the model.
fn add_narrow(file: &mut ProviderFile, item: Item, others: &[ProviderFile], findings: &mut Findings) {
    let at = match Names::of(&file.models).find(&item.model.name) {
        Some(at) => at,
        None => {
            let model = elsewhere(others, &item.model);
            file.models.iter().position(|known| known.name == model.name).unwrap_or_else(|| {
                findings.models_added += 1;
                file.models.push(model);
                file.models.len() - 1
            })
        }
    };
    let model = &mut file.models[at];
    let all = item.model.lists.into_iter().chain(item.model.variants);
    for mut prices in all {
        prices.when.extend(item.when.clone());
        let same = current(model)
            .is_some_and(|list| prices.rates.iter().all(|(class, usd)| list.rates.get(class) == Some(usd)));
        let plain = same && prices.when == item.when;
        let known = model.variants.iter().any(|known| known.when == prices.when);
        if !plain && !known {
            // The narrower a condition, the earlier it stands.
            let place = model.variants.iter().position(|known| known.when.len() < prices.when.len());
            model.variants.insert(place.unwrap_or(model.variants.len()), prices);
        }
    }
    if !model.source.contains(&item.model.source) {
        model.source = format!("{} + {}", model.source, item.model.source);
    }
}
