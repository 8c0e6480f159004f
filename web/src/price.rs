//! The price of a call: of one model or of several beside each other, at list price.

use serde::Deserialize;
use tollgate_pricing::{Found, PicoUsd, Quote, Situation, TokenKind, Usage, catalogue, quote};
use tollgate_record::{CivilDate, Tokens};
use tollgate_reports::amount::{permille, scale};
use tollgate_reports::counts::disjoint;
use tollgate_reports::reprice::Book;
use tollgate_reports::{Cell, Chart, Document, Sheet};

use crate::answer::Answer;
use crate::own;

/// Days of a month, as the page says.
const DAYS: u128 = 30;

/// The calculator's fields.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Call {
    /// `provider/model`, one each.
    models: Vec<String>,
    input: String,
    /// Of the input, what is read from a cache.
    cached: String,
    /// Of the input, what is written to one.
    written: String,
    output: String,
    /// Calls in a day.
    calls: String,
    /// When, in seconds of the epoch: some prices begin or end on a day.
    at: i64,
    /// The text of a price file.
    prices: String,
    /// Prices of one's own, a line each.
    rates: Vec<String>,
}

/// All models of the catalogue as a JSON array of `provider/model`.
pub fn models() -> String {
    let mut names: Vec<String> =
        catalogue().models().map(|found| format!("{}/{}", found.provider, found.name)).collect();
    names.sort_unstable();
    serde_json::Value::from(names).to_string()
}

/// What a call costs, line by line.
///
/// # Errors
/// A field that cannot be understood, by its name on the page.
pub fn price(question: &str) -> Result<Answer, String> {
    let call = Call::parse(question)?;
    let usage = Usage { tokens: disjoint(&call.tokens()?), ..Usage::default() };
    let calls = u128::from(count("Calls a day", &call.calls)?.unwrap_or(1));
    let own = own::book(&call.prices, &call.rates)?;
    let has_own = own.is_some();
    let book = own.unwrap_or_else(Book::of_catalogue);
    let mut quotes = Vec::new();
    for found in call.found(&book)? {
        let quote = call.quote(&found, &usage)?;
        quotes.push((found, quote));
    }
    let mut document = document(quotes, calls);
    document.notes.push(where_from(has_own));
    Ok(Answer { document, ..Answer::default() })
}

/// Tokens by which a rate is told: few enough for the lowest tier, and enough for rates of nine decimals.
const PROBE: u64 = 1_000;

/// The list prices of the models as lines to be changed, `openai/gpt-4.1 input=2 cache_read=0.5 output=8`. What depends on
/// more than the class of the tokens is that of a short call.
///
/// # Errors
/// A field that cannot be understood, by its name on the page.
pub fn rates(question: &str) -> Result<String, String> {
    let call = Call::parse(question)?;
    let book = Book::of_catalogue();
    let lines = call.found(&book)?.into_iter().map(|found| {
        let of = |kind: TokenKind| {
            let mut usage = Usage::default();
            usage.tokens.set(kind, PROBE);
            let quote = call.quote(&found, &usage).ok().filter(|quote| quote.unpriced.is_empty())?;
            let million = scale(quote.total, 1_000_000, PROBE.into())?;
            Some(format!(" {}={million}", kind.name()))
        };
        let rates: String = OFFERED.into_iter().filter_map(of).collect();
        format!("{}/{}{rates}", found.provider, found.name)
    });
    Ok(lines.collect::<Vec<_>>().join("\n"))
}

/// The classes that offers are about.
const OFFERED: [TokenKind; 4] =
    [TokenKind::Input, TokenKind::CacheRead, TokenKind::CacheWrite, TokenKind::Output];

impl Call {
    fn parse(question: &str) -> Result<Self, String> {
        serde_json::from_str(question).map_err(|error| error.to_string())
    }

    fn found<'b>(&self, book: &'b Book) -> Result<Vec<Found<'b>>, String> {
        let models = self.models.iter().map(|name| name.trim()).filter(|name| !name.is_empty());
        let found = models.map(|name| find(book, name)).collect::<Result<Vec<_>, _>>()?;
        if found.is_empty() { Err("Models: name at least one".into()) } else { Ok(found) }
    }

    fn quote(&self, found: &Found<'_>, usage: &Usage) -> Result<Quote, String> {
        let situation = Situation { time_unix_s: self.at, ..Situation::default() };
        quote(&found.card, usage, &situation, &[]).map_err(|error| error.to_string())
    }

    fn tokens(&self) -> Result<Tokens, String> {
        let tokens = Tokens {
            input: count("Input tokens", &self.input)?,
            cache_read: count("Read from a cache", &self.cached)?,
            cache_creation: count("Written to a cache", &self.written)?,
            output: count("Output tokens", &self.output)?,
            ..Tokens::default()
        };
        let parts = [tokens.cache_read, tokens.cache_creation].into_iter().flatten();
        let parts = parts.fold(0_u64, u64::saturating_add);
        if tokens.input.is_none_or(|input| parts > input) && parts > 0 {
            return Err(
                "Input tokens: are fewer than those read from or written to a cache, which they contain"
                    .into(),
            );
        }
        Ok(tokens)
    }
}

