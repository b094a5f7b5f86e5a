//! Where a message is cut into segments.
//!
//! Any place will do for a careful peer. Some programs decode each segment by itself, or look for separators in its
//! data, too: if no character and no separator lies within one segment of theirs, they understand all the same.

use bytes::Bytes;

use super::packet::{MOST_DATA, SEPARATOR};

/// A message with more separators than this is not worth the many short segments.
const MOST_SEPARATORS: usize = 256;

/// What is left of a message.
#[derive(Clone, Debug)]
pub(super) struct Message {
    rest: Bytes,
    /// It is UTF-8, whose characters stay whole.
    is_text: bool,
    /// No segment has a separator in its data.
    parts_separators: bool,
}

impl Message {
    pub(super) fn new(octets: Bytes) -> Self {
        let is_text = core::str::from_utf8(&octets).is_ok();
        let separators = octets.windows(SEPARATOR.len()).filter(|window| *window == SEPARATOR);
        let parts_separators = separators.take(MOST_SEPARATORS + 1).count() <= MOST_SEPARATORS;
        Self { rest: octets, is_text, parts_separators }
    }

    pub(super) fn len(&self) -> usize {
        self.rest.len()
    }

    /// The octets of the next segment; none if there are no more.
    pub(super) fn next_piece(&mut self) -> Bytes {
        let mut len = self.rest.len().min(MOST_DATA);
        let mut windows = self.rest[..len].windows(SEPARATOR.len());
        if self.parts_separators
            && let Some(at) = windows.position(|window| window == SEPARATOR)
        {
            len = at + SEPARATOR.len() - 1;
        }
        // A character has at most four octets: there is a border near.
        while self.is_text && self.rest.get(len).is_some_and(|octet| octet & 0xc0 == 0x80) {
            len -= 1;
        }
        self.rest.split_to(len)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pieces(octets: impl Into<Bytes>) -> Vec<Bytes> {
        let mut message = Message::new(octets.into());
        core::iter::from_fn(|| (message.len() > 0).then(|| message.next_piece())).collect()
    }

    #[test]
    fn octets_are_cut_anywhere() {
        let lens: Vec<_> = pieces(vec![0xff; 35]).iter().map(Bytes::len).collect();
        assert_eq!(lens, [16, 16, 3]);
    }

    #[test]
    fn characters_stay_whole() {
        let text = "zażółć gęślą jaźń, 日本語, 🦀🦀🦀🦀🦀\n".repeat(20);
        let pieces = pieces(text.clone());
        assert!(pieces.iter().all(|piece| core::str::from_utf8(piece).is_ok()));
        assert_eq!(pieces.concat(), text.as_bytes());
    }

    #[test]
    fn separators_are_cut_in_two() {
        for text in ["|||", "||||||||", "a|||b|||c and |||||", "0|||1|||0|||7|||data", "日本|||語"]
        {
            let pieces = pieces(text);
            let has_none = |piece: &Bytes| !piece.windows(3).any(|window| window == b"|||");
            assert!(pieces.iter().all(has_none), "{pieces:?}");
            assert_eq!(pieces.concat(), text.as_bytes());
        }
    }

    #[test]
    fn too_many_separators_are_left_alone() {
        assert_eq!(pieces(vec![b'|'; 16 * 100]).len(), 100);
    }
}
