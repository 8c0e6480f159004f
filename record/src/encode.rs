//! One walk over a record, in the fixed order in which its keys are documented; protobuf and JSON only spell it.

mod json;
mod protobuf;

use tollgate_pricing::PicoUsd;

use crate::schema::{Candidate, Part, Record, SCHEMA, Tokens, Waste, Workflow};

/// Spells one object of the kind that `google.protobuf.Struct` can hold, key by key.
trait Spell: Sized {
    /// A string.
    fn text(&mut self, key: &str, value: &str);
    /// A string of ASCII alone.
    fn ascii(&mut self, key: &str, value: &[u8]);
    /// A count. It is written as a double, exact up to 2^53.
    fn count(&mut self, key: &str, value: u64);
    /// An amount of USD, written as the double that OpenTelemetry asks for.
    fn amount(&mut self, key: &str, value: PicoUsd);
    /// A truth value.
    fn flag(&mut self, key: &str, value: bool);
    /// An object, which `fill` spells.
    fn object(&mut self, key: &str, fill: impl FnOnce(&mut Self));
    /// A list of strings.
    fn texts<'a>(&mut self, key: &str, values: impl Iterator<Item = &'a str>);
    /// A list of objects, each of which `fill` spells.
    fn objects<T>(&mut self, key: &str, values: &[T], fill: impl Fn(&mut Self, &T));
}

impl Record {
    /// The record as an encoded `google.protobuf.Struct`.
    pub fn to_protobuf(&self) -> Vec<u8> {
        let mut object = protobuf::Object::with_capacity(2048);
        spell(&mut object, self);
        object.into_bytes()
    }

    /// The record as one JSON object on one line.
    pub fn to_json(&self) -> String {
        let mut object = json::Object::default();
        spell(&mut object, self);
        object.into_value().to_string()
    }
}

fn spell(out: &mut impl Spell, record: &Record) {
    identity(out, record);
    tokens(out, &record.tokens);
    usage(out, record);
    cost(out, record);
    policy(out, record);
    http(out, record);
}

fn identity(out: &mut impl Spell, r: &Record) {
    out.count("tollgate.schema", SCHEMA);
    out.text("tollgate.id", &r.id);
    out.ascii("tollgate.time", &r.time.to_ascii());
    out.text("gen_ai.operation.name", &r.operation);
    out.text("gen_ai.provider.name", &r.provider);
    known(out, "gen_ai.request.model", r.request_model.as_deref());
    known(out, "tollgate.request.model", r.asked_model.as_deref());
    known(out, "gen_ai.response.model", r.response_model.as_deref());
    known(out, "gen_ai.response.id", r.response_id.as_deref());
    texts(out, "gen_ai.response.finish_reasons", &r.finish_reasons);
}

fn tokens(out: &mut impl Spell, t: &Tokens) {
    for (key, count) in token_keys(t) {
        self::count(out, key, count);
    }
}

fn usage(out: &mut impl Spell, r: &Record) {
    units(out, "tollgate.units", &r.units);
    if !r.parts.is_empty() {
        out.objects("tollgate.parts", &r.parts, part);
    }
    out.text("tollgate.usage.source", r.usage_source.as_str());
    if r.inconsistent {
        out.flag("tollgate.usage.inconsistent", true);
    }
}

fn cost(out: &mut impl Spell, r: &Record) {
    let cost = &r.cost;
    if let Some(amount) = cost.usd {
        out.amount("gen_ai.usage.cost.amount", amount);
        out.text("gen_ai.usage.cost.currency", "USD");
    }
    out.text("tollgate.cost.status", cost.status.as_str());
    usd(out, "tollgate.cost.usd", cost.usd);
    usd(out, "tollgate.cost.list_usd", cost.list_usd);
    if !cost.lines.is_empty() {
        out.object("tollgate.cost.lines", |out| {
            cost.lines.iter().for_each(|(name, amount)| usd(out, name, Some(*amount)));
        });
    }
    texts(out, "tollgate.cost.unpriced", &cost.unpriced);
    texts(out, "tollgate.cost.adjustments", &cost.adjustments);
    usd(out, "tollgate.cost.reported_usd", cost.reported_usd);
    usd(out, "tollgate.cost.saved_by_cache_usd", cost.saved_by_cache_usd);
    usd(out, "tollgate.cost.saved_by_rewrite_usd", cost.saved_by_rewrite_usd);
}

