//! OpenAI's report in one pass, where it is spelled as OpenAI itself and most others spell it.
//!
//! Reports are read at the end of each call, by code that other work has driven out of the caches since the last one. A tree and its
//! look-ups cost ten times as many instructions as this. Anything that is not expected is left to them.

use super::{Reading, settle_total};

/// What counts are taken from and how; the order is that of [`KEYS`].
#[derive(Clone, Copy)]
enum Place {
    Count(Slot),
    Details(&'static [(&'static [u8], Slot)]),
}

#[derive(Clone, Copy)]
enum Slot {
    Input,
    Output,
    Total,
    CacheRead,
    Reasoning,
    InputAudio,
    OutputAudio,
    /// A part of the output that nobody bills apart.
    Accepted,
    Rejected,
}

/// One more than the last of them.
const SLOTS: usize = Slot::Rejected as usize + 1;

const INPUT_DETAILS: &[(&[u8], Slot)] =
    &[(b"cached_tokens", Slot::CacheRead), (b"audio_tokens", Slot::InputAudio)];
const OUTPUT_DETAILS: &[(&[u8], Slot)] = &[
    (b"reasoning_tokens", Slot::Reasoning),
    (b"audio_tokens", Slot::OutputAudio),
    (b"accepted_prediction_tokens", Slot::Accepted),
    (b"rejected_prediction_tokens", Slot::Rejected),
];

/// The spellings of chat completions and of responses.
const KEYS: &[(&[u8], Place)] = &[
    (b"prompt_tokens", Place::Count(Slot::Input)),
    (b"completion_tokens", Place::Count(Slot::Output)),
    (b"total_tokens", Place::Count(Slot::Total)),
    (b"prompt_tokens_details", Place::Details(INPUT_DETAILS)),
    (b"completion_tokens_details", Place::Details(OUTPUT_DETAILS)),
    (b"input_tokens", Place::Count(Slot::Input)),
    (b"output_tokens", Place::Count(Slot::Output)),
    (b"input_tokens_details", Place::Details(INPUT_DETAILS)),
    (b"output_tokens_details", Place::Details(OUTPUT_DETAILS)),
];

/// The report, if it has none but the usual keys, each at most once, with whole numbers and without white space.
pub(super) fn read(raw: &[u8]) -> Option<Reading> {
    let mut cursor = Cursor { rest: raw };
    let mut counts = [None; SLOTS];
    cursor.take(b'{')?;
    loop {
        match *named(KEYS, cursor.key()?)? {
            Place::Count(slot) => set(&mut counts, slot, cursor.count()?)?,
            Place::Details(keys) => cursor.details(keys, &mut counts)?,
        }
        if !cursor.goes_on()? {
            break;
        }
    }
    cursor.rest.is_empty().then(|| reading(&counts))
}

type Counts = [Option<u64>; SLOTS];

fn reading(counts: &Counts) -> Reading {
    let [input, output, total, cache_read, reasoning, input_audio, output_audio, _, _] = *counts;
    let mut reading = Reading::default();
    let usage = &mut reading.usage;
    (usage.input, usage.output, usage.cache_read, usage.reasoning) = (input, output, cache_read, reasoning);
    (usage.input_audio, usage.output_audio) = (input_audio, output_audio);
    settle_total(&mut reading, total);
    reading
}

/// `None` where there is a count already.
fn set(counts: &mut Counts, slot: Slot, count: u64) -> Option<()> {
    let place = counts.get_mut(slot as usize).filter(|place| place.is_none())?;
    *place = Some(count);
    Some(())
}

fn named<'t, T>(table: &'t [(&[u8], T)], key: &[u8]) -> Option<&'t T> {
    table.iter().find(|(name, _)| *name == key).map(|(_, value)| value)
}

struct Cursor<'a> {
    rest: &'a [u8],
}

impl<'a> Cursor<'a> {
    fn take(&mut self, byte: u8) -> Option<()> {
        let (first, rest) = self.rest.split_first()?;
        self.rest = rest;
        (*first == byte).then_some(())
    }

