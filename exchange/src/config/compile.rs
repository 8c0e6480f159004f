//! Raw configuration -> rules that cannot be invalid.

use super::by_hand::ByHand;
use super::candidate::{self, Candidate};
use super::emit::{ResponseHeader, View, max_series, response_headers, views};
use super::feeds::feeds;
use super::pricing::{adjustments, price_book, trusted, unknown_model};
use super::property::Property;
use super::raw::{RawConfig, RawEstimate, RawHold, RawUnbudgeted};
use super::structs::from_struct;
use super::upstream::Upstream;
use crate::admin::Admin;
use crate::agents::Agents;
use crate::alerts::Alerts;
use crate::bill::LastPrices;
use crate::feed::FeedSource;
use crate::guards::{Guards, watches_repeats};
use crate::refresh::PolicyFile;
use crate::target::Targets;
use crate::waste::Wastes;
use serde_json::Value;
use sha2::{Digest, Sha256};
use std::fmt::Write;
use std::rc::Rc;
use std::sync::Arc;
use tollgate_policy::{
    ConfigError, Facts, GuardRule, LimitRule, LoopRule, MidStream, Object, Otherwise, QuotaRule, Required,
    RouteRule, Selector, Store, TagRules, Watch, compile_guards, compile_limits, compile_loops,
    compile_quotas, compile_retries, compile_routes, compile_tags, compile_waste,
};
use tollgate_pricing::{Factor, PriceBook, Refreshed};
use tollgate_record::Record;
use tollgate_wire::{DecoderMemory, Pointers, Vocabulary};

/// A configuration that can be applied. Streams hold on to the rules that admitted them.
#[derive(Debug)]
pub struct Rules {
    /// Keeps two listeners' counters apart.
    pub namespace: String,
    /// How a request waits for its body where a rule needs it.
    pub hold: Hold,
    /// Which provider answers, where the configuration says so.
    pub upstreams: Vec<Upstream>,
    /// What the decoders of its calls may hold together; an adapter puts one for all configurations of its worker here.
    pub decoder_memory: DecoderMemory,
    /// How tokens are counted that nobody reports.
    pub estimate: Estimate,
    /// The tags.
    pub tags: TagRules,
    /// The places in a request's body that some tag reads.
    pub pointers: Pointers,
    /// The quotas.
    pub quotas: Vec<QuotaRule>,
    /// Whether some quota ends running streams.
    pub cuts: bool,
    /// Which models a call may have.
    pub routes: Vec<RouteRule>,
    /// Bounds on single calls.
    pub limits: Vec<LimitRule>,
    /// What becomes of calls that no quota is about.
    pub unbudgeted: Otherwise,
    /// What departs from its own past.
    pub guards: Option<Box<Guards>>,
    /// What has a memory: rules about agents and retries.
    pub agents: Option<Box<Agents>>,
    /// How calls are looked at for waste, where the configuration asks for it.
    pub waste: Option<Box<Wastes>>,
    /// What becomes of calls that ask what they would cost: refused, or told.
    pub dry_run: Otherwise,
    /// Stores outside this process.
    pub stores: Vec<Store>,
    /// All prices: the catalogue and the operator's own.
    pub prices: PriceBook,
    /// Where prices and policy come from while the filter runs.
    pub feeds: Vec<FeedSource>,
    /// What happens to a call whose model neither catalogue nor configuration knows.
    pub unknown_model: UnknownModel,
    /// Discounts and mark-ups, in order.
    pub adjustments: Vec<Adjustment>,
    /// Providers whose own figure is the cost.
    pub trusted_costs: Vec<String>,
    /// The label sets under which stats are kept.
    pub views: Vec<View>,
    /// How many label sets each view may have.
    pub max_series: usize,
    /// Whether stats are kept under OpenTelemetry's names too.
    pub otel: bool,
    /// Which headers responses get.
    pub response_headers: Vec<ResponseHeader>,
    /// Which parts of the record are also set as plain strings.
    pub properties: Vec<Property>,
    /// What is to be told when it happens, where the configuration wants that. Rules that take the place of others for the same
    /// configuration share it.
    pub alerts: Option<Rc<Alerts>>,
    /// Pages of the filter itself, where the configuration has them.
    pub admin: Option<Admin>,
    /// Whether any rule asks for the proxy's route or cluster.
    pub needs_route: bool,
    /// Whom requests called under these rules.
    pub(crate) targets: Targets,
    pub(crate) last_prices: LastPrices,
    /// Rules that judge the same calls and never act.
    pub candidate: Option<Box<Candidate>>,
    /// Digest of the configuration, the record's `tollgate.config.version`.
    pub version: String,
    /// Digest of all prices, the record's `tollgate.price.version`.
    pub price_version: String,
}

