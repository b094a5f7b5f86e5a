//! How much does the path carry (RFC 1191, RFC 4821, RFC 8201, RFC 8899).
//!
//! Three ways lead to the size of a segment: what routers report ([`handle_icmp`]), the silence that
//! follows segments which vanish unreported, and probes, single segments larger than all others. Sizes
//! are those of payloads beside the options that every segment carries, like SND's `mss`.
//!
//! [`handle_icmp`]: StateVector::handle_icmp

use core::time::Duration;

use super::recovery::Phase;
use super::{MtuProbing, State, StateVector, Transmit};
use crate::Instant;
use crate::wire::tcp::SeqNumber;

/// What is known of the path.
#[derive(Debug, Default)]
pub(super) struct Path {
    /// The MSS that the peer's SYN named, or stood for.
    peer_mss: u16,
    /// Octets of IP options that each of our packets carries (MUST-16).
    ip_options: u16,
    /// A search for the largest segment; none as long as the largest possible one is in use.
    search: Option<Box<Search>>,
}

/// A search between a size that works and one that is not known to fail (RFC 8899 section 5).
#[derive(Debug)]
struct Search {
    /// The size in use.
    low: u16,
    /// The largest size that is not ruled out.
    high: u16,
    /// Whether `high` itself was tried: it comes first, for most paths are as wide as their ends.
    tried_high: bool,
    /// The probe under way.
    probe: Option<Probe>,
    /// How many probes of the present size were lost.
    failures: u8,
    /// When to send the next probe, at the earliest.
    not_before: Instant,
}

/// A probe: an ordinary segment, but for its size.
#[derive(Clone, Copy, Debug)]
struct Probe {
    start: SeqNumber,
    end: SeqNumber,
}

impl Search {
    fn between(low: u16, high: u16, not_before: Instant) -> Self {
        Self { low, high, tried_high: false, probe: None, failures: 0, not_before }
    }

    /// The size to try next; none if what is left is not worth a probe.
    fn candidate(&self) -> Option<u16> {
        let gap = self.high.saturating_sub(self.low);
        let next = if self.tried_high { self.low + gap.div_ceil(2) } else { self.high };
        (gap >= WORTH_A_PROBE).then_some(next)
    }

    /// The probe under way was lost. One loss may be chance, `MAX_PROBES` are the path.
    fn probe_failed(&mut self) {
        let Some(probe) = self.probe.take() else { return };
        self.failures += 1;
        if self.failures >= MAX_PROBES {
            self.rule_out(probe.end.distance_from(probe.start) as u16);
        }
    }

    /// This size does not pass.
    fn rule_out(&mut self, size: u16) {
        self.high = self.high.min(size - 1).max(self.low);
        self.tried_high = true;
        self.failures = 0;
    }
}

impl StateVector {
    /// Tells how many octets of IP options every packet of the connection will carry, so that
    /// segments leave room for them (RFC 9293 section 3.7.1, MUST-16).
    pub fn set_ip_options_len(&mut self, octets: u16) {
        self.path.ip_options = octets;
        let most = self.largest_payload();
        if self.snd.mss > most {
            self.use_mss(most);
        }
    }

    /// The peer's MSS is known: the size to begin with.
    pub(super) fn start_path(&mut self, peer_mss: u16, now: Instant) {
        self.path.peer_mss = peer_mss;
        let most = self.largest_payload();
        self.snd.mss = most;
        if self.config.mtu_probing == MtuProbing::On {
            self.snd.mss = most.min(self.path_payload(BASE_MSS));
            self.path.search = Some(Box::new(Search::between(self.snd.mss, most, now)));
        }
    }

    /// The largest payload that the ends admit, whatever lies between them.
    fn largest_payload(&self) -> u16 {
        let mss = match self.path.peer_mss {
            0 => self.config.default_peer_mss,
            known => known,
        };
        self.path_payload(mss)
    }

