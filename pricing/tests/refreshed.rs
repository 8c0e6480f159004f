//! Prices that arrive while the filter runs, before those that are compiled in.

use std::collections::BTreeMap;
use std::sync::Arc;
use tollgate_pricing::file::{Model, Prices, ProviderFile};
use tollgate_pricing::{
    CardBuilder, Override, PriceBook, Prices as OwnPrices, Refreshed, Situation, TokenKind, Usage, quote,
};

fn model(name: &str, usd: &str) -> Model {
    let rates = BTreeMap::from([("input".into(), usd.into())]);
    let lists = vec![Prices { rates, ..Prices::default() }];
    Model {
        name: name.into(),
        source: "test".into(),
        checked: "2026-11-21".into(),
        lists,
        ..Model::default()
    }
}

fn file(provider: &str, models: Vec<Model>) -> ProviderFile {
    ProviderFile { provider: provider.into(), models, ..ProviderFile::default() }
}

#[expect(clippy::unwrap_used, reason = "only tests call it")]
fn refreshed(files: &[ProviderFile]) -> Arc<Refreshed> {
    Arc::new(Refreshed::new(files).unwrap())
}

/// What a million input tokens cost.
fn price(book: &PriceBook, provider: &str, model: &str) -> Option<String> {
    let found = book.find(provider, model)?;
    let mut usage = Usage::default();
    usage.tokens.set(TokenKind::Input, 1_000_000);
    Some(quote(&found.card, &usage, &Situation::default(), &[]).ok()?.total.to_string())
}

#[test]
fn what_arrived_goes_before_what_is_compiled_in() {
    let wide = Model { matches: prefix("gpt-4.1-"), ..model("gpt-4.1-any", "7") };
    let files = [
        file("openai", vec![model("gpt-4o", "99"), model("gpt-new", "5"), wide]),
        ProviderFile {
            fallbacks: vec!["openai".into(), "anthropic".into()],
            ..file("reseller", vec![model("own", "1")])
        },
    ];
    let own = CardBuilder::new().list(OwnPrices::new().rate("input", "3").unwrap());
    let overrides = vec![Override::priced("openai", "gpt-mine", &own).unwrap()];
    let built_in = PriceBook::new(overrides);
    let book = built_in.refreshed(refreshed(&files));
    let cases = [
        ("a model that arrived", "openai", "gpt-new", Some("5")),
        ("in any case", "openai", "GPT-New", Some("5")),
        ("a new price of a known model", "openai", "gpt-4o", Some("99")),
        ("under a name that only the catalogue knows", "openai", "gpt-4o-2024-08-06", Some("99")),
        ("a snapshot with a price of its own keeps it", "openai", "gpt-4o-2024-05-13", Some("5")),
        ("a rule does not take over a model that is named", "openai", "gpt-4.1-mini", Some("0.4")),
        ("a rule takes what nobody names", "openai", "gpt-4.1-whatever", Some("7")),
        ("what did not arrive stays", "openai", "gpt-4.1", Some("2")),
        ("a provider that did not arrive stays", "anthropic", "claude-haiku-4-5", Some("1")),
        ("a provider that was not known", "reseller", "own", Some("1")),
        ("which sells another's models", "reseller", "gpt-new", Some("5")),
        ("the user's own price goes before all", "openai", "gpt-mine", Some("3")),
        ("nobody's", "openai", "unheard-of", None),
    ];
    for (name, provider, model, expected) in cases {
        assert_eq!(price(&book, provider, model).as_deref(), expected, "{name}: {provider} {model}");
    }
    assert_eq!(price(&built_in, "openai", "gpt-new"), None, "the book before does not change");
}

#[test]
fn the_version_tells_what_arrived() {
    let base = PriceBook::new(Vec::new());
    let alias = Model { matches: prefix("a-"), ..model("a", "1") };
    let weekend = {
        let mut model = model("a", "1");
        model.lists.iter_mut().for_each(|list| list.weekdays = vec!["sat".into(), "sun".into()]);
        model
    };
    let books = [
        base.clone(),
        base.refreshed(refreshed(&[])),
        base.refreshed(refreshed(&[file("p", vec![model("a", "1")])])),
        base.refreshed(refreshed(&[file("p", vec![model("a", "2")])])),
        base.refreshed(refreshed(&[file("p", vec![model("b", "1")])])),
        base.refreshed(refreshed(&[file("q", vec![model("a", "1")])])),
        base.refreshed(refreshed(&[file("p", vec![alias])])),
        base.refreshed(refreshed(&[file("p", vec![weekend])])),
        base.refreshed(refreshed(&[file("p", vec![Model { free: true, ..model("a", "1") }])])),
        base.refreshed(refreshed(&[file(
            "p",
            vec![Model { retires: Some("2027-01-01".into()), ..model("a", "1") }],
        )])),
    ];
    let versions: std::collections::BTreeSet<_> = books.iter().map(PriceBook::version).collect();
    assert_eq!(versions.len(), books.len());
    let again = refreshed(&[file("p", vec![Model { source: "elsewhere".into(), ..model("a", "1") }])]);
    let second = base.refreshed(refreshed(&[file("q", Vec::new())])).refreshed(again);
    assert_eq!(second.version(), books[2].version(), "only the last prices count, and their source does not");
}

#[test]
fn all_or_nothing_is_taken() {
    let cases = [
        (
            "the second file",
            vec![file("p", Vec::new()), file("q", vec![model("a", "1"), model("b", "-1")])],
            "[1].models[1].lists[0].rates.input: must not be below zero: `-1`",
        ),
        (
            "one provider twice",
            vec![file("p", Vec::new()), file("p", Vec::new())],
            "[1].provider: named twice: `p`",
        ),
        (
            "too many",
            vec![file("p", (0..10_001).map(|number| model(&number.to_string(), "1")).collect())],
            "too many parts: `10001 models`",
        ),
    ];
    for (name, files, why) in cases {
        assert_eq!(Refreshed::new(&files).unwrap_err().to_string(), why, "{name}");
    }
}

/// The whole catalogue arrives as it stands: every price is the same as before, under every name.
#[test]
fn the_catalogue_itself_may_arrive() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/catalogue");
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let text = std::fs::read_to_string(&path).unwrap();
        files.extend(serde_json::from_str::<ProviderFile>(&text).ok());
    }
    let (before, now) = (PriceBook::new(Vec::new()), refreshed(&files));
    assert!(files.len() > 100 && now.len() > 4000, "{} files, {} models", files.len(), now.len());
    let after = before.refreshed(now);
    for known in tollgate_pricing::catalogue().models() {
        let old = price(&before, known.provider, known.name);
        assert_eq!(price(&after, known.provider, known.name), old, "{} {}", known.provider, known.name);
    }
}

fn prefix(text: &str) -> tollgate_pricing::file::Matches {
    tollgate_pricing::file::Matches { prefix: vec![text.into()], ..Default::default() }
}
