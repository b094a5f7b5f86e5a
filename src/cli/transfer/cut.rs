//! How what is read is cut into writes: each wire has its own idea of borders.

use bytes::{Bytes, BytesMut};
use netmart::proto::wires::{Borders, Chunk};

use super::source::Part;

/// Cuts inputs into chunks.
#[derive(Clone, Debug)]
pub(super) struct Cutter {
    cut: Cut,
    /// What is too little for a write of its own, unless its input ends.
    rest: BytesMut,
    /// Whether the present input has given a write already.
    has_begun: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Cut {
    /// Nobody sees where.
    Anywhere,
    /// Datagrams of this size; the last of an input may be smaller.
    Datagrams(usize),
    /// Messages of this size at most; an input of nothing is a message as well.
    Messages(usize),
    /// Streams, so many copies of each input.
    Streams(u32),
}

/// An input up to this size is one message; a larger one is several.
pub(super) const MOST_MESSAGE: usize = 1 << 20;

impl Cutter {
    /// For a wire with such borders; datagrams hold `datagram` octets, and each input of streams is sent
    /// `copies` times.
    pub(super) fn new(borders: Borders, datagram: usize, copies: u32) -> Self {
        let cut = match borders {
            Borders::None => Cut::Anywhere,
            Borders::Datagram(most) => Cut::Datagrams(datagram.clamp(1, most)),
            Borders::Message => Cut::Messages(MOST_MESSAGE),
            Borders::Stream => Cut::Streams(copies.max(1)),
        };
        Self { cut, rest: BytesMut::new(), has_begun: false }
    }

    /// Takes a part of an input, and adds the writes that it makes.
    pub(super) fn take(&mut self, part: Part, into: &mut Vec<Chunk>) {
        match (self.cut, part.data) {
            (Cut::Anywhere, Some(data)) => into.push(Chunk::message(data)),
            (Cut::Anywhere, None) => {}
            (Cut::Datagrams(size) | Cut::Messages(size), Some(data)) => {
                self.gather(data, size, into)
            }
            (Cut::Datagrams(_), None) => self.finish(false, into),
            (Cut::Messages(_), None) => self.finish(true, into),
            (Cut::Streams(copies), data) => {
                let end = data.is_none();
                let data = data.unwrap_or_default();
                let first = part.of as u32 * copies + 1;
                let chunk = |stream| Chunk { stream, data: data.clone(), end };
                into.extend((first..first + copies).map(chunk));
            }
        }
    }

    /// Makes writes of exactly `size` octets.
    fn gather(&mut self, mut data: Bytes, size: usize, into: &mut Vec<Chunk>) {
        if !self.rest.is_empty() {
            let missing = size - self.rest.len();
            self.rest.extend_from_slice(&data.split_to(missing.min(data.len())));
            if self.rest.len() < size {
                return;
            }
            let whole = self.rest.split().freeze();
            self.push(whole, into);
        }
        while data.len() >= size {
            let whole = data.split_to(size);
            self.push(whole, into);
        }
        self.rest.extend_from_slice(&data);
    }

    fn push(&mut self, data: Bytes, into: &mut Vec<Chunk>) {
        self.has_begun = true;
        into.push(Chunk::message(data));
    }

    /// The input ends, and with it the write that was begun.
    fn finish(&mut self, even_if_empty: bool, into: &mut Vec<Chunk>) {
        let is_due = !self.rest.is_empty() || even_if_empty && !self.has_begun;
        if is_due {
            into.push(Chunk::message(self.rest.split()));
        }
        self.has_begun = false;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The sizes of the writes that inputs of these parts make.
    fn cut(mut cutter: Cutter, inputs: &[&[usize]]) -> Vec<(u32, usize, bool)> {
        let mut chunks = Vec::new();
        for (of, parts) in inputs.iter().enumerate() {
            for &len in *parts {
                cutter.take(Part { of, data: Some(vec![1; len].into()) }, &mut chunks);
            }
            cutter.take(Part { of, data: None }, &mut chunks);
        }
        chunks.iter().map(|chunk| (chunk.stream, chunk.data.len(), chunk.end)).collect()
    }

    fn sizes(cutter: Cutter, inputs: &[&[usize]]) -> Vec<usize> {
        cut(cutter, inputs).into_iter().map(|(_, len, _)| len).collect()
    }

    #[test]
    fn datagrams_are_full_except_the_last_of_an_input() {
        let cutter = Cutter::new(Borders::Datagram(4080), 10, 1);
        let inputs: [&[usize]; 4] = [&[25], &[3, 3, 3, 3, 10], &[], &[20]];
        assert_eq!(sizes(cutter, &inputs), [10, 10, 5, 10, 10, 2, 10, 10]);
    }

    #[test]
    fn an_input_is_a_message_also_if_it_is_empty() {
        let cutter = Cutter::new(Borders::Message, 1, 1);
        let inputs: [&[usize]; 4] = [&[5, 6], &[], &[MOST_MESSAGE], &[MOST_MESSAGE - 1, 2]];
        assert_eq!(sizes(cutter, &inputs), [11, 0, MOST_MESSAGE, MOST_MESSAGE, 1]);
    }

    #[test]
    fn borders_are_no_matter_where_a_wire_has_none() {
        let cutter = Cutter::new(Borders::None, 10, 1);
        assert_eq!(sizes(cutter, &[&[25, 1], &[], &[3]]), [25, 1, 3]);
    }

    #[test]
    fn each_input_is_a_stream_or_several() {
        let cutter = Cutter::new(Borders::Stream, 1, 1);
        let expected = [(1, 5, false), (1, 0, true), (2, 0, true)];
        assert_eq!(cut(cutter, &[&[5], &[]]), expected);
        let cutter = Cutter::new(Borders::Stream, 1, 2);
        let expected = [(1, 5, false), (2, 5, false), (1, 0, true), (2, 0, true)];
        assert_eq!(cut(cutter, &[&[5]]), expected);
    }
}
