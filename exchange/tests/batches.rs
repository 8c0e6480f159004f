//! Sums of a batch are priced by the lengths of its prompts: every length at which a price changes must be told apart.

#![expect(clippy::string_slice, reason = "a test may panic")]

use std::collections::BTreeSet;
use std::path::Path;

use tollgate_wire::PROMPT_LENGTHS;

#[test]
fn every_tier_of_the_catalogue_is_a_border_of_a_batch() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../pricing/catalogue");
    let mut tiers = BTreeSet::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let file = entry.unwrap().path();
        if file.extension().is_some_and(|kind| kind == "json") {
            let text = std::fs::read_to_string(file).unwrap();
            let above =
                text.split('>').skip(1).filter_map(|rest| rest[..rest.find('"')?].parse::<u64>().ok());
            tiers.extend(above);
        }
    }
    assert!(tiers.len() > 3, "the catalogue's tiers were not found");
    let missing: Vec<_> = tiers.iter().filter(|tier| !PROMPT_LENGTHS.contains(tier)).collect();
    assert!(missing.is_empty(), "add {missing:?} to `PROMPT_LENGTHS` in wire/src/batch.rs");
}
