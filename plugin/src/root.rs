//! One configuration in one worker: its rules, stats and ids.

use crate::abi::{self, Level};
use crate::host::{self, ProxyStats, SharedData};
use crate::secret;
use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;
use tollgate_exchange::{
    AdminAnswer, AlertSender, Alerts, Brought, Cache, CandidateBatch, Gauges, GuardBatch, Head, HeaderPairs,
    InventoryBatch, Metered, Outbox, PolicyFile, QuotaChange, Refreshed, Rules, Settled, Settlement, Stats,
    UsageBatch, parse_admission, seen_here,
};
use tollgate_policy::{
    Admission, ConfigError, GiveBack, InHand, Op, ReservationId, SharedStore, StoreFailure, StoreRef, Swap,
    book_from,
};
use tollgate_record::Timestamp;
use tollgate_wire::DecoderMemory;

/// One configuration in one worker.
pub struct Root {
    pub rules: Rc<Rules>,
    pub stats: Stats,
    gauges: Gauges,
    /// For the live view, where the configuration has one.
    usage: Option<UsageBatch>,
    /// For the list of endpoints, likewise.
    inventory: Option<InventoryBatch>,
    /// In what a candidate differs, where there is one and a page to show it.
    candidate: CandidateBatch,
    /// What guards saw, where the configuration has some.
    guards: Option<GuardBatch>,
    /// When that was last merged by tick.
    flushed: Option<Timestamp>,
    ids: Option<ReservationId>,
    /// The configuration as it came, where prices or a policy may arrive for it later.
    json: Vec<u8>,
    arrived: Arrived,
    /// What this worker has told of alerts, and waits to hear of.
    pub alerts: AlertSender,
    /// Counters that a store outside hears of now and then.
    pub cache: Rc<RefCell<Cache>>,
    /// What this worker has put aside for its next calls.
    pub in_hand: Rc<RefCell<InHand>>,
}

/// What has arrived for a configuration.
#[derive(Clone, Default)]
struct Arrived {
    prices: Option<Arc<Refreshed>>,
    policy: Option<Arc<PolicyFile>>,
}

const TICK_MS: u32 = 250;

impl Root {
    /// Reads a configuration. It has no effect unless it is valid: refused ones are tried in every worker too.
    pub fn configure(
        json: &[u8],
        cache: &Rc<RefCell<Cache>>,
        in_hand: &Rc<RefCell<InHand>>,
        decoders: &DecoderMemory,
    ) -> Option<Self> {
        match compile(json, &Arrived::default(), None, decoders) {
            Ok(rules) => {
                declare_record();
                if abi::tick_every(tick_ms(&rules)).is_err() {
                    abi::log(
                        Level::Warn,
                        "tollgate: the host gives no ticks: held requests and settlements may wait",
                    );
                }
                warn_of_odd_rules(&rules);
                let json = if rules.feeds.is_empty() { Vec::new() } else { json.to_vec() };
                let usage = rules.admin.is_some().then(UsageBatch::default);
                let guards = rules.guards.is_some().then(GuardBatch::default);
                let inventory = rules.admin.is_some().then(InventoryBatch::default);
                Some(Self {
                    rules,
                    stats: Stats::default(),
                    gauges: Gauges::default(),
                    usage,
                    inventory,
                    candidate: CandidateBatch::default(),
                    guards,
                    flushed: None,
                    ids: None,
                    json,
                    arrived: Arrived::default(),
                    alerts: AlertSender::default(),
                    cache: Rc::clone(cache),
                    in_hand: Rc::clone(in_hand),
                })
            }
            Err(error) => {
                abi::log(Level::Error, &format!("tollgate: configuration refused: {error}"));
                None
            }
        }
    }

    /// Puts to use what has arrived, from the next call on. Calls that are under way keep the rules that admitted them.
    #[inline(never)]
    pub fn take(&mut self, brought: &Brought) -> Result<(), ConfigError> {
        let mut arrived = self.arrived.clone();
        match brought {
            Brought::Prices(prices) => arrived.prices = Some(Arc::clone(prices)),
            Brought::Policy(policy) => arrived.policy = Some(Arc::clone(policy)),
        }
        let (alerts, decoders) = (self.rules.alerts.clone(), &self.rules.decoder_memory);
        self.rules = compile(&self.json, &arrived, alerts, decoders)?;
        self.arrived = arrived;
        if matches!(brought, Brought::Policy(_)) {
            warn_of_odd_rules(&self.rules);
        }
        Ok(())
    }

