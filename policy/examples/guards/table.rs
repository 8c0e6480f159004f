//! What was played, as a table.

use crate::incident::Kind;
use crate::replay::{MARK, Met, WATCHERS};
use crate::{Options, Played};
use tollgate_policy::GuardRule;

/// The keys of one gateway.
const GATEWAY: f64 = 10_000.0;
/// With fewer calls than this before the mark is passed, nobody can tell an incident from chance.
const ENOUGH_CALLS: usize = 8;

pub(crate) fn markdown(options: &Options, guards: &[GuardRule], played: &Played) -> String {
    let seeds: Vec<String> = options.seeds.iter().map(u64::to_string).collect();
    let mut out = format!(
        "{} seeds ({}), {} keys without incidents, {} incidents.\n\n",
        seeds.len(),
        seeds.join(" "),
        played.keys,
        played.met.len()
    );
    out += "| incident | watcher | caught in time | delay, median | money lost, median | lost in 9 of 10 cases at most | not noticed within a day |\n";
    out += "|---|---|---:|---:|---:|---:|---:|\n";
    for kind in Kind::ALL.into_iter().map(Some).chain([None]) {
        let of: Vec<&Met> =
            played.met.iter().filter(|met| kind.is_none_or(|kind| met.kind == kind)).collect();
        for (watcher, name) in WATCHERS.iter().enumerate() {
            out += &row(kind.map_or("**all**", Kind::name), name, watcher, &of);
        }
        let can_be = of.iter().filter(|met| met.can_be_caught()).count();
        out += &format!(
            "| {} | oracle | {can_be} of {} | | | | |\n",
            kind.map_or("**all**", Kind::name),
            of.len()
        );
    }
    out += &by_size(played);
    out += &misses(played, guards);
    out += &false_pages(played, guards);
    out
}

fn row(kind: &str, name: &str, watcher: usize, of: &[&Met]) -> String {
    let caught = of.iter().filter(|met| met.is_caught(watcher)).count();
    let never = of.iter().filter(|met| met.noticed[watcher].is_none()).count();
    let delays = sorted(of.iter().filter_map(|met| met.noticed[watcher]).map(|n| f64::from(n.after_s)));
    let shares = sorted(of.iter().filter_map(|met| met.share(watcher)));
    let percent =
        |share: Option<f64>| share.map_or("-".to_owned(), |share| format!("{:.2} %", share * 100.0));
    format!(
        "| {kind} | {name} | {caught} of {} | {} | {} | {} | {never} |\n",
        of.len(),
        at(&delays, 0.5).map_or("-".to_owned(), |delay| format!("{delay:.0} s")),
        percent(at(&shares, 0.5)),
        percent(at(&shares, 0.9)),
    )
}

fn by_size(played: &Played) -> String {
    let mut out = "\n| keys with calls a day | incidents | caught in time by guards | of these, incidents of which 8 calls or more cost less than 2 % |\n|---|---:|---:|---:|\n".to_owned();
    for (low, high) in [(1e3, 2e3), (2e3, 5e3), (5e3, 2e4), (2e4, f64::MAX), (1e3, f64::MAX), (2e3, f64::MAX)]
    {
        let of: Vec<&Met> = played.met.iter().filter(|m| (low..high).contains(&m.calls_per_day)).collect();
        let caught =
            |of: &[&Met]| format!("{} of {}", of.iter().filter(|met| met.is_caught(0)).count(), of.len());
        let telling: Vec<&Met> = of.iter().filter(|met| met.calls_before >= ENOUGH_CALLS).copied().collect();
        let name = if high < 1e6 { format!("{low:.0} to {high:.0}") } else { format!("{low:.0} and more") };
        out += &format!("| {name} | {} | {} | {} |\n", of.len(), caught(&of), caught(&telling));
    }
    out
}