fn policy(out: &mut impl Spell, r: &Record) {
    pairs(out, "tollgate.tags", &r.tags);
    texts(out, "tollgate.missing_tags", &r.missing_tags);
    out.text("tollgate.decision.action", r.decision.action().as_str());
    if !r.decision.actions.is_empty() {
        out.texts("tollgate.decision.actions", r.decision.actions.iter().map(|action| action.as_str()));
    }
    known(out, "tollgate.decision.rule", r.decision.rule.as_deref());
    if let Some(at) = &r.decision.empty_at {
        out.ascii("tollgate.decision.empty_at", &at.to_ascii());
    }
    texts(out, "tollgate.shadow", &r.shadow);
    if let Some(candidate) = &r.candidate {
        self::candidate(out, candidate);
    }
    usd(out, "tollgate.reserved.usd", r.reserved);
    if let Some(workflow) = &r.workflow {
        self::workflow(out, workflow);
    }
    if let Some(retry) = &r.retry {
        out.count("tollgate.retry.attempt", retry.attempt);
        out.text("tollgate.retry.kind", retry.kind.as_str());
    }
    if !r.waste.is_empty() {
        waste(out, &r.waste);
    }
}

#[cold]
fn waste(out: &mut impl Spell, waste: &[Waste]) {
    out.texts("tollgate.waste.reasons", waste.iter().map(|one| one.reason.as_str()));
    if waste.iter().any(|one| one.usd.is_some()) {
        out.object("tollgate.waste.usd", |out| {
            waste.iter().for_each(|one| usd(out, one.reason.as_str(), one.usd));
        });
    }
    if waste.iter().any(|one| one.tokens.is_some()) {
        out.object("tollgate.waste.tokens", |out| {
            waste.iter().for_each(|one| count(out, one.reason.as_str(), one.tokens));
        });
    }
}

#[cold]
fn candidate(out: &mut impl Spell, candidate: &Candidate) {
    out.text("tollgate.candidate.name", &candidate.name);
    out.text("tollgate.candidate.action", candidate.action.as_str());
    known(out, "tollgate.candidate.rule", candidate.rule.as_deref());
    known(out, "tollgate.candidate.model", candidate.model.as_deref());
    usd(out, "tollgate.candidate.cost_usd", candidate.cost_usd);
    usd(out, "tollgate.candidate.estimated_usd", candidate.estimated_usd);
}

#[cold]
fn workflow(out: &mut impl Spell, workflow: &Workflow) {
    out.count("tollgate.workflow.calls", workflow.calls);
    usd(out, "tollgate.workflow.usd", Some(workflow.usd));
    if let Some(percent) = workflow.input_growth_percent {
        let growth = format_args!("{}.{:02}", percent.div_euclid(100), percent.rem_euclid(100)).to_string();
        out.text("tollgate.workflow.input_growth", &growth);
    }
}

fn http(out: &mut impl Spell, r: &Record) {
    if let Some(stream) = r.stream {
        out.flag("tollgate.stream", stream);
    }
    count(out, "tollgate.ttft_ms", r.ttft_ms);
    count(out, "tollgate.duration_ms", r.duration_ms);
    count(out, "tollgate.http.status", r.http_status.map(u64::from));
    known(out, "tollgate.service_tier", r.service_tier.as_deref());
    known(out, "tollgate.region", r.region.as_deref());
    known(out, "tollgate.speed", r.speed.as_deref());
    pairs(out, "tollgate.price.conditions", &r.conditions);
    out.text("tollgate.price.version", &r.price_version);
    out.text("tollgate.config.version", &r.config_version);
}

