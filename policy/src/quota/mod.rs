//! Quotas: how much of something a window allows, per tag, provider or model.

mod demand;
mod projected;
mod raw;
mod steps;
mod store;

pub use demand::{CallPrice, Demand, Expected};
pub use projected::{Projection, warned};
pub use raw::compile_quotas;
pub(crate) use raw::dimension;
pub use steps::{Do, Ladder};
pub use store::{OnFailure, Protocol, Store, StoreRef};

use crate::dimension::{Dimension, escape, labels, unescape, write_values};
use crate::ledger::{Change, Lease, Listed, Op, SharedStore, Table};
use crate::selector::{Facts, Selector};
use crate::tags::{TagRules, Tags};
use crate::window::Window;
use std::sync::{Arc, OnceLock};
use tollgate_pricing::PicoUsd;

/// Whether a quota acts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Mode {
    /// It refuses what passes its limit.
    #[default]
    Enforce,
    /// It notes what it would have refused.
    Shadow,
}

impl Mode {
    /// Its name in the configuration.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Enforce => "enforce",
            Self::Shadow => "shadow",
        }
    }
}

/// What a quota counts, and how much of it a window allows: pico-USD, tokens or requests.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limit {
    /// What is counted.
    pub charge: Charge,
    /// How much a window allows, in that unit.
    pub amount: i128,
}

/// What a quota counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Charge {
    /// Pico-USD of cost.
    Usd,
    /// Input and output tokens.
    Tokens,
    /// Input tokens.
    InputTokens,
    /// Output tokens.
    OutputTokens,
    /// Calls.
    Requests,
    /// Calls that run at the same time.
    InFlight,
}

impl Charge {
    /// All of them, by their names in the configuration.
    const ALL: [Self; 6] =
        [Self::Usd, Self::Tokens, Self::InputTokens, Self::OutputTokens, Self::Requests, Self::InFlight];

    /// Its name in the configuration.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Usd => "usd",
            Self::Tokens => "tokens",
            Self::InputTokens => "input_tokens",
            Self::OutputTokens => "output_tokens",
            Self::Requests => "requests",
            Self::InFlight => "in_flight",
        }
    }

    /// An amount of it as it is shown: USD, or a count.
    pub fn shown(self, amount: i128) -> String {
        match self {
            Self::Usd => PicoUsd::from_pico(amount).to_string(),
            _ => amount.to_string(),
        }
    }

    /// Whether the answer's length counts.
    pub const fn counts_output(self) -> bool {
        matches!(self, Self::Usd | Self::Tokens | Self::OutputTokens)
    }
}

/// How much is put aside for a call before it is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reserve {
    /// Of its answer.
    pub output: ReservedOutput,
    /// Never more than so many output tokens; under [`ReservedOutput::Requested`] the limit that a request gets that has none.
    pub cap: u64,
}

impl Default for Reserve {
    fn default() -> Self {
        Self { output: ReservedOutput::Typical, cap: u64::MAX }
    }
}

/// How long the answer is taken to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReservedOutput {
    /// As long as 95 of 100 answers of the same counter at most, and never longer than the request allows.
    Typical,
    /// As long as the request allows.
    Requested,
    /// So many tokens.
    Tokens(u64),
}

/// What becomes of a running stream once the limit is passed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum MidStream {
    /// It goes on to its end.
    #[default]
    Finish,
    /// It is ended.
    Cut,
}

/// What a call turned out to use; what is not known is `None` and is booked as nothing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// Its cost.
    pub cost: Option<PicoUsd>,
    /// Its input tokens.
    pub input: Option<u64>,
    /// Its output tokens.
    pub output: Option<u64>,
}

/// A quota that can be evaluated.
#[derive(Clone, Debug)]
pub struct QuotaRule {
    /// Its name.
    pub name: String,
    /// Which calls it is about.
    pub when: Selector,
    /// What it allows, where no override says otherwise.
    pub limit: Limit,
    /// In which span of time.
    pub window: Window,
    /// What happens on the way to the limit.
    pub steps: Ladder,
    /// What becomes of running streams.
    pub mid_stream: MidStream,
    /// How much is put aside.
    pub reserve: Reserve,
    /// Whether it acts.
    pub mode: Mode,
    /// Where it is counted.
    pub store: StoreRef,
    /// Of what percentage of the limit is to be warned, if the window's trend would pass it.
    pub warn_when_projected: Option<i128>,
    overrides: Vec<(Selector, i128)>,
    knows_its_scope: bool,
    per: Vec<Dimension>,
    /// Where its counters stand, put together at the first call: a rule is only ever used under one namespace.
    place: OnceLock<Place>,
}

/// Where the counters of a quota stand.
#[derive(Clone, Debug)]
struct Place {
    /// What the keys of its counters begin with.
    prefix: String,
    /// `None` for a quota that has one counter only.
    table: Option<Arc<Table>>,
}

