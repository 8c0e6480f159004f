//! What is known of one workflow, as pure data of fixed size.

use super::LoopLimits;

/// One workflow since its span of time began.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Trail {
    /// The second of the epoch at which its first call came; zero: none came.
    started: u32,
    /// The second at which the last one came that was let pass.
    last: u32,
    calls: u32,
    /// In pico-USD: what is past 18 million USD is as much as that.
    spent: u64,
    /// The length of its first request, in bytes; zero: not known.
    first_bytes: u32,
    /// The turns and tool calls seen last, newest first, each with how often. A loop of so many steps is noticed.
    prints: [(u32, u8); PRINTS],
}

const PRINTS: usize = 12;

/// Requests grow fast from nothing: a first one that is shorter counts as long as this, about a thousand tokens.
const SHORTEST_FIRST_BYTES: u64 = 4096;

/// What was said so often before is said again and again: to say a thing twice is usual.
const REPEATED: u8 = 2;

/// Whoever is slowed down waits this long at most.
const LONGEST_PAUSE_S: u32 = 60;

/// What of a call matters to its workflow.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Arrival {
    /// When it comes, in seconds of the epoch.
    pub now: u32,
    /// The length of its request, once known.
    pub bytes: Option<u64>,
    /// The print of its last message.
    pub message: Option<u64>,
    /// The print of its last calls of tools.
    pub tools: Option<u64>,
}

/// A limit that a call passes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Breach {
    /// The last message was the same this often already.
    SameTurn(u64),
    /// The last calls of tools were the same this often already.
    SameToolCall(u64),
    /// The workflow has made as many calls as it may.
    Calls(u64),
    /// It has cost what it may cost, in pico-USD.
    Usd(i128),
    /// Its request is more than so many times as long as the first one.
    InputGrowth(u64),
}

impl Trail {
    /// How many words it takes.
    pub const WORDS: usize = 6 + PRINTS + PRINTS.div_ceil(4);

    /// Reads what [`Trail::write`] wrote.
    pub fn read(words: &[u32]) -> Self {
        let word = |place: usize| words.get(place).copied().unwrap_or(0);
        let mut prints = [(0, 0); PRINTS];
        let counts = words.iter().skip(6 + PRINTS).flat_map(|word| word.to_le_bytes());
        for ((slot, print), count) in prints.iter_mut().zip(words.iter().skip(6)).zip(counts) {
            *slot = (*print, count);
        }
        Self {
            started: word(0),
            last: word(1),
            calls: word(2),
            spent: u64::from(word(3)) << 32 | u64::from(word(4)),
            first_bytes: word(5),
            prints,
        }
    }

    /// Writes it into as many words.
    pub fn write(&self, words: &mut [u32]) {
        let low = |number: u64| u32::try_from(number & u64::from(u32::MAX)).unwrap_or(0);
        let fixed =
            [self.started, self.last, self.calls, low(self.spent >> 32), low(self.spent), self.first_bytes];
        let prints = self.prints.iter().map(|(print, _)| *print);
        let counts =
            self.prints.as_chunks::<4>().0.iter().map(|four| u32::from_le_bytes(four.map(|(_, n)| n)));
        for (word, value) in words.iter_mut().zip(fixed.into_iter().chain(prints).chain(counts)) {
            *word = value;
        }
    }

    /// Forgets everything if its span of time is over at `now`, or never began.
    pub fn roll(&mut self, now: u32, within_s: u32) {
        let over = self.started.checked_add(within_s).is_none_or(|end| end <= now);
        if self.started == 0 || over {
            *self = Self { started: now.max(1), last: now, ..Self::default() };
        }
    }

    /// The limit that a call passes, if it is let go on; the gravest first.
    pub fn breach(&self, limits: &LoopLimits, arrival: &Arrival) -> Option<Breach> {
        let seen = |print: Option<u64>, most: Option<u64>| {
            let times = u64::from(self.times(short(print?)));
            (times >= most?).then_some(times)
        };
        let calls = u64::from(self.calls);
        let spent = i128::from(self.spent);
        let grown = || {
            let most = limits.input_growth?;
            let first = u64::from(self.first_bytes).max(SHORTEST_FIRST_BYTES);
            (self.first_bytes > 0 && arrival.bytes? > first.saturating_mul(most)).then_some(most)
        };
        seen(arrival.message, limits.same_turns)
            .map(Breach::SameTurn)
            .or_else(|| seen(arrival.tools, limits.same_tool_calls).map(Breach::SameToolCall))
            .or_else(|| limits.usd.filter(|most| spent >= *most).map(Breach::Usd))
            .or_else(|| limits.calls.filter(|most| calls >= *most).map(Breach::Calls))
            .or_else(|| grown().map(Breach::InputGrowth))
    }

    /// Whether a call says what was said twice before, or asks tools for it; `None` if neither is known.
    pub fn repeats(&self, limits: &LoopLimits, arrival: &Arrival) -> Option<bool> {
        let said = kept(limits, arrival).into_iter().flatten().map(|print| self.times(print)).max()?;
        Some(said >= REPEATED)
    }