/// How a request waits for its body where a rule needs it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hold {
    /// Headers and body wait. Needs `allow_on_headers_stop_iteration` in the proxy's plugin configuration.
    Headers,
    /// Only the body waits: refusing works, rewriting does not.
    Body,
    /// Nothing waits; rules that need the body see no model.
    Never,
}

/// How tokens are counted that nobody reports.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Estimate {
    /// With a vocabulary where one is compiled in, else not at all.
    Auto,
    /// By the length of the texts.
    Bytes,
    /// Not at all.
    Never,
}

impl Estimate {
    /// Whether bodies have to be searched for texts.
    pub fn counts(self) -> bool {
        match self {
            Self::Auto => Vocabulary::IS_HERE,
            Self::Bytes => true,
            Self::Never => false,
        }
    }
}

impl From<RawEstimate> for Estimate {
    fn from(raw: RawEstimate) -> Self {
        match raw {
            RawEstimate::Auto => Self::Auto,
            RawEstimate::Bytes => Self::Bytes,
            RawEstimate::Never => Self::Never,
        }
    }
}

/// What happens to a call whose model neither catalogue nor configuration knows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum UnknownModel {
    /// Its record says so.
    Record,
    /// It is refused.
    Deny,
    /// It is priced as another model of the same provider.
    PriceAs(String),
}

/// A discount or a mark-up on the calls that `when` selects.
#[derive(Debug)]
pub struct Adjustment {
    pub(super) when: Selector,
    /// What list prices are multiplied by.
    pub factor: Factor,
    /// The same as the configuration has it: in percent, below zero for a discount.
    pub percent: String,
}

impl Rules {
    /// Reads and checks a configuration. Nothing at all, and white space, mean `{}`.
    pub fn compile(bytes: &[u8]) -> Result<Self, ConfigError> {
        Self::compile_with(bytes, None)
    }

    /// The same with a policy that has arrived, whose members go before the configuration's.
    pub fn compile_with(bytes: &[u8], policy: Option<&PolicyFile>) -> Result<Self, ConfigError> {
        let mut value = parsed(bytes)?;
        let version = match policy {
            Some(policy) => digest(&format!("{value}{}", policy.version())),
            None => digest(&value.to_string()),
        };
        let candidate = candidate::take_out_of(&mut value, policy);
        let mut rules = Self::from_value(value, policy, version)?;
        if rules.namespace.contains(char::is_control) {
            return Err(ConfigError::new("namespace", "must not contain control characters"));
        }
        // What is wrong with the active part is told first.
        if let Some(written) = candidate? {
            let candidate = written.compile(&rules)?;
            rules.needs_route |= candidate.rules.needs_route;
            rules.candidate = Some(Box::new(candidate));
        }
        Ok(rules)
    }

    /// A configuration without its candidate, or a candidate.
    #[inline(never)]
    pub(super) fn from_value(
        mut value: Value,
        policy: Option<&PolicyFile>,
        version: String,
    ) -> Result<Self, ConfigError> {
        let by_hand = ByHand::take_out_of(&mut value, policy);
        let Object(raw): Object<RawConfig> = serde_path_to_error::deserialize(value)
            .map_err(|e| ConfigError::new(e.path().to_string(), e.into_inner().to_string()))?;
        Self::from_raw(&raw, &by_hand, version)
    }

