//! The feeds of one VM, of prices and of policy: they outlive configurations, and bring what arrives to those that ask for it.

use crate::abi::{self, Level};
use crate::host::{self, ProxyStats};
use crate::numbers::Numbers;
use crate::root::Root;
use tollgate_exchange::{Arrival, Brought, Feed, FeedSource, Streak};
use tollgate_policy::ConfigError;
use tollgate_record::Timestamp;

/// All feeds, each with the root that asks for it: the one that was configured last, since the host drops answers to
/// roots that are gone.
#[derive(Default)]
pub struct Feeds(Vec<(u32, Feed)>);

impl Feeds {
    /// Gives a new root what its sources have brought so far.
    pub fn adopt(&mut self, root_id: u32, root: &mut Root) {
        for source in root.rules.feeds.clone() {
            match self.0.iter_mut().find(|(_, feed)| feed.serves(&source)) {
                Some((asker, feed)) => {
                    *asker = root_id;
                    feed.follow(&source);
                    let taken = feed.brought().map_or(Ok(()), |brought| root.take(brought));
                    if let Err(error) = taken {
                        refused(root, feed, &error.to_string(), Streak::First);
                        feed.forget();
                    }
                }
                None => self.0.push((root_id, Feed::new(source))),
            }
        }
    }

    /// Asks for what a root follows, if it is time.
    pub fn tick(&mut self, root_id: u32, roots: &mut Numbers<Root>, now: Timestamp) {
        for (_, feed) in self.0.iter_mut().filter(|(asker, _)| *asker == root_id) {
            let wanted = roots.get(&root_id).is_some_and(|root| follows(root, feed));
            let arrival = if wanted { feed.ask(now, host::fetch) } else { None };
            if let Some(arrival) = arrival {
                told(root_id, feed, arrival, roots);
            }
        }
    }

    /// Takes an answer, if it is one to a feed.
    pub fn answered(
        &mut self,
        token: u32,
        answer: &Answer<'_>,
        roots: &mut Numbers<Root>,
        now: Timestamp,
    ) -> bool {
        let Some((asker, feed)) = self.0.iter_mut().find(|(_, feed)| feed.waits_for(token)) else {
            return false;
        };
        let read = || abi::buffer(abi::Buffer::CallResponse, 0, answer.size).unwrap_or_default();
        let source = feed.source().clone();
        let apply = |brought: &Brought| bring(*asker, &source, brought, roots);
        let arrival = feed.answered(answer.status, answer.etag, answer.size, read, apply, now);
        told(*asker, feed, arrival, roots);
        true
    }

    /// Forgets a root: another one of the same source asks from now on, or nobody needs the feed any more.
    pub fn forget(&mut self, root_id: u32, roots: &Numbers<Root>) {
        self.0.retain_mut(|(asker, feed)| {
            if *asker != root_id {
                return true;
            }
            let heir = roots.iter().find(|(_, root)| follows(root, feed)).map(|(id, _)| *id);
            *asker = heir.unwrap_or_default();
            heir.is_some()
        });
    }
}

/// What is known of an answer before its body is read.
pub struct Answer<'a> {
    pub status: Option<u16>,
    pub etag: Option<&'a str>,
    pub size: usize,
}

fn follows(root: &Root, feed: &Feed) -> bool {
    root.rules.feeds.iter().any(|source| feed.serves(source))
}

/// Gives what has come to all that follow its source. Who asked for it decides whether it is of use; another that it does not fit, an older
/// configuration that drains, keeps what it has.
fn bring(
    asker: u32,
    source: &FeedSource,
    brought: &Brought,
    roots: &mut Numbers<Root>,
) -> Result<(), ConfigError> {
    if let Some(root) = roots.get_mut(&asker) {
        root.take(brought)?;
    }
    for (_, root) in roots.iter_mut().filter(|(id, _)| **id != asker) {
        if root.rules.feeds.iter().any(|followed| followed.is_same_file(source)) {
            let _it_keeps_what_it_has = root.take(brought);
        }
    }
    Ok(())
}

fn told(asker: u32, feed: &Feed, arrival: Arrival, roots: &mut Numbers<Root>) {
    match arrival {
        Arrival::Same => {}
        Arrival::Fresh(Brought::Prices(prices)) => {
            let (models, version) = (prices.len(), prices.version());
            abi::log(Level::Info, &format!("tollgate: took prices of {models} models, version {version}"));
        }
        Arrival::Fresh(Brought::Policy(policy)) => {
            let text = format!("tollgate: took a policy, version {}", policy.version());
            abi::log(Level::Info, &text);
        }
        Arrival::Useless(why, streak) => {
            if let Some(root) = roots.get_mut(&asker) {
                refused(root, feed, &why, streak);
            }
        }
    }
}

/// What is in use stays.
#[inline(never)]
fn refused(root: &mut Root, feed: &Feed, why: &str, streak: Streak) {
    let kind = feed.source().kind.name();
    if streak == Streak::First {
        abi::log(Level::Warn, &format!("tollgate: {kind}: all stays as it is: {why}"));
    }
    root.stats.count_error(kind, &mut ProxyStats);
}
