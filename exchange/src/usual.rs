//! What is usual for a counter in a store outside, as this process has seen it: the store itself does not know how long answers are.

use crate::exchange::{Exchange, Phase};
use tollgate_policy::{Change, Entry, Lease, Op, Output, SharedStore};

impl Exchange {
    /// Has put aside what is usual here, before a store outside is asked. What was never seen here is as usual anywhere.
    #[cold]
    #[inline(never)]
    pub fn expect_usual(&mut self, store: &dyn SharedStore) {
        let Phase::Asking(batch) = &mut self.phase else { return };
        for quota in &mut batch.quotas {
            let Change::Reserve { mut amount, limit } = quota.op.change else { continue };
            if let Output::Usual { .. } = amount.output {
                let own = quota.op.entry(store).ok().flatten();
                amount.output = Output::Tokens(amount.tokens(own.as_ref().and_then(Entry::usual_output)));
                quota.op.change = Change::Reserve { amount, limit };
            }
        }
    }
}

/// What this process is to remember of a call that a store outside books: how long its answer was.
#[cold]
#[inline(never)]
pub fn seen_here(ops: &[Op]) -> Vec<Op> {
    let seen = |op: &Op| match op.change {
        Change::Settle { output: Some(tokens), .. } => {
            let change = Change::Settle { lease: Lease::default(), actual: 0, output: Some(tokens) };
            Some(Op { change, ..op.clone() })
        }
        _ => None,
    };
    ops.iter().filter_map(seen).collect()
}
