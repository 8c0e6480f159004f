//! One worker's part in telling: it takes what is due out of the shared table, sends it, and notes the answers.

use super::body::body;
use super::destination::Format;
use super::table::{Answer, Merged, Notice, Table};
use super::{Alerts, Destination, Waiting};
use tollgate_policy::{SharedStore, Swap};

/// What a worker has sent and has no answer to.
#[derive(Debug, Default)]
pub struct AlertSender {
    sent: Vec<Sent>,
    /// When the shared table was looked at last, in seconds since the Unix epoch; `None`: never under this configuration.
    looked: Option<i64>,
    /// There may be more to send than went out.
    hurries: bool,
    /// Destinations that did not take the last message: that is said once.
    failing: Vec<String>,
}

#[derive(Debug)]
struct Sent {
    token: u32,
    /// The destination's place.
    to: usize,
    notices: Vec<Notice>,
    until: i64,
}

/// A message to a destination.
#[derive(Debug)]
pub struct AlertCall<'a> {
    /// The destination.
    pub to: &'a Destination,
    /// The body's type.
    pub content_type: &'static str,
    /// The body.
    pub body: String,
}

/// What became of alerts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// A destination took them. Those that are told again are not counted again.
    Sent,
    /// A destination did not take them this time.
    Failed,
    /// A destination never will hear of them: there were too many, or it took none for too long.
    Dropped,
}

/// What happened, for stats and the log.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct AlertNews {
    /// Destinations, what became of alerts to them, and how many.
    pub fates: Vec<(String, Fate, u64)>,
    /// Lines for the log: destinations that begin to fail.
    pub trouble: Vec<String>,
}

/// An answer to a message; all `None`: none came in time.
#[derive(Clone, Copy, Debug, Default)]
pub struct AlertAnswer<'a> {
    /// The status.
    pub status: Option<u16>,
    /// The header `retry-after`.
    pub retry_after: Option<&'a str>,
}

/// Where the table is, and what time it is.
struct Turn<'a> {
    alerts: &'a Alerts,
    key: String,
    store: &'a dyn SharedStore,
    now: i64,
}

/// What one turn at the table came to.
#[derive(Default)]
struct Taken {
    table: Table,
    /// By the place of their destination.
    claimed: Vec<(usize, Vec<Notice>)>,
    news: AlertNews,
}

/// Tries to swap the table this often before it waits for the next tick.
const MAX_CONFLICTS: usize = 16;
/// So many messages to a destination are under way at a time.
const MOST_UNDER_WAY: usize = 1;
/// Of events, which go alone.
const MOST_EVENTS_UNDER_WAY: usize = 16;
/// By how much longer than its time-out an answer is waited for.
const GRACE_S: i64 = 1;
/// Nobody may ask for a longer pause.
const LONGEST_PAUSE_S: i64 = 600;

