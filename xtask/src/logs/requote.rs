//! Does each cost follow from its record? List price, lines and cost are computed anew and compared, and lines must add
//! up.

use std::fmt;

use tollgate_pricing::PicoUsd;
use tollgate_record::Record;

use crate::Verdict;
use crate::price::{self, Book, Recomputed};
use crate::reasons::Reasons;

/// How many differences are shown.
const SHOWN: usize = 20;

/// What became of the records.
pub struct Report {
    book: Book,
    equal: u64,
    differing: Shown,
    not_adding_up: Shown,
    skipped: Reasons,
}

/// Lines for people, the first few of them.
#[derive(Default)]
struct Shown {
    count: u64,
    lines: Vec<String>,
}

impl Shown {
    fn add(&mut self, line: impl FnOnce() -> String) {
        self.count += 1;
        if self.lines.len() < SHOWN {
            self.lines.push(line());
        }
    }
}

impl Report {
    pub fn new(book: Book) -> Self {
        Self {
            book,
            equal: 0,
            differing: Shown::default(),
            not_adding_up: Shown::default(),
            skipped: Reasons::default(),
        }
    }

    pub fn add(&mut self, record: &Record) {
        if !adds_up(record) {
            self.not_adding_up.add(|| format!("{}  usd {}", subject(record), shown(record.cost.usd)));
        }
        match self.book.recompute(record) {
            Recomputed::Equal => self.equal += 1,
            Recomputed::Differs(how) => self.differing.add(|| format!("{}  {how}", subject(record))),
            Recomputed::OtherPrices => {
                self.skipped.add(format!("other price version `{}`", record.price_version));
            }
            Recomputed::Nothing(why) => self.skipped.add(why.to_string()),
        }
    }

    pub fn verdict(&self) -> Verdict {
        match self.differing.count + self.not_adding_up.count {
            0 => Verdict::Good,
            _ => Verdict::Bad,
        }
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "recomputed with price version {}: {} equal, {} differ, {} cannot be recomputed; the lines of {} do not add up",
            self.book.version(),
            self.equal,
            self.differing.count,
            self.skipped.total(),
            self.not_adding_up.count
        )?;
        self.skipped.write(f, "not recomputed")?;
        for (what, shown) in [("differs", &self.differing), ("does not add up", &self.not_adding_up)] {
            for line in &shown.lines {
                writeln!(f, "  {what}: {line}")?;
            }
            if shown.count > SHOWN as u64 {
                writeln!(f, "  {what}: only the first {SHOWN} of {} are shown", shown.count)?;
            }
        }
        Ok(())
    }
}

/// Whether the lines give the total. A cost without lines has nothing to pay: it is zero.
fn adds_up(record: &Record) -> bool {
    let lines = PicoUsd::try_sum(record.cost.lines.iter().map(|(_, amount)| *amount));
    record.cost.usd.is_none_or(|usd| lines == Some(usd))
}

fn subject(record: &Record) -> String {
    format!("{}  {} {}", record.id, record.provider, price::model(record))
}

