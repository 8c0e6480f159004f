//! What a workflow costs: calls that one task of an agent made belong together by a tag.

use std::collections::HashMap;
use std::hash::BuildHasher;

use foldhash::fast::RandomState;
use foldhash::quality::FixedState;
use tollgate_policy::UNTAGGED;
use tollgate_pricing::PicoUsd;

use crate::row::Row;
use crate::sheet::{Cell, Chart, Sheet};
use crate::sums::Money;

/// How many workflows are followed: clients may invent any number of them, and memory is bounded.
const MAX_WORKFLOWS: usize = 300_000;
/// How many of the dearest ones are shown by name.
const SHOWN: usize = 20;

/// Calls and cost of each workflow of each feature.
#[derive(Clone, Debug)]
pub struct Workflows {
    tag: String,
    feature_tag: String,
    features: HashMap<Box<str>, Flows, RandomState>,
    followed: usize,
    max: usize,
    /// One in 2 to the power of this is followed. It depends on their names alone which ones: those are told whole, whatever
    /// the order of the calls and however many threads add them up.
    thinned: u32,
    /// Calls of the others.
    not_followed: Flow,
    without: u64,
}

/// Cost, workflow, feature.
type Named<'a> = (PicoUsd, &'a str, &'a str, &'a Flow);
type Flows = HashMap<Box<str>, Flow, RandomState>;

#[derive(Clone, Copy, Debug, Default)]
struct Flow {
    calls: u64,
    cost: Money,
}

impl Flow {
    fn merge(&mut self, calls: u64, cost: PicoUsd) {
        self.calls = self.calls.saturating_add(calls);
        self.cost.add(cost);
    }
}

impl Workflows {
    /// By these tags' names.
    pub fn new(tag: &str, feature_tag: &str) -> Self {
        Self {
            tag: tag.to_owned(),
            feature_tag: feature_tag.to_owned(),
            features: HashMap::default(),
            followed: 0,
            max: MAX_WORKFLOWS,
            thinned: 0,
            not_followed: Flow::default(),
            without: 0,
        }
    }

    /// Takes a call.
    pub fn add(&mut self, row: &Row<'_>) {
        match row.tag(&self.tag) {
            None | Some(UNTAGGED) => self.without = self.without.saturating_add(1),
            Some(workflow) => {
                let feature = row.tag(&self.feature_tag).unwrap_or(UNTAGGED);
                self.pay(feature, workflow, 1, row.usd.unwrap_or(PicoUsd::ZERO));
            }
        }
    }

    fn pay(&mut self, feature: &str, workflow: &str, calls: u64, cost: PicoUsd) {
        if !is_followed(workflow, self.thinned) {
            return self.not_followed.merge(calls, cost);
        }
        if let Some(flow) = self.features.get_mut(feature).and_then(|flows| flows.get_mut(workflow)) {
            return flow.merge(calls, cost);
        }
        let flows = self.features.entry(feature.into()).or_default();
        flows.entry(workflow.into()).or_default().merge(calls, cost);
        self.followed = self.followed.saturating_add(1);
        self.thin_out();
    }

    /// Follows half of them, until they are few enough.
    fn thin_out(&mut self) {
        while self.followed > self.max {
            self.thinned = self.thinned.saturating_add(1);
            self.drop_others();
        }
    }

    fn drop_others(&mut self) {
        let (thinned, others) = (self.thinned, &mut self.not_followed);
        for flows in self.features.values_mut() {
            flows.retain(|workflow, flow| {
                let stays = is_followed(workflow, thinned);
                if !stays {
                    others.merge(flow.calls, flow.cost.amount());
                }
                stays
            });
        }
        self.features.retain(|_, flows| !flows.is_empty());
        self.followed = self.features.values().map(HashMap::len).sum();
    }

    /// Takes all that another one took.
    pub fn merge(&mut self, other: Self) {
        if other.thinned > self.thinned {
            self.thinned = other.thinned;
            self.drop_others();
        }
        for (feature, flows) in other.features {
            for (workflow, flow) in flows {
                self.pay(&feature, &workflow, flow.calls, flow.cost.amount());
            }
        }
        self.not_followed.merge(other.not_followed.calls, other.not_followed.cost.amount());
        self.without = self.without.saturating_add(other.without);
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.features.is_empty()
    }