    /// Sets the gauges of quotas when it is time.
    pub fn set_gauges(&mut self, now: Timestamp) {
        self.gauges.set(&self.rules, &SharedData, now, &mut ProxyStats);
    }

    /// The next call's id. The first call of a worker draws its number.
    pub fn next_id(&mut self, now: Timestamp) -> ReservationId {
        let mut id = self.ids.unwrap_or_else(|| worker_id(now));
        id.sequence = id.sequence.saturating_add(1);
        self.ids = Some(id);
        id
    }

    /// Emits a settled call and books it.
    pub fn emit(
        &mut self,
        settled: Settled,
        rules: Rc<Rules>,
        outbox: &mut Outbox<Settlement>,
        now: Timestamp,
    ) {
        if abi::set_property("tollgate", &settled.record.to_protobuf()).is_err() {
            self.stats.count_error("host", &mut ProxyStats);
        }
        for (name, value) in rules.property_texts(&settled.record) {
            let _seen_in_the_log_only = abi::set_property(&name, value.as_bytes());
        }
        if let Some(usage) = &mut self.usage {
            let lost = usage.add(&rules, &settled, now, &SharedData);
            self.count_store_errors(lost);
        }
        if settled.counts.tried
            && let (Some(candidate), true) = (&rules.candidate, rules.admin.is_some())
        {
            self.candidate.note(candidate, &settled, now);
        }
        if let Some(guards) = &mut self.guards {
            guards.add(&settled.counts.guarded);
        }
        for (store, ops) in &settled.bookings {
            match store {
                StoreRef::Local => self.book(ops, now),
                StoreRef::Remote(index) => match rules.stores.get(*index) {
                    Some(store) if store.sync_ms.is_some() => {
                        self.book(ops, now);
                        self.touch(store, ops, now);
                    }
                    Some(store) => {
                        let seen = seen_here(ops);
                        self.book(&seen, now);
                        outbox.push(Settlement::new(store, &settled.record.id, ops, now.unix_seconds()));
                    }
                    None => {}
                },
            }
        }
        self.stats.note(rules, settled, &SharedData, &mut ProxyStats);
    }

    /// Counts the calls that were settled and not counted yet.
    pub fn count_calls(&mut self) {
        self.stats.count_waiting(&SharedData, &mut ProxyStats);
    }

    /// Notes a call to an LLM host for the list of endpoints.
    pub fn note_endpoint(&mut self, head: &Head, metered: Metered, now: Timestamp) {
        if let Some(inventory) = &mut self.inventory {
            inventory.note(head, metered, now);
        }
    }

    /// Answers a request for one of the filter's own pages. `None` if it is for something else.
    pub fn answer_admin(
        &mut self,
        headers: &HeaderPairs,
        outbox: &mut Outbox<Settlement>,
    ) -> Option<AdminAnswer> {
        let rules = Rc::clone(&self.rules);
        let admin = rules.admin.as_ref().filter(|admin| admin.covers(headers.text(":path").unwrap_or("")))?;
        self.flush_usage();
        let now = host::now();
        self.in_hand.borrow_mut().settle_waiting(&SharedData, now.unix_seconds());
        let mut answer = admin.answer(&rules, headers, &|path| abi::property(path), &SharedData, now);
        if let Some(change) = answer.change.take() {
            self.steer(&rules, &change, &mut answer, outbox, now);
        }
        Some(answer)
    }

