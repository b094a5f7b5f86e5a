//! Reliable protocols in UDP datagrams: one small trait, and the wires that implement it.
//!
//! | module | question |
//! |---|---|
//! | [`sockettcp`] | stop and wait, text headers, messages |
//! | [`cs488`] | stop and wait, one file from client to server |
//! | [`faketcp`] | a window of datagrams, both ways |
//! | [`quiq`] | several streams in packets of frames, from client to server |
//! | `common` | what every session has: queues, timers, counters, news |
//! | `half` | what a session is whose two sides are machines of their own |
//! | `event`, `info` | what the application is told |
//! | `queue`, `timer`, `rto`, `cwnd` | what waits, when it is looked at again, how much may be under way |
//! | `registry` | the list of wires |
//! | `report` | what the originals show their users |
//! | `mischief` | a network that is bad on purpose |
//!
//! Each wire is spoken by an existing program as well, its *original*. A session talks to such a peer
//! by the peer's own habits, and to another careful peer without them ([`Mode`]); which of the two it
//! has before it, it reads off the wire.
//!
//! # To add a wire
//!
//! Write a packet type with [`Codec`], a session with [`Wire`], and one line in `registry.rs`; the
//! tests in `tests/` and whatever drives a [`Wire`] then cover it too.

mod common;
pub mod cs488;
mod cwnd;
mod event;
pub mod faketcp;
mod half;
mod info;
mod mischief;
mod queue;
pub mod quiq;
mod registry;
mod report;
mod rto;
pub mod sockettcp;
#[cfg(test)]
mod tests;
mod timer;

use core::fmt::{self, Debug, Write};
use core::net::SocketAddr;
use core::time::Duration;

use bytes::{Bytes, BytesMut};

use crate::Instant;

pub use common::{Common, Role};
pub use event::{Event, Phase, Reason, Unfit, WriteError};
pub use info::{Counters, Discard, Fault, Info, Mode, StreamInfo};
pub use mischief::{Mischief, Odds};
pub use registry::{Kind, Visitor};
pub use report::Action;
pub use timer::TimerKind;

/// A typed packet: the meaning of one UDP payload.
pub trait Codec: Clone + Debug + Eq + 'static {
    /// Reads a datagram. Whatever the octets, it gives a packet or says what is wrong.
    fn parse(datagram: Bytes) -> Result<Self, Fault>;

    /// Appends the octets of the datagram.
    fn emit(&self, into: &mut BytesMut);

    /// Writes its line in a trace: what it is, its numbers and how much it carries.
    ///
    /// # Errors
    ///
    /// Those of `out`.
    fn summarize(&self, out: &mut dyn Write) -> fmt::Result;

    /// The octets of the datagram.
    fn to_bytes(&self) -> Bytes {
        let mut octets = BytesMut::new();
        self.emit(&mut octets);
        octets.freeze()
    }
}

/// What a wire is like: all that its driver has to know.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Profile {
    /// Its name on the command line.
    pub name: &'static str,
    /// From which port an accepting side answers.
    pub answers_from: AnswersFrom,
    /// Who may send data.
    pub directions: Directions,
    /// What becomes of the borders between writes.
    pub borders: Borders,
    /// The port that the original's programs use, if they agree on one.
    pub default_port: Option<u16>,
    /// The largest datagram that a session sends, in octets.
    pub max_datagram: usize,
}

/// From which port an accepting side answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AnswersFrom {
    /// Each connection has a port of its own. What comes to the listening port from the remote end of
    /// a living connection belongs to that connection all the same.
    NewPort,
    /// All connections share the listening port and are told apart by their remote ends.
    ListeningPort,
}

/// Who may send data.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Directions {
    /// Both sides.
    Both,
    /// Only the side that connected.
    ToServer,
}

/// What becomes of the borders between writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Borders {
    /// They vanish: the wire carries one run of octets.
    None,
    /// Each write is a datagram of its own, of at most so many octets.
    Datagram(usize),
    /// Each write is a message of its own, of any length.
    Message,
    /// Writes belong to streams, each of which has an end.
    Stream,
}

