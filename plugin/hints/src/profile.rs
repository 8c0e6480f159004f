//! What usual calls do at branches, as a file that can be read and compared.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;

use crate::functions::Function;

const HEAD: &str = "\
# Which way usual calls go at the branches of tollgate.wasm, function by function: y if they always take it, n if never,
# . if they do both, or do not come by. Written by `cargo xtask hints`; `plugin/hints` says why and how.
";

/// How often a branch was taken, and how often not.
pub type Passes = (u64, u64);

/// Which way to go at each branch of a function, by what it is known by.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Profile(BTreeMap<u64, Known>);

#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Known {
    name: String,
    ways: Vec<Option<bool>>,
}

impl Known {
    fn hints(&self) -> usize {
        self.ways.iter().flatten().count()
    }
}

impl Profile {
    /// Finds the one-sided branches of functions whose counts stand one after the other. Behind them, up to the end of
    /// the memory's page, are zeros.
    ///
    /// # Errors
    /// Where there are fewer counts than branches, or more, or nothing was learned.
    pub fn learn(functions: &[Function], counts: &[Passes]) -> Result<Self, String> {
        let branches = functions.iter().map(|function| function.branches.len()).sum::<usize>();
        if counts.get(branches..).is_none_or(|behind| behind.iter().any(|count| *count != (0, 0))) {
            return Err(format!("{} counts for {branches} branches", counts.len()));
        }
        let mut sums: BTreeMap<u64, (&str, Vec<Passes>)> = BTreeMap::new();
        let mut counts = counts.iter();
        for function in functions {
            let none = || (function.name.as_str(), vec![(0, 0); function.branches.len()]);
            let (_, sum) = sums.entry(function.fingerprint).or_insert_with(none);
            for (sum, count) in sum.iter_mut().zip(counts.by_ref().take(function.branches.len())) {
                *sum = (sum.0 + count.0, sum.1 + count.1);
            }
        }
        let known = sums.into_iter().map(|(fingerprint, (name, sums))| {
            (fingerprint, Known { name: name.to_owned(), ways: sums.into_iter().map(way).collect() })
        });
        let learned = Self(known.filter(|(_, known)| known.hints() > 0).collect());
        if learned.0.is_empty() {
            Err("no branch is one-sided: were any calls made?".to_owned())
        } else {
            Ok(learned)
        }
    }

    /// Which way to go at each branch of a function; nothing where it is not known, or known to be another one by now.
    pub fn ways(&self, function: &Function) -> Option<&[Option<bool>]> {
        let known = self.0.get(&function.fingerprint)?;
        (known.ways.len() <= function.branches.len()).then_some(&known.ways)
    }

    /// How many of its hints are about functions that are there as they were.
    pub fn hints_about(&self, functions: &[Function]) -> usize {
        let there: BTreeSet<u64> = functions.iter().map(|function| function.fingerprint).collect();
        let known = self.0.iter().filter(|(fingerprint, _)| there.contains(fingerprint));
        known.map(|(_, known)| known.hints()).sum()
    }

    /// How many branches are one-sided.
    pub fn hints(&self) -> usize {
        self.0.values().map(Known::hints).sum()
    }

    /// The file's text, functions by their names.
    pub fn to_text(&self) -> String {
        let mut lines: Vec<_> = self.0.iter().collect();
        lines.sort_by_key(|(fingerprint, known)| (&known.name, **fingerprint));
        lines.iter().fold(HEAD.to_owned(), |mut text, (fingerprint, known)| {
            let ways: String = known.ways.iter().map(|way| letter(*way)).collect();
            let ways = ways.trim_end_matches('.');
            writeln!(text, "{fingerprint:016x} {ways} {}", known.name).expect("a text takes all");
            text
        })
    }

    /// Reads such a file.
    ///
    /// # Errors
    /// Names the first line that is not one of ours, or is about a function that had one: two people learned it, and who merged
    /// them kept both.
    pub fn from_text(text: &str) -> Result<Self, String> {
        let mut functions = BTreeMap::new();
        for line in text.lines().filter(|line| !line.starts_with('#')) {
            let (fingerprint, known) =
                known(line).ok_or_else(|| format!("`{line}` is no function's hints"))?;
            if functions.insert(fingerprint, known).is_some() {
                return Err(format!("`{fingerprint:016x}` stands twice"));
            }
        }
        Ok(Self(functions))
    }
}

