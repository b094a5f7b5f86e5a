//! May data travel with a SYN: TCP Fast Open (RFC 7413).
//!
//! ```text
//!   first time     SYN, asks       -->        SYN ACK, gives a cookie   <--
//!   from then on   SYN, cookie, data  -->     SYN ACK of the data       <--   and an answer at once
//! ```
//!
//! A SYN whose data is not acknowledged is followed by the data as by any other SYN; one that is not
//! answered is sent again without data and without the option (section 4.1.3).

use core::hash::Hasher;
use core::net::IpAddr;
use core::time::Duration;

use siphasher::sip::SipHasher24;

use super::{State, StateVector};
use crate::Instant;
use crate::wire::tcp::{FastOpen, FastOpenCookie, Flags, Segment, SeqNumber};

/// Makes the cookies of a server, and knows them again: a keyed hash of the client's address.
///
/// A cookie is good for one to two [periods](Self::PERIOD).
pub struct FastOpenKey {
    hasher: SipHasher24,
}

impl FastOpenKey {
    /// How long cookies of one kind are given out.
    pub const PERIOD: Duration = Duration::from_secs(12 * 3_600);

    /// Cookies under a secret key.
    pub fn new(key: [u8; 16]) -> Self {
        Self { hasher: SipHasher24::new_with_key(&key) }
    }

    /// The cookie that a client at `remote` gets now.
    pub fn cookie(&self, remote: IpAddr, now: Instant) -> FastOpenCookie {
        self.cookie_of(remote, Self::period(now))
    }

    /// Whether a client at `remote` got this cookie lately.
    pub fn is_good(&self, cookie: &FastOpenCookie, remote: IpAddr, now: Instant) -> bool {
        let period = Self::period(now);
        let earlier = period.checked_sub(1);
        [Some(period), earlier]
            .into_iter()
            .flatten()
            .any(|at| self.cookie_of(remote, at) == *cookie)
    }

    fn period(now: Instant) -> u64 {
        now.as_micros() / Self::PERIOD.as_micros() as u64
    }

    fn cookie_of(&self, remote: IpAddr, period: u64) -> FastOpenCookie {
        let mut hasher = self.hasher;
        match remote {
            IpAddr::V4(address) => hasher.write(&address.octets()),
            IpAddr::V6(address) => hasher.write(&address.octets()),
        }
        hasher.write(&period.to_be_bytes());
        let octets = hasher.finish().to_be_bytes();
        FastOpenCookie::new(&octets).expect("eight octets make a cookie")
    }
}

impl core::fmt::Debug for FastOpenKey {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        // The key stays secret.
        f.debug_struct("FastOpenKey").finish_non_exhaustive()
    }
}

/// What a connection has to do with Fast Open.
#[derive(Debug)]
pub(super) enum FastOpening {
    /// We ask for a cookie, or show one.
    Client {
        option: FastOpen,
        /// Octets that went with the SYN.
        sent: u32,
        /// What the peer gave us.
        given: Option<FastOpenCookie>,
        /// The SYN had to be sent again without, or its data was left and no other cookie given.
        failed: bool,
    },
    /// The peer asked, or showed a good cookie.
    Server {
        /// What the SYN and ACK gives.
        gives: Option<FastOpen>,
        /// The data of the SYN was taken, and the application may answer before the handshake is
        /// complete.
        taken: bool,
    },
}

/// How an attempt at Fast Open went, for whoever keeps cookies by peer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FastOpenNews {
    /// Show this the next time.
    Cookie(FastOpenCookie),
    /// The SYN got through only without data or option, or its data was not taken: do without for a while.
    Failed,
}

impl StateVector {
    /// Lets the SYN of an active opener carry the first octets written, if there is a `cookie` that
    /// the peer gave; asks for one if not. Call it, and write, before the first `poll_transmit`.
    pub fn set_fast_open(&mut self, cookie: Option<FastOpenCookie>) {
        if self.state == State::SynSent {
            let option = FastOpen { cookie, experimental: false };
            let opening = FastOpening::Client { option, sent: 0, given: None, failed: false };
            self.fast_open = Some(Box::new(opening));
        }
    }