/// How a session behaves. The defaults suit everybody.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// For how long nothing may be heard from a peer that is to send.
    pub patience: Duration,
    /// Octets received that may wait to be read; a packet more is not acknowledged.
    pub receive_limit: usize,
    /// Octets written that may wait to be acknowledged; one write may exceed it.
    pub send_limit: usize,
    /// How often an opening packet is sent.
    pub connect_tries: u32,
    /// How often the same data is sent before the session gives up.
    pub data_tries: u32,
    /// Octets of data per packet, where the wire leaves a choice; what does not fit the wire is cut to
    /// what does.
    pub chunk: Option<usize>,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            patience: Duration::from_secs(60),
            receive_limit: 4 << 20,
            send_limit: 1 << 20,
            connect_tries: 60,
            data_tries: 40,
            chunk: None,
        }
    }
}

/// Octets on their way to or from the application.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Chunk {
    /// The stream they belong to, where the wire has streams; otherwise 0.
    ///
    /// Where it has, a chunk of stream 0 has no octets and marks the border between two batches of
    /// streams.
    pub stream: u32,
    /// The octets.
    pub data: Bytes,
    /// Whether a message or a stream ends here. On wires without streams each write ends one.
    pub end: bool,
}

impl Chunk {
    /// A whole message.
    pub fn message(data: impl Into<Bytes>) -> Self {
        Self { stream: 0, data: data.into(), end: true }
    }
}

/// A packet to send, from the session's own port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Transmit<P> {
    /// The packet.
    pub packet: P,
    /// Where it goes.
    pub to: SocketAddr,
    /// Whether it has been sent before.
    pub again: bool,
}

/// What became of a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It was used.
    Taken,
    /// It was thrown away, and counted.
    Dropped(Discard),
    /// It opens another connection from the same remote end. If this session has nothing more to say
    /// to its application, it can give way to a new one, which `accept` makes of the packet.
    Opens,
}