/// Token counts by the key under which each stands in the record.
pub(crate) fn token_keys(t: &Tokens) -> [(&'static str, Option<u64>); 16] {
    [
        ("gen_ai.usage.input_tokens", t.input),
        ("gen_ai.usage.output_tokens", t.output),
        ("gen_ai.usage.cache_read.input_tokens", t.cache_read),
        ("gen_ai.usage.cache_creation.input_tokens", t.cache_creation),
        ("tollgate.usage.cache_creation_1h_tokens", t.cache_creation_1h),
        ("gen_ai.usage.reasoning.output_tokens", t.reasoning),
        ("gen_ai.usage.audio.input_tokens", t.audio_input),
        ("gen_ai.usage.audio.output_tokens", t.audio_output),
        ("gen_ai.usage.image.input_tokens", t.image_input),
        ("gen_ai.usage.image.output_tokens", t.image_output),
        ("tollgate.usage.video_input_tokens", t.video_input),
        ("tollgate.usage.video_output_tokens", t.video_output),
        ("tollgate.usage.cache_read_audio_tokens", t.cache_read_audio),
        ("tollgate.usage.cache_read_image_tokens", t.cache_read_image),
        ("tollgate.usage.cache_read_video_tokens", t.cache_read_video),
        ("tollgate.usage.citation_tokens", t.citation),
    ]
}

fn part(out: &mut impl Spell, part: &Part) {
    known(out, "model", part.model.as_deref());
    tokens(out, &part.tokens);
    units(out, "units", &part.units);
    usd(out, "usd", part.usd);
    if let Some(longest) = part.longest_prompt {
        out.count("longest_prompt_tokens", longest);
    }
}

fn pairs(out: &mut impl Spell, key: &str, pairs: &[(String, String)]) {
    if !pairs.is_empty() {
        out.object(key, |out| pairs.iter().for_each(|(name, value)| out.text(name, value)));
    }
}

fn units(out: &mut impl Spell, key: &str, units: &[(String, String)]) {
    if !units.is_empty() {
        out.object(key, |out| units.iter().for_each(|(name, quantity)| unit(out, name, quantity)));
    }
}

/// Whole quantities are numbers, others exact decimal strings.
fn unit(out: &mut impl Spell, name: &str, quantity: &str) {
    match quantity.parse() {
        Ok(count) => out.count(name, count),
        Err(_) => out.text(name, quantity),
    }
}

fn known(out: &mut impl Spell, key: &str, value: Option<&str>) {
    if let Some(value) = value {
        out.text(key, value);
    }
}

fn count(out: &mut impl Spell, key: &str, value: Option<u64>) {
    if let Some(value) = value {
        out.count(key, value);
    }
}

/// The exact decimal.
fn usd(out: &mut impl Spell, key: &str, value: Option<PicoUsd>) {
    if let Some(value) = value {
        out.ascii(key, value.to_decimal().as_bytes());
    }
}

fn texts(out: &mut impl Spell, key: &str, values: &[String]) {
    if !values.is_empty() {
        out.texts(key, values.iter().map(String::as_str));
    }
}

/// The double nearest to an amount. The exact decimal stands beside it in the record.
#[expect(clippy::float_arithmetic, reason = "the one double that OpenTelemetry asks for")]
fn double_of_usd(amount: PicoUsd) -> f64 {
    const EXACT: i128 = 1 << 53;
    let pico = amount.pico();
    if (-EXACT..EXACT).contains(&pico) {
        // Both sides are exact, and IEEE 754 rounds the quotient to the nearest double: the same that the decimal means.
        return pico as f64 / 1e12;
    }
    // An exact decimal is always a valid double literal, so `NAN` never shows; it would be seen at once if it did.
    amount.to_string().parse().unwrap_or(f64::NAN)
}

fn double_of_count(count: u64) -> f64 {
    count as f64
}

#[cfg(test)]
mod tests {
    use super::double_of_usd;
    use tollgate_pricing::PicoUsd;

    #[test]
    fn the_double_of_an_amount_is_the_one_nearest_to_its_decimal() {
        let step = 1_000_000_007_i128;
        let small = (0..20_000_i128).map(|n| n * n * 31 + n);
        let large = (0..2_000_i128).map(|n| (1 << 53) - 1_000 + n * step);
        for pico in small.chain(large).flat_map(|pico| [pico, -pico]) {
            let amount = PicoUsd::from_pico(pico);
            let parsed: f64 = amount.to_string().parse().unwrap();
            assert_eq!(double_of_usd(amount).to_bits() << 1, parsed.to_bits() << 1, "{amount}");
        }
    }
}
