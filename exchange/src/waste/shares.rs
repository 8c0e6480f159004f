//! What a call's tokens would have been under a remedy. A part of the request has that share of the reported input tokens which it
//! has of the request's bytes: an estimate.

use tollgate_pricing::{PicoUsd, TokenCounts, TokenKind};

/// How many of a call's input tokens parts of its request have.
#[derive(Clone, Copy, Debug)]
pub(super) struct Shares {
    /// The longest beginning that was said before.
    pub said: u64,
    /// Turns that are older than those to be kept.
    pub old: u64,
    /// What stands before the oldest turn: it stays, and a cache may hold it.
    pub kept: u64,
}

/// Caches hold whole blocks of tokens, and bytes do not tell tokens exactly: what was read from the cache is taken for the whole prefix
/// if no more than this part of it, an eighth, is missing.
const BLUR: u64 = 8;

/// Tokens of texts, by how they were read and billed.
const TEXT: [TokenKind; 4] =
    [TokenKind::Input, TokenKind::CacheWrite, TokenKind::CacheWrite1h, TokenKind::CacheRead];

impl Shares {
    /// How many tokens of a prefix that was said before were not read from the provider's cache, and the call's tokens if they had
    /// been. `None` if there are none.
    pub(super) fn uncached(self, tokens: &TokenCounts, least: u64) -> Option<(u64, TokenCounts)> {
        let read = tokens.get(TokenKind::CacheRead);
        let missed = self.said.checked_sub(read).filter(|missed| *missed > self.said.div_euclid(BLUR))?;
        if self.said < least.max(1) {
            return None;
        }
        let (mut instead, mut left) = (*tokens, missed);
        for kind in TEXT.into_iter().filter(|kind| *kind != TokenKind::CacheRead) {
            let moved = tokens.get(kind).min(left);
            instead.set(kind, tokens.get(kind).checked_sub(moved)?);
            instead.add(TokenKind::CacheRead, moved)?;
            left = left.checked_sub(moved)?;
        }
        let moved = missed.checked_sub(left).filter(|moved| *moved > 0)?;
        Some((moved, instead))
    }

    /// How many tokens old turns have, and the call's tokens without them. What comes after the gap stands in no cache then: only
    /// what stands before it may have been read from one.
    pub(super) fn without_history(self, tokens: &TokenCounts) -> Option<(u64, TokenCounts)> {
        let text = TEXT.into_iter().try_fold(0_u64, |sum, kind| sum.checked_add(tokens.get(kind)))?;
        let old = self.old.min(text);
        let left = text.checked_sub(old).filter(|_| old > 0)?;
        let read = tokens.get(TokenKind::CacheRead).min(self.kept).min(left);
        let mut instead = *tokens;
        TEXT.into_iter().for_each(|kind| instead.set(kind, 0));
        instead.set(TokenKind::CacheRead, read);
        instead.set(TokenKind::Input, left.checked_sub(read)?);
        Some((old, instead))
    }
}

/// So many of `count` as `part` is of `all`; all of them at most.
pub(super) fn part_of(count: u64, part: u64, all: u64) -> u64 {
    let product = u128::from(count).saturating_mul(part.min(all).into());
    let share = product.checked_div(all.into()).unwrap_or(0);
    u64::try_from(share).unwrap_or(count)
}

/// As much of an amount as `part` is of `all`.
pub(super) fn share(usd: PicoUsd, part: u64, all: u64) -> Option<PicoUsd> {
    let product = usd.pico().checked_mul(part.min(all).into())?;
    product.checked_div(all.into()).map(PicoUsd::from_pico)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::{Just, Strategy, any, prop_assert, proptest};

    fn tokens(input: u64, read: u64, write: u64) -> TokenCounts {
        let mut tokens = TokenCounts::default();
        tokens.set(TokenKind::Input, input);
        tokens.set(TokenKind::CacheRead, read);
        tokens.set(TokenKind::CacheWrite, write);
        tokens.set(TokenKind::Output, 50);
        tokens
    }

    fn shares(said: u64, old: u64, kept: u64) -> Shares {
        Shares { said, old, kept }
    }

    #[test]
    fn what_was_said_before_and_not_read_from_a_cache_is_missed() {
        for (why, said, given, expected) in [
            ("nothing was in a cache", 4000, tokens(10_000, 0, 0), Some((4000, tokens(6000, 4000, 0)))),
            ("a half was", 4000, tokens(8000, 2000, 0), Some((2000, tokens(6000, 4000, 0)))),
            ("nearly all was", 4000, tokens(6500, 3500, 0), None),
            ("more than that was", 4000, tokens(1000, 9000, 0), None),
            ("it was written once more", 4000, tokens(100, 0, 9900), Some((4000, tokens(0, 4000, 6000)))),
            ("no provider caches so little", 1000, tokens(10_000, 0, 0), None),
            ("nothing was said before", 0, tokens(10_000, 0, 0), None),
        ] {
            assert_eq!(shares(said, 0, 0).uncached(&given, 1024), expected, "{why}");
        }
    }

    #[test]
    fn without_old_turns_only_what_stands_before_them_is_still_cached() {
        for (why, old, kept, given, expected) in [
            ("nothing was cached", 6000, 1000, tokens(10_000, 0, 0), Some((6000, tokens(4000, 0, 0)))),
            ("all but the end was", 6000, 1000, tokens(1000, 9000, 0), Some((6000, tokens(3000, 1000, 0)))),
            ("it was written", 6000, 1000, tokens(0, 0, 10_000), Some((6000, tokens(4000, 0, 0)))),
            ("there are no old turns", 0, 1000, tokens(10_000, 0, 0), None),
        ] {
            assert_eq!(shares(0, old, kept).without_history(&given), expected, "{why}");
        }
    }

    proptest! {
        #[test]
        fn no_remedy_makes_tokens_out_of_nothing(
            (said, old, kept) in (any::<u64>(), any::<u64>(), any::<u64>()),
            given in (0..1_u64 << 40, 0..1_u64 << 40, 0..1_u64 << 40).prop_map(|(a, b, c)| tokens(a, b, c)),
            least in Just(1024_u64),
        ) {
            let shares = Shares { said, old, kept };
            if let Some((moved, instead)) = shares.uncached(&given, least) {
                prop_assert!(instead.input_total() == given.input_total() && moved <= said);
                prop_assert!(instead.get(TokenKind::CacheRead) >= given.get(TokenKind::CacheRead));
            }
            if let Some((dropped, instead)) = shares.without_history(&given) {
                prop_assert!(instead.input_total().unwrap().checked_add(dropped) == given.input_total());
            }
        }

        #[test]
        fn a_part_is_never_more_than_all(count: u64, part: u64, all: u64, pico in 0..i128::MAX) {
            prop_assert!(part_of(count, part, all) <= count);
            let usd = PicoUsd::from_pico(pico);
            prop_assert!(share(usd, part, all).is_none_or(|share| share <= usd));
        }
    }
}
