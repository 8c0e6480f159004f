//! One measure for one thing. The second source gives images and audio of some models a price by the
//! token and, as an estimate, one by the piece or second; with both, a call would be billed twice.

use super::file::{Model, Prices};
use super::litellm;

/// Classes that measure content which tokens measure too.
const SECOND: [&str; 10] = [
    "images",
    "output_pixels",
    "pixels",
    "audio_seconds",
    "output_audio_seconds",
    "video_seconds",
    "output_video_seconds",
    "characters",
    "output_characters",
    "seconds",
];

/// Takes the second measures out of a model that is billed by the token. What the first source's
/// lists price in two ways (text by the token, audio by the second) stays.
pub fn once(model: &mut Model) {
    if by_token(model) {
        let own: Vec<String> = if model.source.starts_with(litellm::SOURCE) {
            model.lists.iter_mut().for_each(|list| without(list, &[]));
            Vec::new()
        } else {
            model.lists.iter().flat_map(|list| list.rates.keys().cloned()).collect()
        };
        model.variants.iter_mut().for_each(|variant| without(variant, &own));
        model.variants.retain(|variant| !variant.rates.is_empty());
    }
    model.lists.iter_mut().chain(&mut model.variants).for_each(by_the_piece);
}

fn by_token(model: &Model) -> bool {
    let sold = |list: &Prices, class: &str| list.rates.get(class).is_some_and(|usd| usd != "0");
    model.lists.iter().any(|list| sold(list, "input") || sold(list, "output"))
}

fn without(prices: &mut Prices, own: &[String]) {
    prices.rates.retain(|class, _| !SECOND.contains(&class.as_str()) || own.contains(class));
}

/// An image that has a price is not billed by its pixels as well.
fn by_the_piece(prices: &mut Prices) {
    if prices.rates.contains_key("images") {
        prices.rates.remove("output_pixels");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    #[test]
    fn nothing_is_billed_twice() {
        let cases = [
            (
                "tokens count, seconds were an estimate",
                "litellm 1.106.2",
                &["input", "audio_seconds"][..],
                "input",
            ),
            ("seconds alone stay", "litellm 1.106.2", &["audio_seconds"], "audio_seconds"),
            (
                "an image is not billed by its pixels too",
                "litellm 1.106.2",
                &["images", "output_pixels"],
                "images",
            ),
            ("searches are another thing", "litellm 1.106.2", &["input", "web_search"], "input web_search"),
            (
                "the first source means both",
                "genai-prices 0.2.3",
                &["audio_seconds", "input"],
                "audio_seconds input",
            ),
        ];
        for (name, source, classes, expected) in cases {
            let rates: BTreeMap<_, _> =
                classes.iter().map(|class| (class.to_string(), "1".to_string())).collect();
            let list = Prices { rates, ..Prices::default() };
            let mut model = Model { source: source.into(), lists: vec![list], ..Model::default() };
            once(&mut model);
            let left: Vec<&str> = model.lists[0].rates.keys().map(String::as_str).collect();
            assert_eq!(left.join(" "), expected, "{name}");
        }
    }
}
