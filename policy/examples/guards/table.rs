//! What was played, as a table.

use crate::incident::Kind;
use crate::replay::{BASELINES, GATEWAYS, MARK, Met, Page, WATCHERS};
use crate::{Options, Played};
use tollgate_policy::GuardRule;

/// The keys of one gateway.
const GATEWAY: f64 = 10_000.0;
/// So long keys without incidents are played.
const WEEKS: u32 = 3;
/// With fewer calls than this before the mark is passed, nobody can tell an incident from chance.
const ENOUGH_CALLS: usize = 8;

pub(crate) fn markdown(options: &Options, guards: &[GuardRule], played: &Played) -> String {
    let seeds: Vec<String> = options.seeds.iter().map(u64::to_string).collect();
    let mut out = format!(
        "{} seeds ({}), {} keys without incidents, {} incidents.\n\n",
        seeds.len(),
        seeds.join(" "),
        played.keys.iter().sum::<usize>(),
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
    out += &false_pages(played, guards);
    out += &misses(played, guards);
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
    let [mixed, busy] = played.keys;
    let mut out = format!(
        "\nFalse pages per week and gateway of 10,000 keys: of {mixed} mixed keys, which make 200 calls a day and more, and of {busy} busy \
         keys, which make 1,000 and more. In brackets, how many there were:\n\n| watcher |"
    );
    let columns = GATEWAYS.iter().flat_map(|gateway| (1..=WEEKS).map(move |week| (gateway, week)));
    columns.for_each(|(gateway, week)| out += &format!(" {gateway}, week {week} |"));
    out += "\n|---|---:|---:|---:|---:|---:|---:|\n";
    let names = WATCHERS.iter().map(|name| (*name).to_owned());
    let names = names.chain(guards.iter().map(|guard| format!("of guards, `{}`", guard.name)));
    for (index, name) in names.enumerate() {
        let watcher = if index < WATCHERS.len() { index } else { 0 };
        let guard = index.checked_sub(WATCHERS.len());
        out += &format!("| {name} |");
        for (gateway, keys) in played.keys.iter().enumerate() {
            for week in 0..WEEKS {
                let is = |page: &&Page| {
                    let of = (page.watcher, page.week, page.gateway) == (watcher, week, gateway);
                    of && guard.is_none_or(|guard| page.guard == guard)
                };
                let count = played.pages.iter().filter(is).count();
                out += &format!(" {:.1} ({count}) |", count as f64 * GATEWAY / (*keys).max(1) as f64);
            }
        }
        out += "\n";
    }
    out + &rates(played)
}

/// What guards page without a reason, with how sure that is.
fn rates(played: &Played) -> String {
    let mut out = "\n| gateway of 10,000 | keys played, three weeks each | false pages of guards | a week | it may be (95 %) |\n|---|---:|---:|---:|---|\n".to_owned();
    for (gateway, name) in GATEWAYS.iter().enumerate() {
        let (count, keys) = (false_of(played, gateway), played.keys[gateway]);
        let each = |count: f64| count * GATEWAY / f64::from(WEEKS) / keys.max(1) as f64;
        let (low, high) = poisson(count);
        out += &format!(
            "| {name} | {keys} | {count} | {:.2} | {:.2} to {:.2} |\n",
            each(count as f64),
            each(low),
            each(high)
        );
    }
    out
}

/// How often guards page a gateway without a reason.
fn false_of(played: &Played, gateway: usize) -> usize {
    played.pages.iter().filter(|page| page.watcher == 0 && page.gateway == gateway).count()
}

/// Between which means a Poisson count is expected in 95 of 100 cases (Wilson and Hilferty's approximation of the chi-squared
/// distribution, which is off by a few hundredths).
fn poisson(count: usize) -> (f64, f64) {
    let bound = |of: f64, normal: f64| of * (1.0 - 1.0 / (9.0 * of) + normal / (3.0 * of.sqrt())).powi(3);
    let count = count as f64;
    let low = if count > 0.0 { bound(count, -1.96) } else { 0.0 };
    (low.max(0.0), bound(count + 1.0, 1.96))
}

/// Whether guards do what they are known to do: they catch more in time than either baseline, and nine of ten incidents, and
/// page less than the rule on a rate and seldom without a reason. Draws that miss a mark by chance pass; `docs/guards.md` has both. Of
/// what was not played nothing is asked.
pub(crate) fn holds(played: &Played) -> bool {
    (played.met.is_empty() || catches(&played.met)) && (played.keys == [0; 2] || is_seldom_wrong(played))
}

fn catches(met: &[Met]) -> bool {
    let caught = |watcher: usize| met.iter().filter(|met| met.is_caught(watcher)).count();
    let better = BASELINES.into_iter().all(|watcher| caught(0) > caught(watcher));
    // Of 3,500 incidents 92.5 of a hundred were caught. Draws of 2,000 differ by 0.6, and fewer than one of 100 miss the mark of 90; those
    // of 500 differ by 1.2, and 88 is nothing unusual.
    let of_hundred = match met.len() {
        1_900.. => 90,
        400.. => 87,
        _ => 75,
    };
    better && caught(0) * 100 >= met.len() * of_hundred
}

fn is_seldom_wrong(played: &Played) -> bool {
    let pages = |watcher: usize| played.pages.iter().filter(|page| page.watcher == watcher).count();
    // That there are more than one has to be told from chance.
    let seldom = (0..GATEWAYS.len()).all(|gateway| {
        let (low, _) = poisson(false_of(played, gateway));
        low * GATEWAY <= f64::from(WEEKS) * played.keys[gateway] as f64
    });
    seldom && (pages(0) == 0 || pages(0) < pages(BASELINES[1]))
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::replay::Noticed;

    /// An incident that so many watchers, the first ones, noticed before it had cost a hundredth of a day.
    fn met(watchers: usize) -> Met {
        let soon = Noticed { after_s: 1, guard: 0, lost: 1 };
        let noticed = std::array::from_fn(|watcher| (watcher < watchers).then_some(soon));
        Met {
            kind: Kind::KeyLeak,
            calls_per_day: 1e3,
            day: 100.0,
            noticed,
            soonest: Some(1),
            calls_before: 9,
        }
    }

    #[test]
    fn a_mark_that_is_missed_is_told_and_what_was_not_played_misses_none() {
        let page = |watcher: usize| Page { week: 0, watcher, guard: 0, gateway: 1 };
        let [of_guards, of_rate] = [page(0), page(BASELINES[1])];
        for (name, incidents, pages, keys, expected) in [
            ("nothing", vec![], vec![], [0, 0], true),
            ("all caught", vec![1; 8], vec![], [0, 0], true),
            ("one of four missed", [vec![1; 6], vec![0; 2]].concat(), vec![], [0, 0], true),
            ("two of five missed", [vec![1; 6], vec![0; 4]].concat(), vec![], [0, 0], false),
            ("no better than others", vec![WATCHERS.len(); 8], vec![], [0, 0], false),
            ("quiet keys alone", vec![], vec![of_rate], [300, 500], true),
            ("nobody pages", vec![], vec![], [300, 500], true),
            ("fewer pages than the rule has", vec![], vec![of_guards, of_rate, of_rate], [300, 500], true),
            ("as many", vec![], vec![of_guards, of_rate], [300, 500], false),
            (
                "more than once a week for certain",
                vec![],
                [[of_guards; 9], [of_rate; 9]].concat(),
                [0, 10_000],
                false,
            ),
        ] {
            let met = incidents.into_iter().map(met).collect();
            assert_eq!(holds(&Played { pages, met, keys }), expected, "{name}");
        }
    }

    #[test]
    fn a_count_is_known_within_what_chance_allows() {
        for (count, low, high) in [(0, 0.0, 3.69), (1, 0.025, 5.57), (4, 1.09, 10.24), (20, 12.2, 30.9)] {
            let found = poisson(count);
            assert!((found.0 - low).abs() < 0.05 && (found.1 - high).abs() < 0.05, "{count}: {found:?}");
        }
    }
}
