//! Answers before they are spelled: documents of sheets, sheets of cells.

use tollgate_pricing::PicoUsd;

use crate::sums::Money;

/// An answer.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Document {
    /// What it is about, in a few words.
    pub title: String,
    /// What is to be read first, one sentence each.
    pub facts: Vec<String>,
    /// The tables.
    pub sheets: Vec<Sheet>,
    /// What limits the answer, one sentence each.
    pub notes: Vec<String>,
}

/// A table.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Sheet {
    /// A word for machines: the name in JSON and of `--sheet`.
    pub name: &'static str,
    /// A title for people.
    pub title: String,
    /// Its columns.
    pub columns: Vec<Column>,
    /// Its rows, as many cells each as there are columns.
    pub rows: Vec<Vec<Cell>>,
    /// A row of sums, if the columns add up.
    pub total: Option<Vec<Cell>>,
    /// How it is drawn.
    pub chart: Chart,
}

/// How a sheet is drawn, by the places of its columns.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Chart {
    /// Not at all.
    #[default]
    None,
    /// A bar for each row: the column of its length. The label is all columns of text.
    Bars(usize),
    /// Points in the order of the rows: the column of the height.
    Line(usize),
}

/// A column.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Column {
    /// Its head, and its key in JSON and CSV.
    pub name: String,
    /// Whether its cells are numbers.
    pub number: bool,
}

/// A value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Cell {
    /// Nothing, or not known.
    Empty,
    /// Words.
    Text(String),
    /// How many.
    Count(i128),
    /// Exact money.
    Usd(PicoUsd),
    /// Tenths of a percent.
    Permille(i128),
    /// Thousandths of something.
    Milli(i128),
}

impl Sheet {
    /// An empty sheet.
    pub fn new(name: &'static str, title: impl Into<String>) -> Self {
        Self { name, title: title.into(), ..Self::default() }
    }

    /// Adds columns of text.
    #[must_use]
    pub fn texts<'a>(mut self, names: impl IntoIterator<Item = &'a str>) -> Self {
        self.columns.extend(names.into_iter().map(|name| Column { name: name.to_owned(), number: false }));
        self
    }

    /// Adds columns of numbers.
    #[must_use]
    pub fn numbers<'a>(mut self, names: impl IntoIterator<Item = &'a str>) -> Self {
        self.columns.extend(names.into_iter().map(|name| Column { name: name.to_owned(), number: true }));
        self
    }

    /// Says how it is drawn.
    #[must_use]
    pub fn drawn(mut self, chart: Chart) -> Self {
        self.chart = chart;
        self
    }

    /// The place of a column.
    pub fn column(&self, name: &str) -> Option<usize> {
        self.columns.iter().position(|column| column.name == name)
    }
}

impl Cell {
    /// A text.
    pub fn text(text: impl Into<String>) -> Self {
        Self::Text(text.into())
    }

    /// A number that may be unknown.
    pub fn count(count: impl TryInto<i128>) -> Self {
        count.try_into().map_or(Self::Empty, Self::Count)
    }

    /// Money that may be unknown.
    pub fn usd(amount: Option<PicoUsd>) -> Self {
        amount.map_or(Self::Empty, Self::Usd)
    }

    /// A share that may be of nothing.
    pub fn permille(share: Option<i128>) -> Self {
        share.map_or(Self::Empty, Self::Permille)
    }
}

impl From<Money> for Cell {
    fn from(money: Money) -> Self {
        Self::usd(money.get())
    }
}

impl From<PicoUsd> for Cell {
    fn from(amount: PicoUsd) -> Self {
        Self::Usd(amount)
    }
}

impl From<&str> for Cell {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}