fn shown(amount: Option<PicoUsd>) -> String {
    amount.map_or_else(|| "nothing".to_owned(), |amount| amount.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use tollgate_record::{Cost, CostStatus, Part, Timestamp, Tokens};

    fn report() -> Report {
        Report::new(Book::of_catalogue())
    }

    /// A call of gpt-4.1 with 1,200 input tokens, 1,000 of them cached, and 300 output tokens. At 2, 0.50 and 8
    /// dollars per million they cost 0.0004 + 0.0005 + 0.0024.
    fn call() -> Record {
        let usd = "0.0033".parse().ok();
        Record {
            id: "1-1-1".into(),
            time: Timestamp::from_unix_nanos(1_795_176_000_000_000_000),
            provider: "openai".into(),
            request_model: Some("gpt-4.1".into()),
            tokens: Tokens {
                input: Some(1200),
                cache_read: Some(1000),
                output: Some(300),
                ..Tokens::default()
            },
            cost: Cost {
                status: CostStatus::Priced,
                usd,
                list_usd: usd,
                lines: [("input", "0.0004"), ("cache_read", "0.0005"), ("output", "0.0024")]
                    .map(|(name, amount)| (name.to_owned(), amount.parse().unwrap()))
                    .into(),
                ..Cost::default()
            },
            price_version: report().book.version().to_owned(),
            ..Record::default()
        }
    }

    fn check(name: &str, record: Record, equal: u64, differ: u64, skipped: &str) {
        let mut report = report();
        // What was logged is read as text again, so that the text is what is checked.
        let json = serde_json::from_str(&record.to_json()).unwrap();
        report.add(&Record::parse(&json).unwrap());
        let text = report.to_string();
        let why =
            text.split("not recomputed: 1 with ").nth(1).and_then(|rest| rest.lines().next()).unwrap_or("");
        assert_eq!((report.equal, report.differing.count, why), (equal, differ, skipped), "{name}: {report}");
        let wrong = differ + report.not_adding_up.count > 0;
        assert_eq!(report.verdict() == Verdict::Bad, wrong, "{name}");
    }

    #[test]
    fn a_list_price_follows_from_its_record() {
        check("as it was priced", call(), 1, 0, "");
        let mut other = call();
        other.cost.list_usd = "0.0034".parse().ok();
        check("another figure", other, 0, 1, "");
        let mut swapped = call();
        swapped.cost.lines.swap(0, 1);
        check("the order of lines does not matter", swapped, 1, 0, "");
        let mut moved = call();
        moved.cost.lines = vec![("output".into(), moved.cost.usd.unwrap())];
        check("the same sum from other lines", moved, 0, 1, "");
        let mut reported = call();
        reported.cost.status = CostStatus::Reported;
        reported.cost.usd = "0.01".parse().ok();
        reported.cost.reported_usd = reported.cost.usd;
        reported.cost.lines = vec![("reported".into(), "0.01".parse().unwrap())];
        check("the provider's own figure is the cost", reported.clone(), 1, 0, "");
        let mut alone = Record { tokens: Tokens::default(), ..reported.clone() };
        alone.cost.list_usd = None;
        check("the provider's figure and no usage", alone, 0, 0, "no cost by their status `reported`");
        reported.cost.reported_usd = "0.02".parse().ok();
        check("a cost that is not the figure it is said to be", reported, 0, 1, "");
        let mut lost = call();
        lost.cost = Cost { status: CostStatus::Priced, ..Cost::default() };
        check("a price but no figure", lost, 0, 1, "");
        let mut later = call();
        later.price_version = "0".into();
        check("other prices", later, 0, 0, "other price version `0`");
        let refused = Record { cost: Cost { status: CostStatus::NotSent, ..Cost::default() }, ..call() };
        check("a refused call", refused, 0, 0, "no cost by their status `not_sent`");
        let unknown = Cost { status: CostStatus::UnknownModel, ..Cost::default() };
        let strange = Record { request_model: Some("nobody-knows".into()), cost: unknown.clone(), ..call() };
        check("an unknown model", strange, 0, 0, "no cost by their status `unknown_model`");
        check("a model that should be known", Record { cost: unknown, ..call() }, 0, 1, "");
        let unit = Record { units: vec![("parsecs".into(), "12".into())], ..call() };
        check("a unit of a later version", unit, 0, 1, "");
        let tier = Record { service_tier: Some("flex".into()), ..call() };
        check("a tier that costs the same", tier, 1, 0, "");
    }

    #[test]
    fn parts_are_priced_each_at_its_own_model() {
        let part = |model: Option<&str>, input| Part {
            model: model.map(str::to_owned),
            tokens: Tokens { input: Some(input), ..Tokens::default() },
            ..Part::default()
        };
        let mut split = call();
        split.parts = vec![part(None, 100), part(Some("gpt-4.1-mini"), 1000)];
        split.cost.usd = "0.0006".parse().ok();
        split.cost.list_usd = split.cost.usd;
        split.cost.lines = vec![("input".into(), split.cost.usd.unwrap())];
        check("two models", split.clone(), 1, 0, "");
        split.parts[1].units = vec![("web_search".into(), "2".into())];
        check("a part with units", split.clone(), 0, 1, "");
        split.cost.usd = "0.0206".parse().ok();
        split.cost.list_usd = split.cost.usd;
        split.cost.lines.push(("web_search".into(), "0.02".parse().unwrap()));
        check("a part with units, and their line", split, 1, 0, "");
    }

    #[test]
    fn what_else_a_price_depends_on_is_in_the_record() {
        let priced = |usd: &str, line: &str| Cost {
            status: CostStatus::Priced,
            usd: usd.parse().ok(),
            list_usd: usd.parse().ok(),
            lines: vec![(line.into(), usd.parse().unwrap())],
            ..Cost::default()
        };
        let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        let mut image = Record {
            provider: "azure.ai.openai".into(),
            request_model: Some("dall-e-3".into()),
            tokens: Tokens::default(),
            units: vec![pair("images", "2")],
            conditions: vec![pair("image_quality", "hd"), pair("image_size", "1024x1792")],
            cost: priced("0.264", "images"),
            ..call()
        };
        check("an image's size and quality", image.clone(), 1, 0, "");
        image.conditions.clear();
        check("without them it is another price", image, 0, 1, "");
        let mut stranger = call();
        stranger.request_model = Some("nobody-knows".into());
        stranger.conditions = vec![pair("price_as", "gpt-4.1")];
        check("a model that stood in", stranger, 1, 0, "");
        let mut audio = call();
        audio.request_model = Some("gpt-realtime".into());
        audio.tokens.audio_input = Some(100);
        audio.tokens.cache_read_audio = Some(100);
        audio.cost = Cost::default();
        let book = Book::of_catalogue();
        let price = book.price(&Record { cost: priced("1", "input"), ..audio.clone() }).unwrap();
        assert!(price.lines.contains_key("cache_read_audio"), "{price:?}");
        let mut cheaper = call();
        cheaper.cost.adjustments = vec!["-50".into(), "10".into()];
        check("adjusted, but the cost is not", cheaper.clone(), 0, 1, "");
        for (_, amount) in &mut cheaper.cost.lines {
            *amount = PicoUsd::from_pico(amount.pico() * 55 / 100);
        }
        cheaper.cost.usd = "0.001815".parse().ok();
        check("adjusted, line by line", cheaper, 1, 0, "");
    }

    #[test]
    fn lines_must_add_up_whatever_the_price_version() {
        let mut record = call();
        record.cost.lines.push(("web_search".into(), PicoUsd::from_pico(1)));
        record.price_version = "0".into();
        let mut report = report();
        report.add(&record);
        assert_eq!(report.verdict(), Verdict::Bad);
        assert!(
            report.to_string().contains("does not add up: 1-1-1  openai gpt-4.1  usd 0.0033"),
            "{report}"
        );
    }

    #[test]
    fn only_the_first_differences_are_shown() {
        let mut report = report();
        for _ in 0..25 {
            let mut record = call();
            record.cost.list_usd = None;
            report.add(&record);
        }
        assert_eq!(report.to_string().matches("(list nothing)").count(), SHOWN);
        assert!(report.to_string().ends_with("only the first 20 of 25 are shown\n"), "{report}");
    }
}
