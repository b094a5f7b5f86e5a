//! The constants of the format and its integers; `docs/TRACE.md` has the whole.

use netmart_bus::Kind;

/// The first octets of a file: a byte no text begins with, a name, and line ends that a transfer
/// as text would change.
pub(super) const MAGIC: [u8; 8] = *b"\x89NMTR\r\n\x1a";

/// The version of the format that follows the magic.
pub(super) const VERSION: u16 = 1;

/// Magic, version, and two octets that are zero.
pub(super) const HEADER_LEN: usize = 12;

/// Length, checksum and number of events of a block.
pub(super) const BLOCK_HEADER_LEN: usize = 12;

/// A block is closed when its payload reaches this many octets.
pub(super) const BLOCK_GOAL: usize = 64 * 1024;

/// No payload is longer than this.
pub(super) const BLOCK_MAX: usize = 1024 * 1024;

/// Keys and summaries are cut at this many octets.
pub(super) const TEXT_MAX: usize = 4096;

/// Recipients beyond this many are counted, not listed.
pub(super) const LISTED_MAX: usize = 64;

/// What a record is: the octet after its length.
pub(super) mod tag {
    /// A text, for later records of the block to refer to.
    pub(crate) const TEXT: u8 = 1;
    /// A place, likewise.
    pub(crate) const PLACE: u8 = 2;
    /// The name of an actor.
    pub(crate) const ACTOR: u8 = 3;
    /// An event.
    pub(crate) const EVENT: u8 = 4;
    /// Events that were lost here.
    pub(crate) const GAP: u8 = 5;
}

/// The kinds of events and their words; a file has the index.
pub(super) const KINDS: [(Kind, &str); 18] = [
    (Kind::Send, "send"),
    (Kind::Unmatched, "unmatched"),
    (Kind::Dropped, "dropped"),
    (Kind::Inject, "inject"),
    (Kind::Assert, "assert"),
    (Kind::Retract, "retract"),
    (Kind::Appeared, "appeared"),
    (Kind::Gone, "gone"),
    (Kind::Subscribe, "subscribe"),
    (Kind::Unsubscribe, "unsubscribe"),
    (Kind::Provide, "provide"),
    (Kind::Watch, "watch"),
    (Kind::Spawn, "spawn"),
    (Kind::Stop, "stop"),
    (Kind::Down, "down"),
    (Kind::TimerSet, "timer-set"),
    (Kind::TimerFired, "timer-fired"),
    (Kind::TimerCancelled, "timer-cancelled"),
];

/// The number of a kind in a file; `None` for one that this format does not know.
pub(super) fn kind_code(kind: Kind) -> Option<u8> {
    // The table is in the order of the enum, but nothing outside the bus can promise that it stays.
    let guess = kind as usize;
    if KINDS.get(guess).is_some_and(|(known, _)| *known == kind) {
        return Some(guess as u8);
    }
    KINDS.iter().position(|(known, _)| *known == kind).map(|index| index as u8)
}

/// Appends `value` in groups of seven bits, the lowest first, each but the last with the top bit set.
pub(super) fn put_unsigned(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

/// Appends a difference: zero, minus one, one, minus two, ... count 0, 1, 2, 3, ...
pub(super) fn put_signed(out: &mut Vec<u8>, value: i64) {
    put_unsigned(out, (value << 1 ^ value >> 63) as u64);
}

/// Takes an integer from the front of `octets`; `None` if it is not whole or does not fit 64 bits.
pub(super) fn take_unsigned(octets: &mut &[u8]) -> Option<u64> {
    let mut value = 0u64;
    for shift in (0..64).step_by(7) {
        let (&octet, rest) = octets.split_first()?;
        *octets = rest;
        let group = u64::from(octet & 0x7f);
        if shift == 63 && group > 1 {
            return None;
        }
        value |= group << shift;
        if octet < 0x80 {
            return Some(value);
        }
    }
    None
}

/// Takes a difference from the front of `octets`.
pub(super) fn take_signed(octets: &mut &[u8]) -> Option<i64> {
    let value = take_unsigned(octets)?;
    Some((value >> 1) as i64 ^ -((value & 1) as i64))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn every_kind_has_its_own_number() {
        for (code, (kind, _)) in KINDS.iter().enumerate() {
            assert_eq!(kind_code(*kind), Some(code as u8));
        }
    }

    #[test]
    fn integers_are_short_when_they_are_small() {
        let mut out = Vec::new();
        put_unsigned(&mut out, 127);
        put_signed(&mut out, -64);
        assert_eq!(out, [0x7f, 0x7f]);
        put_unsigned(&mut out, 300);
        assert_eq!(out[2..], [0xac, 0x02]);
    }

    #[test]
    fn an_integer_that_does_not_fit_is_none() {
        assert_eq!(take_unsigned(&mut &[0xff; 9][..]), None, "not whole");
        let mut eleven = [0x80; 11];
        eleven[10] = 1;
        assert_eq!(take_unsigned(&mut &eleven[..]), None, "too long");
        let sixty_five_bits = [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x02];
        assert_eq!(take_unsigned(&mut &sixty_five_bits[..]), None, "too large");
    }

    proptest! {
        #[test]
        fn integers_come_back(unsigned: u64, signed: i64) {
            let mut out = Vec::new();
            put_unsigned(&mut out, unsigned);
            put_signed(&mut out, signed);
            let mut rest = &out[..];
            prop_assert_eq!(take_unsigned(&mut rest), Some(unsigned));
            prop_assert_eq!(take_signed(&mut rest), Some(signed));
            prop_assert!(rest.is_empty());
        }
    }
}