/// A whole number, with or without commas or spaces between its digits.
fn count(label: &str, text: &str) -> Result<Option<u64>, String> {
    let digits: String = text.chars().filter(|c| !c.is_whitespace() && *c != ',').collect();
    if digits.is_empty() {
        return Ok(None);
    }
    // Beyond this no call goes, and sums stay exact.
    let number = digits.parse::<u64>().ok().filter(|number| *number <= 1_000_000_000_000);
    number.map(Some).ok_or_else(|| format!("{label}: `{}` is no whole number up to 10¹²", text.trim()))
}

fn find<'b>(book: &'b Book, name: &str) -> Result<Found<'b>, String> {
    let found = name.split_once('/').and_then(|(provider, model)| book.find(provider, model));
    found.ok_or_else(|| {
        format!("Models: `{name}` is not in the catalogue, expected one like openai/gpt-4.1, or a price of its own")
    })
}

/// What the prices are.
fn where_from(has_own: bool) -> String {
    let first = if has_own { "prices of your own, and for the rest " } else { "" };
    let version = catalogue().version();
    format!(
        "{first}list prices of the catalogue {version} that this page was built with: discounts are not in them"
    )
}

fn document(mut quotes: Vec<(Found<'_>, Quote)>, calls: u128) -> Document {
    quotes.sort_by_key(|(_, quote)| quote.total);
    let times = |amount: PicoUsd, calls: u128| Cell::usd(scale(amount, calls, 1));
    let mut sums = Sheet::new("models", "By model").texts(["provider", "model"]).numbers([
        "usd_per_call",
        "usd_per_day",
        "usd_per_30_days",
    ]);
    let mut lines = Sheet::new("lines", "Line by line")
        .texts(["provider", "model", "line"])
        .numbers(["usd_per_call", "share_percent"]);
    let mut notes = Vec::new();
    for (found, quote) in &quotes {
        let (provider, model) = (Cell::from(found.provider), Cell::from(found.name));
        let total = quote.total;
        let month = calls.saturating_mul(DAYS);
        sums.rows.push(vec![
            provider.clone(),
            model.clone(),
            total.into(),
            times(total, calls),
            times(total, month),
        ]);
        lines.rows.extend(quote.lines.iter().map(|line| {
            let share = Cell::permille(permille(line.amount.pico(), total.pico()));
            vec![provider.clone(), model.clone(), line.name.into(), line.amount.into(), share]
        }));
        notes.extend(notes_on(found, quote));
    }
    let facts = quotes.first().map(|(found, quote)| {
        format!("a call of {}/{} costs {} USD", found.provider, found.name, quote.total)
    });
    Document {
        title: "Price of a call".into(),
        facts: facts.into_iter().collect(),
        sheets: vec![sums.drawn(Chart::Bars(2)), lines],
        notes,
    }
}

fn notes_on(found: &Found<'_>, quote: &Quote) -> Vec<String> {
    let name = format!("{}/{}", found.provider, found.name);
    let unpriced = Some(&quote.unpriced).filter(|classes| !classes.is_empty());
    let unpriced = unpriced.map(|classes| format!("{name} has no price for {}", classes.join(", ")));
    let retires = found.retires_day.map(|day| {
        let date = CivilDate::from_unix_days(day.into());
        format!("{name} is taken away on {:04}-{:02}-{:02}", date.year, date.month, date.day)
    });
    let own = found.own.then(|| format!("{name} has a price of your own"));
    let free = found.card.is_free().then(|| format!("{name} is free"));
    unpriced.into_iter().chain(own).chain(retires).chain(free).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(question: &str, expected: Result<&str, &str>) {
        let answer = price(question).and_then(|answer| answer.spelled("csv", "lines"));
        match (answer, expected) {
            (Ok(csv), Ok(line)) => {
                assert!(csv.lines().any(|got| got == line), "{question}: `{line}` is not in {csv}")
            }
            (Err(why), Err(expected)) => assert_eq!(why, expected),
            (answer, _) => assert_eq!(answer, expected.map(str::to_owned).map_err(str::to_owned)),
        }
    }

    #[test]
    fn a_call_is_priced_as_the_filter_would() {
        // 200 plain and 1,000 cached tokens at 2 and 0.5 USD a million, 300 of output at 8.
        let call =
            r#"{"models":["openai/gpt-4.1"],"input":"1,200","cached":"1000","output":"300","at":1795000000}"#;
        check(call, Ok("openai,gpt-4.1,input,0.0004,12.1"));
        check(call, Ok("openai,gpt-4.1,cache_read,0.0005,15.2"));
        check(call, Ok("openai,gpt-4.1,output,0.0024,72.7"));
    }

    #[test]
    fn what_cannot_be_priced_is_refused_by_the_name_of_its_field() {
        let no_such = "Models: `openai/nobody-knows` is not in the catalogue, expected one like openai/gpt-4.1, or a price of its own";
        check(r#"{"models":["openai/nobody-knows"]}"#, Err(no_such));
        check(r#"{"models":[" "]}"#, Err("Models: name at least one"));
        check(r#"{"input":"many"}"#, Err("Input tokens: `many` is no whole number up to 10¹²"));
        let parts = "Input tokens: are fewer than those read from or written to a cache, which they contain";
        check(r#"{"input":"10","cached":"6","written":"5"}"#, Err(parts));
        check(r#"{"cached":"6"}"#, Err(parts));
    }

    #[test]
    fn calls_of_a_day_and_a_month_are_exact() {
        let call = r#"{"models":["openai/gpt-4.1"],"input":"1","calls":"3"}"#;
        let csv = price(call).and_then(|answer| answer.spelled("csv", "models")).unwrap();
        assert_eq!(csv.lines().nth(1), Some("openai,gpt-4.1,0.000002,0.000006,0.00018"));
    }

    #[test]
    fn prices_of_ones_own_go_first() {
        let call = |more: &str| {
            format!(r#"{{"models":["openai/gpt-4.1","local/llama"],"input":"1000","output":"1",{more}}}"#)
        };
        let own = call(r#""rates":["openai/gpt-4.1 input=1.50","","local/llama input=0.2 output=1"]"#);
        check(&own, Ok("openai,gpt-4.1,input,0.0015,100.0"));
        check(&own, Ok("local,llama,input,0.0002,99.5"));
        let notes = price(&own).unwrap().document.notes.join("\n");
        assert!(notes.contains("openai/gpt-4.1 has no price for output"), "{notes}");
        assert!(notes.contains("openai/gpt-4.1 has a price of your own"), "{notes}");
        let file = r#""prices":"{\"provider\":\"openai\",\"models\":[{\"name\":\"gpt-4.1\",\"source\":\"an offer\",\"checked\":\"2026-11-21\",\"lists\":[{\"rates\":{\"input\":\"1\"}}]}]}""#;
        check(
            &call(&format!(r#"{file},"rates":["local/llama input=1"]"#)),
            Ok("openai,gpt-4.1,input,0.001,100.0"),
        );
        check(
            &call(r#""rates":["local/llama"]"#),
            Err(
                "Prices: `local/llama`: it names no price, expected a line like openai/gpt-4.1 input=1.50 output=6",
            ),
        );
    }

    #[test]
    fn list_prices_can_be_started_from() {
        let lines =
            rates(r#"{"models":["openai/gpt-4.1","anthropic/claude-haiku-4-5"],"at":1795000000}"#).unwrap();
        assert_eq!(
            lines,
            "openai/gpt-4.1 input=2 cache_read=0.5 cache_write=2 output=8\nanthropic/claude-haiku-4-5 input=1 cache_read=0.1 cache_write=1.25 output=5"
        );
        // What was not changed costs what it cost.
        let question = |rates: &str| {
            let call = r#""input":"1200","cached":"1000","output":"300","at":1795000000"#;
            let rates = serde_json::to_string(&rates.lines().collect::<Vec<_>>()).unwrap();
            format!(r#"{{"models":["openai/gpt-4.1","anthropic/claude-haiku-4-5"],{call},"rates":{rates}}}"#)
        };
        let csv = |rates| price(&question(rates)).unwrap().spelled("csv", "lines").unwrap();
        assert_eq!(csv(&lines), csv(""));
    }

    #[test]
    fn every_model_that_is_suggested_can_be_priced() {
        let names: Vec<String> = serde_json::from_str(&models()).unwrap();
        assert!(names.len() > 1000, "{}", names.len());
        let book = Book::of_catalogue();
        for name in &names {
            let found = find(&book, name).unwrap();
            assert_eq!(format!("{}/{}", found.provider, found.name), *name);
        }
    }
}
