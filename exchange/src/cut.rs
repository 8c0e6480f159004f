//! `mid_stream: cut`: a running stream is ended once what it said passes what was left for it.

use crate::admission::bought;
use crate::exchange::Exchange;
use crate::plan::Standing;
use crate::reply::Refusal;
use tollgate_policy::{Change, MidStream, Quota};
use tollgate_record::Action;
use tollgate_wire::ErrorDialect;

/// How far a stream may go.
#[derive(Debug)]
pub(crate) struct Cut {
    /// So many output tokens are left for it.
    tokens: u64,
    /// The quota that ends it.
    rule: String,
    state: State,
    /// The last bytes that the client got, in which an event may be about to end.
    tail: Vec<u8>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Running,
    /// The event that is open has to end first.
    Ending,
    /// The client got its error; nothing goes on any more.
    Over,
}

/// An English text has some four bytes a token.
const BYTES_PER_TOKEN: u64 = 4;

impl Exchange {
    /// How far the stream of a call may go that is admitted now. `None` if it cannot pass what is left.
    pub(crate) fn plan_cut(&self) -> Option<Box<Cut>> {
        let cuts = |standing: &&Standing| {
            self.rules.quotas.get(standing.rule).is_some_and(|rule| rule.mid_stream == MidStream::Cut)
        };
        let room = |standing: &Standing| {
            let own = |quota: &&Quota| quota.rule == standing.rule;
            let quota = self.leases.iter().map(|(quota, _, _)| quota).find(own)?;
            let Change::Reserve { amount, limit } = quota.op.change else { return None };
            let tokens = bought(limit.checked_sub(standing.taken)?, amount.fixed, amount.per_million)?;
            Some((tokens, standing.rule))
        };
        let (tokens, rule) = self.plan.standings.iter().filter(cuts).filter_map(room).min()?;
        if self.output_bound().is_some_and(|bound| bound <= tokens) {
            return None;
        }
        let rule = self.rules.quotas.get(rule)?.name.clone();
        Some(Box::new(Cut { tokens, rule, state: State::Running, tail: Vec::new() }))
    }

    /// Whether the client was told that its stream is over: the upstream is to be stopped.
    pub fn is_cut(&self) -> bool {
        self.plan.cut.as_ref().is_some_and(|cut| cut.state == State::Over)
    }

    /// What goes to the client of a chunk that was just read, where a quota may end the stream; `None`: what `replaced` says.
    pub(crate) fn cut(&mut self, chunk: &[u8], replaced: Option<Vec<u8>>) -> Option<Vec<u8>> {
        let Some(mut cut) = self.plan.cut.take() else { return replaced };
        let response = self.response.as_ref();
        let said = response.and_then(|response| response.text_bytes().filter(|_| response.is_event_stream()));
        if cut.state == State::Running && said.is_some_and(|bytes| bytes / BYTES_PER_TOKEN > cut.tokens) {
            cut.state = State::Ending;
            self.note(Action::Cut, &cut.rule);
        }
        let result = match cut.state {
            State::Running => {
                cut.keep_tail(replaced.as_deref().unwrap_or(chunk));
                replaced
            }
            State::Ending => {
                cut.end(replaced.as_deref().unwrap_or(chunk), self.target.call.error_dialect()).or(replaced)
            }
            State::Over => Some(Vec::new()),
        };
        self.plan.cut = Some(cut);
        result
    }
}

impl Cut {
    fn keep_tail(&mut self, sent: &[u8]) {
        self.tail.extend(sent.iter().skip(sent.len().saturating_sub(3)));
        let excess = self.tail.len().saturating_sub(3);
        self.tail.drain(..excess);
    }

    /// Ends the stream where an event ends in this chunk, or where one has just ended. `None` if none does.
    fn end(&mut self, chunk: &[u8], dialect: ErrorDialect) -> Option<Vec<u8>> {
        let seen = [&self.tail, chunk].concat();
        let after = |mark: &[u8]| {
            let place = seen.windows(mark.len()).rposition(|window| window == mark)?;
            place.checked_add(mark.len())
        };
        let boundary = [&b"\n\n"[..], b"\r\n\r\n"].into_iter().filter_map(after).max();
        let Some(kept) = boundary.and_then(|end| end.checked_sub(self.tail.len())) else {
            self.keep_tail(chunk);
            return None;
        };
        self.state = State::Over;
        let reply = Refusal::cut(&self.rule).into_reply(dialect);
        let good = chunk.get(..kept).unwrap_or_default();
        Some([good, b"event: error\ndata: ", &reply.body, b"\n\n"].concat())
    }
}