    fn from_raw(raw: &RawConfig, by_hand: &ByHand, version: String) -> Result<Self, ConfigError> {
        let tags = compile_tags(&raw.tags, &raw.virtual_keys)?;
        let pointers = Pointers::new(tags.pointers().iter().map(String::as_str))
            .map_err(|problem| ConfigError::new("tags", problem.to_string()))?;
        let (quotas, stores) = compile_quotas(&by_hand.quotas, &by_hand.stores, tags.names())?;
        let routes = compile_routes(&by_hand.routes, tags.names(), &quotas)?;
        let limits = compile_limits(&by_hand.limits, tags.names())?;
        let mut loops = compile_loops(&by_hand.loops, tags.names())?;
        let retries = compile_retries(&by_hand.retries, tags.names())?;
        let namespace = raw.namespace.clone().unwrap_or_else(|| "default".to_owned());
        let waste = compile_waste(&by_hand.waste, tags.names())?;
        let waste = waste.map(|rule| Wastes::new(rule, &namespace));
        let guards = compile_guards(&by_hand.guards, tags.names())?;
        check_tags_of(&guards, &tags)?;
        remember_turns(&guards, &mut loops)?;
        let agents = Agents::new(loops, retries, &routes, &namespace);
        let upstreams = each("upstreams", &raw.upstreams, |raw| Upstream::compile(&raw.0))?;
        let prices = price_book(&raw.pricing.0)?;
        let adjustments = adjustments(&raw.pricing.0, tags.names())?;
        let mut rules = Self {
            namespace,
            hold: raw.hold.into(),
            upstreams,
            decoder_memory: DecoderMemory::default(),
            estimate: raw.estimate.into(),
            pointers,
            cuts: quotas.iter().any(|quota| quota.mid_stream == MidStream::Cut),
            quotas,
            routes,
            limits,
            unbudgeted: raw.unbudgeted.into(),
            guards: Guards::new(guards),
            agents,
            waste,
            dry_run: raw.dry_run.map_or(Otherwise::Deny, Otherwise::from),
            stores,
            price_version: prices.version().to_owned(),
            prices,
            feeds: feeds(&by_hand.price_feed, &by_hand.policy)?,
            unknown_model: unknown_model(&raw.pricing.0),
            adjustments,
            trusted_costs: trusted(&raw.pricing.0),
            views: views(&raw.emit.0, &tags)?,
            max_series: max_series(&raw.emit.0)?,
            otel: raw.emit.0.otel,
            response_headers: response_headers(&raw.emit.0)?,
            properties: each("emit.properties", &raw.emit.0.properties, |name| {
                Property::compile(name, tags.names())
            })?,
            alerts: Alerts::compile(&by_hand.alerts)?.map(Rc::new),
            admin: admin(raw)?,
            tags,
            needs_route: false,
            targets: Targets::default(),
            last_prices: LastPrices::default(),
            candidate: None,
            version,
        };
        rules.needs_route = rules.some_condition_needs_the_route();
        Ok(rules)
    }

    fn some_condition_needs_the_route(&self) -> bool {
        self.upstreams.iter().any(|u| u.when.needs_route())
            || self.quotas.iter().any(QuotaRule::needs_route)
            || self.routes.iter().any(|r| r.when.needs_route())
            || self.limits.iter().any(|l| l.when.needs_route())
            || self.guards.iter().flat_map(|guards| &guards.rules).any(|guard| guard.when.needs_route())
            || self.agents.as_ref().is_some_and(|agents| agents.needs_route())
            || self.waste.as_ref().is_some_and(|waste| waste.rule.when.needs_route())
            || self.adjustments.iter().any(|a| a.when.needs_route())
    }

    /// The same rules with prices that have arrived.
    #[must_use]
    pub fn with_prices(mut self, prices: &Arc<Refreshed>) -> Self {
        self.prices = self.prices.refreshed(Arc::clone(prices));
        // Nobody else has the candidate's rules yet.
        if let Some(candidate) =
            self.candidate.as_mut().and_then(|candidate| Rc::get_mut(&mut candidate.rules))
        {
            candidate.prices = self.prices.clone();
        }
        self.price_version = self.prices.version().to_owned();
        self
    }

