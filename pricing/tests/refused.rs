//! Catalogue files that the build refuses, with the reason that it gives.

extern crate alloc;

#[path = "../build/compile.rs"]
mod compile;
#[path = "../build/date.rs"]
mod date;
#[path = "../build/file.rs"]
mod file;

// The build script's modules stand on those of the crate, which a test cannot see.
#[expect(dead_code, reason = "only what the build script needs of these modules is used")]
#[path = "../src/assemble.rs"]
mod assemble;
#[path = "../src/class.rs"]
mod class;
#[path = "../src/decimal.rs"]
mod decimal;
#[expect(dead_code, reason = "as above")]
#[path = "../src/digest.rs"]
mod digest;
#[expect(dead_code, reason = "as above")]
#[path = "../src/error.rs"]
mod error;
#[expect(dead_code, reason = "as above")]
#[path = "../src/index.rs"]
mod index;
#[expect(dead_code, reason = "as above")]
#[path = "../src/money.rs"]
mod money;
#[expect(dead_code, reason = "as above")]
#[path = "../src/situation.rs"]
mod situation;
#[expect(dead_code, reason = "as above")]
#[path = "../src/tables.rs"]
mod tables;
#[expect(dead_code, reason = "as above")]
#[path = "../src/tokens.rs"]
mod tokens;
#[expect(dead_code, reason = "as above")]
#[path = "../src/units.rs"]
mod units;

use compile::Catalogue;
use file::ProviderFile;

#[test]
fn bad_files_are_refused_with_the_reason() {
    let cases = [
        ("a price below zero", rates(r#""input": "-1""#), "model `m`: `input`: must not be below zero: `-1`"),
        (
            "a price with an exponent",
            rates(r#""input": "1e3""#),
            "model `m`: `input`: not a decimal number: `1e3`",
        ),
        ("a price for nothing", rates(r#""images": "1/0""#), "model `m`: `images`: too large: `1`"),
        (
            "a price beyond the integers",
            rates(r#""input": "99999999999999""#),
            "model `m`: `input`: too large: `99999999999999`",
        ),
        ("an unknown class", rates(r#""inputs": "1""#), "model `m`: `inputs`: unknown class `inputs`"),
        (
            "a tier that is no number",
            rates(r#""input>many": "1""#),
            "model `m`: `input>many`: not a number: `many`",
        ),
        ("a number for money", rates(r#""input": 1"#), "invalid type: integer `1`, expected a string"),
        (
            "an unknown field",
            one(r#""price": "1""#),
            "unknown field `price`, expected one of `name`, `source`, `checked`, `retires`, `matches`, `free`, `lists`, `variants`, `uplifts`, `decisions`",
        ),
        (
            "a date that is none",
            one(r#""lists": [{"from": "2026-13-01", "rates": {}}]"#),
            "model `m`: not a date: `2026-13-01`",
        ),
        (
            "a period that ends before it starts",
            one(r#""lists": [{"from": "2026-02-01", "until": "2026-01-01", "rates": {}}]"#),
            "model `m`: not a period: `1769904000 to 1767225600`",
        ),
        (
            "a time of day that is none",
            one(r#""lists": [{"daily": ["24:00", "01:00"], "rates": {}}]"#),
            "model `m`: not a time of day: `24:00`",
        ),
        (
            "an unknown condition",
            one(r#""variants": [{"when": {"tier": "flex"}, "rates": {}}]"#),
            "model `m`: unknown price condition: `tier`",
        ),
        (
            "a factor below zero",
            one(r#""uplifts": [{"when": {"region": "us"}, "factor": "-1"}]"#),
            "model `m`: must not be below zero: `-1`",
        ),
        (
            "a name that stands twice",
            file(r#"{"name": "a", "source": "", "checked": ""}, {"name": "A", "source": "", "checked": ""}"#),
            "model `A`: `a` is also a name of entry 0",
        ),
        (
            "a provider that falls back to nobody",
            r#"{"provider": "p", "fallbacks": ["nobody"], "models": []}"#.into(),
            "no provider `nobody`",
        ),
        (
            "a provider that is named twice",
            r#"{"provider": "p", "spellings": ["p"], "models": []}"#.into(),
            "provider named twice: `p`",
        ),
        ("half a file", r#"{"provider": "p""#.into(), "EOF while parsing an object"),
    ];
    for (name, text, why) in cases {
        let said = compiled(&text).err().unwrap_or_default();
        assert!(said.starts_with(why), "{name}: {said}");
    }
}

#[test]
fn a_good_file_is_compiled() {
    let text =
        one(r#""lists": [{"rates": {"input": "2.50", "input>200000": "5", "web_search": "10/1000"}}]"#);
    let tables = compiled(&text).unwrap();
    assert_eq!((tables.providers.len(), tables.entries.len(), tables.cards.rows.len()), (1, 1, 3));
}

fn compiled(text: &str) -> Result<compile::Tables, String> {
    let file: ProviderFile = serde_json::from_str(text).map_err(|error| error.to_string())?;
    let mut catalogue = Catalogue::default();
    catalogue.add(&file)?;
    catalogue.finish()
}

fn rates(rates: &str) -> String {
    one(&format!(r#""lists": [{{"rates": {{{rates}}}}}]"#))
}

fn one(fields: &str) -> String {
    file(&format!(r#"{{"name": "m", "source": "", "checked": "", {fields}}}"#))
}

fn file(models: &str) -> String {
    format!(r#"{{"provider": "p", "models": [{models}]}}"#)
}