/// Reads the counts: a line for each branch, how often it was taken and how often not.
///
/// # Errors
/// Names the first line that is not one of counts.
pub fn counts(text: &str) -> Result<Vec<Passes>, String> {
    let line = |line: &str| {
        let (taken, passed) = line.split_once(' ')?;
        Some((taken.parse().ok()?, passed.parse().ok()?))
    };
    text.lines().map(|text| line(text).ok_or_else(|| format!("`{text}` is not two counts"))).collect()
}

/// Where usual calls go. One that goes both ways is worth no hint: what the engine then moves away is needed, too.
fn way(count: Passes) -> Option<bool> {
    match count {
        (1.., 0) => Some(true),
        (0, 1..) => Some(false),
        _ => None,
    }
}

fn letter(way: Option<bool>) -> char {
    match way {
        Some(true) => 'y',
        Some(false) => 'n',
        None => '.',
    }
}

fn known(line: &str) -> Option<(u64, Known)> {
    let mut words = line.splitn(3, ' ');
    let fingerprint = u64::from_str_radix(words.next()?, 16).ok()?;
    let ways = words.next()?.chars().map(|letter| match letter {
        'y' => Some(Some(true)),
        'n' => Some(Some(false)),
        '.' => Some(None),
        _ => None,
    });
    Some((fingerprint, Known { ways: ways.collect::<Option<_>>()?, name: words.next()?.to_owned() }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn function(fingerprint: u64, branches: usize) -> Function {
        Function { index: 0, name: "of mine".to_owned(), fingerprint, branches: vec![0; branches] }
    }

    #[test]
    fn one_sided_branches_are_learned_and_come_back_out_of_the_file() {
        let functions = [function(1, 3), function(2, 1), function(0xabcd, 2)];
        let counts = counts("5 0\n0 9\n0 0\n4 1\n0 0\n7 0\n0 0\n").expect("counts");
        let profile = Profile::learn(&functions, &counts).expect("as many");
        assert_eq!(profile.hints(), 3);
        assert_eq!(
            profile.to_text().strip_prefix(HEAD),
            Some("0000000000000001 yn of mine\n000000000000abcd .y of mine\n")
        );
        let read = Profile::from_text(&profile.to_text()).expect("its own text");
        assert_eq!(read.ways(&functions[0]), Some(&[Some(true), Some(false)][..]));
        assert_eq!(read.ways(&functions[1]), None, "it goes both ways");
        assert_eq!(read.ways(&function(1, 1)), None, "another function by chance");
    }

    #[test]
    fn copies_of_a_function_are_one() {
        let functions = [function(1, 1), function(1, 1)];
        let sided = Profile::learn(&functions, &[(3, 0), (0, 1)]);
        assert_eq!(sided, Err("no branch is one-sided: were any calls made?".to_owned()));
        let profile = Profile::learn(&functions, &[(3, 0), (1, 0)]).expect("as many");
        assert_eq!((profile.hints(), profile.hints_about(&functions), profile.hints_about(&[])), (1, 1, 0));
    }

    #[test]
    fn what_is_not_a_profile_is_refused_by_its_line() {
        for (text, expected) in [
            ("zz y f", "`zz y f` is no function's hints"),
            ("12 x f", "`12 x f` is no function's hints"),
            ("12 y", "`12 y` is no function's hints"),
            ("1 y f\n\n", "`` is no function's hints"),
            ("1 y f\n<<<<<<< HEAD\n", "`<<<<<<< HEAD` is no function's hints"),
            ("12 y f\n13 y g\n12 n f", "`0000000000000012` stands twice"),
        ] {
            assert_eq!(Profile::from_text(text), Err(expected.to_owned()));
        }
        assert_eq!(counts("1"), Err("`1` is not two counts".to_owned()));
        assert_eq!(Profile::learn(&[], &[(0, 1)]), Err("1 counts for 0 branches".to_owned()));
        assert_eq!(Profile::learn(&[function(1, 1)], &[]), Err("0 counts for 1 branches".to_owned()));
    }
}
