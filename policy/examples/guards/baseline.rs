//! What one would have without guards.

use crate::key::DAY_S;
use std::collections::VecDeque;

/// A budget alert: a page when a day has cost half as much again as the dearest day of the first week. That is kinder than
/// the round numbers that people choose.
#[derive(Debug, Default)]
pub struct FixedLimit {
    day: u32,
    spent: u64,
    limit: u64,
    paged: bool,
}

impl FixedLimit {
    pub fn pages(&mut self, at_s: u32, cost: u64) -> bool {
        let day = at_s / DAY_S;
        if day != self.day {
            if self.day < 7 {
                self.limit = self.limit.max(self.spent + self.spent / 2);
            }
            (self.day, self.spent, self.paged) = (day, 0, false);
        }
        self.spent += cost;
        let news = day >= 7 && self.spent > self.limit && !self.paged;
        self.paged |= news;
        news
    }
}

/// A Prometheus rule on a rate over ten minutes: a page when it is more than four times the mean of the week before, for two
/// minutes, looked at once a minute: `rate(cost[10m]) > 4 * rate(cost[7d])`, `for: 2m`.
#[derive(Debug, Default)]
pub struct RateRule {
    minute: u32,
    spent: u64,
    /// The last ten minutes, and the last week.
    short: VecDeque<u64>,
    long: VecDeque<u64>,
    short_sum: u64,
    long_sum: u64,
    pending: u32,
    firing: bool,
}

const WEEK_MINUTES: usize = 7 * 1440;

impl RateRule {
    pub fn pages(&mut self, at_s: u32, cost: u64) -> bool {
        let mut news = false;
        while self.minute < at_s / 60 {
            news |= self.close();
        }
        self.spent += cost;
        news
    }

    fn close(&mut self) -> bool {
        let spent = std::mem::take(&mut self.spent);
        self.minute += 1;
        for (window, sum, length) in
            [(&mut self.short, &mut self.short_sum, 10), (&mut self.long, &mut self.long_sum, WEEK_MINUTES)]
        {
            window.push_back(spent);
            *sum += spent;
            if window.len() > length {
                *sum -= window.pop_front().unwrap_or(0);
            }
        }
        if self.long.len() < WEEK_MINUTES {
            return false;
        }
        let over = u128::from(self.short_sum) * WEEK_MINUTES as u128 > 4 * 10 * u128::from(self.long_sum);
        self.pending = if over { self.pending + 1 } else { 0 };
        let news = self.pending > 2 && !self.firing;
        self.firing = self.pending > 2;
        news
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fixed_limit_pages_once_on_the_day_that_passes_it() {
        let mut limit = FixedLimit::default();
        let days = (0..10).map(|day| if day == 8 { 200 } else { 100 });
        let pages: Vec<_> = (0..10)
            .zip(days)
            .flat_map(|(day, cost)| [limit.pages(day * DAY_S, cost), limit.pages(day * DAY_S + 9, 1)])
            .collect();
        assert_eq!(pages.iter().filter(|page| **page).count(), 1);
        assert!(pages[16]);
    }

    #[test]
    fn a_rate_rule_pages_when_ten_minutes_are_four_times_the_week_for_two_minutes() {
        let mut rule = RateRule::default();
        let mut pages = Vec::new();
        for minute in 0..(WEEK_MINUTES as u32 + 60) {
            let cost = if minute >= WEEK_MINUTES as u32 { 1000 } else { 100 };
            if rule.pages(minute * 60, cost) {
                pages.push(minute - WEEK_MINUTES as u32);
            }
        }
        assert_eq!(pages, [6], "four of ten minutes at ten times the rate, and two more");
    }
}
