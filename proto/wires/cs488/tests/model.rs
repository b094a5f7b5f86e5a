//! The two programs, as the specification describes them.

use core::net::SocketAddr;
use core::time::Duration;

use bytes::Bytes;

use super::super::super::tests::original::{OURS, Said};
use super::super::super::tests::script::{DOOR, address};
use super::super::packet::Body;
use super::*;
use crate::Instant;

const MODULUS: i32 = 204_800;

/// The original's server.
#[derive(Debug, Default)]
pub(super) struct Server {
    pub(super) output: Vec<u8>,
    /// Drawn anew for every SYN.
    pub(super) con_id: i16,
    expected: i32,
    last: Option<(i32, i32)>,
    last_len: i32,
    pub(super) dead: bool,
    /// It waits for two seconds and no more.
    patience: Option<Instant>,
    fin_sent: bool,
}

impl Original<P> for Server {
    fn take(&mut self, packet: P, from: SocketAddr, at: SocketAddr, now: Instant) -> Said<P> {
        let Body::Client(payload) = &packet.body else { panic!("servers send 12 octets") };
        if self.dead {
            return Vec::new();
        }
        self.patience = Some(now + Duration::from_secs(2));
        let reply = |packets: Vec<P>| packets.into_iter().map(|p| (at, from, p)).collect();
        match packet.flag {
            Flag::Syn => {
                self.con_id = self.con_id % 20 + 1;
                self.expected = 43;
                reply(vec![P::server(Flag::SynAck, self.con_id, 42, 43)])
            }
            Flag::Fin => {
                let ack = self.expected + self.last_len;
                self.fin_sent = true;
                let fin_ack = P::server(Flag::FinAck, self.con_id, self.expected, ack);
                reply(vec![fin_ack, P::server(Flag::Fin, self.con_id, self.expected, 0)])
            }
            Flag::FinAck => {
                self.dead = self.fin_sent;
                Vec::new()
            }
            _ => {
                let Ok(text) = core::str::from_utf8(payload) else {
                    self.dead = true;
                    return Vec::new();
                };
                let mut len = text.chars().count() as i32;
                if packet.con_id != self.con_id {
                    len = self.last_len;
                } else if packet.seq == self.expected {
                    self.output.extend_from_slice(payload);
                } else if let Some((seq, _)) = self.last
                    && seq == packet.seq
                {
                    self.expected = seq;
                }
                // Any other number is answered as well, and counted.
                let seq = self.expected;
                let sum = seq + len;
                self.expected = if sum >= MODULUS { sum - MODULUS } else { sum };
                self.last = Some((seq, self.expected));
                self.last_len = len;
                reply(vec![P::server(Flag::Ack, self.con_id, seq, self.expected)])
            }
        }
    }

    fn deadline(&self) -> Option<Instant> {
        self.patience.filter(|_| !self.dead)
    }

    fn wake(&mut self, _now: Instant) -> Said<P> {
        if self.patience.is_some() {
            self.dead = true;
        }
        Vec::new()
    }
}

/// The original's client: text, 512 characters at a time.
#[derive(Debug)]
pub(super) struct Client {
    packets: Vec<(Bytes, i32)>,
    next: usize,
    seq: i32,
    con_id: i16,
    state: State,
    timer: Option<Instant>,
    tries: u32,
    pub(super) dead: bool,
    pub(super) sent: u32,
    leave: Option<Instant>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Syn,
    Data,
    Fin,
    Parting,
}

impl Client {
    pub(super) fn new(text: &str) -> Self {
        let characters: Vec<char> = text.chars().collect();
        let mut packets: Vec<_> = characters
            .chunks(512)
            .enumerate()
            .map(|(index, chunk)| {
                let text: String = chunk.iter().collect();
                let octets = Bytes::from(text.into_bytes());
                let counted = if index == 0 { octets.len() } else { chunk.len() };
                (octets.slice(..octets.len().min(512)), counted as i32)
            })
            .collect();
        if packets.is_empty() {
            packets.push((Bytes::new(), 0));
        }
        Self {
            packets,
            next: 0,
            seq: 43,
            con_id: 0,
            state: State::Syn,
            timer: None,
            tries: 0,
            dead: false,
            sent: 0,
            leave: None,
        }
    }

    fn present(&self) -> P {
        let none = Bytes::new();
        match self.state {
            State::Syn => P::client(Flag::Syn, 0, 42, 0, &none),
            State::Data => {
                let flag = if self.next == 0 { Flag::Ack } else { Flag::Data };
                P::client(flag, self.con_id, self.seq, 0, &self.packets[self.next].0)
            }
            State::Fin => P::client(Flag::Fin, self.con_id, self.seq, 0, &none),
            State::Parting => P::client(Flag::FinAck, self.con_id, self.seq, self.seq + 1, &none),
        }
    }

    fn say(&mut self, now: Instant) -> Said<P> {
        self.tries += 1;
        self.sent += 1;
        if self.tries > 490 {
            self.dead = true;
            return Vec::new();
        }
        self.timer = Some(now + Duration::from_millis(500));
        vec![(address(DOOR), address(OURS), self.present())]
    }

    fn go_on(&mut self, now: Instant) -> Said<P> {
        self.tries = 0;
        self.say(now)
    }
}

impl Original<P> for Client {
    fn take(&mut self, packet: P, _from: SocketAddr, _at: SocketAddr, now: Instant) -> Said<P> {
        assert_eq!(packet.body, Body::Server, "it dies of anything longer");
        if self.dead {
            return Vec::new();
        }
        match self.state {
            State::Syn if packet.flag == Flag::SynAck && packet.ack == 43 => {
                self.con_id = packet.con_id;
                self.state = State::Data;
                self.go_on(now)
            }
            State::Data => {
                let sum = self.seq + self.packets[self.next].1;
                // Its limit is one off.
                let wanted = if sum > MODULUS { sum - MODULUS } else { sum };
                let fits = packet.flag == Flag::Ack && packet.con_id == self.con_id;
                if !fits || packet.ack != wanted {
                    return self.say(now);
                }
                self.seq = if wanted == MODULUS { 0 } else { wanted };
                self.next += 1;
                if self.next == self.packets.len() {
                    self.state = State::Fin;
                }
                self.go_on(now)
            }
            // Anything answers a FIN.
            State::Fin => {
                self.state = State::Parting;
                self.leave = Some(now + Duration::from_secs(3));
                self.go_on(now)
            }
            State::Parting | State::Syn => self.say(now),
        }
    }

    fn deadline(&self) -> Option<Instant> {
        let timer = self.timer.filter(|_| !self.dead);
        timer.into_iter().chain(self.leave.filter(|_| !self.dead)).min()
    }

    fn wake(&mut self, now: Instant) -> Said<P> {
        if self.leave.is_some_and(|at| at <= now) {
            self.dead = true;
            return Vec::new();
        }
        self.say(now)
    }
}