    /// The payload of segments with this MSS, beside the options of TCP and of IP.
    fn path_payload(&self, mss: u16) -> u16 {
        self.payload_mss(mss).saturating_sub(self.path.ip_options).max(1)
    }

    /// A router reports that segments with more than `mss` octets do not pass; 0 if it does not say
    /// how large they may be (RFC 1191 section 5).
    pub(super) fn heed_too_big(&mut self, mss: u16, now: Instant) {
        let mss = if mss == 0 { self.plateau_below() } else { mss };
        let mss = self.path_payload(mss.max(self.least_mss()));
        if mss < self.snd.mss {
            self.use_mss(mss);
            self.mark_too_big(mss);
            if self.config.mtu_probing != MtuProbing::Off {
                // Neither the path nor what was said of it is for ever (RFC 1191 section 6.3).
                let search = Search::between(mss, self.largest_payload(), now + SEARCH_PAUSE);
                self.path.search = Some(Box::new(search));
            }
        } else if let Some(search) = &mut self.path.search
            && let Some(probe) = search.probe
            && probe.end.distance_from(probe.start) > u32::from(mss)
        {
            // What does pass is worth a try, unless it is what we use.
            search.probe = None;
            search.high = mss.max(search.low);
            search.tried_high = false;
            search.failures = 0;
            self.counters.mtu_probes_lost += 1;
            self.mark_too_big(mss);
        }
    }

    fn mark_too_big(&mut self, mss: u16) {
        self.scoreboard.mark_too_big(mss.into());
        self.pending.resend_one = true;
    }

    /// The retransmission timer has expired: a probe under way counts as lost, and full segments that
    /// were sent `r1` times in vain are too large for the path, for nothing else is wrong with them
    /// that we could change (RFC 4821 section 7.7, RFC 2923 section 2.1).
    pub(super) fn path_on_timeout(&mut self, now: Instant) {
        if let Some(search) = &mut self.path.search
            && search.probe.is_some()
        {
            search.probe_failed();
            self.counters.mtu_probes_lost += 1;
        }
        let first = self.scoreboard.first().map_or(0, |(start, end)| end.distance_from(start));
        if self.config.mtu_probing == MtuProbing::Off || self.patience.attempts < self.config.r1 {
            return;
        }
        let least = self.least_mss();
        let mut steps = BLACK_HOLE_STEPS.into_iter().filter(|step| *step >= least);
        let smaller = steps.find(|step| self.path_payload(*step) < self.snd.mss);
        let Some(mss) = smaller.map(|step| self.path_payload(step)) else { return };
        if first > u32::from(mss) {
            self.counters.black_holes += 1;
            self.use_mss(mss);
            let search = Search::between(mss, self.largest_payload(), now);
            self.path.search = Some(Box::new(search));
        }
    }

    /// All up to SND.UNA has arrived; with it perhaps a probe.
    pub(super) fn path_on_ack(&mut self) {
        let Some(search) = &mut self.path.search else { return };
        if let Some(probe) = search.probe
            && self.snd.una.is_at_or_after(probe.end)
        {
            search.low = probe.end.distance_from(probe.start) as u16;
            search.probe = None;
            search.failures = 0;
            let mss = search.low;
            self.use_mss(mss);
        }
    }

    /// Whether all that is found lost is a probe: it tells of the path's MTU, not of congestion, and
    /// is sent again in smaller pieces (RFC 4821 section 7.4).
    pub(super) fn only_probe_lost(&mut self) -> bool {
        let Some(search) = &mut self.path.search else { return false };
        let Some(probe) = search.probe else { return false };
        let Some(lost) = self.scoreboard.next_lost() else { return false };
        if lost.start.is_after(probe.start) || probe.end.is_after(lost.end) {
            return false;
        }
        let len = probe.end.distance_from(probe.start);
        search.probe_failed();
        self.counters.mtu_probes_lost += 1;
        let alone = self.scoreboard.awaiting_resend() == len;
        if alone {
            self.pending.resend_one = true;
            // Further duplicates tell of the same loss.
            self.recovery.high = probe.end;
        }
        alone
    }

