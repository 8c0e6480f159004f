//! What providers export: OpenAI's usage and costs APIs, Anthropic's usage and cost reports, AWS's cost and usage report,
//! Google's billing export.

use serde_json::Value;
use tollgate_pricing::PicoUsd;

use super::{Usage, Used, model_name};
use crate::csv_in::{CsvTable, Fields};
use crate::zone::parse_day;

/// One or more exports of a provider.
#[derive(Clone, Debug, Default)]
pub struct Invoice {
    /// What the files turned out to be.
    pub form: String,
    /// What they say.
    pub(super) usage: Usage,
    /// What could not be used of them.
    pub notes: Vec<String>,
    aliases: Vec<(String, String)>,
    skipped: u64,
}

impl Invoice {
    /// With other spellings of models: `(in the export, in the log)`.
    pub fn new(aliases: Vec<(String, String)>) -> Self {
        Self { aliases, ..Self::default() }
    }

    /// Adds a file, whose form is found out by looking.
    ///
    /// # Errors
    /// Text of no form that is known, or a field that cannot be read.
    pub fn read(&mut self, text: &str) -> Result<(), String> {
        let form = if text.trim_start().starts_with(['{', '[']) { self.json(text)? } else { self.csv(text)? };
        if !self.form.is_empty() && !self.form.contains(form) {
            self.form.push_str(" and ");
        }
        if !self.form.contains(form) {
            self.form.push_str(form);
        }
        if self.skipped > 0 {
            self.notes =
                vec![format!("{} rows of the invoice are of other services and are left out", self.skipped)];
        }
        Ok(())
    }

    /// Whether any row says tokens.
    pub fn has_tokens(&self) -> bool {
        self.usage.values().any(|used| used.tokens.iter().any(Option::is_some))
    }

    /// Whether any row says a cost.
    pub fn has_costs(&self) -> bool {
        self.usage.values().any(|used| used.usd.is_some())
    }

    fn at(&mut self, day: i64, provider: &str, model: &str) -> &mut Used {
        let own = self.aliases.iter().find(|(theirs, _)| theirs == model).map(|(_, ours)| ours.clone());
        let name = own.unwrap_or_else(|| model_name(provider, model));
        self.usage.entry((day, name)).or_default()
    }

