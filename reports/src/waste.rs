//! What was paid for and of no use: what `tollgate.waste.usd` of the records says, by reason and key.

use std::collections::HashMap;

use tollgate_pricing::PicoUsd;

use crate::amount::{permille, scale};
use crate::dimension::{Dimension, Lens};
use crate::row::Row;
use crate::sheet::{Cell, Chart, Sheet};
use crate::sums::Money;

/// Sums of what was wasted.
#[derive(Clone, Debug)]
pub struct Wasted {
    by: Vec<Dimension>,
    /// By the reason and the values of the dimensions.
    groups: HashMap<Vec<String>, Loss>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Loss {
    calls: u64,
    usd: Money,
}

impl Wasted {
    /// No call yet, to be told by these dimensions.
    pub fn new(by: Vec<Dimension>) -> Self {
        Self { by, groups: HashMap::new() }
    }

    /// Adds a call.
    pub fn add(&mut self, row: &Row<'_>, lens: &mut Lens) {
        for (reason, usd) in &row.waste {
            let values = self.by.iter().map(|dimension| lens.value(dimension, row));
            let key = std::iter::once(reason.to_string()).chain(values).collect();
            let loss = self.groups.entry(key).or_default();
            loss.calls = loss.calls.saturating_add(1);
            loss.usd.add(*usd);
        }
    }

    /// Adds what another one added up.
    pub fn merge(&mut self, other: Self) {
        for (key, more) in other.groups {
            let loss = self.groups.entry(key).or_default();
            loss.calls = loss.calls.saturating_add(more.calls);
            loss.usd.merge(more.usd);
        }
    }

    /// The table, most money first, beside what all calls of so many days cost; `None` if nothing was wasted. Reasons overlap, so there is
    /// no sum.
    pub fn sheet(&self, cost: PicoUsd, days: i64) -> Option<Sheet> {
        if self.groups.is_empty() {
            return None;
        }
        let names: Vec<&str> = self.by.iter().map(Dimension::name).collect();
        let title = format!("Waste by reason and {}", names.join(", "));
        let mut sheet = Sheet::new("waste", title).texts(std::iter::once("reason").chain(names)).numbers([
            "calls",
            "wasted_usd",
            "usd_per_day",
            "share_percent",
        ]);
        let mut groups: Vec<_> = self.groups.iter().collect();
        groups.sort_by(|(key, loss), (other_key, other)| {
            other.usd.amount().cmp(&loss.usd.amount()).then_with(|| key.cmp(other_key))
        });
        let row = |(key, loss): (&Vec<String>, &Loss)| {
            let texts = key.iter().map(|value| Cell::text(value.as_str()));
            let days = u128::try_from(days.max(1)).unwrap_or(1);
            let a_day = Cell::usd(scale(loss.usd.amount(), 1, days));
            let share = Cell::permille(permille(loss.usd.amount().pico(), cost.pico()));
            texts.chain([Cell::count(loss.calls), loss.usd.into(), a_day, share]).collect()
        };
        sheet.rows = groups.into_iter().map(row).collect();
        let usd = sheet.column("wasted_usd").unwrap_or_default();
        Some(sheet.drawn(Chart::Bars(usd)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::render::csv;
    use crate::zone::Zone;

    fn call(team: &'static str, waste: &[(&'static str, i128)]) -> Row<'static> {
        let usd = |(reason, dollars): &(&'static str, i128)| {
            ((*reason).into(), PicoUsd::from_pico(dollars * 1_000_000_000_000))
        };
        Row {
            tags: vec![("team".into(), team.into())],
            waste: waste.iter().map(usd).collect(),
            ..Row::default()
        }
    }

    #[test]
    fn waste_is_told_by_reason_and_key_dearest_first() {
        let by = || Wasted::new(vec![Dimension::Tag("team".into())]);
        let (mut both, mut lens) = ([by(), by()], Lens::new(Zone::default()));
        let calls = [
            call("a", &[("repeated", 4), ("uncached_prefix", 1)]),
            call("a", &[("repeated", 2)]),
            call("b", &[("repeated", 9)]),
            call("b", &[]),
        ];
        calls.iter().enumerate().for_each(|(place, row)| both[place % 2].add(row, &mut lens));
        let [mut one, other] = both;
        one.merge(other);
        let sheet = one.sheet(PicoUsd::from_pico(20_000_000_000_000), 2).unwrap();
        assert_eq!(
            csv(&sheet),
            "reason,team,calls,wasted_usd,usd_per_day,share_percent\r\n\
             repeated,b,1,9,4.5,45.0\r\nrepeated,a,2,6,3,30.0\r\nuncached_prefix,a,1,1,0.5,5.0\r\n"
        );
        assert_eq!(by().sheet(PicoUsd::ZERO, 1), None, "nothing was wasted");
    }
}
