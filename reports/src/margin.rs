//! What is earned beside what it costs: revenue, or units such as resolved tickets, joined with spend.

use std::collections::BTreeMap;

use tollgate_pricing::PicoUsd;

use crate::amount::{permille, scale};
use crate::csv_in::{CsvError, CsvTable};
use crate::sheet::{Cell, Chart, Document, Sheet};
use crate::sums::Sums;
use crate::table::Table;

/// Revenue and units by the value of a dimension.
#[derive(Clone, Debug, Default)]
pub struct Earned {
    by: BTreeMap<String, One>,
    has_revenue: bool,
    has_units: bool,
}

#[derive(Clone, Copy, Debug, Default)]
struct One {
    revenue: PicoUsd,
    units: u128,
}

impl Earned {
    /// Reads a table with the column of the dimension and `revenue_usd`, `units`, or both. Rows of one value are added up.
    ///
    /// # Errors
    /// A column that is missing, or a field that is no number.
    pub fn parse(text: &str, dimension: &str) -> Result<Self, String> {
        let told = |error: CsvError| error.to_string();
        let table = CsvTable::parse(text).map_err(told)?;
        let key = table.column(&[dimension]).map_err(told)?;
        let revenue = table.column(&["revenue_usd", "revenue"]);
        let units = table.column(&["units"]);
        if revenue.is_err() && units.is_err() {
            return Err("there is neither a column `revenue_usd` nor one `units`".into());
        }
        let mut earned = Self { has_revenue: revenue.is_ok(), has_units: units.is_ok(), ..Self::default() };
        for row in table.rows() {
            let one = earned.by.entry(row.get(key).to_owned()).or_default();
            if let Ok(column) = revenue {
                let amount =
                    row.get(column).parse().map_err(|error| format!("`{}`: {error}", row.get(column)))?;
                one.revenue = one.revenue.checked_add(amount).ok_or("the revenue is too large")?;
            }
            if let Ok(column) = units {
                let wrong = || format!("`{}` is no whole number of units", row.get(column));
                let count: u64 = row.get(column).parse().map_err(|_| wrong())?;
                one.units = one.units.saturating_add(count.into());
            }
        }
        Ok(earned)
    }

    /// Joins it with spend by the same dimension; who has only one of both stands there too.
    pub fn document(&self, spend: &Table) -> Document {
        let dimension = spend.dimensions().first().map_or("", crate::Dimension::name);
        let groups = spend.groups();
        let mut all: BTreeMap<&str, (Option<&Sums>, Option<&One>)> = BTreeMap::new();
        for (values, sums) in &groups {
            all.entry(values.first().copied().unwrap_or_default()).or_default().0 = Some(sums);
        }
        for (value, one) in &self.by {
            all.entry(value).or_default().1 = Some(one);
        }
        let mut sheet = Sheet::new("margin", format!("Margin by {dimension}"))
            .texts([dimension])
            .numbers(["calls", "cost_usd"])
            .numbers(self.heads());
        let mut rows: Vec<_> = all.into_iter().collect();
        rows.sort_by_key(|(_, (sums, _))| std::cmp::Reverse(sums.map(|sums| sums.cost.amount())));
        sheet.rows = rows.iter().map(|(value, (sums, one))| self.row(value, *sums, *one)).collect();
        let total = One {
            revenue: PicoUsd::try_sum(self.by.values().map(|one| one.revenue)).unwrap_or_default(),
            units: self.by.values().fold(0, |sum, one| sum.saturating_add(one.units)),
        };
        sheet.total = Some(self.row("all", Some(&spend.total()), Some(&total)));
        let mut notes = Vec::new();
        let lonely = rows.iter().filter(|(_, (sums, one))| sums.is_some() && one.is_none()).count();
        if lonely > 0 {
            notes.push(format!("{lonely} of them have a cost and do not stand in the file"));
        }
        Document {
            title: format!("Margin by {dimension}"),
            sheets: vec![sheet.drawn(Chart::Bars(2))],
            notes,
            ..Document::default()
        }
    }

    fn heads(&self) -> impl Iterator<Item = &'static str> {
        let revenue =
            ["revenue_usd", "margin_usd", "margin_percent"].into_iter().filter(|_| self.has_revenue);
        revenue.chain(["units", "usd_per_unit"].into_iter().filter(|_| self.has_units))
    }

    fn row(&self, value: &str, sums: Option<&Sums>, one: Option<&One>) -> Vec<Cell> {
        let cost = sums.map_or(PicoUsd::ZERO, |sums| sums.cost.amount());
        let mut row =
            vec![value.into(), sums.map_or(Cell::Count(0), |sums| Cell::count(sums.calls)), Cell::Usd(cost)];
        if self.has_revenue {
            let margin = one.and_then(|one| one.revenue.checked_sub(cost));
            let share = one.zip(margin).and_then(|(one, margin)| permille(margin.pico(), one.revenue.pico()));
            row.extend([Cell::usd(one.map(|one| one.revenue)), Cell::usd(margin), Cell::permille(share)]);
        }
        if self.has_units {
            let each = one.and_then(|one| scale(cost, 1, one.units));
            row.extend([one.map_or(Cell::Empty, |one| Cell::count(one.units)), Cell::usd(each)]);
        }
        row
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::render::csv;
    use crate::{Dimension, Lens, Row};

    #[test]
    fn cost_stands_beside_what_it_earned() {
        let mut table = Table::new(vec![Dimension::Tag("customer".into())]);
        for (customer, usd) in [("a", "3"), ("a", "1"), ("b", "2")] {
            let row = Row {
                tags: vec![("customer".into(), customer.into())],
                usd: usd.parse().ok(),
                ..Row::default()
            };
            table.add(&row, &mut Lens::default());
        }
        let earned = Earned::parse("customer,revenue_usd,units\na,10,2\nc,5,0\na,6,6\n", "customer").unwrap();
        let document = earned.document(&table);
        let expected = "customer,calls,cost_usd,revenue_usd,margin_usd,margin_percent,units,usd_per_unit\r\n\
            a,2,4,16,12,75.0,8,0.5\r\nb,1,2,,,,,\r\nc,0,0,5,5,100.0,0,\r\n";
        assert_eq!(csv(&document.sheets[0]), expected);
        assert_eq!(document.notes, ["1 of them have a cost and do not stand in the file"]);
        for (text, expected) in [
            ("x,units\n", "there is no column `customer`"),
            ("customer,n\n", "there is neither a column"),
            ("customer,units\na,1.5\n", "`1.5` is no whole number"),
            ("customer,revenue\na,x\n", "`x`: "),
        ] {
            assert!(Earned::parse(text, "customer").unwrap_err().starts_with(expected), "{text}");
        }
    }
}
