//! Virtual time: ticks, and answers of other clusters.

use super::Host;
use crate::Error;

/// What comes with time.
enum Due {
    /// Of every root whose period ends at that time.
    Ticks,
    Answer(u32),
}

impl Host {
    /// Moves the clock, and on the way runs the ticks and delivers the answers that are due.
    pub fn pass_time(&mut self, until: u64) -> Result<(), Error> {
        while let Some((at, due)) = self.next_due().filter(|(at, _)| *at <= until) {
            let now = self.world().now_ns;
            self.world().now_ns = at.max(now);
            match due {
                Due::Ticks => self.tick_all(at)?,
                Due::Answer(token) => self.deliver(token)?,
            }
        }
        let now = self.world().now_ns;
        self.world().now_ns = until.max(now);
        Ok(())
    }

    fn next_due(&mut self) -> Option<(u64, Due)> {
        let world = self.world();
        let next = |period: u32| {
            let period = u64::from(period) * 1_000_000;
            (world.now_ns / period + 1) * period
        };
        let periods = world.tick_ms.iter().filter(|(_, period)| **period > 0);
        let ticks = periods.map(|(_, &period)| (next(period), Due::Ticks));
        let answers = world.dispatched.iter().map(|call| (call.due_ns, Due::Answer(call.token)));
        ticks.chain(answers).min_by_key(|(at, _)| *at)
    }

    /// A tick of every root, without waiting for it.
    pub(in crate::host) fn tick_now(&mut self) -> Result<(), Error> {
        let roots: Vec<u32> = self.world().tick_ms.keys().copied().collect();
        roots.into_iter().try_for_each(|root| self.call::<u32, ()>("proxy_on_tick", root, root))
    }

    fn tick_all(&mut self, at: u64) -> Result<(), Error> {
        let ends = |period: u32| period > 0 && at.is_multiple_of(u64::from(period) * 1_000_000);
        let roots: Vec<u32> =
            self.world().tick_ms.iter().filter(|(_, period)| ends(**period)).map(|(root, _)| *root).collect();
        roots.into_iter().try_for_each(|root| self.call::<u32, ()>("proxy_on_tick", root, root))
    }

    /// The answer to a call of the plugin's; none where the stream that waited for it is gone.
    fn deliver(&mut self, token: u32) -> Result<(), Error> {
        let world = self.world();
        let Some(place) = world.dispatched.iter().position(|call| call.token == token) else { return Ok(()) };
        let call = world.dispatched.remove(place);
        let waits = call.context == self.root || self.world().streams.contains_key(&call.context);
        if !waits {
            return Ok(());
        }
        let (headers, body) =
            call.answer.as_ref().map_or((0, 0), |(headers, body)| (headers.0.len(), body.len()));
        self.world().answer = call.answer;
        let params = (call.context, token, headers as u32, body as u32, 0_u32);
        self.call::<_, ()>("proxy_on_http_call_response", call.context, params)?;
        self.world().answer = None;
        Ok(())
    }
}
