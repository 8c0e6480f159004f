//! Guards: what departs from a key's own past.
//!
//! A [`GuardRule`] says which calls it is about, by what it tells keys apart, and what it watches. Each key has a [`Past`] in shared
//! data, which takes in what calls showed when they had ended. What departs from its past has a [`Verdict`] as long as that goes on.

mod level;
mod past;
mod pasts;
mod rule;
mod season;
mod size;
mod verdicts;

pub use past::{Episode, Past};
pub use pasts::{PastId, PastPage, Pasts};
pub use rule::{Gauge, GuardRule, Judge, Seen, Watch, compile_guards};
pub use size::{Sample, Size};
pub use verdicts::{Verdict, Verdicts};
