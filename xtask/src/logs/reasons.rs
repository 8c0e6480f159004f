//! Why calls were left out, with how many for each reason.

use std::collections::BTreeMap;
use std::fmt;

/// How many reasons are shown: names of unknown models come from clients, so there may be any number of them.
const SHOWN: usize = 20;

/// Reasons and how often each was given.
#[derive(Default)]
pub struct Reasons(BTreeMap<String, u64>);

impl Reasons {
    pub fn add(&mut self, why: String) {
        *self.0.entry(why).or_default() += 1;
    }

    pub fn total(&self) -> u64 {
        self.0.values().sum()
    }

    /// One line for each of the most frequent reasons.
    pub fn write(&self, f: &mut fmt::Formatter<'_>, what: &str) -> fmt::Result {
        let mut all: Vec<_> = self.0.iter().collect();
        all.sort_by_key(|(_, count)| std::cmp::Reverse(**count));
        for (why, count) in all.iter().take(SHOWN) {
            writeln!(f, "  {what}: {count} with {why}")?;
        }
        let rest = all.iter().skip(SHOWN);
        match rest.clone().map(|(_, count)| **count).sum::<u64>() {
            0 => Ok(()),
            more => writeln!(f, "  {what}: {more} for {} other reasons", rest.count()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Shown(Reasons);

    impl fmt::Display for Shown {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            self.0.write(f, "left out")
        }
    }

    #[test]
    fn the_most_frequent_reasons_stand_first_and_the_list_is_bounded() {
        let mut reasons = Reasons::default();
        (0..30).for_each(|number| reasons.add(format!("reason {number:02}")));
        reasons.add("reason 29".into());
        assert_eq!(reasons.total(), 31);
        let shown = Shown(reasons).to_string();
        assert!(shown.starts_with("  left out: 2 with reason 29\n  left out: 1 with reason 00\n"), "{shown}");
        assert!(shown.ends_with("  left out: 10 for 10 other reasons\n"), "{shown}");
    }
}
