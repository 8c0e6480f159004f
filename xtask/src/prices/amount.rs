//! Decimal text moved by powers of ten, digit by digit: no price goes through a float.

/// The number times `10^shift` as plain decimal text: `2.5e-06` shifted by 6 is `2.5`.
pub fn shifted(text: &str, shift: i32) -> Result<String, String> {
    let bad = || format!("not a decimal number: `{text}`");
    let (mantissa, exponent) = match text.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, exponent.parse::<i32>().map_err(|_| bad())?),
        None => (text, 0),
    };
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    if whole.is_empty() || !whole.bytes().chain(fraction.bytes()).all(|byte| byte.is_ascii_digit()) {
        return Err(bad());
    }
    let digits = format!("{whole}{fraction}");
    let point = whole.len() as i32 + exponent + shift;
    Ok(with_point(&digits, point))
}

/// The digits with the decimal point after the first `point` of them.
fn with_point(digits: &str, point: i32) -> String {
    let lead = "0".repeat(usize::try_from(1 - point).unwrap_or(0));
    let padded = format!("{lead}{digits}");
    let point = usize::try_from(point.max(1)).unwrap_or(1);
    let trail = "0".repeat(point.saturating_sub(padded.len()));
    let padded = format!("{padded}{trail}");
    let (whole, fraction) = padded.split_at(point);
    let whole = whole.trim_start_matches('0');
    let fraction = fraction.trim_end_matches('0');
    let whole = if whole.is_empty() { "0" } else { whole };
    if fraction.is_empty() { whole.to_string() } else { format!("{whole}.{fraction}") }
}

#[cfg(test)]
mod tests {
    use super::shifted;

    #[test]
    fn moves_the_point() {
        let cases = [
            ("a price per token becomes one per million", "2.5e-06", 6, "2.5"),
            ("a whole number stays one", "12", 0, "12"),
            ("zeros at the end go away", "2.50", 0, "2.5"),
            ("zero is zero", "0.0", 6, "0"),
            ("many decimals are kept", "7.167e-05", 0, "0.00007167"),
            ("a float's noise is kept too", "1.0000000000000002e-07", 6, "0.10000000000000002"),
            ("a shift may add zeros", "1.5e-3", 6, "1500"),
            ("a number without exponent", "0.0001", 6, "100"),
        ];
        for (name, text, shift, expected) in cases {
            assert_eq!(shifted(text, shift).as_deref(), Ok(expected), "{name}");
        }
    }

    #[test]
    fn refuses_what_is_no_number() {
        for text in ["", "-1", "abc", "1e", ".5", "1_000"] {
            assert!(shifted(text, 0).is_err(), "{text}");
        }
    }
}