/// One quota's counter that a call was admitted under.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Quota {
    /// The rule's index.
    pub rule: usize,
    /// What it counts.
    pub charge: Charge,
    /// How much its window allows this call's counter, before any step.
    pub limit: i128,
    /// How the counter is found and changed.
    pub op: Op,
    /// Whether the answer's length tells what is usual here.
    learns: bool,
}

impl QuotaRule {
    /// Whether the model has to be known before the quota can be looked up.
    pub fn needs_model(&self) -> bool {
        self.when.needs_model()
            || self.per.contains(&Dimension::Model)
            || self.overrides.iter().any(|(when, _)| when.needs_model())
    }

    /// Whether a tag that the body, not read yet, may decide has to be known before the quota can be looked up.
    pub fn needs_open_tag(&self, tags: &Tags) -> bool {
        let open = |dimension: &Dimension| matches!(dimension, Dimension::Tag(index) if tags.is_open(*index));
        let overridden = self.overrides.iter().any(|(when, _)| when.needs_open_tag(tags));
        overridden || self.when.needs_open_tag(tags) || self.per.iter().any(open)
    }

    /// Whether the request's body says what has to be known: the model, the bound of the answer.
    pub fn needs_body(&self) -> bool {
        self.needs_model() || self.limit.charge.counts_output() || self.steps.rewrites()
    }

    /// Whether it counts calls, whatever they ask for.
    pub fn counts_calls(&self) -> bool {
        matches!(self.limit.charge, Charge::Requests | Charge::InFlight)
    }

    /// Whether a limit on the answer may have to be written into the request.
    pub fn bounds_output(&self) -> bool {
        self.limit.charge.counts_output() && self.reserve.output == ReservedOutput::Requested
    }

    /// Whether the proxy has to be asked for its route and cluster.
    pub fn needs_route(&self) -> bool {
        self.when.needs_route() || self.overrides.iter().any(|(when, _)| when.needs_route())
    }

    /// Whether it is counted in this process only, over a day or longer, so that a restart makes it forget; nobody has
    /// said that this is known.
    pub fn outlives_a_day(&self) -> bool {
        let (start, end) = self.window.span(0);
        let long = end.saturating_sub(start) >= 86_400 && self.window != Window::Now;
        self.store == StoreRef::Local && long && !self.knows_its_scope
    }

    /// The counter of this rule that a call falls under, with the change that admits it; `None` if the rule is
    /// not about the call.
    pub fn admit(&self, rule: usize, namespace: &str, facts: &Facts<'_>, demand: &Demand) -> Option<Quota> {
        self.when.matches(facts).then(|| {
            let limit = self.limit_for(facts);
            let change = Change::Reserve {
                amount: demand.amount(self.limit.charge, self.reserve),
                limit: self.steps.refuses_at(limit),
            };
            let op = Op {
                keeps_below: self.keeps_below(limit),
                stays_from: self.steps.refuses_at(limit),
                ..self.op_at(namespace, |key| write_values(key, &self.per, facts), change)
            };
            let learns = self.limit.charge.counts_output() && self.reserve.output == ReservedOutput::Typical;
            Quota { rule, charge: self.limit.charge, limit, op, learns }
        })
    }

    /// A change to the counter of these values, already escaped and joined.
    pub fn op(&self, namespace: &str, values: &str, change: Change) -> Op {
        self.op_at(namespace, |key| key.push_str(values), change)
    }

    /// The same where the values have still to be written behind the key's beginning: a call makes one key for each of its quotas.
    fn op_at(&self, namespace: &str, write_values: impl FnOnce(&mut String), change: Change) -> Op {
        let place = self.place.get_or_init(|| {
            let base = self.base(namespace);
            let prefix = format!("{base}/v");
            Place { prefix, table: (!self.per.is_empty()).then(|| Arc::new(Table::new(base))) }
        });
        let mut key = String::with_capacity(place.prefix.len().saturating_add(USUAL_VALUES));
        key.push_str(&place.prefix);
        write_values(&mut key);
        let (key, window) = (key.into(), self.window);
        Op { key, table: place.table.clone(), window, change, keeps_below: 0, stays_from: 0 }
    }

    /// The counters that it has in this process, by their values, out of at most so many pages of a shared store.
    #[cold]
    #[inline(never)]
    pub fn counters(&self, namespace: &str, store: &dyn SharedStore, most_pages: usize) -> Listed {
        let op = self.op(namespace, "", Change::Reset);
        match &op.table {
            Some(table) => table.list(store, most_pages),
            None => {
                let only = op.entry(store).ok().flatten().map(|entry| (String::new(), entry));
                Listed {
                    in_all: u64::from(only.is_some()),
                    counters: only.into_iter().collect(),
                    estimated: false,
                }
            }
        }
    }

    /// Below which sum a worker may put more aside than a call needs: where no step looks at how full the counter is.
    fn keeps_below(&self, limit: i128) -> i128 {
        if self.limit.charge == Charge::InFlight || self.mid_stream == MidStream::Cut {
            return 0;
        }
        let first_step = self.steps.begin_at(limit).unwrap_or(i128::MAX);
        let projects = self.projects_nothing_below(limit).unwrap_or(i128::MAX);
        first_step.min(projects).min(self.steps.refuses_at(limit))
    }

