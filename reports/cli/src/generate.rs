//! `tollgate generate`: a made-up log, the same for the same seed, to try reports on and to measure them with.

use std::io::{BufWriter, Write};
use std::process::ExitCode;

use tollgate_record::Timestamp;

use crate::args::{Args, Failure, Opt};
use crate::commands::Command;

pub const GENERATE: Command = Command {
    name: "generate",
    usage: "generate --lines N",
    help: "print a made-up access log to try the reports on\n\
           The same arguments give the same log. Teams, features, customers and agents' workflows call four models; days\n\
           are busier than nights and weekends; some calls are refused, fail, or have no price.",
    options: &[&[
        Opt::new("--lines", "N", "how many (default 1,000)"),
        Opt::new("--days", "N", "over how many days (default 30)"),
        Opt::new("--start", "DAY", "the first day, UTC (default 2026-10-01)"),
        Opt::new("--seed", "N", "another log (default 1)"),
    ]],
    run: generate,
};

/// Provider, model as asked for, as served, and USD per million tokens in pico-dollars per token: input, cache, output.
const MODELS: [(&str, &str, &str, [u64; 3]); 4] = [
    ("openai", "gpt-4.1", "gpt-4.1-2025-04-14", [2_000_000, 500_000, 8_000_000]),
    ("openai", "gpt-4.1-mini", "gpt-4.1-mini-2025-04-14", [400_000, 100_000, 1_600_000]),
    ("anthropic", "claude-haiku-4-5", "claude-haiku-4-5-20251001", [1_000_000, 100_000, 5_000_000]),
    ("gcp.gemini", "gemini-2.5-flash", "gemini-2.5-flash", [300_000, 75_000, 2_500_000]),
];
const FEATURES: [(&str, &str); 6] = [
    ("search", "answers"),
    ("search", "suggestions"),
    ("support", "triage"),
    ("support", "replies"),
    ("ads", "headlines"),
    ("ads", "untagged"),
];

fn generate(args: &Args) -> Result<ExitCode, Failure> {
    if let Some(file) = args.files.first() {
        return Err(Failure::Usage(format!("`generate` reads no file `{file}`")));
    }
    let lines: u64 = args.number("--lines")?.unwrap_or(1000);
    let days: u64 = args.number("--days")?.unwrap_or(30).max(1);
    let start = args.value("--start").unwrap_or("2026-10-01");
    let start: Timestamp = format!("{start}T00:00:00Z").parse().map_err(|()| {
        Failure::Usage(format!("`--start`: `{start}` is no day, expected one like 2026-10-01"))
    })?;
    let rhythm = Rhythm::new(start.unix_seconds(), days);
    let mut random = Random(args.number("--seed")?.unwrap_or(1));
    let mut out = BufWriter::with_capacity(1 << 16, std::io::stdout().lock());
    for number in 0..lines {
        let millis = rhythm.millis(number, lines) + random.below(30_000) as i64;
        let time = Timestamp::from_unix_nanos(start.unix_nanos() + millis * 1_000_000);
        match writeln!(out, "{}", line(number, time, &mut random)) {
            Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => return Err(Failure::Unread),
            Err(error) => return Err(Failure::Failed(format!("standard output: {error}"))),
            Ok(()) => {}
        }
    }
    out.flush().map_err(|error| Failure::Failed(format!("standard output: {error}")))?;
    Ok(ExitCode::SUCCESS)
}

/// How busy hours are: offices work by day, and hardly on weekends; each week has a little more to do than the last.
struct Rhythm {
    /// For each hour the weights of all hours up to it.
    until: Vec<u64>,
}

impl Rhythm {
    fn new(start: i64, days: u64) -> Self {
        let mut sum = 0;
        let first_day = start.div_euclid(86_400);
        let weight = |hour: u64| {
            let day = first_day + (hour / 24) as i64;
            // The epoch was a Thursday.
            let weekend = (day + 3).rem_euclid(7) >= 5;
            let office = (8..18).contains(&(hour % 24));
            let busy = if office { 20 } else { 4 };
            (if weekend { 3 } else { busy }) * (100 + hour / 168 * 3)
        };
        let until = (0..days * 24).map(|hour| {
            sum += weight(hour);
            sum
        });
        Self { until: until.collect() }
    }

    /// Milliseconds from the start to a line's call.
    fn millis(&self, number: u64, lines: u64) -> i64 {
        let whole = self.until.last().copied().unwrap_or(1);
        let at = (u128::from(number) * u128::from(whole) / u128::from(lines.max(1))) as u64;
        let hour = self.until.partition_point(|until| *until <= at);
        let before = hour.checked_sub(1).map_or(0, |hour| self.until[hour]);
        let within =
            (at - before) * 3_600_000 / (self.until.get(hour).map_or(1, |until| until - before)).max(1);
        (hour as u64 * 3_600_000 + within) as i64
    }
}

/// One line as Envoy writes it, of about 400 bytes.
fn line(number: u64, time: Timestamp, random: &mut Random) -> String {
    let (provider, asked, served, rates) = MODELS[random.below(4) as usize];
    let (team, feature) = FEATURES[random.below(6) as usize];
    let id = format!("18d-{:x}-{:x}", number % 2 + 1, number / 2 + 1);
    let customer = random.below(200);
    let workflow = number / 8;
    let tags = format!(
        r#"{{"customer":"c{customer}","feature":"{feature}","team":"{team}","workflow":"w{workflow:x}"}}"#
    );
    let head = format!(
        r#"{{"status":200,"tollgate":{{"gen_ai.operation.name":"chat","gen_ai.provider.name":"{provider}","gen_ai.request.model":"{asked}","#
    );
    let tail = format!(
        r#""tollgate.id":"{id}","tollgate.schema":1,"tollgate.tags":{tags},"tollgate.time":"{time}"}}}}"#
    );
    match random.below(100) {
        0 => {
            return format!(
                r#"{head}"tollgate.cost.status":"not_sent","tollgate.decision.action":"deny","tollgate.decision.rule":"team-month",{tail}"#
            );
        }
        1 => {
            return format!(
                r#"{head}"tollgate.cost.status":"no_usage","tollgate.usage.source":"none",{tail}"#
            );
        }
        _ => {}
    }
    let [fresh, cached, output] = [random.below(2_000) + 50, random.below(3) * 512, random.below(500) + 5];
    let usd = |tokens: u64, rate: u64| tollgate_pricing::PicoUsd::from_pico(i128::from(tokens * rate));
    let (input_usd, cache_usd, output_usd) =
        (usd(fresh, rates[0]), usd(cached, rates[1]), usd(output, rates[2]));
    let total = tollgate_pricing::PicoUsd::from_pico(input_usd.pico() + cache_usd.pico() + output_usd.pico());
    format!(
        r#"{head}"gen_ai.response.model":"{served}","gen_ai.usage.cache_read.input_tokens":{cached},"gen_ai.usage.input_tokens":{},"gen_ai.usage.output_tokens":{output},"tollgate.cost.lines":{{"cache_read":"{cache_usd}","input":"{input_usd}","output":"{output_usd}"}},"tollgate.cost.status":"priced","tollgate.cost.usd":"{total}","tollgate.usage.source":"reported",{tail}"#,
        fresh + cached
    )
}

/// A small generator (SplitMix64): what matters is that a seed always gives the same log.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % bound
    }
}
