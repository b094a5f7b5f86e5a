//! May a connection be remembered by the peer instead of by us: SYN cookies (RFC 4987 section 3.6).

use core::cell::Cell;
use core::hash::Hasher;
use core::net::{IpAddr, SocketAddr};
use core::time::Duration;
use std::rc::Rc;

use siphasher::sip::SipHasher24;

use super::config::MAX_WINDOW_SHIFT;
use super::{Config, StateVector};
use crate::Instant;
use crate::wire::tcp::{Flags, Options, Segment, SeqNumber, Timestamps};

/// Answers SYNs without keeping anything of them, and knows its own answers again.
///
/// What a listener would have to remember travels to the peer and back, in two places:
///
/// ```text
///   our initial sequence number    | period: 1 | MSS: 3 |          code: 28          |
///   the low bits of our timestamp  | ECN: 1 | SACK: 1 | window shift: 4, 15 for none |
/// ```
///
/// The code is a keyed hash (SipHash-2-4) over both ends, the peer's initial sequence number, the
/// period and all of the above, so that who has not seen our answer hits a valid one with a chance of
/// 2^-28 per guess. The period is part of what is hashed: each has as good as a secret of its own, and
/// a cookie lives for 64 to 128 s. Without timestamps there is room for the MSS only, and neither
/// scaling nor SACK nor ECN is agreed on.
pub struct SynCookies {
    hasher: SipHasher24,
    /// When the last one was given out: a stack that gave none out takes none in.
    given_at: Cell<Option<Instant>>,
}

/// The two ends of a connection, with what is secret about them.
#[derive(Clone, Copy, Debug)]
pub struct Ends {
    /// Our end.
    pub local: SocketAddr,
    /// The peer's end.
    pub remote: SocketAddr,
    /// Where our timestamp clock begins for them
    /// ([`IsnGenerator::timestamp_offset`](super::IsnGenerator::timestamp_offset)).
    pub timestamp_offset: u32,
}

impl SynCookies {
    /// Cookies under a secret key.
    pub fn new(key: [u8; 16]) -> Self {
        Self { hasher: SipHasher24::new_with_key(&key), given_at: Cell::new(None) }
    }

    /// The SYN and ACK for `syn`, a segment that opens a connection. Data and FIN of it are left for
    /// the peer to send again.
    pub fn answer(&self, config: &Rc<Config>, ends: Ends, syn: &Segment, now: Instant) -> Segment {
        self.given_at.set(Some(now));
        let asked = &syn.options;
        let mss = asked.mss.unwrap_or(config.default_peer_mss);
        let index = MSS.iter().rposition(|known| *known <= mss).unwrap_or(0);
        let mut seen = Segment {
            seq: syn.seq,
            flags: Flags::SYN,
            window: syn.window,
            options: Options { mss: Some(MSS[index]), ..Options::default() },
            ..Segment::default()
        };
        let mut carried = 0;
        if let Some(timestamps) = asked.timestamps.filter(|_| config.timestamps) {
            seen.flags |= Flags(syn.flags.0 & ECN_SETUP.0);
            seen.options.timestamps = Some(timestamps);
            seen.options.sack_permitted = asked.sack_permitted;
            seen.options.window_scale = asked.window_scale;
            carried = Carried::of(&seen);
        }
        let period = now.as_micros() / PERIOD.as_micros() as u64;
        let iss = self.cookie(ends, syn.seq, period, index as u32, carried);
        // A machine that lives for one segment says what one that stays would say.
        let mut vector = StateVector::accept(Rc::clone(config), &seen, iss, now);
        vector.set_timestamp_offset(ends.timestamp_offset);
        let clock = vector.timestamps.value(now);
        let low = u32::from(carried) & TIMESTAMP_BITS;
        let shown = (clock & !TIMESTAMP_BITS) | low;
        // Not ahead of the clock, or what follows would look older.
        let shown = if shown > clock { shown.wrapping_sub(TIMESTAMP_BITS + 1) } else { shown };
        let back = clock.wrapping_sub(shown);
        vector.set_timestamp_offset(ends.timestamp_offset.wrapping_sub(back));
        vector.poll_transmit(now).map(|sent| sent.segment).unwrap_or_default()
    }