    /// By feature: how many, and what the usual and the dear ones cost.
    pub fn sheet(&self) -> Sheet {
        let mut sheet = Sheet::new("workflow", "Workflows, by feature").texts(["feature"]).numbers([
            "workflows",
            "calls",
            "cost_usd",
            "p50_usd",
            "p95_usd",
            "max_usd",
        ]);
        let mut features: Vec<_> =
            self.features.iter().map(|(name, flows)| (name, Costs::of(flows))).collect();
        features.sort_by(|(name, one), (other_name, other)| {
            other.total.amount().cmp(&one.total.amount()).then_with(|| name.cmp(other_name))
        });
        sheet.rows = features.iter().map(|(name, costs)| costs.row(name)).collect();
        sheet.drawn(Chart::Bars(5))
    }

    /// The dearest ones.
    pub fn dearest(&self) -> Sheet {
        let mut sheet = Sheet::new("dearest_workflows", "The dearest workflows")
            .texts(["workflow", "feature"])
            .numbers(["calls", "cost_usd"]);
        let mut flows: Vec<Named<'_>> = self
            .features
            .iter()
            .flat_map(|(feature, flows)| {
                flows
                    .iter()
                    .map(move |(name, flow)| (flow.cost.amount(), name.as_ref(), feature.as_ref(), flow))
            })
            .collect();
        let dearest_first = |one: &Named<'_>, other: &Named<'_>| {
            other.0.cmp(&one.0).then_with(|| (one.1, one.2).cmp(&(other.1, other.2)))
        };
        if flows.len() > SHOWN {
            flows.select_nth_unstable_by(SHOWN, dearest_first);
            flows.truncate(SHOWN);
        }
        flows.sort_by(dearest_first);
        sheet.rows = flows
            .into_iter()
            .map(|(_, name, feature, flow)| {
                vec![name.into(), feature.into(), Cell::count(flow.calls), flow.cost.into()]
            })
            .collect();
        sheet
    }

    /// What limits the answer.
    pub fn notes(&self) -> Vec<String> {
        let mut notes = Vec::new();
        if self.without > 0 && !self.is_empty() {
            notes.push(format!("{} calls carry no tag `{}` and are in no workflow", self.without, self.tag));
        }
        if self.not_followed.calls > 0 {
            notes.push(format!(
                "there are too many workflows to follow each: one in {} is, whole; {} calls of the others, {} USD, are in no row of them",
                1_u128.checked_shl(self.thinned).unwrap_or(u128::MAX),
                self.not_followed.calls,
                self.not_followed.cost.amount()
            ));
        }
        notes
    }
}

/// Whether a workflow is one of those that are left when half of them were dropped so many times.
fn is_followed(workflow: &str, thinned: u32) -> bool {
    thinned == 0 || FixedState::with_seed(0).hash_one(workflow).trailing_zeros() >= thinned
}

/// The costs of one feature's workflows, in ascending order.
struct Costs {
    sorted: Vec<PicoUsd>,
    calls: u64,
    total: Money,
}

impl Costs {
    fn of(flows: &Flows) -> Self {
        let mut costs = Self { sorted: Vec::with_capacity(flows.len()), calls: 0, total: Money::default() };
        for flow in flows.values() {
            costs.sorted.push(flow.cost.amount());
            costs.calls = costs.calls.saturating_add(flow.calls);
            costs.total.add(flow.cost.amount());
        }
        costs.sorted.sort_unstable();
        costs
    }

    fn row(&self, name: &str) -> Vec<Cell> {
        let rank = |percent: usize| Cell::usd(quantile(&self.sorted, percent));
        vec![
            name.into(),
            Cell::count(i128::try_from(self.sorted.len()).unwrap_or(i128::MAX)),
            Cell::count(self.calls),
            self.total.into(),
            rank(50),
            rank(95),
            rank(100),
        ]
    }
}

