//! The price feeds of one VM: they outlive configurations, and bring what arrives to those that ask for it.

use crate::abi::{self, Level};
use crate::host::{self, ProxyStats};
use crate::numbers::Numbers;
use crate::root::Root;
use std::sync::Arc;
use tollgate_exchange::{Arrival, PriceFeed, Refreshed, Streak};
use tollgate_record::Timestamp;

/// All feeds, each with the root that asks for it: the one that was configured last, since the host drops answers to
/// roots that are gone.
#[derive(Default)]
pub struct Feeds(Vec<(u32, PriceFeed)>);

impl Feeds {
    /// Gives a new root the prices that its source has brought so far.
    pub fn adopt(&mut self, root_id: u32, root: &mut Root) {
        let Some(source) = root.rules.refresh.clone() else { return };
        match self.0.iter_mut().find(|(_, feed)| feed.serves(&source)) {
            Some((asker, feed)) => {
                *asker = root_id;
                feed.follow(&source);
                if let Some(prices) = feed.prices() {
                    root.reprice(prices);
                }
            }
            None => self.0.push((root_id, PriceFeed::new(source))),
        }
    }

    /// Asks for the prices of a root, if it is time.
    pub fn tick(&mut self, root_id: u32, roots: &mut Numbers<Root>, now: Timestamp) {
        for (_, feed) in self.0.iter_mut().filter(|(asker, _)| *asker == root_id) {
            let wanted = roots.get(&root_id).is_some_and(|root| follows(root, feed));
            let arrival = if wanted { feed.ask(now, host::fetch) } else { None };
            if let Some(arrival) = arrival {
                arrived(root_id, feed, arrival, roots);
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
        let arrival = feed.answered(answer.status, answer.etag, answer.size, read, now);
        arrived(*asker, feed, arrival, roots);
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

fn follows(root: &Root, feed: &PriceFeed) -> bool {
    root.rules.refresh.as_ref().is_some_and(|source| feed.serves(source))
}

fn arrived(asker: u32, feed: &PriceFeed, arrival: Arrival, roots: &mut Numbers<Root>) {
    match arrival {
        Arrival::Same => {}
        Arrival::Fresh(prices) => bring(&prices, roots.values_mut().filter(|root| follows(root, feed))),
        Arrival::Useless(why, streak) => {
            if streak == Streak::First {
                abi::log(Level::Warn, &format!("tollgate: prices stay as they are: {why}"));
            }
            if let Some(root) = roots.get_mut(&asker) {
                root.stats.count_error("prices", &mut ProxyStats);
            }
        }
    }
}

fn bring<'a>(prices: &Arc<Refreshed>, roots: impl Iterator<Item = &'a mut Root>) {
    let text = format!("tollgate: took prices of {} models, version {}", prices.len(), prices.version());
    abi::log(Level::Info, &text);
    roots.for_each(|root| root.reprice(prices));
}
