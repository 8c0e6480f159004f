//! What would this call cost, and where does the price come from?
//!
//! `cargo xtask price openai gpt-4.1 --input 1200 --cached 1000 --output 300`
//!
//! `--input` contains what was cached, `--output` contains reasoning, as in records. Any class of
//! tokens or units may be named: `--input_audio 40`, `--web_search 2`; and any condition:
//! `--service_tier flex`, `--region us`, `--at 1795176000`.

use std::process::ExitCode;
use std::str::FromStr;
use std::time::{SystemTime, UNIX_EPOCH};
use tollgate_pricing::{Found, Quantity, Quote, Situation, TokenKind, UnitKind, Usage, catalogue, quote};

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match answer(&arguments) {
        Ok(text) => {
            println!("{text}");
            ExitCode::SUCCESS
        }
        Err(why) => {
            eprintln!("error: {why}");
            ExitCode::FAILURE
        }
    }
}

fn answer(arguments: &[String]) -> Result<String, String> {
    let [provider, model, options @ ..] = arguments else {
        return Err("usage: price PROVIDER MODEL [--input N] [--cached N] [--output N] [--CLASS N] \
                    [--service_tier TIER] [--region REGION] [--at UNIX_SECONDS]"
            .into());
    };
    let found = find(provider, model)?;
    let asked = Asked::parse(options)?;
    let usage = asked.usage()?;
    let quote = quote(&found.card, &usage, &asked.situation, &[]).map_err(|error| error.to_string())?;
    Ok(format!("{}\n{}\n{}", heading(&found), bill(&found, &quote), origin(&found)))
}

fn find(provider: &str, model: &str) -> Result<Found<'static>, String> {
    if !catalogue().provider_known(provider) {
        return Err(format!("unknown provider `{provider}`"));
    }
    catalogue().find(provider, model).ok_or_else(|| format!("no price for `{model}` of `{provider}`"))
}

#[derive(Default)]
struct Asked<'a> {
    input: u64,
    output: u64,
    usage: Usage,
    situation: Situation<'a>,
}

impl<'a> Asked<'a> {
    fn parse(options: &'a [String]) -> Result<Asked<'a>, String> {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).map_err(|error| error.to_string())?;
        let mut asked = Asked::default();
        asked.situation.time_unix_s = i64::try_from(now.as_secs()).map_err(|error| error.to_string())?;
        for pair in options.chunks(2) {
            let [option, value] = pair else { return Err(format!("no value for `{}`", pair.concat())) };
            let name = option.strip_prefix("--").ok_or_else(|| format!("unknown argument `{option}`"))?;
            asked.take(name, value)?;
        }
        Ok(asked)
    }

    fn take(&mut self, name: &str, value: &'a str) -> Result<(), String> {
        match name {
            "input" => self.input = number(value)?,
            "output" => self.output = number(value)?,
            "cached" => self.usage.tokens.set(TokenKind::CacheRead, number(value)?),
            "at" => self.situation.time_unix_s = number(value)?,
            "service_tier" => self.situation.service_tier = Some(value),
            "region" => self.situation.region = Some(value),
            "speed" => self.situation.speed = Some(value),
            "search_context_size" => self.situation.search_context_size = Some(value),
            "image_size" => self.situation.image_size = Some(value),
            "image_quality" => self.situation.image_quality = Some(value),
            "resolution" => self.situation.resolution = Some(value),
            _ => return self.count(name, value),
        }
        Ok(())
    }

    fn count(&mut self, name: &str, value: &str) -> Result<(), String> {
        if let Some(kind) = TokenKind::from_name(name) {
            self.usage.tokens.set(kind, number(value)?);
            return Ok(());
        }
        let kind = UnitKind::from_name(name).ok_or_else(|| format!("unknown option `--{name}`"))?;
        let quantity = Quantity::from_whole(number(value)?).ok_or_else(|| format!("too large: `{value}`"))?;
        self.usage.units.set(kind, quantity);
        Ok(())
    }

    /// The counts in disjoint classes: what was named apart is taken out of its whole.
    fn usage(&self) -> Result<Usage, String> {
        let mut usage = self.usage;
        let wholes = [
            (TokenKind::Input, self.input, self.usage.tokens.input_total()),
            (TokenKind::Output, self.output, self.usage.tokens.output_total()),
        ];
        for (kind, whole, parts) in wholes {
            let rest = parts.and_then(|parts| whole.checked_sub(parts));
            let rest = rest.ok_or_else(|| format!("the parts of `{}` are more than it", kind.name()))?;
            usage.tokens.set(kind, rest);
        }
        Ok(usage)
    }
}

fn number<T: FromStr>(text: &str) -> Result<T, String> {
    text.parse().map_err(|_| format!("not a whole number: `{text}`"))
}

fn heading(found: &Found<'_>) -> String {
    format!("{} of {} (catalogue {})", found.name, found.provider, catalogue().version())
}

fn bill(found: &Found<'_>, quote: &Quote) -> String {
    if found.card.is_free() {
        return "  free".into();
    }
    let lines = quote.lines.iter().map(|line| format!("  {:<18} {} USD", line.name, line.amount));
    let missing = quote.unpriced.iter().map(|name| format!("  {name:<18} has no price"));
    let total = format!("  {:<18} {} USD", "total", quote.total);
    lines.chain(missing).chain([total]).collect::<Vec<_>>().join("\n")
}

/// What the catalogue's file says about the model.
fn origin(found: &Found<'_>) -> String {
    let path = format!("{}/catalogue/{}.json", env!("CARGO_MANIFEST_DIR"), found.provider);
    let text = std::fs::read_to_string(&path).unwrap_or_default();
    let name = format!("{{\"name\":\"{}\",", found.name);
    let line = text.lines().find(|line| line.starts_with(&name)).unwrap_or("(not in its file any more)");
    format!("pricing/catalogue/{}.json:\n  {}", found.provider, line.trim_end_matches(','))
}
