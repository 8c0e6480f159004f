//! What the page asks: JSON of its form's fields -> something that takes calls.

use std::sync::Arc;

use serde::Deserialize;
use tollgate_reports::compare::Compare;
use tollgate_reports::forecast::{Budgets, Daily};
use tollgate_reports::reprice::Book;
use tollgate_reports::spend::Spend;
use tollgate_reports::verify::Verify;
use tollgate_reports::whatif::WhatIf;
use tollgate_reports::{Dimension, Document, Fold, Form, Journal, Lens, Range, Row, Selection, Zone};

use crate::own;

/// Nothing is known of what comes after a year.
const MAX_DAYS: usize = 366;

/// The form's fields. An empty text is one that was left empty.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Question {
    kind: Kind,
    from: String,
    to: String,
    zone: RawZone,
    /// Filters, one each: `team=search`.
    choose: Vec<String>,
    /// Envoy's format string of plain text.
    line: String,
    by: String,
    volume: Vec<String>,
    models: Vec<String>,
    /// The text of a price file.
    prices: String,
    /// Prices of one's own, a line each.
    rates: Vec<String>,
    a: Vec<String>,
    b: Vec<String>,
    at: String,
    days: String,
    budget: String,
}

/// Which question.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// Who spent what.
    #[default]
    Report,
    /// More calls, other models.
    WhatIf,
    /// Before and after.
    Compare,
    /// The coming days.
    Forecast,
    /// Gaps, doubles, sums.
    Verify,
}

/// A zone as browsers know it: seconds east of UTC at first, and changes (instant, seconds).
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct RawZone {
    name: String,
    first: i64,
    changes: Vec<(i64, i64)>,
}

/// What takes the calls.
pub enum Work {
    Spend(Box<Spend>),
    WhatIf(WhatIf),
    Compare(Box<Compare>),
    Forecast(Daily, usize, Budgets),
    Verify(Verify),
}

impl Question {
    /// Reads the JSON.
    ///
    /// # Errors
    /// JSON of another form.
    pub fn parse(json: &str) -> Result<Self, String> {
        serde_json::from_str(json).map_err(|error| error.to_string())
    }

    /// The form of plain text, if one is given.
    ///
    /// # Errors
    /// A format string that cannot be one.
    pub fn form(&self) -> Result<Option<Form>, String> {
        let form = Some(self.line.as_str()).filter(|line| !line.trim().is_empty()).map(Form::new);
        form.transpose().map_err(|why| format!("Format of plain text: {why}"))
    }

    /// What takes the calls.
    ///
    /// # Errors
    /// A field that cannot be understood, by its name on the page.
    pub fn work(&self) -> Result<Work, String> {
        let (zone, selection) = (self.zone(), self.selection()?);
        let lens = Lens::new(zone.clone());
        Ok(match self.kind {
            Kind::Report => Work::Spend(Box::new(match self.by()? {
                by if by.is_empty() => Spend::views(zone, selection),
                by => Spend::by(by, zone, selection),
            })),
            Kind::WhatIf => Work::WhatIf(self.whatif(lens, selection)?),
            Kind::Compare => Work::Compare(Box::new(self.compare(lens, selection)?)),
            Kind::Forecast => self.forecast(lens, selection)?,
            Kind::Verify => Work::Verify(Verify::with(Arc::new(Book::of_catalogue()))),
        })
    }

    fn zone(&self) -> Zone {
        match self.zone.name.as_str() {
            "" => Zone::default(),
            name => Zone::new(name, self.zone.first, self.zone.changes.clone()),
        }
    }

    fn selection(&self) -> Result<Selection, String> {
        let (from, to) = (self.range("From", &self.from)?, self.range("To", &self.to)?);
        let mut selection = Selection::default();
        selection.range = Range { start: from.start, end: to.end };
        if selection.range.start >= selection.range.end {
            return Err("From: is not before To".into());
        }
        for filter in self.choose.iter().filter(|filter| !filter.trim().is_empty()) {
            selection.filter(filter.trim()).map_err(|why| format!("Only calls with: {why}"))?;
        }
        Ok(selection)
    }

    fn range(&self, label: &str, text: &str) -> Result<Range, String> {
        match text.trim() {
            "" => Ok(Range::ALL),
            text => Range::parse(text, &self.zone()).map_err(|why| format!("{label}: {why}")),
        }
    }

    fn by(&self) -> Result<Vec<Dimension>, String> {
        let names = self.by.split(',').map(str::trim).filter(|_| !self.by.trim().is_empty());
        let by: Vec<_> = names.map(Dimension::parse).collect();
        if by.iter().any(|dimension| dimension.name().is_empty()) {
            return Err("By: a name is empty".into());
        }
        Ok(by)
    }