    /// OpenAI's `GET /v1/organization/usage/...` and `/costs`: pages of buckets of results.
    fn json(&mut self, text: &str) -> Result<&'static str, String> {
        let json: Value = serde_json::from_str(text).map_err(|error| error.to_string())?;
        let pages = json.as_array().cloned().unwrap_or_else(|| vec![json]);
        let buckets = pages.iter().flat_map(|page| list(page, "data"));
        let mut form = None;
        for bucket in buckets {
            let start =
                bucket.get("start_time").and_then(Value::as_i64).ok_or("a bucket has no `start_time`")?;
            for result in list(bucket, "results") {
                form = Some(self.openai(start.div_euclid(86_400), result)?);
            }
        }
        form.ok_or_else(|| {
            "it has no `data` with `results`, as OpenAI's usage and costs APIs answer".to_owned()
        })
    }

    fn openai(&mut self, day: i64, result: &Value) -> Result<&'static str, String> {
        if let Some(amount) = result.get("amount") {
            let usd = amount.get("value").map(money).ok_or("an `amount` has no `value`")??;
            // `gpt-4.1-2025-04-14, input`
            let item =
                result.get("line_item").and_then(Value::as_str).ok_or("group the costs by `line_item`")?;
            let model = item.split(',').next().unwrap_or(item).trim();
            self.at(day, "openai", model).add_usd(usd);
            return Ok("OpenAI's costs");
        }
        let model = result.get("model").and_then(Value::as_str).ok_or("group the usage by `model`")?;
        let count = |key: &str| result.get(key).and_then(Value::as_u64).map(u128::from);
        let (input, cached, output) =
            (count("input_tokens"), count("input_cached_tokens"), count("output_tokens"));
        let used = self.at(day, "openai", model);
        let fresh = input.and_then(|input| input.checked_sub(cached.unwrap_or_default()));
        for (class, tokens) in [(0, fresh), (1, cached), (3, output)] {
            tokens.into_iter().for_each(|tokens| used.add_tokens(class, tokens));
        }
        Ok("OpenAI's usage")
    }

    fn csv(&mut self, text: &str) -> Result<&'static str, String> {
        let table = CsvTable::parse(text).map_err(|error| error.to_string())?;
        if table.has("usage_output_tokens") {
            return self.anthropic_tokens(&table).map(|()| "Anthropic's usage");
        }
        if table.has("usage_date_utc") && table.has("cost_usd") {
            return self.anthropic_costs(&table).map(|()| "Anthropic's costs");
        }
        if table.has("lineItem/UsageType") || table.has("line_item_usage_type") {
            return self.aws(&table).map(|()| "AWS's cost and usage report");
        }
        if table.has("sku.description") || table.has("sku_description") || table.has("SKU description") {
            return self.google(&table).map(|()| "Google's billing export");
        }
        Err("its columns are neither those of Anthropic's usage or cost report, nor of AWS's, nor of Google's".into())
    }

    fn anthropic_tokens(&mut self, table: &CsvTable) -> Result<(), String> {
        let told = |error: crate::csv_in::CsvError| error.to_string();
        let day = table.column(&["usage_date_utc"]).map_err(told)?;
        let model = table.column(&["model_version", "model"]).map_err(told)?;
        let classes = [
            ("usage_input_tokens_no_cache", 0),
            ("usage_input_tokens_cache_read", 1),
            ("usage_input_tokens_cache_write_5m", 2),
            ("usage_input_tokens_cache_write_1h", 2),
            ("usage_output_tokens", 3),
        ];
        let classes: Vec<(usize, usize)> =
            classes.iter().filter_map(|(name, class)| Some((table.column(&[*name]).ok()?, *class))).collect();
        for row in table.rows() {
            let at = day_of(row.get(day))?;
            let used = self.at(at, "anthropic", row.get(model));
            for (column, class) in &classes {
                used.add_tokens(*class, whole(row.get(*column))?);
            }
        }
        Ok(())
    }

    fn anthropic_costs(&mut self, table: &CsvTable) -> Result<(), String> {
        let told = |error: crate::csv_in::CsvError| error.to_string();
        let day = table.column(&["usage_date_utc"]).map_err(told)?;
        let model = table.column(&["model", "model_version"]).map_err(told)?;
        let usd = table.column(&["cost_usd"]).map_err(told)?;
        for row in table.rows() {
            let (at, amount) = (day_of(row.get(day))?, decimal(row.get(usd))?);
            self.at(at, "anthropic", row.get(model)).add_usd(amount);
        }
        Ok(())
    }

    /// Bedrock's lines: the usage type ends with what was counted, in thousands of tokens.
    fn aws(&mut self, table: &CsvTable) -> Result<(), String> {
        let told = |error: crate::csv_in::CsvError| error.to_string();
        let day = table.column(&["lineItem/UsageStartDate", "line_item_usage_start_date"]).map_err(told)?;
        let kind = table.column(&["lineItem/UsageType", "line_item_usage_type"]).map_err(told)?;
        let amount = table.column(&["lineItem/UsageAmount", "line_item_usage_amount"]).map_err(told)?;
        let usd = table.column(&["lineItem/UnblendedCost", "line_item_unblended_cost"]).map_err(told)?;
        let product = table.column(&["lineItem/ProductCode", "line_item_product_code"]).map_err(told)?;
        for row in table.rows() {
            if !row.get(product).to_ascii_lowercase().contains("bedrock") {
                self.skipped = self.skipped.saturating_add(1);
                continue;
            }
            self.counted(&row, (day, usd, amount), &bedrock(row.get(kind)), "aws.bedrock", 1000)?;
        }
        Ok(())
    }

    /// `Gemini 2.5 Flash Input Tokens` and the like, in single tokens.
    fn google(&mut self, table: &CsvTable) -> Result<(), String> {
        let told = |error: crate::csv_in::CsvError| error.to_string();
        let day = table.column(&["usage_start_time", "Usage start date"]).map_err(told)?;
        let sku = table.column(&["sku.description", "sku_description", "SKU description"]).map_err(told)?;
        let amount = table.column(&["usage.amount", "usage_amount", "Usage amount"]).map_err(told)?;
        let usd = table.column(&["cost", "Cost ($)", "Cost"]).map_err(told)?;
        for row in table.rows() {
            let text = row.get(sku);
            if !text.to_ascii_lowercase().contains("token") {
                self.skipped = self.skipped.saturating_add(1);
                continue;
            }
            let words: Vec<&str> = text.split_whitespace().collect();
            let end = words.iter().position(|word| {
                ["input", "output", "cached", "text", "token", "tokens", "-", "thinking"]
                    .contains(&word.to_ascii_lowercase().as_str())
            });
            let model =
                words.get(..end.unwrap_or(words.len())).unwrap_or_default().join("-").to_ascii_lowercase();
            self.counted(&row, (day, usd, amount), &(model, class(text)), "gcp.gemini", 1)?;
        }
        Ok(())
    }

    fn counted(
        &mut self,
        row: &Fields<'_>,
        (day, usd, amount): (usize, usize, usize),
        (model, class): &(String, usize),
        provider: &str,
        unit: i128,
    ) -> Result<(), String> {
        let (at, cost, amount) = (day_of(row.get(day))?, decimal(row.get(usd))?, decimal(row.get(amount))?);
        let tokens = amount.pico().checked_mul(unit).and_then(|pico| pico.checked_div(1_000_000_000_000));
        let tokens =
            tokens.and_then(|tokens| u128::try_from(tokens).ok()).ok_or("an amount of usage does not fit")?;
        let used = self.at(at, provider, model);
        used.add_tokens(*class, tokens);
        used.add_usd(cost);
        Ok(())
    }
}