    /// A probe, if a search wants one and enough follows it to tell soon what became of it.
    pub(super) fn probe_path(&mut self, now: Instant) -> Option<Transmit> {
        let largest = self.largest_payload();
        let search = self.path.search.as_deref_mut()?;
        if search.probe.is_some() || now < search.not_before {
            return None;
        }
        let Some(size) = search.candidate() else {
            // Done; paths change, so look again later (RFC 8899 section 5.2).
            *search = Search::between(search.low, largest, now + SEARCH_PAUSE);
            return None;
        };
        let needed = u32::from(size) + PROBE_FOLLOWERS * u32::from(self.snd.mss);
        let sent = self.snd.nxt.distance_from(self.snd.una);
        let room = self.congestion.cwnd().saturating_sub(self.in_flight());
        let fits = self.data_end().distance_from(self.snd.nxt) >= needed
            && self.snd.wnd.saturating_sub(sent) >= needed
            && room >= needed;
        let calm = self.sack
            && self.recovery.phase == Phase::Open
            && !self.scoreboard.has_sacked()
            && matches!(self.state, State::Established | State::CloseWait | State::FinWait1);
        if !fits || !calm || self.reports_blocks() {
            return None;
        }
        let start = self.snd.nxt;
        let end = start + u32::from(size);
        if let Some(search) = &mut self.path.search {
            search.probe = Some(Probe { start, end });
        }
        self.counters.mtu_probes += 1;
        // For once, segments are as large as this.
        let usual = core::mem::replace(&mut self.snd.mss, size);
        let transmit = self.send_fresh(end, now);
        self.snd.mss = usual;
        Some(transmit)
    }

    fn use_mss(&mut self, mss: u16) {
        self.snd.mss = mss;
        self.congestion.set_mss(mss.into());
    }

    /// No report makes us send less than this: that would be an attack more often than a path.
    fn least_mss(&self) -> u16 {
        if self.config.default_peer_mss >= LEAST_MSS_V6 { LEAST_MSS_V6 } else { LEAST_MSS_V4 }
    }

    /// The next smaller size that is common among links (RFC 1191 section 7).
    fn plateau_below(&self) -> u16 {
        let below = |mss: &u16| self.path_payload(*mss) < self.snd.mss;
        PLATEAUS.into_iter().find(below).unwrap_or(LEAST_MSS_V4)
    }
}

/// An MTU of 296 octets less 40 (RFC 1191 section 7).
const LEAST_MSS_V4: u16 = 256;

/// Every link of IPv6 carries 1280 octets (RFC 8200 section 5); 60 are headers.
const LEAST_MSS_V6: u16 = 1220;

/// What a search begins with: nearly every path carries it (RFC 8899 section 5.1.2).
const BASE_MSS: u16 = 1220;

/// What to fall back to, one after the other, when full segments vanish.
const BLACK_HOLE_STEPS: [u16; 3] = [BASE_MSS, 536, LEAST_MSS_V4];

/// Common MTUs (RFC 1191 section 7.1), less 40.
const PLATEAUS: [u16; 8] = [17_874, 8_126, 4_312, 1_962, 1_452, 966, 468, LEAST_MSS_V4];

/// So many octets more are not worth the loss of a probe.
const WORTH_A_PROBE: u16 = 8;

/// How often a size is tried (`MAX_PROBES` of RFC 8899 section 5.1.2).
const MAX_PROBES: u8 = 3;

/// Segments behind a probe, whose acknowledgements tell when it is lost.
const PROBE_FOLLOWERS: u32 = 4;

/// How long a finding is good for (RFC 1191 section 6.3, `PMTU_RAISE_TIMER` of RFC 8899).
const SEARCH_PAUSE: Duration = Duration::from_secs(600);
