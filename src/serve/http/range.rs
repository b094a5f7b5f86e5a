//! Which part of a file a request wants (RFC 9110 section 14).

use std::ops::Range;

/// What a `Range` field asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Wanted {
    /// All of it: there is no field, or one that a server may ignore (another unit, several ranges,
    /// no sense).
    Whole,
    /// These octets; at least one.
    Part(Range<u64>),
    /// Octets that the file does not have.
    Unsatisfiable,
}

/// Reads the value of a `Range` field, for a file of `len` octets.
pub(super) fn wanted(field: &str, len: u64) -> Wanted {
    parse(field, len).unwrap_or(Wanted::Whole)
}

fn parse(field: &str, len: u64) -> Option<Wanted> {
    let (unit, spec) = field.split_once('=')?;
    if !unit.trim().eq_ignore_ascii_case("bytes") {
        return None;
    }
    let (first, last) = spec.trim().split_once('-')?;
    let range = match (first.trim(), last.trim()) {
        ("", suffix) => len.saturating_sub(number(suffix)?)..len,
        (first, "") => number(first)?..len,
        (first, last) => {
            let (first, last) = (number(first)?, number(last)?);
            if last < first {
                return None;
            }
            first..last.saturating_add(1).min(len)
        }
    };
    Some(if range.is_empty() { Wanted::Unsatisfiable } else { Wanted::Part(range) })
}

/// Digits only: `str::parse` would take a sign. Too large a number is as good as the largest.
fn number(digits: &str) -> Option<u64> {
    let is_number = !digits.is_empty() && digits.bytes().all(|octet| octet.is_ascii_digit());
    is_number.then(|| digits.parse().unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn single_ranges() {
        assert_eq!(wanted("bytes=0-99", 1000), Wanted::Part(0..100));
        assert_eq!(wanted("bytes=990-", 1000), Wanted::Part(990..1000));
        assert_eq!(wanted("bytes=-10", 1000), Wanted::Part(990..1000));
        assert_eq!(wanted("bytes=-5000", 1000), Wanted::Part(0..1000));
        assert_eq!(wanted("bytes=999-99999999999999999999999", 1000), Wanted::Part(999..1000));
        assert_eq!(wanted(" Bytes = 1 - 1 ", 1000), Wanted::Part(1..2));
    }

    #[test]
    fn ranges_beyond_the_end() {
        assert_eq!(wanted("bytes=1000-", 1000), Wanted::Unsatisfiable);
        assert_eq!(wanted("bytes=1000-2000", 1000), Wanted::Unsatisfiable);
        assert_eq!(wanted("bytes=-0", 1000), Wanted::Unsatisfiable);
        assert_eq!(wanted("bytes=0-", 0), Wanted::Unsatisfiable);
        assert_eq!(wanted("bytes=-1", 0), Wanted::Unsatisfiable);
    }

    #[test]
    fn what_makes_no_sense_is_ignored() {
        let fields = [
            "",
            "bytes",
            "bytes=",
            "bytes=-",
            "bytes=a-b",
            "bytes=5-4",
            "bytes=0-1,3-4",
            "lines=0-1",
            "bytes=+1-2",
            "bytes=--1",
            "bytes=1-2-3",
        ];
        for field in fields {
            assert_eq!(wanted(field, 1000), Wanted::Whole, "{field:?}");
        }
    }
}
