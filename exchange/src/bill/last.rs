//! The price that was looked up last: callers of a proxy ask for few models, mostly for the same one again.

use std::cell::RefCell;

use tollgate_pricing::{Found, PriceBook, catalogue};

/// A look-up in the catalogue, which never changes, and what it gave.
#[derive(Debug, Default)]
pub(crate) struct LastPrice(RefCell<Option<LookUp>>);

#[derive(Debug)]
struct LookUp {
    provider: String,
    model: String,
    found: Option<Found<'static>>,
}

impl LastPrice {
    /// The price of a model, as [`PriceBook::find`] has it.
    pub(crate) fn find<'a>(&self, prices: &'a PriceBook, provider: &str, model: &str) -> Option<Found<'a>> {
        if !prices.is_catalogue() {
            return prices.find(provider, model);
        }
        let Ok(mut last) = self.0.try_borrow_mut() else { return prices.find(provider, model) };
        match &*last {
            Some(last) if last.model == model && last.provider == provider => last.found,
            _ => {
                let found = catalogue().find(provider, model);
                *last = Some(LookUp { provider: provider.to_owned(), model: model.to_owned(), found });
                found
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tollgate_pricing::Override;

    #[test]
    fn it_says_what_the_book_says_whatever_was_asked_before() {
        let own = PriceBook::new(vec![Override::free("openai", "gpt-4o").unwrap()]);
        for book in [PriceBook::new(Vec::new()), own] {
            let last = LastPrice::default();
            for (provider, model) in [
                ("openai", "gpt-4o"),
                ("openai", "gpt-4o"),
                ("azure", "gpt-4o"),
                ("openai", "gpt-4o-mini"),
                ("openai", "nobody-knows-it"),
                ("openai", "nobody-knows-it"),
                ("openai", "gpt-4o"),
            ] {
                let found = last.find(&book, provider, model);
                let told = |found: Option<Found<'_>>| found.map(|found| format!("{found:?}"));
                assert_eq!(told(found), told(book.find(provider, model)), "{provider} {model}");
            }
        }
    }
}