    /// Makes a change to a counter that somebody asked for, and has it in the log who did.
    #[inline(never)]
    fn steer(
        &mut self,
        rules: &Rules,
        change: &QuotaChange,
        answer: &mut AdminAnswer,
        outbox: &mut Outbox<Settlement>,
        now: Timestamp,
    ) {
        let ops = [change.op.clone()];
        let done = match change.store {
            StoreRef::Local => {
                let mut hand = self.in_hand.borrow_mut();
                book_from(&SharedData, &mut hand, &ops, now.unix_seconds()).is_empty()
            }
            StoreRef::Remote(index) => rules.stores.get(index).is_some_and(|store| {
                let id = format!("admin-{:x}", now.unix_nanos());
                outbox.push(Settlement::new(store, &id, &ops, now.unix_seconds()));
                true
            }),
        };
        if !done {
            answer.fail();
        }
        let how = if done { "" } else { ": failed, nothing was changed" };
        // Not for information only: logs are often kept from warnings on.
        abi::log(Level::Warn, &format!("tollgate: audit: {}{how}", change.audit));
    }

    /// By tick: a merge costs what the shared tables are long, so it is not done at every one.
    pub fn flush_usage_now_and_then(&mut self, now: Timestamp) {
        const EVERY_MS: u64 = 1000;
        let rests =
            self.flushed.and_then(|flushed| now.millis_since(flushed)).is_some_and(|ms| ms < EVERY_MS);
        if self.usage.is_some() && !rests {
            self.flushed = Some(now);
            self.flush_usage();
        }
    }

    /// Brings what this worker's calls came to into the tables that all workers share.
    pub fn flush_usage(&mut self) {
        if let Some(usage) = &mut self.usage {
            let lost = usage.flush(&self.rules, &SharedData);
            self.count_store_errors(lost);
        }
        if let Some(inventory) = &mut self.inventory {
            let _it_waits_for_the_next_time = inventory.flush(&self.rules.namespace, &SharedData);
        }
        self.candidate.flush(&SharedData);
    }

    /// By tick: takes what guards saw into the pasts that all workers share, and hears what departs from them.
    pub fn flush_guards(&mut self, now: Timestamp) {
        let Some(guards) = &mut self.guards else { return };
        let flushed = guards.flush(&self.rules, &SharedData, now);
        self.count_store_errors(flushed.failures);
        for departed in &flushed.departed {
            abi::log(Level::Warn, &format!("tollgate: {}", departed.text));
        }
        self.stats.count_guards(&self.rules, &flushed, &mut ProxyStats);
    }

    /// Brings all that waits for a tick to where it outlives this configuration.
    pub fn end(&mut self, now: Timestamp) {
        self.flush_usage();
        self.flush_guards(now);
        self.count_calls();
    }

    fn book(&mut self, ops: &[Op], now: Timestamp) {
        let lost = book_from(&SharedData, &mut self.in_hand.borrow_mut(), ops, now.unix_seconds());
        for _ in lost {
            self.stats.count_error("store", &mut ProxyStats);
        }
    }

    /// By tick: writes down what waits, gives back what no call has come for, and counts how often other workers went ahead of this one.
    pub fn tidy_hand(&mut self, which: GiveBack, now: Timestamp) {
        let mut hand = self.in_hand.borrow_mut();
        if !self.rules.quotas.is_empty() {
            hand.settle_for_others(&SharedData, now.unix_seconds());
        }
        if !hand.is_empty() {
            hand.give_back(&SharedData, which, now.unix_seconds());
        }
        for key in hand.take_conflicts() {
            self.stats.count_conflict(&key, &mut ProxyStats);
        }
        for key in hand.take_transient() {
            self.stats.count_transient(&key, &mut ProxyStats);
        }
        for (key, counters) in hand.take_crowds() {
            self.stats.count_crowd(&key, counters, &mut ProxyStats);
        }
    }

    /// Counts settlements that were lost or have to be sent again.
    pub fn count_store_errors(&mut self, count: u64) {
        for _ in 0..count {
            self.stats.count_error("store", &mut ProxyStats);
        }
    }
}

/// Both callers share one copy of the compiler's code. Calls that are under way raise their alerts where they always did, so these
/// are handed on.
#[inline(never)]
fn compile(
    json: &[u8],
    arrived: &Arrived,
    alerts: Option<Rc<Alerts>>,
    decoders: &DecoderMemory,
) -> Result<Rc<Rules>, ConfigError> {
    let mut rules = Rules::compile_with(json, arrived.policy.as_deref())?;
    rules.alerts = alerts.or(rules.alerts);
    // The memory is the VM's, whichever configuration a stream has.
    rules.decoder_memory = decoders.clone();
    secret::give_to(&rules);
    rules.hear_guards(&SharedData);
    Ok(Rc::new(match &arrived.prices {
        Some(prices) => rules.with_prices(prices),
        None => rules,
    }))
}

