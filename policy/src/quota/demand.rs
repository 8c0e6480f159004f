//! What a call may use, as far as is known before it is sent.

use super::{Charge, Reserve, ReservedOutput};
use crate::ledger::{Amount, Output};

/// What a call may use, as far as is known before it is sent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Demand {
    /// What such a call usually uses.
    pub likely: Expected,
    /// What it cannot pass, as long as it is text without tools that the provider runs.
    pub worst: Expected,
    /// The output tokens that the request allows, all answers together; `None` if it sets no bound.
    pub output_bound: Option<u64>,
}

/// The input, and what input and output cost.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Expected {
    /// Input tokens; `None` if the body's length is not known.
    pub input_tokens: Option<u64>,
    /// `None` if the model, its price or the length is not known.
    pub price: Option<CallPrice>,
}

/// What a call costs, after adjustments, in pico-USD.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CallPrice {
    /// Its input.
    pub input: i128,
    /// A million output tokens.
    pub per_million_output: i128,
}

impl Demand {
    /// What is put aside of it. What is not known is not put aside: such a call passes as long as there is anything
    /// left.
    pub(super) fn amount(&self, charge: Charge, reserve: Reserve) -> Amount {
        let requested = reserve.output == ReservedOutput::Requested;
        let expected = if requested { self.worst } else { self.likely };
        let input = expected.input_tokens.map_or(0, i128::from);
        let (fixed, per_million) = match charge {
            Charge::Requests | Charge::InFlight => return Amount::fixed(1),
            Charge::InputTokens => return Amount::fixed(input),
            Charge::OutputTokens => (0, 1_000_000),
            Charge::Tokens => (input, 1_000_000),
            Charge::Usd => match expected.price {
                Some(price) => (price.input, price.per_million_output),
                None => return Amount::fixed(0),
            },
        };
        Amount { fixed, per_million, output: self.output(reserve) }
    }

    fn output(&self, reserve: Reserve) -> Output {
        let bound = self.output_bound.unwrap_or(u64::MAX);
        match reserve.output {
            ReservedOutput::Typical => Output::Usual { at_most: bound.min(reserve.cap) },
            ReservedOutput::Requested => Output::Tokens(self.output_bound.unwrap_or(reserve.cap)),
            ReservedOutput::Tokens(tokens) => Output::Tokens(tokens.min(bound).min(reserve.cap)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_put_aside_follows_the_request_the_unit_and_the_rule() {
        let demand = |output_bound| Demand {
            likely: Expected {
                input_tokens: Some(100),
                price: Some(CallPrice { input: 250, per_million_output: 10_000_000 }),
            },
            worst: Expected {
                input_tokens: Some(400),
                price: Some(CallPrice { input: 1000, per_million_output: 10_000_000 }),
            },
            output_bound,
        };
        let reserve = |output, cap| Reserve { output, cap };
        let typical = reserve(ReservedOutput::Typical, u64::MAX);
        let requested = reserve(ReservedOutput::Requested, 4096);
        for (name, charge, reserve, bound, usual, expected) in [
            ("a call is one", Charge::Requests, typical, Some(5), None, 1),
            ("a running call is one", Charge::InFlight, typical, Some(5), None, 1),
            ("input is its likely length", Charge::InputTokens, typical, None, None, 100),
            ("an answer is 1024 until known", Charge::OutputTokens, typical, None, None, 1024),
            ("then what is usual", Charge::OutputTokens, typical, None, Some(300), 300),
            ("and never more than asked for", Charge::OutputTokens, typical, Some(50), Some(300), 50),
            ("money is input and output", Charge::Usd, typical, Some(32_000), Some(200), 250 + 2000),
            (
                "the worst case is all that is asked for",
                Charge::Usd,
                requested,
                Some(500),
                Some(1),
                1000 + 5000,
            ),
            ("or what it will be limited to", Charge::Tokens, requested, None, Some(1), 400 + 4096),
            (
                "a fixed number is one",
                Charge::Tokens,
                Reserve { output: ReservedOutput::Tokens(7), cap: 5 },
                None,
                None,
                105,
            ),
        ] {
            assert_eq!(demand(bound).amount(charge, reserve).of(usual), Some(expected), "{name}");
        }
        let unknown = Demand::default().amount(Charge::Usd, typical);
        assert_eq!(unknown.of(Some(9)), Some(0), "what is not known is not put aside");
    }
}
