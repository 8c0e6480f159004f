//! What if: twice the users of a feature, another model for its calls.

use std::collections::BTreeMap;
use std::sync::Arc;

use tollgate_pricing::{Factor, PicoUsd};

use crate::amount::{mul_div, permille, scale};
use crate::dimension::{Dimension, Lens};
use crate::fold::Fold;
use crate::price;
use crate::reprice::Book;
use crate::row::Row;
use crate::selection::Selection;
use crate::sheet::{Cell, Chart, Document, Sheet};
use crate::sums::Money;

/// More or less of some calls.
#[derive(Clone, Debug)]
struct Volume {
    filter: Selection,
    factor: Factor,
}

/// Another model for some calls.
#[derive(Clone, Debug)]
struct Swap {
    filter: Selection,
    to: String,
}

/// A change of what calls there are and what they cost.
#[derive(Clone, Debug)]
pub struct WhatIf {
    by: Dimension,
    lens: Lens,
    selection: Selection,
    volumes: Vec<Volume>,
    swaps: Vec<Swap>,
    /// What models cost.
    prices: Arc<Book>,
    /// Whether all calls are priced anew.
    anew: bool,
    groups: BTreeMap<(String, u64), Group>,
    /// Calls that cannot be priced anew, by reason: they keep their cost.
    unpriced: BTreeMap<String, u64>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Group {
    calls: u64,
    before: Money,
    after: Money,
}

impl WhatIf {
    /// By this dimension, with no change yet.
    pub fn new(by: Dimension, lens: Lens, selection: Selection) -> Self {
        Self {
            by,
            lens,
            selection,
            volumes: Vec::new(),
            swaps: Vec::new(),
            prices: Arc::new(Book::of_catalogue()),
            anew: false,
            groups: BTreeMap::new(),
            unpriced: BTreeMap::new(),
        }
    }

    /// Adds `feature=answers:2`: so many times the calls; without a filter, of all.
    ///
    /// # Errors
    /// Text of another form, a factor that is none, or more of them than can be told apart.
    pub fn volume(&mut self, text: &str) -> Result<(), String> {
        let (filter, factor) = text.rsplit_once(':').unwrap_or(("", text));
        let wrong = |why: &dyn std::fmt::Display| {
            format!("`{text}`: {why}, expected one like feature=answers:2 or 1.5")
        };
        let factor = Factor::from_decimal(factor).map_err(|error| wrong(&error))?;
        let mut selection = Selection::default();
        if !filter.is_empty() {
            selection.filter(filter).map_err(|error| wrong(&error))?;
        }
        if self.volumes.len() >= 64 {
            return Err(wrong(&"more than 64 of them"));
        }
        self.volumes.push(Volume { filter: selection, factor });
        Ok(())
    }

    /// Adds `gpt-4.1=gpt-4.1-mini`, or `gpt-4*=anthropic/claude-haiku-4-5`: the same tokens with the other model.
    ///
    /// # Errors
    /// Text of another form.
    pub fn model(&mut self, text: &str) -> Result<(), String> {
        let (from, to) =
            text.split_once('=').filter(|(from, to)| !from.is_empty() && !to.is_empty()).ok_or_else(
                || format!("`{text}` is no change of model, expected one like gpt-4.1=gpt-4.1-mini"),
            )?;
        let mut filter = Selection::default();
        filter.filter(&format!("model={from}")).map_err(|error| error.to_string())?;
        self.swaps.push(Swap { filter, to: to.to_owned() });
        Ok(())
    }

    /// Prices calls anew, at these prices, those included that another model is to serve.
    pub fn at(&mut self, prices: Arc<Book>) {
        self.prices = prices;
        self.anew = true;
    }

    /// The answer.
    pub fn document(&self) -> Document {
        let mut by: BTreeMap<&str, [i128; 4]> = BTreeMap::new();
        let mut too_large = false;
        for ((value, bits), group) in &self.groups {
            let more = self.scaled(*bits, group);
            too_large |= more.is_none();
            let sums = by.entry(value).or_default();
            for (sum, more) in sums.iter_mut().zip(more.unwrap_or_default()) {
                *sum = sum.checked_add(more).unwrap_or(*sum);
            }
        }
        let name = self.by.name();
        let mut sheet = Sheet::new("whatif", format!("What if, by {name}")).texts([name]).numbers([
            "calls",
            "calls_then",
            "cost_usd",
            "cost_then_usd",
            "change_usd",
            "change_percent",
        ]);
        let mut rows: Vec<_> = by.into_iter().collect();
        rows.sort_by_key(|(_, sums)| std::cmp::Reverse(sums[3]));
        let total = rows.iter().fold([0_i128; 4], |mut total, (_, sums)| {
            for (sum, more) in total.iter_mut().zip(sums) {
                *sum = sum.checked_add(*more).unwrap_or(*sum);
            }
            total
        });
        sheet.rows = rows.iter().map(|(value, sums)| row(value, *sums)).collect();
        sheet.total = Some(row("all", total));
        let [_, _, before, after] = total.map(PicoUsd::from_pico);
        let mut notes = Vec::new();
        for (why, count) in &self.unpriced {
            notes.push(format!("{count} calls keep their cost: {why}"));
        }
        if too_large {
            notes.push("a sum left the range of the exact integers and is left out".into());
        }
        Document {
            title: "What if".into(),
            facts: vec![format!("{before} USD become {after} USD")],
            sheets: vec![sheet.drawn(Chart::Bars(5))],
            notes,
        }
    }

