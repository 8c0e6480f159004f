//! Alerts of one configuration in one worker: by tick, and as their answers come.

use crate::abi::{self, Level};
use crate::host::{self, ProxyStats, SharedData};
use crate::root::Root;
use tollgate_exchange::{AlertAnswer, AlertNews};
use tollgate_record::Timestamp;

impl Root {
    /// By tick: tells what is due.
    pub fn tell_alerts(&mut self, now: Timestamp) {
        let Some(alerts) = &self.rules.alerts else { return };
        let (namespace, seconds) = (&self.rules.namespace, now.unix_seconds());
        let news = self.alerts.flush(alerts, namespace, &SharedData, seconds, &mut host::tell);
        self.publish(&news);
    }

    /// Takes an answer, if it is one to an alert.
    pub fn alert_answered(&mut self, token: u32, answer: AlertAnswer<'_>, now: Timestamp) -> bool {
        let Some(alerts) = &self.rules.alerts else { return false };
        let (namespace, seconds) = (&self.rules.namespace, now.unix_seconds());
        let news = self.alerts.answered(alerts, namespace, &SharedData, seconds, token, answer);
        news.inspect(|news| self.publish(news)).is_some()
    }

    fn publish(&mut self, news: &AlertNews) {
        self.stats.count_alerts(news, &mut ProxyStats);
        for trouble in &news.trouble {
            abi::log(Level::Warn, &format!("tollgate: {trouble}"));
        }
    }
}
