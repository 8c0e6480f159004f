//! Showback and chargeback: metered cost by who pays, and rules for what nobody is tagged with, what all share, what was
//! bought ahead, credits, mark-up and whole cents. Every step either moves money or names what it adds: columns add up.

mod rules;

use std::collections::{BTreeMap, HashMap};

use tollgate_policy::UNTAGGED;
use tollgate_pricing::PicoUsd;

use crate::amount::{scale, split};
use crate::dimension::Lens;
use crate::fold::Fold;
use crate::row::Row;
use crate::selection::Selection;
use crate::sheet::{Cell, Chart, Document, Sheet};
use crate::sums::Money;

pub use rules::{Rules, Split};

/// Metered cost by payer and by which of the rules' filters match.
#[derive(Clone, Debug)]
pub struct Allocate {
    rules: Rules,
    lens: Lens,
    selection: Selection,
    groups: HashMap<(Box<str>, u64), Money>,
}

/// Where there was no usage at all to spread a cost over.
const UNUSED: &str = "(no usage)";

impl Allocate {
    /// By these rules.
    pub fn new(rules: Rules, lens: Lens, selection: Selection) -> Self {
        Self { rules, lens, selection, groups: HashMap::new() }
    }

    fn bits(&mut self, row: &Row<'_>) -> u64 {
        let filters = self.rules.filters();
        let mut bits = 0;
        for (place, filter) in filters.enumerate() {
            bits |= u64::from(filter.passes(row, &mut self.lens))
                .wrapping_shl(u32::try_from(place).unwrap_or(63));
        }
        bits
    }

    /// The answer.
    ///
    /// # Errors
    /// Sums that leave the range of the exact integers.
    pub fn document(&self) -> Result<Document, String> {
        let groups: BTreeMap<_, _> =
            self.groups.iter().map(|((payer, bits), money)| ((payer.as_ref(), *bits), *money)).collect();
        let bill = Bill::of(&self.rules, &groups).ok_or("a sum leaves the range of the exact integers")?;
        Ok(bill.document(self.rules.by.name()))
    }
}

impl Fold for Allocate {
    fn add(&mut self, row: &Row<'_>) {
        let Some(usd) = row.usd else { return };
        if !self.selection.has(row, &mut self.lens) {
            return;
        }
        let bits = self.bits(row);
        let payer = self.lens.value(&self.rules.by, row);
        self.groups.entry((payer.into(), bits)).or_default().add(usd);
    }

    fn merge(&mut self, other: Self) {
        for (key, money) in other.groups {
            self.groups.entry(key).or_default().add(money.amount());
        }
    }
}

/// What each payer pays, step by step: the columns by name, each an amount per payer.
#[derive(Debug)]
struct Bill {
    payers: Vec<String>,
    columns: Vec<(String, Vec<PicoUsd>)>,
    /// What the columns must add up to: metered cost, and what the rules add or take.
    expected: PicoUsd,
}

type Groups<'a> = BTreeMap<(&'a str, u64), Money>;

impl Bill {
    fn of(rules: &Rules, groups: &Groups<'_>) -> Option<Self> {
        let mut payers: Vec<String> = groups.keys().map(|(payer, _)| (*payer).to_owned()).collect();
        payers.extend(rules.named_payers().map(str::to_owned));
        payers.push(UNUSED.to_owned());
        payers.sort();
        payers.dedup();
        let mut bill = Self { payers, columns: Vec::new(), expected: PicoUsd::ZERO };
        let metered = bill.matching(groups, None)?;
        bill.push("metered_usd", metered)?;
        bill.bought_ahead(rules, groups)?;
        bill.untagged(&rules.untagged)?;
        for shared in &rules.shared {
            let shares = bill.shares(shared.usd, &shared.split, &bill.so_far()?)?;
            bill.push(&format!("{}_usd", shared.name), shares)?;
        }
        bill.mark_up(rules)?;
        bill.round(rules.round_to)?;
        Some(bill)
    }

    fn push(&mut self, name: &str, amounts: Vec<PicoUsd>) -> Option<()> {
        self.expected = self.expected.checked_add(PicoUsd::try_sum(amounts.iter().copied())?)?;
        self.columns.push((name.to_owned(), amounts));
        Some(())
    }