    /// The parts of a record that are also set as plain strings, by the property's name.
    pub fn property_texts(&self, record: &Record) -> Vec<(String, String)> {
        let text = |property: &Property| {
            Some((format!("tollgate.{}", property.name(record)), property.text(record)?))
        };
        self.properties.iter().filter_map(text).collect()
    }

    /// What the configuration says about the upstream of a request; the first match wins.
    pub(crate) fn upstream(&self, facts: &Facts<'_>) -> Option<&Upstream> {
        self.upstreams.iter().find(|u| u.when.matches(facts))
    }

    /// The adjustments that apply to a call, in order.
    pub(crate) fn adjustments<'a>(&'a self, facts: &Facts<'_>) -> Vec<&'a Adjustment> {
        self.adjustments.iter().filter(|adjustment| adjustment.when.matches(facts)).collect()
    }
}

/// A guard on missing tags needs one that is required.
fn check_tags_of(guards: &[GuardRule], tags: &TagRules) -> Result<(), ConfigError> {
    let required = tags.tags().iter().any(|tag| tag.required != Required::No);
    let watches = |guard: &GuardRule| guard.judge.watch == Watch::UntaggedShare;
    match guards.iter().position(watches).filter(|_| !required) {
        Some(index) => {
            let problem = "`untagged_share` needs a tag with `required: report` or `required: deny`";
            Err(ConfigError::new(format!("guards[{index}].watch"), problem))
        }
        None => Ok(()),
    }
}

/// A guard on repeats goes by what rules about agents know, which remember what is said for it.
fn remember_turns(guards: &[GuardRule], loops: &mut [LoopRule]) -> Result<(), ConfigError> {
    match guards.iter().position(watches_repeats) {
        Some(index) if loops.is_empty() => {
            let problem =
                "`repeated_share` needs a rule of `loops`, which says what a workflow or conversation is";
            Err(ConfigError::new(format!("guards[{index}].watch"), problem))
        }
        Some(_) => {
            loops.iter_mut().for_each(LoopRule::remember_turns);
            Ok(())
        }
        None => Ok(()),
    }
}

/// The configuration as JSON: hosts pass it as text, or as an encoded `google.protobuf.Struct`.
fn parsed(bytes: &[u8]) -> Result<Value, ConfigError> {
    let text = if bytes.trim_ascii().is_empty() { b"{}" } else { bytes };
    json(text).or_else(|error| from_struct(bytes).ok_or(error))
}

/// All that is read as JSON shares one copy of the reader's code.
#[inline(never)]
pub(crate) fn json(bytes: &[u8]) -> Result<Value, ConfigError> {
    serde_json::from_slice(bytes).map_err(|error| ConfigError::new("", format!("not valid JSON: {error}")))
}

/// A digest of the configuration's meaning: the order of an object's members does not matter, since
/// `google.protobuf.Struct` has none.
#[inline(never)]
pub(crate) fn digest(json: &str) -> String {
    let bytes = Sha256::digest(json.as_bytes());
    bytes.iter().take(8).fold(String::with_capacity(16), |mut hex, byte| {
        let _infallible = write!(hex, "{byte:02x}");
        hex
    })
}

pub(super) fn each<R, T>(
    path: &str,
    raw: &[R],
    compile: impl Fn(&R) -> Result<T, ConfigError>,
) -> Result<Vec<T>, ConfigError> {
    let one = |(index, raw): (usize, &R)| compile(raw).map_err(|e| e.within(&format!("{path}[{index}]")));
    raw.iter().enumerate().map(one).collect()
}

impl From<RawUnbudgeted> for Otherwise {
    fn from(raw: RawUnbudgeted) -> Self {
        match raw {
            RawUnbudgeted::Allow => Self::Pass,
            RawUnbudgeted::Deny => Self::Deny,
        }
    }
}

impl From<RawHold> for Hold {
    fn from(raw: RawHold) -> Self {
        match raw {
            RawHold::Headers => Self::Headers,
            RawHold::Body => Self::Body,
            RawHold::Never => Self::Never,
        }
    }
}

fn admin(raw: &RawConfig) -> Result<Option<Admin>, ConfigError> {
    let compiled = raw.admin.as_ref().map(Admin::compile);
    compiled.transpose().map_err(|e| e.within("admin"))
}
