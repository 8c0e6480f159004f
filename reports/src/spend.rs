//! Who spent what: the five views that every log answers, and any other grouping.

mod missed;

use tollgate_pricing::PicoUsd;
use tollgate_record::Timestamp;

use crate::amount::{permille, scale};
use crate::dimension::{Dimension, Lens};
use crate::fold::Fold;
use crate::movers::{Movers, Periods};
use crate::row::Row;
use crate::selection::Selection;
use crate::sheet::{Cell, Chart, Document, Sheet};
use crate::sums::{Sum, Sums};
use crate::table::Table;
use crate::trials::Trials;
use crate::waste::Wasted;
use crate::workflows::Workflows;
use crate::zone::{Range, Zone, day_text};

use missed::{Missed, TagNames};

/// Answers what calls cost.
#[derive(Clone, Debug)]
pub struct Spend {
    lens: Lens,
    selection: Selection,
    total: Sums,
    span: Option<(Timestamp, Timestamp)>,
    /// Name and title of each, and its sums.
    tables: Vec<(&'static str, String, Table)>,
    workflows: Option<Workflows>,
    movers: Option<Movers>,
    waste: Wasted,
    trials: Trials,
    missed: Missed,
    tags: TagNames,
}

impl Spend {
    /// The five views.
    pub fn views(zone: Zone, selection: Selection) -> Self {
        let tag = |name: &str| vec![Dimension::Tag(name.to_owned())];
        let tables = [
            ("feature", "By feature", tag("feature")),
            ("model", "By provider and model", vec![Dimension::Provider, Dimension::Model]),
            ("team", "By team", tag("team")),
            ("customer", "By customer", tag("customer")),
            ("trend", "Tokens by day", vec![Dimension::Day]),
            ("hours", "Tokens by hour", vec![Dimension::Hour]),
        ];
        Self {
            tables: tables.map(|(name, title, by)| (name, title.to_owned(), Table::new(by))).into(),
            workflows: Some(Workflows::new("workflow", "feature")),
            movers: Some(Movers::new(Dimension::Tag("feature".into()))),
            waste: Wasted::new(tag("feature")),
            ..Self::empty(zone, selection)
        }
    }

    /// One table by these dimensions, and what moved by the first of them that is no time.
    pub fn by(dimensions: Vec<Dimension>, zone: Zone, selection: Selection) -> Self {
        let names: Vec<&str> = dimensions.iter().map(Dimension::name).collect();
        let title = format!("By {}", names.join(", "));
        let first = dimensions.iter().find(|dimension| !dimension.is_time()).cloned();
        Self {
            movers: first.map(Movers::new),
            waste: Wasted::new(dimensions.clone()),
            tables: vec![("by", title, Table::new(dimensions))],
            ..Self::empty(zone, selection)
        }
    }

    fn empty(zone: Zone, selection: Selection) -> Self {
        Self {
            lens: Lens::new(zone),
            selection,
            total: Sums::default(),
            span: None,
            tables: Vec::new(),
            workflows: None,
            movers: None,
            waste: Wasted::new(Vec::new()),
            trials: Trials::default(),
            missed: Missed::default(),
            tags: TagNames::default(),
        }
    }

    /// The sums over all calls that were meant.
    pub fn total(&self) -> &Sums {
        &self.total
    }

    /// The tables, by their names.
    pub fn tables(&self) -> impl Iterator<Item = (&'static str, &Table)> {
        self.tables.iter().map(|(name, _, table)| (*name, table))
    }

    /// The span in whole local days, where one was given.
    fn days_asked(&self) -> Option<(i64, i64)> {
        let Range { start, end } = self.selection.range;
        if start == i64::MIN || end == i64::MAX {
            return None;
        }
        let day = |second: i64| {
            second
                .checked_mul(1_000_000_000)
                .map(|nanos| self.lens.zone().day(Timestamp::from_unix_nanos(nanos)))
        };
        Some((day(start)?, day(end.checked_sub(1)?)?))
    }

    /// How many local days there are from the first call to the last one.
    fn days(&self) -> i64 {
        let day = |time| self.lens.zone().day(time);
        self.span.map_or(1, |(first, last)| day(last).saturating_sub(day(first)).saturating_add(1))
    }