/// The smallest value that at least so many percent of all do not exceed: always one that was seen.
pub fn quantile(sorted: &[PicoUsd], percent: usize) -> Option<PicoUsd> {
    let rank = sorted.len().checked_mul(percent)?.div_ceil(100).max(1);
    sorted.get(rank.checked_sub(1)?).copied()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::render::csv;
    use std::borrow::Cow;

    fn call(feature: &'static str, workflow: Option<&'static str>, pico: i128) -> Row<'static> {
        let mut tags: Vec<(Cow<'static, str>, Cow<'static, str>)> = vec![("feature".into(), feature.into())];
        tags.extend(workflow.map(|workflow| ("workflow".into(), workflow.into())));
        Row { tags, usd: Some(PicoUsd::from_pico(pico * 1_000_000_000_000)), ..Row::default() }
    }

    fn flows() -> [Row<'static>; 6] {
        [
            call("a", Some("w1"), 1),
            call("a", Some("w1"), 2),
            call("a", Some("w2"), 10),
            call("b", Some("w1"), 4),
            call("b", None, 100),
            call("a", Some("untagged"), 100),
        ]
    }

    #[test]
    fn calls_of_one_task_belong_together() {
        let mut both = [Workflows::new("workflow", "feature"), Workflows::new("workflow", "feature")];
        flows().iter().enumerate().for_each(|(place, row)| both[place % 2].add(row));
        let [mut one, other] = both;
        one.merge(other);
        let expected = "feature,workflows,calls,cost_usd,p50_usd,p95_usd,max_usd\r\na,2,3,13,3,10,10\r\nb,1,1,4,4,4,4\r\n";
        assert_eq!(csv(&one.sheet()), expected);
        assert_eq!(
            csv(&one.dearest()),
            "workflow,feature,calls,cost_usd\r\nw2,a,1,10\r\nw1,b,1,4\r\nw1,a,2,3\r\n"
        );
        assert_eq!(one.notes(), ["2 calls carry no tag `workflow` and are in no workflow"]);
    }

    #[test]
    fn of_too_many_the_same_ones_are_followed_whatever_the_order() {
        let names: Vec<String> = (0..500).map(|number| format!("w{number}")).collect();
        let rows: Vec<Row<'_>> = (0..2000)
            .map(|call| Row {
                tags: vec![("workflow".into(), names[call * 7 % 500].as_str().into())],
                usd: Some(PicoUsd::from_pico(1_000_000_000_000)),
                ..Row::default()
            })
            .collect();
        let told = |threads: usize, is_backward: bool| {
            let bounded = Workflows { max: 50, ..Workflows::new("workflow", "feature") };
            let mut parts = vec![bounded; threads];
            let place = |place: usize| if is_backward { rows.len() - 1 - place } else { place };
            (0..rows.len()).for_each(|call| parts[call % threads].add(&rows[place(call)]));
            let mut parts = parts.into_iter();
            let mut all = parts.next().unwrap();
            parts.for_each(|part| all.merge(part));
            (csv(&all.sheet()), csv(&all.dearest()), all.notes())
        };
        let (sheet, dearest, notes) = told(1, false);
        for (threads, is_backward) in [(1, true), (2, false), (3, true)] {
            assert_eq!(told(threads, is_backward), (sheet.clone(), dearest.clone(), notes.clone()));
        }
        // Each of the 2,000 calls costs a dollar, and a workflow that is followed has all of its four.
        let row: Vec<usize> =
            sheet.lines().nth(1).unwrap().split(',').skip(1).map(|cell| cell.parse().unwrap()).collect();
        let (followed, calls) = (row[0], row[1]);
        assert!((10..=50).contains(&followed) && calls == 4 * followed, "{sheet}");
        let others =
            format!("one in 16 is, whole; {} calls of the others, {} USD", 2000 - calls, 2000 - calls);
        assert!(notes[0].contains(&others), "{notes:?}");
    }

    #[test]
    fn quantiles_are_values_that_were_seen() {
        let costs: Vec<_> = (1..=20).map(PicoUsd::from_pico).collect();
        for (percent, expected) in [(50, 10), (95, 19), (100, 20), (0, 1)] {
            assert_eq!(quantile(&costs, percent), Some(PicoUsd::from_pico(expected)), "{percent}");
        }
        assert_eq!(quantile(&[], 50), None);
    }
}
