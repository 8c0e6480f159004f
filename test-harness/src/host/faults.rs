//! Host calls that fail, lie, or see the clock jump.

use std::collections::BTreeMap;

/// What happens to a host call instead of its work.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fault {
    /// It does nothing and returns this status.
    Status(u32),
    /// It works, but what it returns in bytes is this.
    Garbage(Vec<u8>),
    /// It works, after the clock has been set forward (or, if negative, back) by so many nanoseconds.
    ClockJump(i64),
}

/// Which host call it happens to.
#[derive(Clone, Debug)]
pub struct Planned {
    /// For example `proxy_get_shared_data`.
    pub function: &'static str,
    /// The first call is 1; nothing: every call.
    pub nth: Option<u64>,
    /// What happens.
    pub fault: Fault,
}

/// A plan of faults, and how far it has come.
#[derive(Clone, Debug, Default)]
pub struct Faults {
    planned: Vec<Planned>,
    called: BTreeMap<&'static str, u64>,
}

impl Faults {
    /// A plan whose counts begin at the next host call.
    pub fn new(planned: Vec<Planned>) -> Self {
        Self { planned, called: BTreeMap::new() }
    }

    /// How often this function has been called since the plan was made.
    pub fn calls(&self, function: &str) -> u64 {
        self.called.get(function).map_or(0, |&count| count)
    }

    /// What happens to this call.
    pub fn next(&mut self, function: &'static str) -> Option<Fault> {
        let count = self.called.entry(function).or_insert(0);
        *count += 1;
        let hit =
            |planned: &&Planned| planned.function == function && planned.nth.is_none_or(|nth| nth == *count);
        self.planned.iter().find(hit).map(|planned| planned.fault.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fault_hits_the_call_that_it_was_planned_for() {
        let fault = Fault::Status(2);
        let mut faults = Faults::new(vec![Planned { function: "a", nth: Some(2), fault: fault.clone() }]);
        assert_eq!(
            [faults.next("a"), faults.next("b"), faults.next("a"), faults.next("a")],
            [None, None, Some(fault), None]
        );
    }
}
