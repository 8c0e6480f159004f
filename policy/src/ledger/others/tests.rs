use super::*;
use crate::ledger::{Amount, Entry, OwnStore, book};
use crate::window::Window;
use std::collections::VecDeque;

const WINDOW: Window = Window::Seconds(86_400);
const NOW: i64 = 1_800_000_000;

fn op(change: Change) -> Op {
    let key = "tg/1/n/quota/q/v".into();
    Op { key, table: None, window: WINDOW, change, keeps_below: 0, stays_from: 0 }
}

/// One call that ends at once. Whether it was admitted.
fn call(memory: &OwnStore, limit: i128) -> bool {
    let ask = op(Change::Reserve { amount: Amount::fixed(1), limit });
    let Ok(Admission::Granted(answers)) = perform_beside_others(memory, &mut InHand::new(0), &[ask], NOW)
    else {
        return false;
    };
    let Some(Answer::Reserved { lease, .. }) = answers.first() else { return false };
    book(memory, &[op(Change::Settle { lease: *lease, actual: 1, output: None })], NOW).is_empty()
}

fn used(memory: &OwnStore) -> i128 {
    let found = memory.read("tg/1/n/quota/q/v").unwrap();
    found.map_or(0, |(bytes, _)| Entry::from_bytes(&bytes).unwrap().used(WINDOW, NOW))
}

/// Steps of 50 ms: each proxy syncs every fourth, at its own time; a message takes a step to the store, and its answer another.
struct Fleet {
    proxies: Vec<OwnStore>,
    told: Vec<i128>,
    /// Messages on their way to the store, and answers on their way back.
    under_way: VecDeque<(usize, i128)>,
    answers: VecDeque<(usize, i128)>,
}

impl Fleet {
    const SYNC_STEPS: usize = 4;

    fn of(size: usize) -> Self {
        let proxies = (0..size).map(|_| OwnStore::default()).collect();
        Self { proxies, told: vec![0; size], under_way: VecDeque::new(), answers: VecDeque::new() }
    }

    fn step(&mut self, step: usize) {
        for (proxy, others) in std::mem::take(&mut self.answers) {
            note_others(&self.proxies[proxy], &op(Change::Reset), others, NOW);
        }
        for (proxy, own) in std::mem::take(&mut self.under_way) {
            self.told[proxy] = self.told[proxy].max(own);
            self.answers.push_back((proxy, self.told.iter().sum::<i128>() - own));
        }
        let due = (0..self.proxies.len()).filter(|proxy| (step + proxy).is_multiple_of(Self::SYNC_STEPS));
        self.under_way.extend(due.map(|proxy| (proxy, used(&self.proxies[proxy]))));
    }
}

/// 200 ms between two syncs and 100 ms for a message and its answer: the limit is passed by what the fleet admits in at most that time,
/// and a step to notice it.
#[test]
fn a_thousand_proxies_pass_a_limit_by_what_they_admit_between_two_syncs() {
    const PROXIES: usize = 1000;
    const LIMIT: i128 = 20_000;
    let mut fleet = Fleet::of(PROXIES);
    let (mut admitted, mut most_per_step) = (0, 0);
    for step in 0..60 {
        // Every proxy has a call every other step: 10,000 calls a second.
        let callers = fleet.proxies.iter().skip(step % 2).step_by(2);
        let now = callers.filter(|memory| call(memory, LIMIT)).count() as i128;
        (admitted, most_per_step) = (admitted + now, most_per_step.max(now));
        fleet.step(step);
    }
    let lag_steps = Fleet::SYNC_STEPS as i128 + 2 + 1;
    assert_eq!(admitted, fleet.proxies.iter().map(used).sum::<i128>());
    assert!(LIMIT <= admitted && admitted <= LIMIT + most_per_step * lag_steps, "{admitted}");
    println!("{PROXIES} proxies admitted {admitted} of {LIMIT} at {most_per_step} calls per 50 ms");
    assert!(fleet.proxies.iter().all(|memory| !call(memory, LIMIT)), "all know in the end");
}

#[test]
fn what_others_took_in_another_window_does_not_count() {
    let memory = OwnStore::default();
    note_others(&memory, &op(Change::Reset), 5, NOW);
    assert_eq!(taken_by_others(&memory, &op(Change::Reset), NOW), Ok(5));
    assert_eq!(taken_by_others(&memory, &op(Change::Reset), NOW + 86_400), Ok(0));
    note_others(&memory, &op(Change::Reset), 3, NOW);
    assert_eq!(taken_by_others(&memory, &op(Change::Reset), NOW), Ok(3));
}

#[test]
fn what_is_taken_is_said_with_what_others_took() {
    let memory = OwnStore::default();
    note_others(&memory, &op(Change::Reset), 5, NOW);
    let ask = |limit| {
        perform_beside_others(
            &memory,
            &mut InHand::new(0),
            &[op(Change::Reserve { amount: Amount::fixed(1), limit })],
            NOW,
        )
    };
    let Ok(Admission::Granted(answers)) = ask(6) else { panic!("there is a place") };
    assert!(matches!(answers[0], Answer::Reserved { taken: Some(5), .. }));
    assert!(matches!(ask(6), Ok(Admission::Refused { taken: Some(6), .. })));
}