    /// Lets a passive opener take the data of its SYN at once if that shows a good cookie, and give
    /// one if it asks. Call it before the first `poll_transmit`; `may_take` says whether there is room
    /// for another connection that only a cookie vouches for (RFC 7413 section 5.1).
    pub fn answer_fast_open(
        &mut self,
        syn: &Segment,
        key: &FastOpenKey,
        remote: IpAddr,
        may_take: bool,
        now: Instant,
    ) {
        let Some(asked) = FastOpen::of(&syn.options) else { return };
        if self.state != State::SynReceived || self.pending.syn != Some(None) {
            return;
        }
        let is_good = asked.cookie.is_some_and(|cookie| key.is_good(&cookie, remote, now));
        let current = key.cookie(remote, now);
        // A cookie that will soon be old is replaced, as one is that is no good.
        let gives = (asked.cookie != Some(current))
            .then_some(FastOpen { cookie: Some(current), experimental: asked.experimental });
        let taken = is_good && may_take && !syn.flags.contains(Flags::FIN);
        self.fast_open = Some(Box::new(FastOpening::Server { gives, taken }));
        if taken {
            self.events.connected = true;
            self.events.writable = true;
            self.deliver_in_order(now);
        }
    }

    /// What there is to remember about the peer, once.
    pub fn poll_fast_open(&mut self) -> Option<FastOpenNews> {
        let FastOpening::Client { given, failed, .. } = &mut **self.fast_open.as_mut()? else {
            return None;
        };
        if let Some(cookie) = given.take() {
            return Some(FastOpenNews::Cookie(cookie));
        }
        core::mem::take(failed).then_some(FastOpenNews::Failed)
    }

    /// Whether the application was given data before the handshake was complete.
    pub(super) fn is_open_early(&self) -> bool {
        matches!(self.fast_open.as_deref(), Some(FastOpening::Server { taken: true, .. }))
    }

    /// Whether octets may leave in the present state.
    pub(super) fn may_transmit(&self) -> bool {
        self.state.may_transmit_data()
            || self.state == State::SynReceived
                && self.is_open_early()
                && self.pending.syn.is_none()
    }

    /// Gives a SYN its option and its data.
    pub(super) fn fast_open_syn(&mut self, segment: &mut Segment, is_again: bool) {
        let room = usize::from(self.snd.mss).saturating_sub(SYN_OPTIONS);
        match self.fast_open.as_deref_mut() {
            Some(FastOpening::Client { failed, .. }) if is_again => *failed = true,
            Some(FastOpening::Client { option, sent, .. }) => {
                option.add_to(&mut segment.options);
                if option.cookie.is_some() {
                    let len = self.send_buffer.len().min(room);
                    segment.payload = self.send_buffer.slice(0, len, room);
                    *sent = segment.payload.len() as u32;
                }
            }
            Some(FastOpening::Server { gives: Some(option), .. }) => {
                option.add_to(&mut segment.options);
            }
            _ => {}
        }
    }

    /// Whether an acknowledgement in SYN-SENT is one of our SYN, with all or some of its data.
    pub(super) fn acknowledges_syn(&self, ack: SeqNumber) -> bool {
        let data = match self.fast_open.as_deref() {
            Some(FastOpening::Client { sent, .. }) => *sent,
            _ => 0,
        };
        ack.is_at_or_after(self.snd.nxt) && ack.is_at_or_before(self.snd.nxt + data)
    }

    /// Takes what the answer to our SYN says.
    pub(super) fn fast_open_answered(&mut self, answer: &Segment) {
        if self.fast_open.is_none() {
            return;
        }
        let octets = answer.ack.distance_from(self.snd.nxt);
        // What was not acknowledged is sent as if for the first time.
        self.snd.nxt = answer.ack;
        self.snd.small_end = self.snd.small_end.later(answer.ack);
        self.counters.bytes_out += u64::from(octets);
        if let Some(FastOpening::Client { given, sent, failed, .. }) = self.fast_open.as_deref_mut()
        {
            *given = FastOpen::of(&answer.options).and_then(|option| option.cookie);
            // Whatever the cause, a server that leaves the data is better not shown any (section 4.1.3.1).
            *failed = (*failed || *sent > 0) && octets == 0 && given.is_none();
            *sent = 0;
        }
        self.release(answer.ack);
    }
}

/// Octets of options that a SYN may have beside data: all that fit.
const SYN_OPTIONS: usize = 40;
