//! Money as people read it.

use tollgate_pricing::PicoUsd;

/// Pico-dollars in a cent.
const CENT: u128 = 10_000_000_000;

/// `+$1,240.00`, rounded half up to the cent; what is under a cent stands in full, since `$0.00` would say nothing.
pub fn signed(amount: PicoUsd) -> String {
    let sign = if amount.pico() < 0 { '-' } else { '+' };
    let size = amount.pico().unsigned_abs();
    if size > 0 && size < CENT {
        let exact = amount.to_string();
        return format!("{sign}${}", exact.trim_start_matches('-'));
    }
    let cents = size.saturating_add(CENT / 2) / CENT;
    format!("{sign}${}.{:02}", grouped(cents / 100), cents % 100)
}

/// `1,234,567`.
pub fn grouped(number: u128) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_are_shown_to_the_cent_or_in_full() {
        for (usd, shown) in [
            ("0", "+$0.00"),
            ("1240", "+$1,240.00"),
            ("-1240.005", "-$1,240.01"),
            ("1234567.894", "+$1,234,567.89"),
            ("0.01", "+$0.01"),
            ("0.0001408", "+$0.0001408"),
            ("-0.000000000001", "-$0.000000000001"),
        ] {
            assert_eq!(signed(usd.parse().unwrap()), shown, "{usd}");
        }
    }
}