    /// What stands between the next two quotes, before a colon. An escaped key is none that is known.
    fn key(&mut self) -> Option<&'a [u8]> {
        self.take(b'"')?;
        let end = self.rest.iter().position(|byte| *byte == b'"')?;
        let (key, rest) = self.rest.split_at_checked(end)?;
        self.rest = rest.strip_prefix(b"\":")?;
        Some(key)
    }

    /// A whole number of at most [`MOST_DIGITS`] digits.
    fn count(&mut self) -> Option<u64> {
        let (mut count, mut digits) = (0_u64, 0_usize);
        while let Some((digit @ b'0'..=b'9', rest)) = self.rest.split_first() {
            count = count.checked_mul(10)?.checked_add(u64::from(digit & 0xf))?;
            digits = digits.checked_add(1)?;
            self.rest = rest;
        }
        (1..=MOST_DIGITS).contains(&digits).then_some(count)
    }

    fn details(&mut self, keys: &[(&[u8], Slot)], counts: &mut Counts) -> Option<()> {
        self.take(b'{')?;
        loop {
            let slot = *named(keys, self.key()?)?;
            set(counts, slot, self.count()?)?;
            if !self.goes_on()? {
                return Some(());
            }
        }
    }

    /// Whether another member follows, or the object ends here.
    fn goes_on(&mut self) -> Option<bool> {
        let (mark, rest) = self.rest.split_first()?;
        self.rest = rest;
        match mark {
            b',' => Some(true),
            b'}' => Some(false),
            _ => None,
        }
    }
}

/// Numbers that are longer may be more than anybody believes.
const MOST_DIGITS: usize = 15;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::json::Value;
    use proptest::prelude::*;

    fn general(raw: &[u8]) -> Option<Reading> {
        Value::parse(raw).map(|value| super::super::read(&value))
    }

    #[test]
    fn reports_of_openai_are_read_here_and_like_the_tree() {
        for raw in [
            r#"{"prompt_tokens":19,"completion_tokens":398,"total_tokens":417}"#,
            r#"{"completion_tokens":7,"completion_tokens_details":{"accepted_prediction_tokens":1,"audio_tokens":2,"reasoning_tokens":3,"rejected_prediction_tokens":4},"prompt_tokens":5,"prompt_tokens_details":{"audio_tokens":1,"cached_tokens":2},"total_tokens":12}"#,
            r#"{"input_tokens":9,"input_tokens_details":{"cached_tokens":0},"output_tokens":4,"output_tokens_details":{"reasoning_tokens":0},"total_tokens":13}"#,
            r#"{"total_tokens":8}"#,
            r#"{"prompt_tokens":1,"completion_tokens":2,"total_tokens":9,"completion_tokens_details":{"reasoning_tokens":6}}"#,
        ] {
            let plain = read(raw.as_bytes());
            assert!(plain.is_some(), "{raw}");
            assert_eq!(plain, general(raw.as_bytes()), "{raw}");
        }
    }

    #[test]
    fn anything_else_is_left_to_the_tree() {
        for raw in [
            "",
            "{",
            "{}",
            "null",
            "[1]",
            r#"{"prompt_tokens":}"#,
            r#"{"prompt_tokens":1"#,
            r#"{"prompt_tokens":1}}"#,
            r#"{"prompt_tokens": 1}"#,
            r#"{"prompt_tokens":1.0}"#,
            r#"{"prompt_tokens":-1}"#,
            r#"{"prompt_tokens":"1"}"#,
            r#"{"prompt_tokens":1,"prompt_tokens":2}"#,
            r#"{"prompt_tokens":1,"input_tokens":2}"#,
            r#"{"prompt_tokens":1,"cost":2}"#,
            r#"{"prompt_tokens_details":null}"#,
            r#"{"prompt_tokens":1234567890123456}"#,
            r#"{"prompt_tokens_details":{"cached_tokens":1,"cache_write_tokens":2}}"#,
            r#"{"prompt\u005ftokens":1}"#,
        ] {
            assert_eq!(read(raw.as_bytes()), None, "{raw}");
        }
    }

    fn member() -> impl Strategy<Value = String> {
        let names = [
            "prompt_tokens",
            "completion_tokens",
            "total_tokens",
            "input_tokens",
            "cached_tokens",
            "reasoning_tokens",
            "audio_tokens",
            "cost",
        ];
        let numbers = prop_oneof![
            (0..50_u64).prop_map(|n| n.to_string()),
            Just("null".to_owned()),
            Just("1e2".to_owned())
        ];
        let count = (prop::sample::select(names.to_vec()), numbers)
            .prop_map(|(name, number)| format!("\"{name}\":{number}"));
        let details = ["prompt_tokens_details", "completion_tokens_details", "output_tokens_details"];
        let nested = (prop::sample::select(details.to_vec()), prop::collection::vec(count.clone(), 0..4))
            .prop_map(|(name, members)| format!("\"{name}\":{{{}}}", members.join(",")));
        prop_oneof![3 => count, 1 => nested]
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, cases: 2000, ..ProptestConfig::default() })]

        #[test]
        fn what_is_read_here_the_tree_reads_alike(members in prop::collection::vec(member(), 0..7)) {
            let raw = format!("{{{}}}", members.join(","));
            if let Some(plain) = read(raw.as_bytes()) {
                prop_assert_eq!(Some(plain), general(raw.as_bytes()));
            }
        }
    }
}
