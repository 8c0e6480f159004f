//! Does a cost follow from its record? List price, lines and cost are computed anew and compared.

use tollgate_pricing::PicoUsd;
use tollgate_record::{Cost, CostStatus, Record};

use super::{Book, Priced, Unpriceable, record_of};
use crate::row::Row;

/// What computing a cost anew gave.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Recomputed {
    /// The figures of the record, to the last line.
    Equal,
    /// Others: what was logged, and what follows from the record.
    Differs(String),
    /// It was priced with other prices than those of this book.
    OtherPrices,
    /// There is nothing to compute, and the record says so too.
    Nothing(Unpriceable),
}

impl Book {
    /// Computes a record's cost anew.
    pub fn recompute(&self, record: &Record) -> Recomputed {
        if record.price_version != self.version() {
            return Recomputed::OtherPrices;
        }
        let cost = &record.cost;
        match (self.price(record), cost.list_usd) {
            // The record says that the model is unknown, and so say we.
            (Err(Unpriceable::UnknownModel(_)), None) if cost.status == CostStatus::UnknownModel => {
                Recomputed::Nothing(Unpriceable::NoCost(cost.status))
            }
            (Err(why), None) => Recomputed::Nothing(why),
            // The provider said what it costs and not what was used: there is no quote of ours beside it.
            (Ok(_), None) if cost.status == CostStatus::Reported && cost.usd == cost.reported_usd => {
                Recomputed::Nothing(Unpriceable::NoCost(cost.status))
            }
            (Ok(price), Some(_)) if follows(&price, cost) => Recomputed::Equal,
            // Where a class has no rate, the filter gives no cost for what has no other line either.
            (Ok(price), None) if cost.status == CostStatus::Unpriced && price.lines.is_empty() => {
                Recomputed::Equal
            }
            (price, _) => {
                let computed = price.map_or_else(|why| why.to_string(), |price| figures(&price));
                Recomputed::Differs(format!("logged {}  recomputed {computed}", logged(cost)))
            }
        }
    }

    /// Computes a row's cost anew.
    pub fn recompute_row(&self, row: &Row<'_>) -> Recomputed {
        // Most rows of other prices need not be read whole.
        if row.price_version != self.version() {
            return Recomputed::OtherPrices;
        }
        let record = record_of(&row.json);
        record.map_or(Recomputed::Nothing(Unpriceable::NoRecord), |record| self.recompute(&record))
    }
}

/// Whether the logged cost is the one that was computed: to the last line, unless the provider's own figure is the cost.
fn follows(price: &Priced, logged: &Cost) -> bool {
    let list = logged.list_usd == Some(price.list);
    if logged.status == CostStatus::Reported {
        return list && logged.usd == logged.reported_usd;
    }
    let lines = logged.lines.iter().cloned().collect();
    list && logged.usd == Some(price.usd) && price.lines == lines
}

fn figures(price: &Priced) -> String {
    let lines = price.lines.iter().map(|(name, amount)| format!(" {name} {amount}"));
    format!("{} (list {}){}", price.usd, price.list, lines.collect::<String>())
}

fn logged(cost: &Cost) -> String {
    let lines = cost.lines.iter().map(|(name, amount)| format!(" {name} {amount}"));
    format!("{} (list {}){}", shown(cost.usd), shown(cost.list_usd), lines.collect::<String>())
}

fn shown(amount: Option<PicoUsd>) -> String {
    amount.map_or_else(|| "nothing".to_owned(), |amount| amount.to_string())
}