    /// How long the call has to wait that passes a limit and is only slowed down: twice as long for each repetition.
    pub fn pause(&self, breach: Breach, now: u32) -> Option<u32> {
        let beyond = match breach {
            Breach::SameTurn(times) | Breach::SameToolCall(times) => times,
            _ => u64::MAX,
        };
        let pause = u32::try_from(beyond).ok().and_then(|times| 1_u32.checked_shl(times.min(6)));
        let pause = pause.unwrap_or(LONGEST_PAUSE_S).min(LONGEST_PAUSE_S);
        self.last.saturating_add(pause).checked_sub(now).filter(|wait| *wait > 0)
    }

    /// Takes in a call that goes on. What the limits do not ask for is not kept.
    pub fn enter(&mut self, limits: &LoopLimits, arrival: &Arrival) {
        self.calls = self.calls.saturating_add(1);
        self.last = arrival.now;
        if self.first_bytes == 0 {
            self.first_bytes = arrival.bytes.map_or(0, |bytes| u32::try_from(bytes).unwrap_or(u32::MAX));
        }
        let prints = kept(limits, arrival);
        prints.into_iter().flatten().for_each(|print| self.note(print));
    }

    /// Takes back a call that never went on.
    pub fn leave(&mut self, limits: &LoopLimits, arrival: &Arrival) {
        self.calls = self.calls.saturating_sub(1);
        self.forgive(limits, arrival);
    }

    /// Takes back what a call said: it failed, and whoever says it again has a reason.
    pub fn forgive(&mut self, limits: &LoopLimits, arrival: &Arrival) {
        for print in kept(limits, arrival).into_iter().flatten() {
            if let Some((_, times)) = self.prints.iter_mut().find(|(known, _)| *known == print) {
                *times = times.saturating_sub(1);
            }
        }
    }

    /// Adds what a call cost, in pico-USD.
    pub fn spend(&mut self, pico: i128) {
        self.spent = self.spent.saturating_add(u64::try_from(pico.max(0)).unwrap_or(u64::MAX));
    }

    /// How many calls it has made.
    pub const fn calls(&self) -> u32 {
        self.calls
    }

    /// What they cost, in pico-USD.
    pub fn spent(&self) -> i128 {
        i128::from(self.spent)
    }

    /// How many hundredths of the first request's length this one has.
    pub fn growth_percent(&self, bytes: Option<u64>) -> Option<u64> {
        bytes?.checked_mul(100)?.checked_div(u64::from(self.first_bytes))
    }

    fn times(&self, print: u32) -> u8 {
        self.prints.iter().find(|(known, _)| *known == print).map_or(0, |(_, times)| *times)
    }

    /// Counts a print, which becomes the newest.
    fn note(&mut self, print: u32) {
        let place =
            self.prints.iter().position(|(known, _)| *known == print).unwrap_or(PRINTS.saturating_sub(1));
        let times = self.times(print);
        if let Some(newer) = self.prints.get_mut(..=place) {
            newer.rotate_right(1);
        }
        if let Some(newest) = self.prints.first_mut() {
            *newest = (print, times.saturating_add(1));
        }
    }
}

/// The prints that the limits ask for.
fn kept(limits: &LoopLimits, arrival: &Arrival) -> [Option<u32>; 2] {
    let message = arrival.message.filter(|_| limits.same_turns.is_some());
    let tools = arrival.tools.filter(|_| limits.same_tool_calls.is_some());
    [message.map(short), tools.map(short)]
}

/// Half of a print tells a dozen apart well enough. None is zero.
fn short(print: u64) -> u32 {
    u32::try_from(print >> 32).unwrap_or(0).max(1)
}

#[cfg(test)]
#[expect(clippy::arithmetic_side_effects, reason = "tests may overflow: they would fail")]
mod tests {
    use super::*;

    const LIMITS: LoopLimits = LoopLimits {
        same_turns: Some(2),
        same_tool_calls: Some(3),
        calls: Some(50),
        usd: Some(1_000),
        input_growth: Some(3),
    };

    fn says(print: u64) -> Arrival {
        Arrival { now: 100, bytes: Some(5_000), message: Some(print << 32), tools: None }
    }

    fn begun() -> Trail {
        let mut trail = Trail::default();
        trail.roll(100, 60);
        trail
    }

    /// Lets calls pass as they come, until one is refused.
    fn run(arrivals: impl IntoIterator<Item = Arrival>) -> (usize, Option<Breach>) {
        let mut trail = begun();
        let mut passed = 0;
        for arrival in arrivals {
            if let Some(breach) = trail.breach(&LIMITS, &arrival) {
                return (passed, Some(breach));
            }
            trail.enter(&LIMITS, &arrival);
            passed += 1;
        }
        (passed, None)
    }

