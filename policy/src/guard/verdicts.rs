//! Which keys depart from their past right now: a small table that all workers read.

/// What is known of a key that departs from its past.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Verdict {
    /// Since when, in seconds since the epoch.
    pub since_s: u32,
    /// Until when it holds if nobody sees it again.
    pub until_s: u32,
    /// How many 256ths of its calls are too many.
    pub excess: u8,
}

/// All of them, in the order of guard and key.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Verdicts(Vec<(String, Verdict)>);

/// Past this many the ones that come last are not noted: they are alerted all the same.
const MOST: usize = 1000;
/// Between a guard's name and a key, which may hold anything where it names a model.
const JOINT: char = '\u{1e}';

impl Verdicts {
    /// The verdict about a key of a guard.
    pub fn find(&self, guard: &str, key: &str) -> Option<&Verdict> {
        self.0.get(self.place(&name(guard, key)).ok()?).map(|(_, verdict)| verdict)
    }

    /// Notes a verdict, or that there is none any more, and forgets those that have run out. `false` if nothing is new.
    #[inline(never)]
    pub fn note(&mut self, guard: &str, key: &str, verdict: Option<Verdict>, now_s: u32) -> bool {
        let forgot = self.forget(now_s);
        let name = name(guard, key);
        match (verdict, self.place(&name)) {
            (None, Err(_)) => return forgot,
            (None, Ok(place)) => drop(self.0.remove(place)),
            (Some(new), Ok(place)) => match self.0.get_mut(place) {
                Some((_, old)) if old.differs(new) => *old = new,
                _ => return forgot,
            },
            (Some(_), Err(_)) if self.0.len() >= MOST || name.contains('\n') => return forgot,
            (Some(new), Err(place)) => self.0.insert(place, (name, new)),
        }
        true
    }

    /// Forgets those that have run out. `false` if none has.
    pub fn forget(&mut self, now_s: u32) -> bool {
        let before = self.0.len();
        self.0.retain(|(_, verdict)| verdict.until_s > now_s);
        self.0.len() < before
    }

    fn place(&self, name: &str) -> Result<usize, usize> {
        self.0.binary_search_by(|(known, _)| known.as_str().cmp(name))
    }

    /// Guard, key and verdict, in order.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str, &Verdict)> {
        self.0.iter().filter_map(|(name, verdict)| {
            let (guard, key) = name.split_once(JOINT)?;
            Some((guard, key, verdict))
        })
    }

    /// Whether nothing departs from its past.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Its stored form: a line for each.
    #[inline(never)]
    pub fn to_bytes(&self) -> Vec<u8> {
        let line =
            |(name, v): &(String, Verdict)| format!("{} {} {} {name}\n", v.since_s, v.until_s, v.excess);
        self.0.iter().map(line).collect::<String>().into_bytes()
    }

    /// Reads what [`Verdicts::to_bytes`] wrote; lines that cannot be read are left out.
    #[inline(never)]
    pub fn from_bytes(bytes: &[u8]) -> Self {
        let text = std::str::from_utf8(bytes).unwrap_or_default();
        let read = |line: &str| {
            let mut parts = line.splitn(4, ' ');
            let mut number = || parts.next()?.parse::<u32>().ok();
            let (since_s, until_s, excess) = (number()?, number()?, u8::try_from(number()?).ok()?);
            Some((parts.next()?.to_owned(), Verdict { since_s, until_s, excess }))
        };
        // Not by `lines`: a model's name comes from clients, and may end with a carriage return.
        let mut verdicts: Vec<_> = text.split('\n').filter_map(read).collect();
        verdicts.sort_by(|a, b| a.0.cmp(&b.0));
        Self(verdicts)
    }
}

fn name(guard: &str, key: &str) -> String {
    format!("{guard}{JOINT}{key}")
}

impl Verdict {
    /// Whether another one about the same is news: it began anew, holds for much longer, or is another share.
    fn differs(&self, new: Self) -> bool {
        let later = new.until_s.saturating_sub(self.until_s);
        let held = new.until_s.saturating_sub(new.since_s);
        self.since_s != new.since_s || later > held / 8 || self.excess.abs_diff(new.excess) >= 16
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn verdict(since_s: u32, until_s: u32, excess: u8) -> Option<Verdict> {
        Some(Verdict { since_s, until_s, excess })
    }

    #[test]
    fn what_is_noted_is_found_until_it_runs_out() {
        let mut verdicts = Verdicts::default();
        assert!(verdicts.note("spend", "/search", verdict(100, 700, 0), 100));
        assert!(!verdicts.note("spend", "/search", verdict(100, 701, 3), 101), "nothing new");
        assert!(verdicts.note("spend", "/search", verdict(100, 701, 99), 101), "another share");
        assert!(verdicts.note("spend", "/ads x", verdict(200, 800, 1), 200));
        let read = Verdicts::from_bytes(&verdicts.to_bytes());
        assert_eq!(read, verdicts);
        assert_eq!(read.find("spend", "/ads x"), verdict(200, 800, 1).as_ref());
        assert_eq!((read.find("spen", "/ads x"), read.find("spend", "/ads")), (None, None));
        assert!(verdicts.note("other", "", None, 750), "one has run out");
        assert!(verdicts.note("spend", "/ads x", None, 750));
        assert!(verdicts.is_empty() && !verdicts.note("spend", "/ads x", None, 750));
    }

    #[test]
    fn a_name_with_control_characters_is_one_of_its_own() {
        let mut verdicts = Verdicts::default();
        for time in 1..9 {
            verdicts.note("errors", "/m\r", verdict(1, 100 * time, 0), 1);
            verdicts.note("errors", "/m\n1 9 9 errors\u{1e}/n", verdict(1, 100 * time, 0), 1);
            verdicts = Verdicts::from_bytes(&verdicts.to_bytes());
        }
        let names: Vec<_> = verdicts.iter().map(|(guard, key, _)| (guard, key)).collect();
        assert_eq!(names, [("errors", "/m\r")]);
        assert_eq!(verdicts.find("errors", "/m"), None);
    }

    #[test]
    fn ten_thousand_keys_stay_bounded_and_damage_is_left_out() {
        let mut verdicts = Verdicts::default();
        (0..10_000).for_each(|key| {
            verdicts.note("spend", &format!("/{key}"), verdict(1, 9, 0), 1);
        });
        assert_eq!(verdicts.iter().count(), MOST);
        let damaged = [b"x\n5 6 7 a\x1eb\n1 2 300 c\x1ed\n".as_slice(), &[0xff]].concat();
        assert!(Verdicts::from_bytes(&damaged).is_empty());
        assert_eq!(Verdicts::from_bytes(b"x\n5 6 7 a\x1eb\n1 2 300 c\x1ed\n").iter().count(), 1);
    }
}
