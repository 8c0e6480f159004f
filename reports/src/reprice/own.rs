//! Prices in a line each: what somebody negotiated, or thinks of.

use tollgate_pricing::{CardBuilder, Override, PriceError, Prices, TokenKind};

/// Reads `openai/gpt-4.1 input=1.50 cache_read=0.40 output=6`: USD per million tokens, or per unit. A `*` at the start or the end
/// of the model stands for the rest of it. Classes that are not named have no price, or that of another: what is written to a
/// cache costs as input.
///
/// # Errors
/// What is wrong, with what would be right.
pub fn own_price(line: &str) -> Result<Override, String> {
    let wrong = |why: &dyn std::fmt::Display| {
        format!("`{}`: {why}, expected a line like openai/gpt-4.1 input=1.50 output=6", line.trim())
    };
    let mut words = line.split_whitespace().map(|word| word.trim_end_matches([',', ':']));
    let name = words.next().and_then(|name| name.split_once('/'));
    let (provider, model) = name
        .filter(|(provider, _)| !provider.is_empty())
        .ok_or_else(|| wrong(&"it names no provider/model"))?;
    let mut words = words.filter(|word| !word.is_empty()).peekable();
    if words.peek().is_none() {
        return Err(wrong(&"it names no price"));
    }
    let rates = words.try_fold(Prices::new(), |prices, word| {
        let (class, usd) = word.split_once('=').ok_or_else(|| wrong(&format!("`{word}` is no price")))?;
        prices.rate(class, usd).map_err(|error| match error {
            PriceError::UnknownClass(_) => format!("`{}`: {error}, expected {}", line.trim(), classes()),
            _ => wrong(&error),
        })
    })?;
    Override::priced(provider, model, &CardBuilder::new().list(rates)).map_err(|error| wrong(&error))
}

fn classes() -> String {
    let names: Vec<_> = TokenKind::ALL.into_iter().map(|kind| format!("`{}`", kind.name())).collect();
    format!("one of {}, or a unit such as `web_search`", names.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;
    use tollgate_pricing::PriceBook;

    #[test]
    fn a_line_is_the_price_of_a_model_or_of_several() {
        for line in ["openai/gpt-4.1 input=1.50 output=6", " openai/gpt-*:  input=1.5,\toutput=6 "] {
            let book = PriceBook::new(vec![own_price(line).unwrap()]);
            assert!(book.find("openai", "gpt-4.1").unwrap().own, "{line}");
            assert!(book.find("openai", "o3").is_none_or(|found| !found.own), "{line}");
        }
    }

    #[test]
    fn what_is_no_price_says_what_would_be_one() {
        for (line, expected) in [
            ("", "it names no provider/model"),
            ("gpt-4.1 input=1", "it names no provider/model"),
            ("openai/gpt-4.1", "it names no price"),
            ("openai/gpt-4.1 1.50", "`1.50` is no price"),
            ("openai/gpt-4.1 input=cheap", "not a decimal number: `cheap`"),
            ("openai/gpt-4.1 input=-1", "must not be below zero: `-1`"),
            ("openai/gpt-4.1 inptu=1", "unknown class of tokens or units: `inptu`, expected one of `input`"),
            ("openai/gpt-4.1 input=1 input=2", "priced twice"),
            ("openai/g*4 input=1", "`*` may stand only at the start or the end"),
        ] {
            let why = own_price(line).unwrap_err();
            assert!(why.contains(expected), "{line}: {why}");
        }
    }
}
