//! Exact sums of the decimal strings in records. The harness knows no more of Tollgate than Envoy does, so it
//! has its own few lines.

/// Pico-USD of a decimal string in USD; nothing where it is not one.
pub fn pico(usd: &str) -> Option<u128> {
    let (whole, fraction) = usd.split_once('.').unwrap_or((usd, ""));
    let digits = format!("{whole}{fraction:0<12}");
    if whole.is_empty() || fraction.len() > 12 || !digits.chars().all(|c| c.is_ascii_digit()) {
        return None;
    }
    digits.parse().ok()
}

/// The shortest decimal string of an amount in pico-USD.
pub fn usd(pico: u128) -> String {
    const PICO: u128 = 1_000_000_000_000;
    let text = format!("{}.{:012}", pico / PICO, pico % PICO);
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decimal_strings_are_read_and_written_exactly() {
        for (text, amount) in
            [("0.000000000001", 1), ("12.5", 12_500_000_000_000), ("0", 0), ("3", 3_000_000_000_000)]
        {
            assert_eq!(pico(text), Some(amount), "{text}");
            assert_eq!(usd(amount), text);
        }
        for text in ["", "-1", "1e3", "0.0000000000001", "1.2.3"] {
            assert_eq!(pico(text), None, "{text}");
        }
    }
}
