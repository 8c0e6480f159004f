//! Catalogue files that are refused, by the build and by a running filter alike, with the path and the reason.

use tollgate_pricing::Refreshed;
use tollgate_pricing::file::ProviderFile;

#[test]
fn bad_files_are_refused_with_the_reason() {
    let cases = [
        (
            "a price below zero",
            rates(r#""input": "-1""#),
            "models[0].lists[0].rates.input: must not be below zero: `-1`",
        ),
        (
            "a price with an exponent",
            rates(r#""input": "1e3""#),
            "models[0].lists[0].rates.input: not a decimal number: `1e3`",
        ),
        (
            "a price for nothing",
            rates(r#""images": "1/0""#),
            "models[0].lists[0].rates.images: too large: `1`",
        ),
        (
            "a price beyond the integers",
            rates(r#""input": "99999999999999""#),
            "models[0].lists[0].rates.input: too large: `99999999999999`",
        ),
        (
            "an unknown class",
            rates(r#""inputs": "1""#),
            "models[0].lists[0].rates.inputs: unknown class of tokens or units: `inputs`",
        ),
        (
            "a tier that is no number",
            rates(r#""input>many": "1""#),
            "models[0].lists[0].rates.input>many: not a whole number: `many`",
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
            "models[0].lists[0].from: not a date: `2026-13-01`",
        ),
        (
            "a period that ends before it starts",
            one(r#""lists": [{"from": "2026-02-01", "until": "2026-01-01", "rates": {}}]"#),
            "models[0].lists[0].until: not a period: `1769904000 to 1767225600`",
        ),
        (
            "a time of day that is none",
            one(r#""lists": [{"daily": ["24:00", "01:00"], "rates": {}}]"#),
            "models[0].lists[0].daily: not a time of day: `24:00`",
        ),
        (
            "a day of the week that is none",
            one(r#""lists": [{"weekdays": ["mon", "caturday"], "rates": {}}]"#),
            "models[0].lists[0].weekdays: not a day of the week, `mon` to `sun`: `caturday`",
        ),
        (
            "a class that is priced twice",
            one(r#""lists": [{"rates": {"input": "1", "input>0": "2"}}]"#),
            "models[0]: priced twice: `input above 0`",
        ),
        (
            "a rule that every name fits",
            one(r#""matches": {"prefix": [""]}"#),
            "models[0].matches: `*` may stand only at the start or the end of a model: ``",
        ),
        (
            "a model without a name",
            file(r#"{"name": "", "source": "", "checked": ""}"#),
            "models[0].name: named twice",
        ),
        (
            "an unknown condition",
            one(r#""variants": [{"when": {"tier": "flex"}, "rates": {}}]"#),
            "models[0].variants[0].when: unknown price condition: `tier`",
        ),
        (
            "a factor below zero",
            one(r#""uplifts": [{"when": {"region": "us"}, "factor": "-1"}]"#),
            "models[0].uplifts[0].factor: must not be below zero: `-1`",
        ),
        (
            "a name that stands twice",
            file(r#"{"name": "a", "source": "", "checked": ""}, {"name": "A", "source": "", "checked": ""}"#),
            "models[1].name: named twice: `a`",
        ),
        (
            "a provider that falls back to nobody",
            r#"{"provider": "p", "fallbacks": ["nobody"], "models": []}"#.into(),
            "fallbacks: no such provider: `nobody`",
        ),
        (
            "a provider that is named twice",
            r#"{"provider": "p", "spellings": ["p"], "models": []}"#.into(),
            "provider: named twice: `p`",
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
    assert_eq!(compiled(&text).map(|prices| prices.len()), Ok(1));
}

fn compiled(text: &str) -> Result<Refreshed, String> {
    let file: ProviderFile = serde_json::from_str(text).map_err(|error| error.to_string())?;
    Refreshed::new(&[file]).map_err(|error| error.to_string())
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