    /// Metered cost by payer, of all groups or of those that a rule's filter matches.
    fn matching(&self, groups: &Groups<'_>, rule: Option<usize>) -> Option<Vec<PicoUsd>> {
        let bit = rule.map(|rule| 1_u64.wrapping_shl(u32::try_from(rule).unwrap_or(63)));
        let mut amounts = vec![PicoUsd::ZERO; self.payers.len()];
        for ((payer, bits), money) in groups {
            if bit.is_some_and(|bit| bits & bit == 0) {
                continue;
            }
            let place = self.payers.binary_search_by(|known| known.as_str().cmp(payer)).ok()?;
            let amount = amounts.get_mut(place)?;
            *amount = amount.checked_add(money.get()?)?;
        }
        Some(amounts)
    }

    /// Provisioned throughput replaces the metered cost of what it served; a commitment that was not reached adds its
    /// rest; credits take off what they cover.
    fn bought_ahead(&mut self, rules: &Rules, groups: &Groups<'_>) -> Option<()> {
        let kinds = rules.bought_ahead().enumerate();
        for (place, (name, usd, kind)) in kinds {
            let used = self.matching(groups, Some(place))?;
            let total = PicoUsd::try_sum(used.iter().copied())?;
            let amount = match kind {
                rules::Kind::Provisioned => usd.checked_sub(total)?,
                rules::Kind::Commitment => usd.checked_sub(total)?.max(PicoUsd::ZERO),
                rules::Kind::Credit => usd.min(total).checked_neg()?,
            };
            let shares = self.spread(amount, &used)?;
            self.push(&format!("{name}_usd"), shares)?;
        }
        Some(())
    }

    /// What carries no tag is paid by the others.
    fn untagged(&mut self, rule: &Split) -> Option<()> {
        let Ok(place) = self.payers.binary_search_by(|payer| payer.as_str().cmp(UNTAGGED)) else {
            return Some(());
        };
        if *rule == Split::Keep {
            return Some(());
        }
        let so_far = self.so_far()?;
        let amount = so_far.get(place).copied()?;
        let mut weights = so_far;
        *weights.get_mut(place)? = PicoUsd::ZERO;
        if weights.iter().all(|weight| *weight <= PicoUsd::ZERO) && *rule != Split::Even {
            return Some(());
        }
        let mut shares = self.shares(amount, rule, &weights)?;
        let own = shares.get_mut(place)?;
        *own = own.checked_sub(amount)?;
        self.push("untagged_usd", shares)
    }

    fn mark_up(&mut self, rules: &Rules) -> Option<()> {
        if rules.markups.is_empty() {
            return Some(());
        }
        let so_far = self.so_far()?;
        let marked = self.payers.iter().zip(so_far).map(|(payer, amount)| {
            let rule =
                rules.markups.iter().find(|markup| markup.payers.is_empty() || markup.payers.contains(payer));
            rule.map_or(Some(PicoUsd::ZERO), |markup| {
                let factor = markup.factor;
                scale(amount, factor.up().into(), factor.down().get().into())?.checked_sub(amount)
            })
        });
        let marked: Option<Vec<_>> = marked.collect();
        self.push("markup_usd", marked?)
    }

    /// Whole cents, say, that add up to the whole cents of the total.
    fn round(&mut self, to: Option<PicoUsd>) -> Option<()> {
        let Some(unit) = to.map(|unit| unit.pico().unsigned_abs()).filter(|unit| *unit > 0) else {
            return Some(());
        };
        let so_far = self.so_far()?;
        let exact = PicoUsd::try_sum(so_far.iter().copied())?;
        let floors: Option<Vec<i128>> = so_far
            .iter()
            .map(|amount| amount.pico().checked_div_euclid(i128::try_from(unit).ok()?))
            .collect();
        let floors = floors?;
        let total_units = scale(exact, 1, unit)?.pico();
        let missing = floors.iter().try_fold(total_units, |left, floor| left.checked_sub(*floor))?;
        let mut by_rest: Vec<(i128, usize)> = so_far
            .iter()
            .enumerate()
            .map(|(place, amount)| {
                Some((amount.pico().checked_rem_euclid(i128::try_from(unit).ok()?)?, place))
            })
            .collect::<Option<_>>()?;
        by_rest.sort_by_key(|(rest, place)| (std::cmp::Reverse(*rest), *place));
        let mut units = floors;
        for (_, place) in by_rest.into_iter().take(usize::try_from(missing).ok()?) {
            let one = units.get_mut(place)?;
            *one = one.checked_add(1)?;
        }
        let rounding = units.iter().zip(&so_far).map(|(units, amount)| {
            PicoUsd::from_pico(units.checked_mul(i128::try_from(unit).ok()?)?).checked_sub(*amount)
        });
        let rounding: Option<Vec<_>> = rounding.collect();
        self.push("rounding_usd", rounding?)
    }

