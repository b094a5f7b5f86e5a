//! Sizes, rates, durations and percentages as people write them. They are read exactly: `1.5ms` is
//! 1500 microseconds, with no rounding on the way.

use std::time::Duration;

/// Octets: `16MiB`, `1.5k`, `1000`.
pub(super) fn size(text: &str) -> Result<u64, String> {
    const UNITS: [(&str, u128); 14] = [
        ("", 1),
        ("B", 1),
        ("KiB", 1 << 10),
        ("MiB", 1 << 20),
        ("GiB", 1 << 30),
        ("TiB", 1 << 40),
        ("k", 1_000),
        ("kB", 1_000),
        ("M", 1_000_000),
        ("MB", 1_000_000),
        ("G", 1_000_000_000),
        ("GB", 1_000_000_000),
        ("T", 1_000_000_000_000),
        ("TB", 1_000_000_000_000),
    ];
    measure(text, &UNITS, "a size such as 16MiB, 500k or 4096")
}

/// Bits per second: `100Mbit`, `2.5Gbit`, or `100M` for short.
pub(super) fn rate(text: &str) -> Result<u64, String> {
    const UNITS: [(&str, u128); 7] = [
        ("bit", 1),
        ("k", 1_000),
        ("kbit", 1_000),
        ("M", 1_000_000),
        ("Mbit", 1_000_000),
        ("G", 1_000_000_000),
        ("Gbit", 1_000_000_000),
    ];
    const EXPECTED: &str = "a rate such as 100Mbit, in bits per second";
    match measure(text, &UNITS, EXPECTED)? {
        0 => Err(format!("expected {EXPECTED}, and nothing passes at rate 0")),
        rate => Ok(rate),
    }
}

/// Bits per second as they are shortest: `100M`, `2500k`.
pub(super) fn short_rate(rate: u64) -> String {
    let units = [(1_000_000_000, "G"), (1_000_000, "M"), (1_000, "k")];
    let unit = units.into_iter().find(|(unit, _)| rate >= *unit && rate.is_multiple_of(*unit));
    unit.map_or_else(|| format!("{rate}bit"), |(unit, name)| format!("{}{name}", rate / unit))
}

/// `20ms`, `1.5s`, `300us`.
pub(super) fn duration(text: &str) -> Result<Duration, String> {
    const UNITS: [(&str, u128); 5] =
        [("us", 1), ("µs", 1), ("ms", 1_000), ("s", 1_000_000), ("min", 60_000_000)];
    measure(text, &UNITS, "a duration such as 20ms, 1.5s or 300us").map(Duration::from_micros)
}

/// A moment of a trace, in microseconds: as a duration since its beginning, or in bare seconds, as it
/// is shown.
pub(super) fn moment(text: &str) -> Result<u64, String> {
    const UNITS: [(&str, u128); 6] = [
        ("", 1_000_000),
        ("us", 1),
        ("µs", 1),
        ("ms", 1_000),
        ("s", 1_000_000),
        ("min", 60_000_000),
    ];
    measure(text, &UNITS, "a time such as 1.5s, 20ms or 0.020314 (seconds)")
}

/// A percentage, as a number from 0 to 1: `2%`, `0.1%`.
pub(super) fn percentage(text: &str) -> Result<f64, String> {
    const EXPECTED: &str = "a percentage from 0% to 100%, such as 2% or 0.1%";
    // In millionths of a percent: far finer than anything it is used for.
    let share = measure(text, &[("%", 1_000_000)], EXPECTED)?;
    if share > 100_000_000 {
        return Err(format!("expected {EXPECTED}"));
    }
    Ok(share as f64 / 100_000_000.0)
}

/// A decimal number and one of `units`; what it comes to, rounded down.
fn measure(text: &str, units: &[(&str, u128)], expected: &str) -> Result<u64, String> {
    let text = text.trim();
    let end = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let (number, unit) = text.split_at(end);
    let value = units
        .iter()
        .find(|(name, _)| *name == unit.trim_start())
        .and_then(|(_, unit)| Some((decimal(number)?, *unit)));
    let Some(((digits, scale), unit)) = value else { return Err(format!("expected {expected}")) };
    let product = digits.checked_mul(unit).map(|product| product / scale);
    product.and_then(|product| product.try_into().ok()).ok_or_else(|| "too large".to_owned())
}

/// The digits of `text` as one number, and the power of ten that it has to be divided by.
fn decimal(text: &str) -> Option<(u128, u128)> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let digits = format!("{whole}{fraction}");
    // 24 digits times the largest unit fit 128 bits.
    if digits.is_empty() || digits.len() > 24 {
        return None;
    }
    Some((digits.parse().ok()?, 10u128.pow(fraction.len() as u32)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_binary_or_decimal_as_written() {
        assert_eq!(size("16MiB"), Ok(16 << 20));
        assert_eq!(size("1.5 KiB"), Ok(1536));
        assert_eq!(size("64k"), Ok(64_000));
        assert_eq!(size("2GB"), Ok(2_000_000_000));
        assert_eq!(size("4096"), Ok(4096));
        assert_eq!(size(".5M"), Ok(500_000));
    }

    #[test]
    fn rates_are_in_bits() {
        assert_eq!(rate("100Mbit"), Ok(100_000_000));
        assert_eq!(rate("2.5Gbit"), Ok(2_500_000_000));
        assert_eq!(rate("10M"), Ok(10_000_000));
        assert_eq!([100_000_000, 2_500_000, 7].map(short_rate), ["100M", "2500k", "7bit"]);
        assert!(rate("0bit").is_err());
        assert!(rate("100MB").is_err());
    }

    #[test]
    fn durations_are_exact() {
        assert_eq!(duration("20ms"), Ok(Duration::from_millis(20)));
        assert_eq!(duration("0.000001s"), Ok(Duration::from_micros(1)));
        assert_eq!(duration("300µs"), Ok(Duration::from_micros(300)));
        assert!(duration("20").is_err(), "of what?");
    }

    #[test]
    fn moments_may_be_bare_seconds() {
        assert_eq!(moment("0.020314"), Ok(20_314));
        assert_eq!(moment("20ms"), Ok(20_000));
    }

    #[test]
    fn percentages_end_at_a_hundred() {
        assert_eq!(percentage("2%"), Ok(0.02));
        assert_eq!(percentage("0.1 %"), Ok(0.001));
        assert_eq!(percentage("100%"), Ok(1.0));
        assert!(percentage("100.1%").is_err());
        assert!(percentage("0.02").is_err(), "a share is not a percentage");
    }

    #[test]
    fn nonsense_says_what_was_expected() {
        for text in ["", "MiB", "1.2.3k", "-1k", "1e6", "1 lightyear", "9999999999999999999999999"]
        {
            let error = size(text).expect_err(text);
            assert!(error.contains("16MiB"), "{text}: {error}");
        }
        assert_eq!(size("18446744073709551616"), Err("too large".into()));
        assert_eq!(size("999999999999999999999999TiB"), Err("too large".into()));
    }
}