/// Stores that are told every so often need ticks that often.
fn tick_ms(rules: &Rules) -> u32 {
    rules.stores.iter().filter_map(|store| store.sync_ms).fold(TICK_MS, u32::min)
}

/// Reads a remote store's answer to an admission.
pub fn read_admission(
    status: Option<u16>,
    body: &[u8],
    id: &str,
    ops: &[Op],
    now: Timestamp,
) -> Result<Admission, StoreFailure> {
    parse_admission(status, body, id, ops, now.unix_seconds())
}

/// Milliseconds of the epoch.
pub fn millis(now: Timestamp) -> u64 {
    u64::try_from(now.unix_nanos().div_euclid(1_000_000)).unwrap_or(0)
}

/// Process and worker of this root. The process is named after the instant at which its first worker came by here;
/// workers are counted in shared data.
fn worker_id(now: Timestamp) -> ReservationId {
    let process = process(now);
    let worker = count_up("tg/1/workers").unwrap_or_else(uncounted);
    ReservationId { process, worker, sequence: 0 }
}

/// A number for a worker that shared data gives none: two workers with one number would give two calls one id, of which reports
/// and stores count one. It is above all that are counted.
fn uncounted() -> u32 {
    let bytes = abi::random().and_then(|bytes| bytes.first_chunk().copied());
    let number =
        bytes.map_or_else(|| u32::try_from(abi::now_nanos() & 0xFFFF_FFFF).unwrap_or(0), u32::from_le_bytes);
    number | 1 << 31
}

/// The number that names this process.
pub fn process(now: Timestamp) -> u64 {
    first_value("tg/1/process", u64::try_from(now.unix_nanos()).unwrap_or(0))
}

/// The value that the first of several writers gave a key.
fn first_value(key: &str, mine: u64) -> u64 {
    if SharedData.swap(key, &mine.to_le_bytes(), None) == Ok(Swap::Done) {
        return mine;
    }
    let stored = SharedData.read(key).ok().flatten();
    stored.and_then(|(bytes, _)| bytes.first_chunk::<8>().map(|b| u64::from_le_bytes(*b))).unwrap_or(mine)
}

fn count_up(key: &str) -> Option<u32> {
    for _ in 0..64 {
        let found = SharedData.read(key).ok()?;
        let count = found
            .as_ref()
            .and_then(|(bytes, _)| bytes.first_chunk::<4>())
            .map_or(0, |b| u32::from_le_bytes(*b));
        let next = count.checked_add(1)?;
        if SharedData.swap(key, &next.to_le_bytes(), found.map(|(_, cas)| cas)).ok()? == Swap::Done {
            return Some(next);
        }
    }
    None
}

/// Declares the record's property as a typed `google.protobuf.Struct`, so that access logs keep numbers as numbers.
///
/// The argument is Envoy's `DeclarePropertyArguments`: name 1, type 3 (3 is a protobuf message), schema 4, span 5 (0 is
/// the life of the stream).
fn declare_record() {
    const NAME: &[u8] = b"tollgate";
    const SCHEMA: &[u8] = b"type.googleapis.com/google.protobuf.Struct";
    let length = |text: &[u8]| u8::try_from(text.len()).unwrap_or(0);
    let argument = [&[0x0a, length(NAME)][..], NAME, &[0x18, 3, 0x22, length(SCHEMA)], SCHEMA].concat();
    if abi::foreign("declare_property", &argument).is_err() {
        abi::log(Level::Warn, "tollgate: the host cannot type properties: the record will show as bytes");
    }
}

fn warn_of_odd_rules(rules: &Rules) {
    for warning in rules.warnings() {
        abi::log(Level::Warn, &format!("tollgate: {warning}"));
    }
    for quota in rules.quotas.iter().filter(|quota| quota.outlives_a_day()) {
        let text = format!("tollgate: quota `{}` counts in this process and forgets at restart", quota.name);
        abi::log(Level::Warn, &text);
    }
}
