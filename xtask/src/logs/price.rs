//! Which prices records are held against. How a record is priced, `tollgate-reports` knows.

use std::fmt;
use std::path::Path;

use tollgate_exchange::{Rules, UnknownModel, parse_catalogue};
use tollgate_pricing::PriceBook;

pub use tollgate_reports::reprice::{Book, Recomputed, model};

/// The catalogue, the overrides of the configuration (JSON) if there is one, and the prices of a file as a filter takes it
/// while it runs.
///
/// # Errors
/// A file that cannot be read or is refused.
pub fn load(config: Option<&Path>, catalogue: Option<&Path>) -> Result<Book, String> {
    let (mut prices, mut stand_in) = (PriceBook::new(Vec::new()), None);
    if let Some(path) = config {
        let rules = read(path, Rules::compile)?;
        prices = rules.prices;
        if let UnknownModel::PriceAs(model) = rules.unknown_model {
            stand_in = Some(model);
        }
    }
    if let Some(path) = catalogue {
        prices = prices.refreshed(read(path, parse_catalogue)?.into());
    }
    Ok(Book::new(prices, stand_in))
}

fn read<T, E: fmt::Display>(path: &Path, parse: impl FnOnce(&[u8]) -> Result<T, E>) -> Result<T, String> {
    let told = |why: &dyn fmt::Display| format!("`{}`: {why}", path.display());
    let bytes = std::fs::read(path).map_err(|error| told(&error))?;
    parse(&bytes).map_err(|error| told(&error))
}