fn misses(played: &Played, guards: &[GuardRule]) -> String {
    let mut missed: Vec<&Met> = played.met.iter().filter(|met| !met.is_caught(0)).collect();
    missed.sort_by(|a, b| a.kind.cmp(&b.kind).then(a.calls_per_day.total_cmp(&b.calls_per_day)));
    let mut out = format!("\nThe {} that guards missed:\n\n", missed.len());
    out += "| incident | calls a day | its calls that cost 2 % | noticed after | by | lost by then |\n|---|---:|---:|---:|---|---:|\n";
    for met in missed {
        let by = met.noticed[0].map_or(("never".to_owned(), ""), |noticed| {
            (
                format!("{} s", noticed.after_s),
                guards.get(noticed.guard).map_or("", |guard| guard.name.as_str()),
            )
        });
        let share = met.share(0).map_or("-".to_owned(), |share| format!("{:.1} %", share * 100.0));
        out += &format!(
            "| {} | {:.0} | {} | {} | {} | {share} |\n",
            met.kind.name(),
            met.calls_per_day,
            met.calls_before + 1,
            by.0,
            by.1
        );
    }
    out
}

fn false_pages(played: &Played, guards: &[GuardRule]) -> String {
    let mut out = format!(
        "\nFalse pages per week and gateway of 10,000 keys; {} keys with 1,000 calls a day and more, {} with fewer:\n\n",
        played.busy_keys,
        played.keys - played.busy_keys
    );
    out += "| watcher | all keys, week 1 | week 2 | week 3 | busy keys, week 1 | week 2 | week 3 |\n|---|---:|---:|---:|---:|---:|---:|\n";
    let names = WATCHERS.iter().map(|name| (*name).to_owned());
    let names = names.chain(guards.iter().map(|guard| format!("of guards, `{}`", guard.name)));
    for (index, name) in names.enumerate() {
        let watcher = if index < WATCHERS.len() { index } else { 0 };
        let guard = index.checked_sub(WATCHERS.len());
        let rate = |week: u32, busy_only: bool| {
            let own = played.pages.iter().filter(|page| page.watcher == watcher && page.week == week);
            let own = own.filter(|page| guard.is_none_or(|guard| page.guard == guard));
            let count = own.filter(|page| page.busy || !busy_only).count();
            let keys = if busy_only { played.busy_keys } else { played.keys };
            format!("{:.1} ({count})", count as f64 * GATEWAY / keys.max(1) as f64)
        };
        let [a, b, c, d, e, f] = [(0, false), (1, false), (2, false), (0, true), (1, true), (2, true)]
            .map(|(week, busy)| rate(week, busy));
        out += &format!("| {name} | {a} | {b} | {c} | {d} | {e} | {f} |\n");
    }
    out
}

/// Whether guards are worth having: they catch more in time than either baseline and nine of ten incidents, and page less than the
/// rule on a rate and hardly ever without a reason. Where chance has made up few incidents or keys, a little less does.
pub(crate) fn holds(played: &Played) -> bool {
    let caught = |watcher: usize| played.met.iter().filter(|met| met.is_caught(watcher)).count();
    let pages = |watcher: usize| played.pages.iter().filter(|page| page.watcher == watcher).count();
    let better = (1..WATCHERS.len()).all(|watcher| caught(0) > caught(watcher));
    let of_hundred = if played.met.len() >= 400 { 87 } else { 75 };
    let enough = caught(0) * 100 >= played.met.len() * of_hundred;
    // Three weeks of each key; four times what is wanted.
    let wrong = pages(0) as f64 * GATEWAY <= 3.0 * 4.0 * (played.keys as f64).max(GATEWAY / 4.0);
    better && enough && wrong && pages(0) < pages(2)
}

fn sorted(values: impl Iterator<Item = f64>) -> Vec<f64> {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    values
}

fn at(sorted: &[f64], share: f64) -> Option<f64> {
    sorted.get(((sorted.len() as f64 * share) as usize).min(sorted.len().saturating_sub(1))).copied()
}

const _: () = assert!(MARK == 0.02, "the texts above say 2 %");