    #[test]
    fn agents_that_turn_in_circles_are_noticed() {
        let tools = |print: u64, tools: u64| Arrival { tools: Some(tools << 32), ..says(print) };
        for (name, arrivals, expected) in [
            ("the same turn", vec![says(1); 9], (2, Some(Breach::SameTurn(2)))),
            ("a circle of three", (0..30).map(|n| says(1 + n % 3)).collect(), (6, Some(Breach::SameTurn(2)))),
            (
                "a circle of twelve",
                (0..30).map(|n| says(1 + n % 12)).collect(),
                (24, Some(Breach::SameTurn(2))),
            ),
            ("a circle of thirteen is too long", (0..30).map(|n| says(1 + n % 13)).collect(), (30, None)),
            (
                "the same call of a tool",
                (0..9).map(|n| tools(1 + n, 99)).collect(),
                (3, Some(Breach::SameToolCall(3))),
            ),
            ("always something new", (0..40).map(|n| says(1 + n)).collect(), (40, None)),
            ("for ever", (0..90).map(|n| says(1 + n)).collect(), (50, Some(Breach::Calls(50)))),
            ("nothing is said", vec![Arrival { message: None, ..says(0) }; 9], (9, None)),
            (
                "ever more is carried along",
                (1..9).map(|n| Arrival { bytes: Some(n * 5_000), ..says(n) }).collect(),
                (3, Some(Breach::InputGrowth(3))),
            ),
            (
                "much more than very little is still little",
                (1..9).map(|n| Arrival { bytes: Some(n * 1_000), ..says(n) }).collect(),
                (8, None),
            ),
        ] {
            assert_eq!(run(arrivals), expected, "{name}");
        }
    }

    #[test]
    fn what_failed_or_never_went_on_may_be_said_again() {
        let mut trail = begun();
        for _ in 0..9 {
            assert_eq!(trail.breach(&LIMITS, &says(1)), None);
            trail.enter(&LIMITS, &says(1));
            trail.forgive(&LIMITS, &says(1));
        }
        assert_eq!(trail.calls(), 9);
        trail.enter(&LIMITS, &says(1));
        trail.leave(&LIMITS, &says(1));
        assert_eq!(trail.calls(), 9);
    }

    #[test]
    fn from_the_third_time_on_a_call_repeats_itself() {
        let says = |message: Option<u64>, tools: Option<u64>| Arrival {
            message: message.map(|print| print << 32),
            tools: tools.map(|print| print << 32),
            ..says(0)
        };
        for (name, arrivals, expected) in [
            ("the same turn", vec![says(Some(1), None); 4], "nnyy"),
            ("a circle of two", (0..6).map(|n| says(Some(1 + n % 2), None)).collect(), "nnnnyy"),
            ("a tool that answers anew", (1..5).map(|n| says(Some(n), Some(99))).collect(), "nnyy"),
            ("never the same", (1..5).map(|n| says(Some(n), None)).collect(), "nnnn"),
            ("nothing that is known", vec![says(None, None); 3], "..."),
        ] {
            let mut trail = begun();
            let mut found = String::new();
            for arrival in arrivals {
                found.push(trail.repeats(&LIMITS, &arrival).map_or('.', |yes| if yes { 'y' } else { 'n' }));
                trail.enter(&LIMITS, &arrival);
            }
            assert_eq!(found, expected, "{name}");
        }
        assert_eq!(begun().repeats(&LoopLimits::default(), &says(Some(1), None)), None, "nothing is kept");
    }

    #[test]
    fn what_was_spent_ends_it_and_time_begins_it_anew() {
        let mut trail = begun();
        trail.enter(&LIMITS, &says(1));
        trail.spend(999);
        assert_eq!(trail.breach(&LIMITS, &says(2)), None);
        trail.spend(1);
        assert_eq!(trail.breach(&LIMITS, &says(2)), Some(Breach::Usd(1_000)));
        trail.roll(159, 60);
        assert_eq!((trail.calls(), trail.spent()), (1, 1_000));
        trail.roll(160, 60);
        assert_eq!((trail.calls(), trail.spent(), trail.breach(&LIMITS, &says(1))), (0, 0, None));
    }

    #[test]
    fn who_is_slowed_down_waits_longer_each_time() {
        let mut trail = begun();
        trail.enter(&LIMITS, &says(1));
        for (times, now, expected) in
            [(2, 100, Some(4)), (2, 103, Some(1)), (2, 104, None), (3, 100, Some(8)), (9, 100, Some(60))]
        {
            assert_eq!(trail.pause(Breach::SameTurn(times), now), expected, "{times} {now}");
        }
        assert_eq!(trail.pause(Breach::Calls(1), 100), Some(60));
    }

    #[test]
    fn it_reads_back() {
        let mut trail = begun();
        (1..20).for_each(|print| trail.enter(&LIMITS, &says(print % 5)));
        trail.spend(i128::from(u64::MAX) - 7);
        let mut words = [0; Trail::WORDS];
        trail.write(&mut words);
        assert_eq!(Trail::read(&words), trail);
        assert_eq!(Trail::read(&[0; Trail::WORDS]), Trail::default());
        assert_eq!(trail.growth_percent(Some(15_000)), Some(300));
        assert_eq!(Trail::default().growth_percent(Some(1)), None, "nothing to grow from");
    }
}