    /// The first name, where an answer is by one.
    fn by_one(&self) -> Result<Option<Dimension>, String> {
        match self.by()?.as_slice() {
            [] => Ok(None),
            [by] => Ok(Some(by.clone())),
            _ => Err("By: this answer is by one name".into()),
        }
    }

    fn whatif(&self, lens: Lens, selection: Selection) -> Result<WhatIf, String> {
        let by = self.by_one()?.unwrap_or_else(|| Dimension::parse("feature"));
        let mut whatif = WhatIf::new(by, lens, selection);
        let (volume, models) = (given(&self.volume), given(&self.models));
        let prices = own::book(&self.prices, &self.rates)?;
        if volume.is_empty() && models.is_empty() && prices.is_none() {
            return Err("Nothing changes: say how many calls, which other model, or what it costs".into());
        }
        prices.into_iter().for_each(|prices| whatif.at(Arc::new(prices)));
        for text in volume {
            whatif.volume(text).map_err(|why| format!("Calls: {why}"))?;
        }
        for text in models {
            whatif.model(text).map_err(|why| format!("Models: {why}"))?;
        }
        Ok(whatif)
    }

    fn compare(&self, lens: Lens, selection: Selection) -> Result<Compare, String> {
        let (a, b, at) = (given(&self.a), given(&self.b), self.at.trim());
        if at.is_empty() && (a.is_empty() || b.is_empty()) {
            return Err("Say what is before and what is after: by filters, or by an instant".into());
        }
        let instant = self.range("Since", at)?;
        let side = |filters: Vec<&str>, range: Range, when: &str| {
            let mut filter = Selection::default();
            filter.range = range;
            for text in &filters {
                filter.filter(text).map_err(|why| format!("Before and after: {why}"))?;
            }
            let when = Some(format!("{when} {at}")).filter(|_| !at.is_empty());
            let names: Vec<String> = filters.into_iter().map(str::to_owned).chain(when).collect();
            Ok::<_, String>((names.join(", "), filter))
        };
        let (before, after) = match at {
            "" => (Range::ALL, Range::ALL),
            _ => (Range { end: instant.start, ..Range::ALL }, Range { start: instant.start, ..Range::ALL }),
        };
        Ok(Compare::new(lens, selection, side(a, before, "before")?, side(b, after, "from")?))
    }

    fn forecast(&self, lens: Lens, selection: Selection) -> Result<Work, String> {
        let by = self.by_one()?;
        let days = match self.days.trim() {
            "" => Some(31),
            text => text.parse::<usize>().ok().filter(|days| (1..=MAX_DAYS).contains(days)),
        };
        let days = days
            .ok_or_else(|| format!("Days ahead: `{}` is not between 1 and {MAX_DAYS}", self.days.trim()))?;
        let budgets = match self.budget.trim() {
            "" => Budgets::default(),
            text => {
                let name = by.as_ref().map(Dimension::name);
                Budgets::parse(text, name).map_err(|why| format!("Budget: {why}"))?
            }
        };
        Ok(Work::Forecast(Daily::new(by, lens, selection), days, budgets))
    }
}

/// Those lines of a field in which something stands.
fn given(lines: &[String]) -> Vec<&str> {
    lines.iter().map(|line| line.trim()).filter(|line| !line.is_empty()).collect()
}

impl Work {
    /// Takes a call.
    pub fn add(&mut self, row: &Row<'_>) {
        match self {
            Self::Spend(spend) => spend.add(row),
            Self::WhatIf(whatif) => whatif.add(row),
            Self::Compare(compare) => compare.add(row),
            Self::Forecast(daily, ..) => daily.add(row),
            Self::Verify(verify) => verify.add(row),
        }
    }

    /// The answer.
    pub fn document(&self, journal: &Journal) -> Document {
        match self {
            Self::Spend(spend) => spend.document(),
            Self::WhatIf(whatif) => whatif.document(),
            Self::Compare(compare) => compare.document(),
            Self::Forecast(daily, days, budgets) => daily.document(*days, budgets),
            Self::Verify(verify) => {
                let (text, _) = verify.answer(&journal.ids);
                // The sum stands behind the workers, and is to be read first.
                let (workers, sums): (Vec<_>, Vec<_>) =
                    text.lines().map(str::to_owned).partition(|line| line.starts_with("process "));
                let facts = sums.into_iter().chain(workers).collect();
                Document { title: "Check".into(), facts, ..Document::default() }
            }
        }
    }
}