    /// The machine for which `segment` completes a handshake that [`answer`](Self::answer) began, about
    /// to be given that segment; nothing if it does not.
    pub fn redeem(
        &self,
        config: &Rc<Config>,
        ends: Ends,
        segment: &Segment,
        now: Instant,
    ) -> Option<StateVector> {
        let is_answer = segment.flags.contains(Flags::ACK)
            && !segment.flags.intersects(Flags::SYN | Flags::RST);
        if !is_answer || !self.are_out(now) {
            return None;
        }
        let (iss, irs) = (segment.ack - 1, segment.seq - 1);
        let period = now.as_micros() / PERIOD.as_micros() as u64;
        let period = match iss.0 >> PERIOD_SHIFT == period as u32 & 1 {
            true => period,
            false => period.checked_sub(1)?,
        };
        let index = (iss.0 >> MSS_SHIFT) & MSS_MASK;
        let timestamps = segment.options.timestamps.filter(|_| config.timestamps);
        let carried = timestamps.map_or(0, |ours| Carried::from_echo(ours.echo));
        if self.cookie(ends, irs, period, index, carried) != iss {
            return None;
        }
        let mut syn = Segment {
            seq: irs,
            flags: Flags::SYN,
            window: segment.window,
            options: Options { mss: Some(MSS[index as usize]), ..Options::default() },
            ..Segment::default()
        };
        if let Some(Timestamps { value, .. }) = timestamps {
            Carried::restore(carried, &mut syn);
            syn.options.timestamps = Some(Timestamps { value, echo: 0 });
        }
        let mut vector = StateVector::accept(Rc::clone(config), &syn, iss, now);
        vector.set_timestamp_offset(ends.timestamp_offset);
        // It was sent, but when is not known.
        vector.pending.syn = None;
        Some(vector)
    }

    /// Whether any cookie can be good now.
    pub fn are_out(&self, now: Instant) -> bool {
        self.given_at.get().is_some_and(|at| now.saturating_since(at) < PERIOD * 2)
    }

    fn cookie(&self, ends: Ends, irs: SeqNumber, period: u64, mss: u32, carried: u8) -> SeqNumber {
        let mut hasher = self.hasher;
        for end in [ends.local, ends.remote] {
            match end.ip() {
                IpAddr::V4(address) => hasher.write(&address.octets()),
                IpAddr::V6(address) => hasher.write(&address.octets()),
            }
            hasher.write(&end.port().to_be_bytes());
        }
        hasher.write(&irs.0.to_be_bytes());
        hasher.write(&period.to_be_bytes());
        hasher.write(&[mss as u8, carried]);
        let code = hasher.finish() as u32 & CODE_MASK;
        SeqNumber((period as u32 & 1) << PERIOD_SHIFT | mss << MSS_SHIFT | code)
    }
}

impl core::fmt::Debug for SynCookies {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        // The key stays secret.
        f.debug_struct("SynCookies").field("given_at", &self.given_at.get()).finish_non_exhaustive()
    }
}

/// What the timestamp carries; 0 if there is none.
struct Carried;

impl Carried {
    /// There are timestamps.
    const PRESENT: u8 = 0x40;
    const ECN: u8 = 0x20;
    const SACK: u8 = 0x10;
    /// Instead of a window shift: windows are not scaled.
    const NO_SHIFT: u8 = 0x0f;

    fn of(syn: &Segment) -> u8 {
        let ecn = if syn.flags.contains(ECN_SETUP) { Self::ECN } else { 0 };
        let sack = if syn.options.sack_permitted { Self::SACK } else { 0 };
        let shift = syn.options.window_scale.map(|shift| shift.min(MAX_WINDOW_SHIFT));
        Self::PRESENT | ecn | sack | shift.unwrap_or(Self::NO_SHIFT)
    }

    fn from_echo(echo: u32) -> u8 {
        Self::PRESENT | (echo & TIMESTAMP_BITS) as u8
    }

    /// Gives a SYN what was carried for it.
    fn restore(carried: u8, syn: &mut Segment) {
        if carried & Self::ECN != 0 {
            syn.flags |= ECN_SETUP;
        }
        syn.options.sack_permitted = carried & Self::SACK != 0;
        let shift = carried & Self::NO_SHIFT;
        syn.options.window_scale = (shift != Self::NO_SHIFT).then_some(shift);
    }
}

/// The sizes that can be remembered, in octets: the smallest, the defaults of both IP versions, and
/// what is common today.
const MSS: [u16; 8] = [64, 256, 536, 1220, 1360, 1440, 1460, 8960];

/// How long a secret is used; a cookie is good in its own period and the next.
const PERIOD: Duration = Duration::from_secs(64);

const PERIOD_SHIFT: u32 = 31;
const MSS_SHIFT: u32 = 28;
const MSS_MASK: u32 = 7;
const CODE_MASK: u32 = (1 << MSS_SHIFT) - 1;

/// The bits of a timestamp that carry options: 64 ms of it.
const TIMESTAMP_BITS: u32 = 0x3f;

/// What a SYN says that asks for ECN (RFC 3168 section 6.1.1).
const ECN_SETUP: Flags = Flags(Flags::ECE.0 | Flags::CWR.0);