    fn periods(&self) -> Option<Periods> {
        match self.days_asked() {
            Some((first, last)) => Some(Periods::ending(first, last)),
            None => self.movers.as_ref()?.days().and_then(|(first, last)| Periods::of_log(first, last)),
        }
    }

    /// Whether a call may stand in the span before that which was asked for: movers compare with it.
    fn is_before(&self, row: &Row<'_>) -> bool {
        let Range { start, end } = self.selection.range;
        let length = end.checked_sub(start).filter(|_| start != i64::MIN && end != i64::MAX);
        // A day more, for days that begin or end in another offset.
        let earliest = length.and_then(|length| start.checked_sub(length)?.checked_sub(86_400));
        let second = row.time.unix_seconds();
        earliest.is_some_and(|earliest| earliest <= second && second < start)
    }

    fn miss(&mut self, row: &Row<'_>) {
        if self.total.calls == 0 {
            self.missed.add(row, &self.selection, &mut self.lens);
        }
    }

    /// The answer.
    pub fn document(&self) -> Document {
        let mut document = Document { title: "LLM spend".into(), facts: self.facts(), ..Document::default() };
        for (name, title, table) in &self.tables {
            if !self.is_shown(name) {
                continue;
            }
            let tag = match table.dimensions() {
                [Dimension::Tag(tag)] => {
                    Some(tag).filter(|_| table.groups().iter().all(|(values, _)| *values == ["untagged"]))
                }
                _ => None,
            };
            match tag {
                Some(tag) if self.total.calls > 0 => document.notes.push(self.tags.without(tag)),
                _ => document.sheets.push(sheet(name, title, table)),
            }
        }
        self.add_workflows(&mut document);
        if let Some(waste) = self.waste.sheet(self.total.cost.amount(), self.days()) {
            document.sheets.push(waste);
            document.notes.push(
                "reasons of waste overlap and are not to be added up; calls whose cost is not known are not in it".into(),
            );
        }
        if let Some(trials) = self.trials.sheet() {
            document.sheets.push(trials);
            document.notes.push(
                "a candidate's savings are exact where it would have refused; another model's cost is of the same tokens, and what was refused is estimated".into(),
            );
        }
        match (&self.movers, self.periods()) {
            (Some(movers), Some(periods)) => document.sheets.push(movers.sheet(periods)),
            (Some(_), None) if self.total.calls > 0 => {
                document.notes.push("all calls are of one day, so nothing is said of what moved".into());
            }
            _ => {}
        }
        document.notes.extend(self.limits());
        document
    }

    /// Hours are shown for up to two days, days for more.
    fn is_shown(&self, name: &str) -> bool {
        let days = self
            .span
            .map(|(first, last)| self.lens.zone().day(last).saturating_sub(self.lens.zone().day(first)));
        let is_short = days.is_some_and(|days| days < 2);
        match name {
            "hours" => is_short,
            "trend" => !is_short,
            _ => true,
        }
    }

    fn add_workflows(&self, document: &mut Document) {
        let Some(workflows) = &self.workflows else { return };
        if workflows.is_empty() {
            if self.total.calls > 0 {
                document.notes.push(self.tags.without("workflow"));
            }
            return;
        }
        document.sheets.push(workflows.sheet());
        document.sheets.push(workflows.dearest());
        document.notes.extend(workflows.notes());
    }

    fn facts(&self) -> Vec<String> {
        let Some((first, last)) = self.span else { return self.missed.facts(&self.lens) };
        let total = &self.total;
        let cost = total
            .cost
            .get()
            .map_or_else(|| "more USD than can be counted".into(), |usd| format!("{usd} USD"));
        let zone = self.lens.zone();
        let mut facts = vec![format!(
            "{cost} for {} calls from {} to {} ({zone})",
            total.calls,
            day_text(zone.day(first)),
            day_text(zone.day(last))
        )];
        for (count, what) in [
            (total.refused, "calls were refused and cost nothing"),
            (total.unknown, "calls have a cost that is not known in full: no price, or no usage reported"),
        ] {
            if count > 0 {
                facts.push(format!("{count} {what}"));
            }
        }
        if total.saved.amount() > PicoUsd::ZERO {
            facts.push(format!("reads from prompt caches saved {} USD", total.saved.amount()));
        }
        facts
    }

