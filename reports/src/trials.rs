//! What a candidate configuration would have done otherwise: what `tollgate.candidate.*` of the records says, in calls and money.

use std::collections::HashMap;

use tollgate_record::Effect;

use crate::row::Row;
use crate::sheet::{Cell, Sheet};
use crate::sums::Money;

/// Sums of the calls that candidates would have treated otherwise.
#[derive(Clone, Debug, Default)]
pub struct Trials {
    groups: HashMap<Way, Difference>,
}

/// One way to differ: candidate, what it would have done, its rule, its model, what was done.
type Way = [String; 5];

#[derive(Clone, Copy, Debug, Default)]
struct Difference {
    calls: u64,
    saved: Money,
    added: Money,
    estimated: Money,
    /// Calls whose money nobody knows.
    unknown: u64,
}

impl Trials {
    /// Adds a call.
    pub fn add(&mut self, row: &Row<'_>) {
        let Some(would) = &row.candidate else { return };
        let or_none = |text: &Option<String>| text.clone().unwrap_or_else(|| "-".to_owned());
        let way = [
            would.name.clone(),
            would.action.as_str().to_owned(),
            or_none(&would.rule),
            or_none(&would.model),
            row.action.as_str().to_owned(),
        ];
        let sums = self.groups.entry(way).or_default();
        sums.calls = sums.calls.saturating_add(1);
        match would.effect(row.usd, row.status) {
            Effect::Saves(usd) => sums.saved.add(usd),
            Effect::Adds(usd) => sums.added.add(usd),
            Effect::Estimated(usd) => sums.estimated.add(usd),
            Effect::Unknown => sums.unknown = sums.unknown.saturating_add(1),
        }
    }

    /// Adds what another one added up.
    pub fn merge(&mut self, other: Self) {
        for (way, more) in other.groups {
            self.groups.entry(way).or_default().merge(more);
        }
    }

    /// The table, most calls first; `None` if no call differs.
    pub fn sheet(&self) -> Option<Sheet> {
        if self.groups.is_empty() {
            return None;
        }
        let mut sheet = Sheet::new("candidate", "What a candidate would have done otherwise")
            .texts(["candidate", "action", "rule", "model", "decision"])
            .numbers(["calls", "saved_usd", "added_usd", "estimated_usd", "unknown_calls"]);
        let mut groups: Vec<_> = self.groups.iter().collect();
        groups.sort_by(|(way, sums), (other_way, other)| {
            other.calls.cmp(&sums.calls).then_with(|| way.cmp(other_way))
        });
        let row = |texts: &Way, sums: Difference| -> Vec<Cell> {
            texts.iter().map(|text| Cell::text(text.as_str())).chain(sums.cells()).collect()
        };
        let mut all = Difference::default();
        self.groups.values().for_each(|sums| all.merge(*sums));
        sheet.rows = groups.into_iter().map(|(way, sums)| row(way, *sums)).collect();
        let texts = ["all", "", "", "", ""].map(str::to_owned);
        sheet.total = Some(row(&texts, all));
        Some(sheet)
    }
}

impl Difference {
    fn merge(&mut self, more: Self) {
        self.calls = self.calls.saturating_add(more.calls);
        self.saved.merge(more.saved);
        self.added.merge(more.added);
        self.estimated.merge(more.estimated);
        self.unknown = self.unknown.saturating_add(more.unknown);
    }

    fn cells(self) -> [Cell; 5] {
        let Self { calls, saved, added, estimated, unknown } = self;
        [Cell::count(calls), saved.into(), added.into(), estimated.into(), Cell::count(unknown)]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::render::csv;
    use crate::row::read_line;

    fn call(decision: &str, cost: &str, candidate: &str) -> String {
        format!(
            r#"{{"tollgate.schema":1,"tollgate.id":"a","tollgate.time":"2026-11-20T10:00:00Z","gen_ai.provider.name":"openai",
            "tollgate.decision.action":"{decision}",{cost},{candidate}}}"#
        )
    }

    const PRICED: &str = r#""tollgate.cost.status":"priced","tollgate.cost.usd":"0.5""#;

    #[test]
    fn differences_are_told_in_calls_and_money_and_what_is_not_known_is_no_zero() {
        let refused = r#""tollgate.cost.status":"not_sent""#;
        let unknown = r#""tollgate.cost.status":"no_usage""#;
        let deny = r#""tollgate.candidate.name":"next","tollgate.candidate.action":"deny","tollgate.candidate.rule":"month","tollgate.candidate.cost_usd":"0""#;
        let dearer = r#""tollgate.candidate.name":"next","tollgate.candidate.action":"rewrite","tollgate.candidate.model":"o3","tollgate.candidate.cost_usd":"0.75""#;
        let allow = r#""tollgate.candidate.name":"next","tollgate.candidate.action":"allow","tollgate.candidate.estimated_usd":"0.01""#;
        let lines = [
            call("allow", PRICED, deny),
            call("allow", PRICED, deny),
            call("allow", unknown, deny),
            call("allow", PRICED, dearer),
            call("deny", refused, allow),
            call("allow", PRICED, r#""tollgate.stream":true"#),
        ];
        let mut both = [Trials::default(), Trials::default()];
        for (place, line) in lines.iter().enumerate() {
            let row = read_line(line.as_bytes()).unwrap().unwrap().finish(b"").unwrap();
            both[place % 2].add(&row);
        }
        let [mut one, other] = both;
        one.merge(other);
        assert_eq!(
            csv(&one.sheet().unwrap()),
            "candidate,action,rule,model,decision,calls,saved_usd,added_usd,estimated_usd,unknown_calls\r\n\
             next,deny,month,-,allow,3,1,0,0,1\r\n\
             next,allow,-,-,deny,1,0,0,0.01,0\r\n\
             next,rewrite,-,o3,allow,1,0,0.25,0,0\r\n"
        );
        assert_eq!(Trials::default().sheet(), None, "no call differs");
    }

    #[test]
    fn what_a_candidate_would_do_in_a_word_that_nobody_knows_is_told_as_wrong() {
        let line = call("allow", PRICED, r#""tollgate.candidate.action":"fly""#);
        let draft = read_line(line.as_bytes()).unwrap().unwrap();
        assert_eq!(draft.finish(b""), Err(crate::problem::Problem::Wrong("tollgate.candidate.action")));
    }
}
