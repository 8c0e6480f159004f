//! The prices that were looked up last: callers of a proxy ask for few models, mostly for the same ones again.

use std::cell::RefCell;

use tollgate_pricing::{Found, PriceBook, catalogue};

/// Look-ups in the catalogue, which never changes.
#[derive(Debug, Default)]
pub(crate) struct LastPrices(RefCell<LookUps>);

#[derive(Debug, Default)]
struct LookUps {
    kept: Vec<LookUp>,
    /// The place of the oldest.
    oldest: usize,
}

/// A model's name and the dated one that answers to it, of a few models.
const KEPT: usize = 8;

#[derive(Debug)]
struct LookUp {
    provider: String,
    model: String,
    found: Option<Found<'static>>,
}

impl LastPrices {
    /// The price of a model, as [`PriceBook::find`] has it.
    pub(crate) fn find<'a>(&self, prices: &'a PriceBook, provider: &str, model: &str) -> Option<Found<'a>> {
        if !prices.is_catalogue() {
            return prices.find(provider, model);
        }
        let Ok(mut last) = self.0.try_borrow_mut() else { return prices.find(provider, model) };
        let mut known = last.kept.iter();
        if let Some(known) = known.find(|known| known.model == model && known.provider == provider) {
            return known.found;
        }
        let found = catalogue().find(provider, model);
        last.keep(LookUp { provider: provider.to_owned(), model: model.to_owned(), found });
        found
    }
}

impl LookUps {
    fn keep(&mut self, look_up: LookUp) {
        match self.kept.get_mut(self.oldest) {
            Some(place) => *place = look_up,
            None => self.kept.push(look_up),
        }
        self.oldest = self.oldest.wrapping_add(1) % KEPT;
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
            let last = LastPrices::default();
            for (provider, model) in [
                ("openai", "gpt-4o"),
                ("openai", "gpt-4o"),
                ("azure", "gpt-4o"),
                ("openai", "gpt-4o-mini"),
                ("openai", "nobody-knows-it"),
                ("openai", "nobody-knows-it"),
                ("openai", "gpt-4o"),
            ]
            .into_iter()
            .chain(
                ["o1", "o3", "o4-mini", "gpt-4", "gpt-4.1", "gpt-5", "gpt-5-mini"]
                    .map(|model| ("openai", model)),
            )
            .chain([("openai", "gpt-4o"), ("openai", "o1"), ("azure", "gpt-4o")])
            {
                let found = last.find(&book, provider, model);
                let told = |found: Option<Found<'_>>| found.map(|found| format!("{found:?}"));
                assert_eq!(told(found), told(book.find(provider, model)), "{provider} {model}");
            }
        }
    }
}
