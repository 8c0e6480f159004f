//! One window's table: label sets and what their calls came to, in bounded memory.
//!
//! Clients invent values, and shared data cannot be freed. So each dimension keeps a bounded number of values, and
//! the table a bounded number of rows; what is past that goes to `__other__`, in rows in the dimension that has the most
//! values first: a tag that differs with each call, a trace id say, loses its values before a feature does. Totals stay
//! exact, and so does what a value of one dimension came to; pairs are read off the rows, so that past
//! [`ROOMY`] rows a pair may show less than there was, and `__other__` the more.

use super::Sums;
use super::bytes::{Reader, Writer};
use crate::stats::OTHER;
use std::cmp::Ordering;
use std::collections::HashMap;
use tollgate_policy::UNTAGGED;
use tollgate_pricing::PicoUsd;

/// How many values of a dimension are told apart.
const MAX_VALUES: usize = 1000;
/// How many bytes the values of a dimension may have together.
const MAX_VALUE_BYTES: usize = 32_768;
/// How many rows there may be.
const MAX_ROWS: usize = 4000;
/// From this many rows on, new rows tell fewer and fewer dimensions apart.
const ROOMY: usize = 2000;
/// How many dimensions there may be, those of earlier configurations of this window included.
const MAX_DIMENSIONS: usize = 64;

const VERSION: u128 = 1;
/// The places of `__other__` and `untagged` in each dimension.
const OTHER_ID: u16 = 0;
const UNTAGGED_ID: u16 = 1;

/// One window's table.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Table {
    /// Which window, counted from the epoch.
    pub window: i64,
    dimensions: Vec<Dimension>,
    rows: HashMap<Vec<u16>, Sums>,
}

/// Rows with the same values in the columns that were asked for. The greatest is the dearest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Group {
    /// The places of the values, in the order of the columns.
    pub key: Vec<u16>,
    pub sums: Sums,
}

impl Ord for Group {
    fn cmp(&self, other: &Self) -> Ordering {
        let by = |group: &Self| (group.sums.cost, group.sums.calls);
        by(self).cmp(&by(other)).then_with(|| other.key.cmp(&self.key))
    }
}

impl PartialOrd for Group {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Dimension {
    name: String,
    values: Vec<String>,
    /// What the calls with each value came to.
    sums: Vec<Sums>,
    places: HashMap<String, u16>,
    bytes: usize,
}

impl Dimension {
    fn empty(name: String) -> Self {
        Self { name, values: Vec::new(), sums: Vec::new(), places: HashMap::new(), bytes: 0 }
    }

    /// A dimension that the calls so far do not have.
    fn new(name: &str, so_far: Sums) -> Self {
        let mut dimension = Self::empty(name.to_owned());
        dimension.push(OTHER.to_owned(), Sums::default());
        dimension.push(UNTAGGED.to_owned(), so_far);
        dimension
    }

    fn push(&mut self, value: String, sums: Sums) -> u16 {
        let Ok(place) = u16::try_from(self.values.len()) else { return OTHER_ID };
        self.bytes = self.bytes.saturating_add(value.len());
        self.places.insert(value.clone(), place);
        self.values.push(value);
        self.sums.push(sums);
        place
    }

    /// The place of a value. `reserved` values are those that nobody can invent: they always have one.
    fn place(&mut self, value: &str, reserved: bool) -> u16 {
        if let Some(place) = self.places.get(value) {
            return *place;
        }
        let roomy =
            self.values.len() < MAX_VALUES && self.bytes.saturating_add(value.len()) <= MAX_VALUE_BYTES;
        if roomy || reserved { self.push(value.to_owned(), Sums::default()) } else { OTHER_ID }
    }
}

impl Dimension {
    fn groups(&self) -> Vec<Group> {
        let used = (0_u16..).zip(&self.sums).filter(|(_, sums)| sums.calls > 0);
        used.map(|(place, sums)| Group { key: vec![place], sums: *sums }).collect()
    }
}

impl Table {
    /// An empty table.
    pub(crate) fn new(window: i64) -> Self {
        Self { window, ..Self::default() }
    }

    /// The places of these dimensions, which are made where they are not there yet: earlier rows are untagged in them.
    pub(crate) fn columns<'a>(&mut self, names: impl IntoIterator<Item = &'a str>) -> Vec<usize> {
        names.into_iter().map(|name| self.column_or_new(name)).collect()
    }

    fn column_or_new(&mut self, name: &str) -> usize {
        self.column(name).unwrap_or_else(|| {
            let place = self.dimensions.len();
            if place < MAX_DIMENSIONS {
                let so_far = self.rows.values().fold(Sums::default(), |total, sums| total.plus_known(*sums));
                self.dimensions.push(Dimension::new(name, so_far));
                let rows = std::mem::take(&mut self.rows).into_iter();
                self.rows = rows.map(|(key, sums)| ([key, vec![UNTAGGED_ID]].concat(), sums)).collect();
            }
            place
        })
    }