    fn limits(&self) -> Vec<String> {
        let mut notes = Vec::new();
        if self.total.cost.get().is_none() {
            notes.push("a sum left the range of the exact integers and is not shown".into());
        }
        notes
    }
}

impl Fold for Spend {
    fn add(&mut self, row: &Row<'_>) {
        if !self.selection.range.has(row.time) {
            if self.movers.is_some() && self.is_before(row) && self.selection.passes(row, &mut self.lens) {
                self.movers.iter_mut().for_each(|movers| movers.add(row, &mut self.lens));
            }
            return self.miss(row);
        }
        if !self.selection.passes(row, &mut self.lens) {
            return self.miss(row);
        }
        self.total.add(row);
        self.tags.add(row);
        let (first, last) = self.span.unwrap_or((row.time, row.time));
        self.span = Some((first.min(row.time), last.max(row.time)));
        for (_, _, table) in &mut self.tables {
            table.add(row, &mut self.lens);
        }
        self.waste.add(row, &mut self.lens);
        self.trials.add(row);
        self.workflows.iter_mut().for_each(|workflows| workflows.add(row));
        self.movers.iter_mut().for_each(|movers| movers.add(row, &mut self.lens));
    }

    fn merge(&mut self, other: Self) {
        self.total.merge(&other.total);
        self.missed.merge(other.missed);
        self.tags.merge(other.tags);
        self.waste.merge(other.waste);
        self.trials.merge(other.trials);
        let both = self.span.into_iter().chain(other.span);
        self.span = both.reduce(|one, other| (one.0.min(other.0), one.1.max(other.1)));
        for ((_, _, table), (_, _, others)) in self.tables.iter_mut().zip(other.tables) {
            table.merge(others);
        }
        if let (Some(workflows), Some(others)) = (&mut self.workflows, other.workflows) {
            workflows.merge(others);
        }
        if let (Some(movers), Some(others)) = (&mut self.movers, other.movers) {
            movers.merge(others);
        }
    }
}

const NUMBERS: [&str; 9] = [
    "calls",
    "cost_usd",
    "share_percent",
    "usd_per_call",
    "input_tokens",
    "cache_share_percent",
    "output_tokens",
    "refused_calls",
    "unknown_cost_calls",
];

/// A table of spend: most money first, or in the order of time.
pub fn sheet(name: &'static str, title: &str, table: &Table) -> Sheet {
    let total = table.total();
    let mut groups = table.groups();
    let by_time = table.dimensions().first().is_some_and(Dimension::is_time);
    if !by_time {
        groups.sort_by_key(|(_, sums)| std::cmp::Reverse(sums.cost.amount()));
    }
    let mut sheet =
        Sheet::new(name, title).texts(table.dimensions().iter().map(Dimension::name)).numbers(NUMBERS);
    let texts = table.dimensions().len();
    let row = |values: &[&str], sums: &Sums| {
        let mut cells: Vec<Cell> = values.iter().map(|value| Cell::from(*value)).collect();
        cells.resize(texts, Cell::text(""));
        cells.extend(numbers(sums, &total));
        cells
    };
    sheet.rows = groups.iter().map(|(values, sums)| row(values, sums)).collect();
    sheet.total = Some(row(&["all"], &total));
    let cost = sheet.column("cost_usd").unwrap_or_default();
    sheet.drawn(if by_time { Chart::Line(cost) } else { Chart::Bars(cost) })
}

fn numbers(sums: &Sums, total: &Sums) -> [Cell; 9] {
    let signed = |count: u128| i128::try_from(count).ok();
    let sent = sums.calls.saturating_sub(sums.refused);
    let share =
        signed(sums.cache_read).zip(signed(sums.input)).and_then(|(read, input)| permille(read, input));
    [
        Cell::count(sums.calls),
        sums.cost.into(),
        Cell::permille(permille(sums.cost.amount().pico(), total.cost.amount().pico())),
        Cell::usd(scale(sums.cost.amount(), 1, sent.into())),
        Cell::count(sums.input),
        Cell::permille(share),
        Cell::count(sums.output),
        Cell::count(sums.refused),
        Cell::count(sums.unknown),
    ]
}
