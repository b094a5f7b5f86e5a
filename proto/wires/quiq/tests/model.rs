//! The original, as the specification describes it.

use core::net::SocketAddr;
use std::collections::VecDeque;

use super::super::super::tests::original::{OURS, Original, Said};
use super::super::super::tests::script::{DOOR, address};
use super::*;
use crate::Instant;

/// The receiver: puts together what comes as it comes.
#[derive(Debug, Default)]
pub(super) struct Receiver {
    /// Raised by each packet read or made.
    counter: u32,
    connected: bool,
    streams: Vec<(u32, Vec<u8>)>,
    pub(super) batches: Vec<Vec<Vec<u8>>>,
    pub(super) closed: bool,
    pub(super) dead: bool,
}

impl Original<P> for Receiver {
    fn take(&mut self, p: P, from: SocketAddr, at: SocketAddr, _now: Instant) -> Said<P> {
        if self.dead || self.closed {
            return Vec::new();
        }
        self.counter += 1;
        match p.kind {
            Kind::Syn if !self.connected => {
                self.connected = true;
                vec![(at, from, P { kind: Kind::Accept, ..p })]
            }
            kind if kind.is_data() => {
                for frame in p.frames {
                    match self.streams.iter_mut().find(|(stream, _)| *stream == frame.stream) {
                        Some((_, octets)) => octets.extend_from_slice(&frame.data),
                        None if kind == Kind::First => {
                            self.streams.push((frame.stream, frame.data.to_vec()));
                        }
                        None => {
                            self.dead = true;
                            return Vec::new();
                        }
                    }
                }
                self.counter += 1;
                vec![(at, from, ack(self.counter))]
            }
            Kind::DataFin => {
                let streams = core::mem::take(&mut self.streams);
                self.batches.push(streams.into_iter().map(|(_, octets)| octets).collect());
                Vec::new()
            }
            Kind::Fin => {
                self.closed = true;
                Vec::new()
            }
            _ => Vec::new(),
        }
    }

    fn deadline(&self) -> Option<Instant> {
        None
    }

    fn wake(&mut self, _now: Instant) -> Said<P> {
        Vec::new()
    }
}

/// The sender: a packet each millisecond, and no ear for anything.
#[derive(Debug)]
pub(super) struct Sender {
    packets: VecDeque<P>,
    next: Option<Instant>,
}

impl Sender {
    pub(super) fn new(batches: &[Vec<Vec<u8>>]) -> Self {
        let mut packets = VecDeque::new();
        let mut number = 3;
        for batch in batches {
            let mut streams: Vec<VecDeque<P>> = (1..).zip(batch).map(cut).collect();
            while streams.iter().any(|stream| !stream.is_empty()) {
                for packet in streams.iter_mut().filter_map(VecDeque::pop_front) {
                    packets.push_back(P { number, ..packet });
                    number += 1;
                }
            }
            packets.push_back(P::bare(Kind::DataFin, number));
            number += 1;
        }
        packets.push_back(P::bare(Kind::Fin, number));
        Self { packets, next: None }
    }
}

/// A stream in packets, each with some frames; an empty one is not sent at all.
fn cut((stream, octets): (u32, &Vec<u8>)) -> VecDeque<P> {
    let size = 1000 + 137 * stream as usize % 1000 - 16;
    let frames: Vec<_> =
        (0..).zip(octets.chunks(size)).map(|(at, data)| frame(stream, at, data.to_vec())).collect();
    let count = frames.chunks(14_987 / (size + 16)).len();
    let kind = |index| match index {
        0 => Kind::First,
        index if index + 1 == count => Kind::Last,
        _ => Kind::Data,
    };
    frames
        .chunks(14_987 / (size + 16))
        .enumerate()
        .map(|(index, frames)| packet(kind(index), 0, frames.to_vec()))
        .collect()
}

impl Original<P> for Sender {
    fn take(&mut self, p: P, _from: SocketAddr, _at: SocketAddr, now: Instant) -> Said<P> {
        if p.kind == Kind::Accept {
            self.next.get_or_insert(now);
        }
        Vec::new()
    }

    fn deadline(&self) -> Option<Instant> {
        self.next.filter(|_| !self.packets.is_empty())
    }

    fn wake(&mut self, now: Instant) -> Said<P> {
        let packet = match self.next {
            None => Some(P::bare(Kind::Syn, 1)),
            Some(_) => self.packets.pop_front(),
        };
        self.next = self.next.map(|_| now + MS);
        packet.map(|packet| (address(DOOR), address(OURS), packet)).into_iter().collect()
    }
}