    /// What the keys of all its counters begin with.
    pub fn base(&self, namespace: &str) -> String {
        format!("tg/1/{}/quota/{}", escape(namespace), escape(&self.name))
    }

    /// Why the quota, or one of its overrides, is about no call: the path of the field and the reason.
    #[cold]
    pub fn impossible(&self, tags: &TagRules) -> Option<(String, String)> {
        let own = self.when.impossible(tags).map(|(field, why)| (format!("when.{field}"), why));
        own.or_else(|| {
            self.overrides.iter().enumerate().find_map(|(place, (when, _))| {
                let (field, why) = when.impossible(tags)?;
                Some((format!("overrides[{place}].when.{field}"), why))
            })
        })
    }

    /// In how many seconds a counter of which so much is used will be empty if its window goes on as it began; `None` if it will not be
    /// before the window is over, or nothing was used yet.
    pub fn empty_in(&self, used: i128, limit: i128, now: i64) -> Option<i64> {
        let (start, end) = self.window.span(now);
        let passed = i128::from(now.checked_sub(start).filter(|passed| *passed > 0)?);
        let left = limit.checked_sub(used)?.max(0);
        let until = i64::try_from(left.checked_mul(passed)?.checked_div(used)?).ok()?;
        (used > 0 && now.checked_add(until)? < end).then_some(until)
    }

    /// What stands in the key of the counter of these values; `None` if the quota counts by more or fewer.
    pub fn values_key(&self, values: &[String]) -> Option<String> {
        let key = values.iter().fold(String::new(), |key, value| key + "/" + &escape(value));
        (values.len() == self.per.len()).then_some(key)
    }

    /// By how many values it counts.
    pub fn counts_by(&self) -> usize {
        self.per.len()
    }

    /// The values that a counter is about, as they stand in its key.
    pub fn values_of<'a>(&self, namespace: &str, key: &'a str) -> &'a str {
        let values = key.strip_prefix(&self.base(namespace)).and_then(|rest| rest.strip_prefix("/v"));
        values.unwrap_or_default().trim_start_matches('/')
    }

    /// How much a window allows this call's counter; the first override that is about the call wins.
    fn limit_for(&self, facts: &Facts<'_>) -> i128 {
        let own = self.overrides.iter().find(|(when, _)| when.matches(facts));
        own.map_or(self.limit.amount, |(_, amount)| *amount)
    }

    /// How much a window allows the counter of these values, as they stand in its key behind `v`. An override that asks for
    /// more than they say is not found.
    pub fn limit_of(&self, tag_names: &[String], values: &str) -> i128 {
        if self.overrides.is_empty() {
            return self.limit.amount;
        }
        let values: Vec<String> = values.split('/').skip(1).map(unescape).collect();
        let of = |wanted: Dimension| {
            let place = self.per.iter().position(|dimension| *dimension == wanted)?;
            values.get(place)
        };
        let carried =
            tag_names.iter().enumerate().map(|(i, name)| (name.clone(), of(Dimension::Tag(i)).cloned()));
        let tags = Tags::new(carried.collect());
        self.limit_for(&Facts {
            tags: &tags,
            provider: of(Dimension::Provider).map_or("", String::as_str),
            model: of(Dimension::Model).map(String::as_str),
            operation: "",
            host: "",
            path: "",
            route: None,
            cluster: None,
        })
    }

    /// Names and values of what a counter is about, from the values in its key behind `v`.
    pub fn labels_of(&self, tag_names: &[String], values: &str) -> Vec<(String, String)> {
        labels(&self.per, tag_names, values)
    }
}

/// Room for the values in a key; longer ones make their own.
const USUAL_VALUES: usize = 48;

impl Quota {
    /// The change that books what the call really used.
    pub fn settle(&self, lease: Lease, usage: &Usage, sent: Sent) -> Op {
        let tokens = |count: Option<u64>| count.map_or(0, i128::from);
        let actual = match (sent, self.charge) {
            (Sent::No, _) | (_, Charge::InFlight) => 0,
            (Sent::Yes, Charge::Requests) => 1,
            (Sent::Yes, Charge::Usd) => usage.cost.map_or(0, PicoUsd::pico),
            (Sent::Yes, Charge::InputTokens) => tokens(usage.input),
            (Sent::Yes, Charge::OutputTokens) => tokens(usage.output),
            (Sent::Yes, Charge::Tokens) => [usage.input, usage.output].map(tokens).iter().sum(),
        };
        let output = usage.output.filter(|_| self.learns && sent == Sent::Yes);
        Op { change: Change::Settle { lease, actual, output }, ..self.op.clone() }
    }
}

/// Whether a call went upstream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sent {
    /// It did.
    Yes,
    /// It did not: nothing was used.
    No,
}