    /// Adds to the row of a label set: values in the order of `columns`, each with whether nobody can invent it.
    pub(crate) fn add<'a>(
        &mut self,
        columns: &[usize],
        values: impl Iterator<Item = (&'a str, bool)>,
        sums: Sums,
    ) {
        let mut key = vec![UNTAGGED_ID; self.dimensions.len()];
        for (column, (value, reserved)) in columns.iter().zip(values) {
            if let (Some(place), Some(dimension)) = (key.get_mut(*column), self.dimensions.get_mut(*column)) {
                *place = dimension.place(value, reserved);
            }
        }
        for (place, dimension) in key.iter().zip(&mut self.dimensions) {
            if let Some(of_value) = dimension.sums.get_mut(usize::from(*place)) {
                *of_value = of_value.plus_known(sums);
            }
        }
        if !self.rows.contains_key(&key) {
            self.blur(&mut key);
        }
        let row = self.rows.entry(key).or_default();
        *row = row.plus_known(sums);
    }

    /// Takes dimensions out of a new row's key, those with the most values first, the more the fuller the table is. The
    /// row of all-`__other__` has always room.
    fn blur(&self, key: &mut [u16]) {
        let Some(past) = self.rows.len().checked_sub(ROOMY) else { return };
        let room = MAX_ROWS.saturating_sub(ROOMY).max(1);
        let steps = key.len().saturating_mul(past).div_euclid(room).saturating_add(1);
        let blurred = if self.rows.len() >= MAX_ROWS { key.len() } else { steps };
        for _ in 0..blurred.min(key.len()) {
            let told = key.iter_mut().zip(&self.dimensions).filter(|(place, _)| **place != OTHER_ID);
            if let Some((place, _)) = told.max_by_key(|(_, dimension)| dimension.values.len()) {
                *place = OTHER_ID;
            }
        }
    }

    /// The place of a dimension, if any row has it.
    pub(crate) fn column(&self, name: &str) -> Option<usize> {
        self.dimensions.iter().position(|dimension| dimension.name == name)
    }

    /// All rows, added up by these columns. A dimension that no row has is `untagged` in all.
    pub(crate) fn grouped(&self, columns: &[Option<usize>]) -> Vec<Group> {
        if let [Some(column)] = columns {
            return self.dimensions.get(*column).map(Dimension::groups).unwrap_or_default();
        }
        let mut groups: HashMap<Vec<u16>, Sums> = HashMap::new();
        for (key, sums) in &self.rows {
            let place = |column: &Option<usize>| key.get((*column)?).copied();
            let places = columns.iter().map(|column| place(column).unwrap_or(UNTAGGED_ID)).collect();
            let group = groups.entry(places).or_default();
            *group = group.plus_known(*sums);
        }
        groups.into_iter().map(|(key, sums)| Group { key, sums }).collect()
    }

    /// The value at a place of a dimension.
    pub(crate) fn value(&self, column: Option<usize>, place: u16) -> &str {
        let dimension = column.and_then(|column| self.dimensions.get(column));
        dimension
            .and_then(|dimension| dimension.values.get(usize::from(place)))
            .map_or(UNTAGGED, String::as_str)
    }

    /// The table as versioned bytes.
    pub(crate) fn to_bytes(&self) -> Vec<u8> {
        let mut out = Writer::default();
        out.number(VERSION);
        out.number(u128::try_from(self.window).unwrap_or_default());
        out.length(self.dimensions.len());
        for dimension in &self.dimensions {
            out.text(&dimension.name);
            out.length(dimension.values.len());
            for (value, sums) in dimension.values.iter().zip(&dimension.sums) {
                out.text(value);
                put_sums(&mut out, sums);
            }
        }
        out.length(self.rows.len());
        for (key, sums) in &self.rows {
            key.iter().for_each(|place| out.number((*place).into()));
            put_sums(&mut out, sums);
        }
        out.0
    }

    /// Reads what [`Table::to_bytes`] wrote; `None` if it was another version.
    pub(crate) fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let mut from = Reader(bytes);
        if from.number()? != VERSION {
            return None;
        }
        let mut table = Self::new(from.fitting()?);
        for _ in 0..from.fitting::<usize>()? {
            table.dimensions.push(read_dimension(&mut from)?);
        }
        for _ in 0..from.fitting::<usize>()? {
            let (key, sums) = read_row(&mut from, table.dimensions.len())?;
            table.rows.insert(key, sums);
        }
        Some(table)
    }
}

fn put_sums(out: &mut Writer, sums: &Sums) {
    sums.counts().into_iter().for_each(|count| out.number(count.into()));
    out.number(u128::try_from(sums.cost.pico()).unwrap_or_default());
}

fn read_dimension(from: &mut Reader<'_>) -> Option<Dimension> {
    let mut dimension = Dimension::empty(from.text()?);
    for _ in 0..from.fitting::<usize>()? {
        let value = from.text()?;
        dimension.push(value, read_sums(from)?);
    }
    Some(dimension)
}

fn read_row(from: &mut Reader<'_>, dimensions: usize) -> Option<(Vec<u16>, Sums)> {
    let key = (0..dimensions).map(|_| from.fitting()).collect::<Option<Vec<u16>>>()?;
    Some((key, read_sums(from)?))
}

fn read_sums(from: &mut Reader<'_>) -> Option<Sums> {
    let mut counts = [0; 6];
    for count in &mut counts {
        *count = from.fitting()?;
    }
    Some(Sums::from_counts(counts, PicoUsd::from_pico(from.fitting()?)))
}
