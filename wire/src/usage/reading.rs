//! What a reader takes out of a report.

use tollgate_pricing::{PicoUsd, Quantity, UnitKind};

use super::ReportedUsage;
use crate::json::{Count, Decimal, Value};
use crate::report::Part;

/// Everything that a report of usage may say.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Reading {
    pub(crate) usage: ReportedUsage,
    pub(crate) cost: Option<PicoUsd>,
    pub(crate) cost_lines: Vec<(&'static str, PicoUsd)>,
    pub(crate) tier: Option<String>,
    pub(crate) region: Option<String>,
    pub(crate) speed: Option<String>,
    pub(crate) search_context_size: Option<String>,
    pub(crate) parts: Vec<Part>,
    /// What the total has beyond input and output, where nothing in the report explains it.
    pub(crate) unexplained: Option<u64>,
    /// The total proved that reasoning is not in the reported output, and it was put there.
    pub(crate) reasoning_added: bool,
}

/// Takes counts out of a value and remembers whether one of them was odd.
pub(super) struct Tally<'v, 'a> {
    value: &'v Value<'a>,
    pub(super) odd: bool,
}

impl<'v, 'a> Tally<'v, 'a> {
    pub(super) fn new(value: &'v Value<'a>) -> Self {
        Self { value, odd: false }
    }

    /// The first count that stands at one of these paths.
    ///
    /// Not inlined, nor is `within`: they are called in some fifty places, and a proxy comes by here with cold caches each time.
    #[inline(never)]
    pub(super) fn first(&mut self, paths: &[&[&str]]) -> Option<u64> {
        for path in paths {
            match self.value.count(path) {
                Count::Whole(count) => return Some(count),
                Count::Odd => self.odd = true,
                Count::Absent => {}
            }
        }
        None
    }

    /// The first count under that key in these objects; null stands for one that is not there.
    #[inline(never)]
    pub(super) fn within(&mut self, objects: &[&Value<'_>], key: &str) -> Option<u64> {
        for object in objects.iter().filter(|object| !object.is_null()) {
            match object.count(&[key]) {
                Count::Whole(count) => return Some(count),
                Count::Odd => self.odd = true,
                Count::Absent => {}
            }
        }
        None
    }

    /// The count at that path.
    pub(super) fn one(&mut self, path: &[&str]) -> Option<u64> {
        self.first(&[path])
    }
}

impl ReportedUsage {
    /// Notes a whole number of units, if one was reported.
    pub(crate) fn note(&mut self, kind: UnitKind, count: Option<u64>) {
        match count.map(Quantity::from_whole) {
            Some(Some(quantity)) => self.units.set(kind, quantity),
            Some(None) => self.inconsistent = true,
            None => {}
        }
    }

    /// Notes a decimal number of units, if one was reported.
    pub(crate) fn note_decimal(&mut self, kind: UnitKind, decimal: Option<Decimal>) {
        let Some(decimal) = decimal else { return };
        match decimal.scaled(6).map(u64::try_from) {
            Some(Ok(micros)) => self.units.set(kind, Quantity::from_micros(micros)),
            _ => self.inconsistent = true,
        }
    }
}

/// The money at that path, in USD.
pub(super) fn usd(value: &Value<'_>, path: &[&str]) -> Option<PicoUsd> {
    value.decimal(path).and_then(|decimal| decimal.scaled(12)).map(PicoUsd::from_pico)
}