impl AlertSender {
    /// Takes in what was raised, and sends what is due. `send` gives the number under which the answer will come.
    #[inline(never)]
    pub fn flush(
        &mut self,
        alerts: &Alerts,
        namespace: &str,
        store: &dyn SharedStore,
        now: i64,
        send: &mut dyn FnMut(&AlertCall<'_>) -> Option<u32>,
    ) -> AlertNews {
        let raised = alerts.take_waiting();
        let first = self.looked.is_none();
        if raised.is_empty() && self.looked == Some(now) && !self.hurries {
            return AlertNews::default();
        }
        self.looked = Some(now);
        self.hurries = false;
        self.sent.retain(|sent| now < sent.until);
        let turn = Turn { alerts, key: key(namespace), store, now };
        let Some(mut taken) = turn.take(&raised, first, &|to| self.room(alerts, to)) else {
            alerts.put_back(raised);
            return AlertNews::default();
        };
        for (place, notices) in taken.claimed {
            let Some(to) = alerts.destinations.get(place) else { continue };
            for notices in notices.chunks(to.format.most()) {
                let body = body(to, namespace, &taken.table.told(notices), now);
                let call = AlertCall { to, content_type: to.format.content_type(), body };
                match send(&call) {
                    Some(token) => {
                        let until = now.saturating_add(seconds(to.timeout_ms)).saturating_add(GRACE_S);
                        self.sent.push(Sent { token, to: place, notices: notices.to_vec(), until });
                    }
                    None => {
                        let why = format!("cluster `{}` cannot be called", to.cluster);
                        self.note(&turn, to, notices, Err(&why), 0, &mut taken.news);
                    }
                }
            }
        }
        taken.news
    }

    /// Takes an answer. `None` if nothing was sent under this number.
    #[inline(never)]
    pub fn answered(
        &mut self,
        alerts: &Alerts,
        namespace: &str,
        store: &dyn SharedStore,
        now: i64,
        token: u32,
        answer: AlertAnswer<'_>,
    ) -> Option<AlertNews> {
        let index = self.sent.iter().position(|sent| sent.token == token)?;
        let Sent { to, notices, .. } = self.sent.swap_remove(index);
        let mut news = AlertNews::default();
        let Some(to) = alerts.destinations.get(to) else { return Some(news) };
        let why = match answer.status {
            Some(200..=299) => None,
            Some(status) => Some(format!("HTTP status {status}")),
            None => Some("no answer came".to_owned()),
        };
        // Slack wants a second between messages.
        self.hurries |= why.is_none() && to.format != Format::Slack;
        let pause_s = answer.retry_after.and_then(|text| text.trim().parse().ok()).unwrap_or(0);
        let turn = Turn { alerts, key: key(namespace), store, now };
        self.note(&turn, to, &notices, why.as_deref().map_or(Ok(()), Err), pause_s, &mut news);
        Some(news)
    }

    /// How many alerts more may go to a destination now.
    fn room(&self, alerts: &Alerts, place: usize) -> usize {
        let Some(to) = alerts.destinations.get(place) else { return 0 };
        let most = if to.format == Format::CloudEvents { MOST_EVENTS_UNDER_WAY } else { MOST_UNDER_WAY };
        let under_way = self.sent.iter().filter(|sent| sent.to == place).count();
        most.saturating_sub(under_way).saturating_mul(to.format.most())
    }

    /// Notes what became of a message.
    #[inline(never)]
    fn note(
        &mut self,
        turn: &Turn<'_>,
        to: &Destination,
        notices: &[Notice],
        outcome: Result<(), &str>,
        pause_s: i64,
        news: &mut AlertNews,
    ) {
        let count = u64::try_from(notices.len()).unwrap_or(u64::MAX);
        let answer = match outcome {
            Ok(()) => {
                self.failing.retain(|name| *name != to.name);
                Answer::Taken
            }
            Err(why) => {
                news.fates.push((to.name.clone(), Fate::Failed, count));
                if !self.failing.contains(&to.name) {
                    self.failing.push(to.name.clone());
                    news.trouble
                        .push(format!("alerts to `{}` are not taken, and tried again: {why}", to.name));
                }
                Answer::Refused { pause_s: pause_s.clamp(0, LONGEST_PAUSE_S) }
            }
        };
        let fresh = turn.note(to, notices, answer);
        if fresh > 0 {
            news.fates.push((to.name.clone(), Fate::Sent, fresh));
        }
    }
}

impl Turn<'_> {
    /// Brings what was raised into the table and claims what is due, unless others go ahead every time or the store fails.
    fn take(&self, raised: &[Waiting], first: bool, room: &dyn Fn(usize) -> usize) -> Option<Taken> {
        for _ in 0..MAX_CONFLICTS {
            let found = self.store.read(&self.key).ok()?;
            let (bytes, cas) = found.map_or((None, None), |(bytes, cas)| (Some(bytes), Some(cas)));
            let due = bytes.as_ref().is_some_and(|bytes| first || Table::may_be_due(bytes, self.now));
            if raised.is_empty() && !due {
                return Some(Taken::default());
            }
            let table = bytes.as_deref().and_then(Table::from_bytes).unwrap_or_default();
            let taken = self.work(table, raised, room);
            let next = taken.table.to_bytes();
            if bytes.as_ref() == Some(&next) || self.store.swap(&self.key, &next, cas).ok()? == Swap::Done {
                return Some(taken);
            }
        }
        None
    }

    fn work(&self, table: Table, raised: &[Waiting], room: &dyn Fn(usize) -> usize) -> Taken {
        let mut taken = Taken { table, ..Taken::default() };
        let (all, table) = (&self.alerts.destinations, &mut taken.table);
        let mut drop = |name: &str| taken.news.fates.push((name.to_owned(), Fate::Dropped, 1));
        // First, so that what begins anew is not taken for what is over.
        table.sweep(all, self.now).into_iter().for_each(&mut drop);
        for waiting in raised {
            let (Waiting::First(alert) | Waiting::Again(alert)) = waiting else {
                if let Waiting::Over(rule, labels) = waiting {
                    table.end_budget(rule, labels, self.now);
                }
                continue;
            };
            let wanting = || all.iter().filter(|to| to.wants(alert));
            if wanting().next().is_some()
                && table.merge(alert.clone()) != Merged::Kept
                && matches!(waiting, Waiting::First(_))
            {
                wanting().for_each(|to| drop(&to.name));
            }
        }
        for (place, to) in all.iter().enumerate() {
            let notices = table.claim(to, self.now, room(place));
            if !notices.is_empty() {
                taken.claimed.push((place, notices));
            }
        }
        taken
    }

    /// Notes an answer in the table; how many alerts it is the first of its kind to. If that does not work out, they are told
    /// again once their claim runs out.
    fn note(&self, to: &Destination, notices: &[Notice], answer: Answer) -> u64 {
        for _ in 0..MAX_CONFLICTS {
            let Some((bytes, cas)) = self.store.read(&self.key).ok().flatten() else { return 0 };
            let Some(mut table) = Table::from_bytes(&bytes) else { return 0 };
            let fresh =
                notices.iter().filter(|notice| table.answered(to, **notice, answer, self.now)).count();
            if self.store.swap(&self.key, &table.to_bytes(), Some(cas)) == Ok(Swap::Done) {
                return u64::try_from(fresh).unwrap_or(u64::MAX);
            }
        }
        0
    }
}

fn key(namespace: &str) -> String {
    let name = namespace.replace('%', "%25").replace('/', "%2F");
    format!("tg/1/{name}/alerts")
}

fn seconds(ms: u32) -> i64 {
    i64::from(ms.div_ceil(1000))
}

#[cfg(test)]
#[expect(clippy::arithmetic_side_effects, reason = "tests may overflow: they would fail")]
mod tests;