    /// Calls and cost as they were, and with all factors that apply.
    fn scaled(&self, bits: u64, group: &Group) -> Option<[i128; 4]> {
        let (before, after) = (group.before.get()?, group.after.get()?);
        let (mut calls, mut cost) = (i128::from(group.calls), after);
        for (place, volume) in self.volumes.iter().enumerate() {
            if bits.wrapping_shr(u32::try_from(place).ok()?) & 1 == 1 {
                let (up, down) = (volume.factor.up().into(), volume.factor.down().get().into());
                calls = mul_div(calls, up, down)?;
                cost = scale(cost, up, down)?;
            }
        }
        Some([group.calls.into(), calls, before.pico(), cost.pico()])
    }
}

/// Reasons name models, which clients may invent: so many are told apart.
const MAX_REASONS: usize = 50;

fn keep(reasons: &mut BTreeMap<String, u64>, why: String, more: u64) {
    let is_full = reasons.len() >= MAX_REASONS && !reasons.contains_key(&why);
    let count = reasons.entry(if is_full { "other reasons".to_owned() } else { why }).or_default();
    *count = count.saturating_add(more);
}

fn row(value: &str, [calls, calls_then, before, after]: [i128; 4]) -> Vec<Cell> {
    let change = after.checked_sub(before);
    vec![
        value.into(),
        Cell::Count(calls),
        Cell::Count(calls_then),
        Cell::Usd(PicoUsd::from_pico(before)),
        Cell::Usd(PicoUsd::from_pico(after)),
        Cell::usd(change.map(PicoUsd::from_pico)),
        Cell::permille(change.and_then(|change| permille(change, before))),
    ]
}

impl Fold for WhatIf {
    fn add(&mut self, row: &Row<'_>) {
        if !self.selection.has(row, &mut self.lens) {
            return;
        }
        let lens = &mut self.lens;
        let bits = self.volumes.iter().enumerate().fold(0_u64, |bits, (place, volume)| {
            bits | u64::from(volume.filter.passes(row, lens)).wrapping_shl(u32::try_from(place).unwrap_or(63))
        });
        let swap = self.swaps.iter().find(|swap| swap.filter.passes(row, lens));
        let after = match swap {
            Some(swap) => price::with_model(row, &swap.to, &self.prices)
                .map(Some)
                .ok_or_else(|| "the other model has no price for them, or theirs is not known".to_owned()),
            None if self.anew => self.prices.cost(row).map_err(|why| why.to_string()),
            None => Ok(None),
        };
        let after = after.unwrap_or_else(|why| {
            keep(&mut self.unpriced, why, 1);
            None
        });
        let value = lens.value(&self.by, row);
        let group = self.groups.entry((value, bits)).or_default();
        group.calls = group.calls.saturating_add(1);
        row.usd.into_iter().for_each(|usd| group.before.add(usd));
        after.or(row.usd).into_iter().for_each(|usd| group.after.add(usd));
    }