fn list<'a>(value: &'a Value, key: &str) -> impl Iterator<Item = &'a Value> {
    value.get(key).and_then(Value::as_array).into_iter().flatten()
}

/// Model and class of `USE1-Claude3Sonnet-input-tokens` or `USW2-anthropic.claude-sonnet-4-input-token-count`.
fn bedrock(usage_type: &str) -> (String, usize) {
    let rest = usage_type.split_once('-').map_or(usage_type, |(_, rest)| rest);
    let lower = rest.to_ascii_lowercase();
    let end = ["-cache", "-input", "-output", "-inputtoken", "-outputtoken"]
        .iter()
        .filter_map(|word| lower.find(word))
        .min();
    let model = end.and_then(|end| rest.get(..end)).unwrap_or(rest);
    (model.to_owned(), class(usage_type))
}

/// The class that a text names.
fn class(text: &str) -> usize {
    let lower = text.to_ascii_lowercase();
    let is_cache = lower.contains("cache");
    match () {
        () if is_cache && lower.contains("write") => 2,
        () if is_cache => 1,
        () if lower.contains("output") => 3,
        () => 0,
    }
}

fn day_of(text: &str) -> Result<i64, String> {
    let day = text.get(..10).and_then(parse_day);
    day.ok_or_else(|| format!("`{text}` begins with no day, expected one like 2026-11-20"))
}

fn whole(text: &str) -> Result<u128, String> {
    match text.replace(',', "").as_str() {
        "" => Ok(0),
        digits => digits.parse().map_err(|_| format!("`{text}` is no whole number")),
    }
}

fn money(value: &Value) -> Result<PicoUsd, String> {
    decimal(&value.as_str().map_or_else(|| value.to_string(), str::to_owned))
}

/// A decimal of any length, with or without an exponent; what is finer than a pico-dollar is cut off.
fn decimal(text: &str) -> Result<PicoUsd, String> {
    let wrong = || format!("`{text}` is no amount");
    let plain = text.replace([',', '$'], "");
    let (digits, exponent) = match plain.split_once(['e', 'E']) {
        Some((digits, exponent)) => (digits, exponent.parse::<i32>().map_err(|_| wrong())?),
        None => (plain.as_str(), 0),
    };
    let (sign, digits) = digits.strip_prefix('-').map_or((1_i128, digits), |digits| (-1, digits));
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    let all = format!("{whole}{fraction}");
    if all.is_empty() || !all.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(wrong());
    }
    // The point moves so far to the right to make pico-dollars of it.
    let moved = i64::from(exponent).saturating_add(12);
    let kept =
        i64::try_from(whole.len()).ok().and_then(|whole| whole.checked_add(moved)).ok_or_else(wrong)?;
    let Ok(kept) = usize::try_from(kept) else { return Ok(PicoUsd::ZERO) };
    if kept > 38 {
        return Err(wrong());
    }
    let pico: String = all.chars().chain(std::iter::repeat('0')).take(kept).collect();
    let pico: i128 = if pico.is_empty() { 0 } else { pico.parse().map_err(|_| wrong())? };
    pico.checked_mul(sign).map(PicoUsd::from_pico).ok_or_else(wrong)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_are_read_as_exports_spell_them() {
        for (text, expected) in [
            ("0.06", Some("0.06")),
            ("6.0e-2", Some("0.06")),
            ("1E1", Some("10")),
            ("-1.5", Some("-1.5")),
            ("0.1234567890123456789", Some("0.123456789012")),
            ("1e-20", Some("0")),
            ("$1,234.50", Some("1234.5")),
            ("", None),
            ("x", None),
            ("1e99", None),
        ] {
            assert_eq!(decimal(text).ok().map(|amount| amount.to_string()).as_deref(), expected, "{text}");
        }
    }

    #[test]
    fn names_of_skus_hold_model_and_class() {
        for (text, model, expected) in [
            ("USE1-Claude3Sonnet-input-tokens", "Claude3Sonnet", 0),
            ("USW2-anthropic.claude-sonnet-4-CacheWriteInputTokenCount", "anthropic.claude-sonnet-4", 2),
            ("USW2-NovaPro-cache-read-input-token-count", "NovaPro", 1),
            ("EUC1-NovaPro-output-tokens", "NovaPro", 3),
        ] {
            assert_eq!(bedrock(text), (model.to_owned(), expected), "{text}");
        }
    }
}
