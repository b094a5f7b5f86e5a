//! Where a packet may end.

use super::packet::{PAYLOAD, without_nuls};

/// How many of the octets that wait make the next packet to a peer that may be an original: it takes nothing
/// but whole characters, and drops NULs at the end of a packet, so they go before the next one.
///
/// `octets` are the next ones, at most 512; `is_all` says that no more will follow them. Nothing means that it is
/// better to wait for more.
pub(super) fn cut(octets: &[u8], is_all: bool) -> Option<usize> {
    let is_full = octets.len() == PAYLOAD;
    let mut len = octets.len();
    if !is_all
        && let Err(error) = core::str::from_utf8(octets)
        && error.error_len().is_none()
    {
        // The last character goes on.
        len = error.valid_up_to();
    }
    match without_nuls(&octets[..len]) {
        // What no such peer could take: a careful one may sit behind an id that does not show it.
        0 if is_full || is_all => Some(octets.len()).filter(|&len| len > 0),
        0 => None,
        len => Some(len),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn characters_stay_whole_and_nuls_go_before_the_next() {
        let euro = "€".as_bytes();
        assert_eq!(cut(b"abc", false), Some(3));
        assert_eq!(cut(&[b"ab", &euro[..2]].concat(), false), Some(2));
        assert_eq!(cut(&[b"ab", euro].concat(), false), Some(5));
        assert_eq!(cut(&euro[..1], false), None);
        assert_eq!(cut(b"a\0b\0\0", false), Some(3));
        assert_eq!(cut(b"\0\0", false), None);
        assert_eq!(cut(b"\0\0\0b", false), Some(4));
    }

    #[test]
    fn what_cannot_be_cut_better_goes_as_it_is() {
        assert_eq!(cut(b"", true), None);
        assert_eq!(cut(b"\0\0", true), Some(2));
        assert_eq!(cut(&[0; PAYLOAD], false), Some(PAYLOAD));
        assert_eq!(cut(b"ab\xe2", true), Some(3));
        assert_eq!(cut(b"\xff\xfeab", false), Some(4));
    }
}
