//! What a candidate configuration comes to in money.

use tollgate_pricing::PicoUsd;

use crate::schema::{Candidate, CostStatus};

/// What it would have changed in money to do as the candidate says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effect {
    /// So much less would have been spent, or nothing.
    Saves(PicoUsd),
    /// So much more would have been spent.
    Adds(PicoUsd),
    /// A call that was refused would have cost about so much: what the candidate had put aside for it.
    Estimated(PicoUsd),
    /// Nobody knows.
    Unknown,
}

impl Candidate {
    /// What it would have changed in money to do as it says, of a call that cost so much (`tollgate.cost.usd`, `tollgate.cost.status`).
    pub fn effect(&self, usd: Option<PicoUsd>, status: CostStatus) -> Effect {
        let unbilled = matches!(status, CostStatus::NotSent | CostStatus::NotBilled);
        let spent = usd.or_else(|| unbilled.then_some(PicoUsd::ZERO));
        match (spent, self.cost_usd, self.estimated_usd) {
            (_, None, Some(estimated)) => Effect::Estimated(estimated),
            (Some(spent), Some(cost), _) => match spent.checked_sub(cost) {
                Some(saved) if saved >= PicoUsd::ZERO => Effect::Saves(saved),
                Some(added) => Effect::Adds(PicoUsd::from_pico(added.pico().saturating_neg())),
                None => Effect::Unknown,
            },
            _ => Effect::Unknown,
        }
    }
}