    /// An amount by weights; without any, it stands where everybody sees it.
    fn spread(&self, amount: PicoUsd, weights: &[PicoUsd]) -> Option<Vec<PicoUsd>> {
        let weights: Vec<u128> = weights.iter().map(|weight| weight.pico().max(0).unsigned_abs()).collect();
        if weights.iter().all(|weight| *weight == 0) {
            let at = self.payers.iter().position(|payer| payer == UNUSED)?;
            let mut shares = vec![PicoUsd::ZERO; self.payers.len()];
            *shares.get_mut(at)? = amount;
            return Some(shares);
        }
        split(amount, &weights)
    }

    fn shares(&self, amount: PicoUsd, rule: &Split, weights: &[PicoUsd]) -> Option<Vec<PicoUsd>> {
        match rule {
            Split::Proportional | Split::Keep => self.spread(amount, weights),
            Split::Even => {
                let real = |payer: &String| payer != UNUSED && payer != UNTAGGED;
                let ones: Vec<u128> = self.payers.iter().map(|payer| u128::from(real(payer))).collect();
                if ones.iter().all(|one| *one == 0) {
                    return self.spread(amount, &vec![PicoUsd::ZERO; self.payers.len()]);
                }
                split(amount, &ones)
            }
            Split::Fixed(parts) => {
                let part =
                    |payer: &String| parts.get(payer).map_or(0, |part| part.pico().max(0).unsigned_abs());
                split(amount, &self.payers.iter().map(part).collect::<Vec<_>>())
            }
        }
    }

    /// What each pays by the columns so far.
    fn so_far(&self) -> Option<Vec<PicoUsd>> {
        let of = |place: usize| {
            PicoUsd::try_sum(self.columns.iter().filter_map(|(_, amounts)| amounts.get(place).copied()))
        };
        (0..self.payers.len()).map(of).collect()
    }

    fn document(&self, by: &str) -> Document {
        let mut sheet = Sheet::new("allocation", format!("Cost by {by}, allocated"))
            .texts([by])
            .numbers(self.columns.iter().map(|(name, _)| name.as_str()))
            .numbers(["total_usd"]);
        let totals = self.so_far().unwrap_or_default();
        let cells = |name: &str, amounts: Vec<PicoUsd>| {
            std::iter::once(name.into()).chain(amounts.into_iter().map(Cell::Usd)).collect::<Vec<_>>()
        };
        for (place, payer) in self.payers.iter().enumerate() {
            let amounts: Vec<PicoUsd> = self
                .columns
                .iter()
                .filter_map(|(_, amounts)| amounts.get(place).copied())
                .chain(totals.get(place).copied())
                .collect();
            if amounts.iter().any(|amount| *amount != PicoUsd::ZERO) {
                sheet.rows.push(cells(payer, amounts));
            }
        }
        let last = self.columns.len().saturating_add(1);
        sheet.rows.sort_by_key(|row| {
            std::cmp::Reverse(match row.get(last) {
                Some(Cell::Usd(amount)) => *amount,
                _ => PicoUsd::ZERO,
            })
        });
        let sums = self
            .columns
            .iter()
            .map(|(_, amounts)| PicoUsd::try_sum(amounts.iter().copied()).unwrap_or_default());
        sheet.total = Some(cells("all", sums.chain([self.expected]).collect()));
        let facts = vec![format!("{} USD to be paid; every row and column adds up exactly", self.expected)];
        Document {
            title: format!("Chargeback by {by}"),
            facts,
            sheets: vec![sheet.drawn(Chart::Bars(last))],
            ..Document::default()
        }
    }
}

#[cfg(test)]
mod tests;
