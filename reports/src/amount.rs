//! Exact arithmetic on sums: products and quotients that do not overflow on the way, shares that add up.

use tollgate_pricing::PicoUsd;

/// `amount * up / down`, rounded half to even. `None` if `down` is zero or the result does not fit.
pub fn mul_div(amount: i128, up: u128, down: u128) -> Option<i128> {
    let (high, low) = wide_product(amount.unsigned_abs(), up);
    let (whole, rest) = wide_divide(high, low, down)?;
    let beyond_half = rest.cmp(&down.checked_sub(rest)?);
    let up_by = u128::from(beyond_half.is_gt() || (beyond_half.is_eq() && whole & 1 == 1));
    let size = i128::try_from(whole.checked_add(up_by)?).ok()?;
    if amount < 0 { size.checked_neg() } else { Some(size) }
}

/// Money times a fraction, rounded half to even.
pub fn scale(amount: PicoUsd, up: u128, down: u128) -> Option<PicoUsd> {
    mul_div(amount.pico(), up, down).map(PicoUsd::from_pico)
}

/// Tenths of a percent that `part` is of `whole`; `None` of nothing.
pub fn permille(part: i128, whole: i128) -> Option<i128> {
    let share = mul_div(part, 1000, whole.unsigned_abs())?;
    if whole < 0 { share.checked_neg() } else { Some(share) }
}

/// Divides an amount by weights so that the shares add up to it exactly: each is rounded down, and what is left goes one
/// by one to those that lost most, the first one of equals first. `None` if all weights are zero or something does not fit.
pub fn split(amount: PicoUsd, weights: &[u128]) -> Option<Vec<PicoUsd>> {
    let whole = weights.iter().try_fold(0_u128, |sum, weight| sum.checked_add(*weight))?;
    let size = amount.pico().unsigned_abs();
    let mut shares = Vec::with_capacity(weights.len());
    let mut left = size;
    for (place, weight) in weights.iter().enumerate() {
        let (high, low) = wide_product(size, *weight);
        let (share, rest) = wide_divide(high, low, whole)?;
        left = left.checked_sub(share)?;
        shares.push((share, rest, place));
    }
    let mut by_loss: Vec<usize> = (0..shares.len()).collect();
    by_loss.sort_by_key(|place| std::cmp::Reverse(shares.get(*place).map(|(_, rest, _)| *rest)));
    // Each share lost less than one, so fewer are left than there are shares.
    for place in by_loss.into_iter().take(usize::try_from(left).ok()?) {
        let (share, _, _) = shares.get_mut(place)?;
        *share = share.checked_add(1)?;
    }
    let signed = |share: u128| {
        let share = i128::try_from(share).ok()?;
        if amount.pico() < 0 { share.checked_neg() } else { Some(share) }
    };
    shares.into_iter().map(|(share, _, _)| signed(share).map(PicoUsd::from_pico)).collect()
}

/// The whole square root.
pub fn square_root(number: u128) -> u128 {
    number.isqrt()
}

const HALF: u32 = 64;
const LOW: u128 = u64::MAX as u128;

/// The 256 bits of a product, as two halves.
fn wide_product(one: u128, other: u128) -> (u128, u128) {
    let (a, b) = (one >> HALF, one & LOW);
    let (c, d) = (other >> HALF, other & LOW);
    // INVARIANT: products of two 64-bit numbers fit 128 bits, and so does such a product with two carries added.
    let (ac, ad, bc, bd) = (a.wrapping_mul(c), a.wrapping_mul(d), b.wrapping_mul(c), b.wrapping_mul(d));
    let middle = (bd >> HALF).wrapping_add(ad & LOW).wrapping_add(bc & LOW);
    let low = (middle << HALF) | (bd & LOW);
    let high = ac.wrapping_add(ad >> HALF).wrapping_add(bc >> HALF).wrapping_add(middle >> HALF);
    (high, low)
}

/// Quotient and rest; `None` where the quotient has more than 128 bits.
fn wide_divide(high: u128, low: u128, by: u128) -> Option<(u128, u128)> {
    if high == 0 {
        return Some((low.checked_div(by)?, low.checked_rem(by)?));
    }
    if high >= by {
        return None;
    }
    let (mut rest, mut quotient) = (high, 0_u128);
    for bit in (0..128_u32).rev() {
        // INVARIANT: `rest` is less than `by`; the bit that is shifted out stands for more than `by` can be.
        let out = rest >> 127;
        rest = (rest << 1) | ((low >> bit) & 1);
        quotient <<= 1;
        if out == 1 || rest >= by {
            rest = rest.wrapping_sub(by);
            quotient |= 1;
        }
    }
    Some((quotient, rest))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn products_are_rounded_half_to_even() {
        for (amount, up, down, expected) in [
            (10, 1, 4, Some(2)),
            (14, 1, 4, Some(4)),
            (-10, 1, 4, Some(-2)),
            (7, 1, 2, Some(4)),
            (i128::MAX, u128::MAX, u128::MAX, Some(i128::MAX)),
            (i128::MAX, 2, 1, None),
            (5, 1, 0, None),
            (i128::MAX, 3, 7, Some(72_917_650_054_486_813_599_294_558_735_378_902_454)),
        ] {
            assert_eq!(mul_div(amount, up, down), expected, "{amount} * {up} / {down}");
        }
        assert_eq!((permille(1, 3), permille(-1, 8), permille(1, 0)), (Some(333), Some(-125), None));
    }

    proptest! {
        #[test]
        fn shares_add_up_and_are_off_by_less_than_one(
            amount in -(1_i128 << 100)..(1_i128 << 100),
            weights in proptest::collection::vec(0_u128..(1 << 90), 1..40),
        ) {
            prop_assume!(weights.iter().any(|weight| *weight > 0));
            let whole: u128 = weights.iter().sum();
            let shares = split(PicoUsd::from_pico(amount), &weights).unwrap();
            prop_assert_eq!(PicoUsd::try_sum(shares.iter().copied()), Some(PicoUsd::from_pico(amount)));
            for (share, weight) in shares.iter().zip(&weights) {
                let fair = mul_div(amount, *weight, whole).unwrap();
                prop_assert!((share.pico() - fair).abs() <= 1, "{share:?} {fair}");
            }
        }

        #[test]
        fn what_fits_128_bits_is_what_128_bits_give(amount in 0_i128..(1 << 60), up in 0_u128..(1 << 60), down in 1_u128..(1 << 60)) {
            let product = amount.unsigned_abs() * up;
            let expected = product / down;
            let got = mul_div(amount, up, down).unwrap().unsigned_abs();
            prop_assert!(got == expected || got == expected + 1);
        }

        #[test]
        fn dividing_undoes_multiplying(amount in any::<i128>(), by in 1_u128..) {
            prop_assume!(amount != i128::MIN);
            prop_assert_eq!(mul_div(amount, by, by), Some(amount));
        }
    }
}