    fn merge(&mut self, other: Self) {
        other.unpriced.into_iter().for_each(|(why, count)| keep(&mut self.unpriced, why, count));
        for (key, more) in other.groups {
            let group = self.groups.entry(key).or_default();
            group.calls = group.calls.saturating_add(more.calls);
            group.before.add(more.before.amount());
            group.after.add(more.after.amount());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::render::csv;
    use tollgate_record::{CostStatus, Tokens};

    fn call(feature: &'static str, model: &'static str, usd: &str, list: &str) -> Row<'static> {
        Row {
            provider: "openai".into(),
            response_model: Some(model.into()),
            tags: vec![("feature".into(), feature.into())],
            tokens: Tokens { input: Some(1_000_000), ..Tokens::default() },
            time: "2026-11-20T12:00:00Z".parse().unwrap(),
            usd: usd.parse().ok(),
            list_usd: list.parse().ok(),
            ..Row::default()
        }
    }

    fn check(name: &str, volumes: &[&str], models: &[&str], expected: &[&str]) {
        let mut whatif = WhatIf::new(Dimension::Tag("feature".into()), Lens::default(), Selection::default());
        volumes.iter().for_each(|text| whatif.volume(text).unwrap());
        models.iter().for_each(|text| whatif.model(text).unwrap());
        // A million input tokens of gpt-4.1 cost 2 dollars, of gpt-4.1-mini 0.4.
        for row in [
            call("a", "gpt-4.1", "2", "2"),
            call("a", "gpt-4.1-mini", "0.4", "0.4"),
            call("b", "gpt-4.1", "1", "2"),
        ] {
            whatif.add(&row);
        }
        let rows = csv(&whatif.document().sheets[0]);
        assert_eq!(rows.lines().skip(1).collect::<Vec<_>>(), expected, "{name}");
    }

    #[test]
    fn changes_are_counted_through() {
        check("nothing changes", &[], &[], &["a,2,2,2.4,2.4,0,0.0", "b,1,1,1,1,0,0.0"]);
        check(
            "twice the users of a feature",
            &["feature=a:2"],
            &[],
            &["a,2,4,2.4,4.8,2.4,100.0", "b,1,1,1,1,0,0.0"],
        );
        check("half of it all", &["0.5"], &[], &["a,2,1,2.4,1.2,-1.2,-50.0", "b,1,0,1,0.5,-0.5,-50.0"]);
        check(
            "two changes of one call multiply",
            &["feature=a:2", "1.5"],
            &[],
            &["a,2,6,2.4,7.2,4.8,200.0", "b,1,2,1,1.5,0.5,50.0"],
        );
        check(
            "another model, and a discount that is kept",
            &[],
            &["gpt-4.1=gpt-4.1-mini"],
            &["a,2,2,2.4,0.8,-1.6,-66.7", "b,1,1,1,0.2,-0.8,-80.0"],
        );
        check(
            "a model that nobody knows",
            &[],
            &["gpt-4.1=nobody-knows"],
            &["a,2,2,2.4,2.4,0,0.0", "b,1,1,1,1,0,0.0"],
        );
    }

    #[test]
    fn other_prices_are_counted_through_and_what_has_none_keeps_its_cost() {
        let mut whatif = WhatIf::new(Dimension::Model, Lens::default(), Selection::default());
        let half = r#"{"provider":"openai","models":[{"name":"gpt-4.1","source":"an offer","checked":"2026-11-21","lists":[{"rates":{"input":"1"}}]}]}"#;
        whatif.at(Arc::new(Book::parse(half).unwrap()));
        whatif.volume("2").unwrap();
        let json = br#"{"tollgate.schema":1,"tollgate.id":"1","tollgate.time":"2026-11-20T12:00:00Z","gen_ai.provider.name":"openai","gen_ai.response.model":"gpt-4.1","gen_ai.usage.input_tokens":1000000,"tollgate.cost.status":"priced"}"#;
        let status = CostStatus::Priced;
        whatif.add(&Row { json: json.as_slice().into(), status, ..call("a", "gpt-4.1", "2", "2") });
        whatif.add(&Row { status, ..call("a", "gpt-4.1-mini", "0.4", "0.4") });
        let document = whatif.document();
        let rows = csv(&document.sheets[0]);
        assert_eq!(
            rows.lines().skip(1).collect::<Vec<_>>(),
            ["gpt-4.1,1,2,2,2,0,0.0", "gpt-4.1-mini,1,2,0.4,0.8,0.4,100.0"]
        );
        assert_eq!(document.notes, ["1 calls keep their cost: no whole record in their line"]);
    }

    #[test]
    fn another_model_may_have_a_price_of_ones_own() {
        let mut whatif = WhatIf::new(Dimension::Model, Lens::default(), Selection::default());
        whatif.at(Arc::new(Book::of_lines(["local/llama input=0.25"]).unwrap()));
        whatif.model("gpt-4.1=local/llama").unwrap();
        whatif.add(&call("a", "gpt-4.1", "1", "2"));
        let rows = csv(&whatif.document().sheets[0]);
        // The discount of one half stays.
        assert_eq!(rows.lines().nth(1), Some("gpt-4.1,1,1,1,0.125,-0.875,-87.5"));
    }

    #[test]
    fn changes_that_cannot_be_meant_are_refused() {
        let mut whatif = WhatIf::new(Dimension::Model, Lens::default(), Selection::default());
        assert!(whatif.volume("feature=a:lots").unwrap_err().starts_with("`feature=a:lots`: "));
        assert!(whatif.model("gpt").unwrap_err().starts_with("`gpt` is no change of model"));
    }
}
