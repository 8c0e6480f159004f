//! Anthropic's report. Cached tokens are outside the input; the reports of a stream overlay each other key
//! by key, since the last one has the final counts and only the first one splits cache writes by time.

use tollgate_pricing::{PicoUsd, UnitKind};

use super::openai;
use super::reading::{Reading, Tally};
use super::{ReportedUsage, plus};
use crate::batch::{Batch, prompt_length};
use crate::json::Value;
use crate::report::Part;

/// What the reports of one response say together.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Overlay {
    counts: Counts,
    thinking: Option<u64>,
    web_searches: Option<u64>,
    tier: Option<String>,
    region: Option<String>,
    speed: Option<String>,
    /// What a gateway with this dialect, OpenRouter, says the call costs.
    cost: Option<PicoUsd>,
    iterations: Vec<(Option<String>, Counts)>,
    odd: bool,
}

/// The counts of a response or of one of its iterations.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
struct Counts {
    input: Option<u64>,
    output: Option<u64>,
    cache_read: Option<u64>,
    cache_write: Option<u64>,
    cache_write_5m: Option<u64>,
    cache_write_1h: Option<u64>,
}

impl Overlay {
    /// What one report says.
    pub(crate) fn of(value: &Value<'_>) -> Self {
        let mut overlay = Self::default();
        overlay.add(value);
        overlay
    }

    /// Lays a later report over what is known.
    pub(crate) fn add(&mut self, value: &Value<'_>) {
        let mut tally = Tally::new(value);
        self.counts = Counts::of(&mut tally).or(self.counts);
        self.thinking = tally.one(&["output_tokens_details", "thinking_tokens"]).or(self.thinking);
        self.web_searches = tally.one(&["server_tool_use", "web_search_requests"]).or(self.web_searches);
        let cost = openai::cost(value);
        self.odd |= tally.odd || cost.is_some_and(|cost| cost < PicoUsd::ZERO);
        self.cost = cost.filter(|cost| *cost >= PicoUsd::ZERO).or(self.cost);
        let text = |key: &str| value.text(&[key]).map(str::to_owned);
        self.tier = text("service_tier").or(self.tier.take());
        self.region = text("inference_geo").or(self.region.take());
        self.speed = text("speed").or(self.speed.take());
        let iterations = value.at(&["iterations"]).list();
        if !iterations.is_empty() {
            self.iterations.clear();
            for iteration in iterations {
                let mut tally = Tally::new(iteration);
                let counts = Counts::of(&mut tally);
                self.odd |= tally.odd;
                self.iterations.push((iteration.text(&["model"]).map(str::to_owned), counts));
            }
        }
    }

    /// Whether any report so far had Anthropic's counts.
    pub(crate) fn is_anthropic(&self) -> bool {
        self.counts != Counts::default()
    }

    /// The counts with the cached tokens inside, and a part for each model where iterations name several.
    pub(crate) fn reading(&self) -> Reading {
        let mut usage = match self.iterations.iter().map(|(_, counts)| *counts).reduce(Counts::sum) {
            Some(sum) => sum.or(self.counts).inclusive(),
            None => self.counts.inclusive(),
        };
        usage.reasoning = self.thinking;
        usage.note(UnitKind::WebSearch, self.web_searches);
        usage.inconsistent |= self.odd;
        Reading {
            usage,
            tier: self.tier.clone(),
            region: self.region.clone(),
            speed: self.speed.clone(),
            cost: self.cost,
            parts: if self.iterations.len() > 1 { self.parts() } else { Vec::new() },
            ..Reading::default()
        }
    }

    /// The iterations by model and by length of their prompts; none if all have the same price. Each is a call of its own: what
    /// depends on a prompt's length goes by the iteration's, not by the sum (Anthropic's "Pricing", long context).
    fn parts(&self) -> Vec<Part> {
        let mut batch = Batch::default();
        self.iterations.iter().for_each(|(model, counts)| batch.add(model.clone(), &counts.inclusive()));
        let (sum, mut parts) = batch.total();
        for part in &mut parts {
            part.longest_prompt = part.longest_prompt.filter(|longest| part.usage.input != Some(*longest));
        }
        if let [Part { model: None, longest_prompt, .. }] = parts.as_slice()
            && longest_prompt
                .is_none_or(|longest| prompt_length(longest) == prompt_length(sum.input.unwrap_or(longest)))
        {
            return Vec::new();
        }
        // Searches are counted for the whole call. They are the answering model's, which is the one without a name.
        let own = parts.iter().position(|part| part.model.is_none()).unwrap_or(0);
        if let Some(part) = parts.get_mut(own) {
            part.usage.note(UnitKind::WebSearch, self.web_searches);
        }
        parts
    }
}

impl Counts {
    fn of(tally: &mut Tally<'_, '_>) -> Self {
        Self {
            input: tally.one(&["input_tokens"]),
            output: tally.one(&["output_tokens"]),
            cache_read: tally.one(&["cache_read_input_tokens"]),
            cache_write: tally.one(&["cache_creation_input_tokens"]),
            cache_write_5m: tally.one(&["cache_creation", "ephemeral_5m_input_tokens"]),
            cache_write_1h: tally.one(&["cache_creation", "ephemeral_1h_input_tokens"]),
        }
    }

    /// What is unknown is taken from `earlier`.
    fn or(self, earlier: Self) -> Self {
        Self {
            input: self.input.or(earlier.input),
            output: self.output.or(earlier.output),
            cache_read: self.cache_read.or(earlier.cache_read),
            cache_write: self.cache_write.or(earlier.cache_write),
            cache_write_5m: self.cache_write_5m.or(earlier.cache_write_5m),
            cache_write_1h: self.cache_write_1h.or(earlier.cache_write_1h),
        }
    }

    fn sum(self, other: Self) -> Self {
        Self {
            input: plus(self.input, other.input),
            output: plus(self.output, other.output),
            cache_read: plus(self.cache_read, other.cache_read),
            cache_write: plus(self.cache_write, other.cache_write),
            cache_write_5m: plus(self.cache_write_5m, other.cache_write_5m),
            cache_write_1h: plus(self.cache_write_1h, other.cache_write_1h),
        }
    }

    fn inclusive(self) -> ReportedUsage {
        let cache_write = self.cache_write.or(plus(self.cache_write_5m, self.cache_write_1h));
        let cached = plus(self.cache_read, cache_write);
        ReportedUsage {
            input: self.input.and_then(|input| plus(Some(input), cached)),
            output: self.output,
            cache_read: self.cache_read,
            cache_write,
            cache_write_1h: self.cache_write_1h,
            ..ReportedUsage::default()
        }
    }
}