/// A sans-IO session of a wire.
///
/// Its methods are of four kinds, as those of [`tcp::StateVector`](crate::tcp::StateVector):
///
/// - *start*: [`connect`](Self::connect), [`accept`](Self::accept);
/// - *input*: [`handle_packet`](Self::handle_packet), [`handle_deadline`](Self::handle_deadline),
///   [`handle_unreachable`](Self::handle_unreachable), and what the application asks: [`write`](Self::write), [`read`](Self::read),
///   [`close`](Self::close), [`abort`](Self::abort);
/// - *output*: [`poll_transmit`](Self::poll_transmit) and [`poll_event`](Self::poll_event), drained
///   after every input until they give nothing; several packets may be handled before the drain;
/// - *questions*: [`next_deadline`](Self::next_deadline), [`writable`](Self::writable),
///   [`info`](Self::info), [`is_over`](Self::is_over).
///
/// After [`Event::Refused`] or [`Event::Closed`] the application has nothing more to expect; the session
/// may still have to answer a peer that missed its last word, and can be dropped when it
/// [is over](Self::is_over).
///
/// A wire implements the methods without a body; the others stand on [`Common`].
pub trait Wire: Debug + Sized + 'static {
    /// What its datagrams mean.
    type Packet: Codec;

    /// What it is like.
    const PROFILE: Profile;

    /// Opens a connection to `remote`. `seed` decides the numbers that are left to chance.
    fn connect(config: &Config, remote: SocketAddr, seed: u64, now: Instant) -> Self;

    /// Answers `packet`, which came to a listening port and belongs to no session; nothing if it opens
    /// no connection.
    fn accept(
        config: &Config,
        packet: &Self::Packet,
        from: SocketAddr,
        seed: u64,
        now: Instant,
    ) -> Option<Self>;

    /// What the session shares with those of other wires.
    fn common(&self) -> &Common<Self::Packet>;

    /// The same, to change it.
    fn common_mut(&mut self) -> &mut Common<Self::Packet>;

    /// Uses a packet of the session's; whether it is, [`handle_packet`](Self::handle_packet) has seen to.
    fn take_packet(&mut self, packet: Self::Packet, from: SocketAddr, now: Instant) -> Outcome;

    /// Does what a timer of its own was set for. It has been stopped.
    fn take_timer(&mut self, timer: TimerKind, now: Instant);

    /// Hands packets that may be sent now to [`Common`]: called when there are none left to send.
    fn produce(&mut self, now: Instant);

    /// The name of the state, for people.
    fn state(&self) -> &'static str;

    /// Whether a packet carries octets of the application's, or says how many there are.
    fn carries_data(packet: &Self::Packet) -> bool;

    /// A line of the log about a packet, in the manner of the original where it keeps a log. `role` says which side
    /// writes it.
    fn log_line(role: Role, action: Action, packet: &Self::Packet) -> String {
        let _ = role;
        format!("{}: {packet:?}", action.name())
    }

    /// A line of the log before that of the next packet, where the original has such lines: the session as it
    /// begins, why packets are sent again from here on, or how a stream was cut. Several may wait. Nobody has to ask for them.
    fn poll_remark(&mut self) -> Option<String> {
        None
    }

    /// Statistics as text, a line per figure, with the original's fields where it has some.
    fn report(info: &Info) -> String {
        report::report(info)
    }

    /// Takes a packet from `from` that came to the session's port, or to the listening port from the
    /// session's remote end.
    fn handle_packet(&mut self, packet: Self::Packet, from: SocketAddr, now: Instant) -> Outcome {
        self.common_mut().counters.packets_received += 1;
        let outcome = self.take_packet(packet, from, now);
        match outcome {
            Outcome::Dropped(discard) => self.common_mut().counters.count(discard),
            Outcome::Taken => self.common_mut().heard = now,
            Outcome::Opens => {}
        }
        outcome
    }

    /// The network reports that nobody listens at the port that a packet of this session went to.
    fn handle_unreachable(&mut self, now: Instant) {
        self.common_mut().unreachable(now);
    }

    /// Does what has become due by `now`.
    fn handle_deadline(&mut self, now: Instant) {
        while let Some(timer) = self.common_mut().timers.expired(now) {
            match timer {
                TimerKind::Patience => self.common_mut().lose_patience(now),
                _ => self.take_timer(timer, now),
            }
        }
    }

    /// Takes a write; see [`Chunk`] and [`Borders`].
    ///
    /// # Errors
    ///
    /// When nothing of it was taken: see [`WriteError`].
    fn write(&mut self, chunk: Chunk, now: Instant) -> Result<(), WriteError> {
        let _ = now;
        let common = self.common_mut();
        common.may_write(&Self::PROFILE, chunk.data.len())?;
        common.outbox.push(chunk.data);
        Ok(())
    }

    /// The next octets for the application, if there are any.
    fn read(&mut self) -> Option<Chunk> {
        self.common_mut().inbox.pop()
    }

    /// The application writes no more. What was written is still delivered; then the connection ends.
    fn close(&mut self, now: Instant) {
        let _ = now;
        self.common_mut().closing = true;
    }

    /// Gives the connection up at once. No wire here has a packet that says so: the peer finds out by
    /// the silence.
    fn abort(&mut self, now: Instant) {
        let _ = now;
        self.common_mut().end(Reason::Aborted);
    }

    /// The next packet to send.
    fn poll_transmit(&mut self, now: Instant) -> Option<Transmit<Self::Packet>> {
        if self.common().out.is_empty() {
            self.produce(now);
        }
        self.common_mut().next_out(now)
    }

    /// The next piece of news for the application, which has read all there was.
    fn poll_event(&mut self) -> Option<Event> {
        self.common_mut().next_event()
    }

    /// When to call [`handle_deadline`](Self::handle_deadline), and what for.
    fn next_deadline(&self) -> Option<(Instant, TimerKind)> {
        self.common().timers.soonest()
    }

    /// Octets that a [`write`](Self::write) is welcome to bring; 0 means that it would be refused.
    fn writable(&self) -> usize {
        self.common().writable(&Self::PROFILE)
    }

    /// Whether the session has nothing to say any more, to nobody.
    fn is_over(&self) -> bool {
        self.common().is_over()
    }

    /// A snapshot of what the session knows about itself.
    fn info(&self) -> Info {
        self.common().info(Self::PROFILE.name, self.state())
    }
}
