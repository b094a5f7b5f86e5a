//! Borders between the octets of a channel, for whoever does not want to lose them.

use std::collections::VecDeque;

use bytes::Bytes;
use netmart_proto::wires::Chunk;

use crate::message::{Chunks, Piece, Pieces};

/// What a channel's end keeps of borders.
#[derive(Debug, Default)]
pub(crate) struct Borders {
    are_kept: bool,
    /// How the next octets divide.
    announced: Pieces,
    /// Chunks that wait for credit.
    queue: VecDeque<Chunk>,
}

impl Borders {
    /// From now on borders are told.
    pub(crate) fn keep(&mut self) {
        self.are_kept = true;
    }

    /// Whether they are.
    pub(crate) fn are_kept(&self) -> bool {
        self.are_kept
    }

    /// The next octets divide like this.
    pub(crate) fn announced(&mut self, pieces: Pieces) {
        self.announced = pieces;
    }

    /// How the octets divide that have come, if somebody has said so.
    pub(crate) fn take(&mut self) -> Option<Pieces> {
        (!self.announced.is_empty()).then(|| core::mem::take(&mut self.announced))
    }

    /// A chunk more waits.
    pub(crate) fn queue(&mut self, chunk: Chunk) {
        self.queue.push_back(chunk);
    }

    /// Whether one does.
    pub(crate) fn is_waiting(&self) -> bool {
        !self.queue.is_empty()
    }

    /// Whatever waits is not wanted any more.
    pub(crate) fn clear(&mut self) {
        self.queue.clear();
    }

    /// As much of what waits as `credit` pays for.
    pub(crate) fn portion(&mut self, credit: &mut usize) -> (Pieces, Chunks) {
        let (mut pieces, mut octets) = (Pieces::new(), Chunks::new());
        while let Some(mut chunk) = self.queue.pop_front() {
            let most = (*credit).min(u32::MAX as usize);
            if most == 0 {
                self.queue.push_front(chunk);
                break;
            }
            let mut end = chunk.end;
            if chunk.data.len() > most {
                let rest = chunk.data.split_off(most);
                self.queue.push_front(Chunk { data: rest, ..chunk.clone() });
                end = false;
            }
            let piece = Piece { stream: chunk.stream, octets: chunk.data.len() as u32, end };
            *credit -= piece.cost() as usize;
            pieces.push(piece);
            octets.extend(Some(chunk.data).filter(|data| !data.is_empty()));
        }
        (pieces, octets)
    }
}

/// The chunks that `octets` are. A piece that lies in several slices is several chunks, of which the last
/// one ends it.
pub(crate) fn divide(pieces: &Pieces, octets: Chunks) -> Vec<Chunk> {
    let mut octets = octets.into_iter();
    let mut slice = Bytes::new();
    let mut chunks = Vec::with_capacity(pieces.len());
    for piece in pieces {
        let mut missing = piece.octets as usize;
        loop {
            if slice.is_empty() && missing > 0 {
                match octets.next() {
                    Some(next) => slice = next,
                    None => break,
                }
            }
            let data = slice.split_to(missing.min(slice.len()));
            missing -= data.len();
            let end = piece.end && missing == 0;
            chunks.push(Chunk { stream: piece.stream, data, end });
            if missing == 0 {
                break;
            }
        }
    }
    chunks
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(text: &'static str) -> Chunk {
        Chunk::message(Bytes::from_static(text.as_bytes()))
    }

    fn piece(octets: u32, end: bool) -> Piece {
        Piece { stream: 0, octets, end }
    }

    #[test]
    fn what_is_divided_and_joined_again_is_the_same() {
        let mut borders = Borders::default();
        let messages = [message("abc"), message(""), message("defgh")];
        messages.iter().for_each(|message| borders.queue(message.clone()));
        let mut credit = 100;
        let (pieces, octets) = borders.portion(&mut credit);
        assert_eq!(pieces.as_slice(), [piece(3, true), piece(0, true), piece(5, true)]);
        assert_eq!(credit, 100 - 3 - 1 - 5, "an empty message costs an octet");
        assert_eq!(divide(&pieces, octets), messages);
    }

    #[test]
    fn a_message_beyond_the_credit_is_sent_in_parts_of_which_the_last_ends_it() {
        let mut borders = Borders::default();
        borders.queue(message("abcde"));
        let (first, octets) = borders.portion(&mut 3);
        assert_eq!((first.as_slice(), &octets[0][..]), (&[piece(3, false)][..], &b"abc"[..]));
        assert!(borders.portion(&mut 0).0.is_empty());
        let (second, octets) = borders.portion(&mut 3);
        assert_eq!((second.as_slice(), &octets[0][..]), (&[piece(2, true)][..], &b"de"[..]));
        assert!(!borders.is_waiting());
    }

    #[test]
    fn slices_need_not_fit_the_pieces() {
        let octets = [&b"ab"[..], b"cdef"].into_iter().map(Bytes::from_static).collect();
        let chunks = divide(&[piece(3, true), piece(3, true)].into_iter().collect(), octets);
        let told: Vec<_> = chunks.iter().map(|chunk| (&chunk.data[..], chunk.end)).collect();
        assert_eq!(told, [(&b"ab"[..], false), (b"c", true), (b"def", true)]);
    }
}
