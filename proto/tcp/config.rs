//! What may be set about a connection.

use core::time::Duration;

use super::EcnPolicy;

/// The settings of a connection; one value is shared by all connections that use the same.
///
/// The default suits IPv4 over an MTU of 1500 octets.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Config {
    /// The largest payload of one segment without options that the interface carries, in octets:
    /// its MTU minus 40 (IPv4) or 60 (IPv6). It is what we advertise and the most we send.
    pub mss: u16,
    /// What a peer that names no MSS can take (RFC 9293 section 3.7.1, MUST-15): 536 for IPv4,
    /// 1220 for IPv6.
    pub default_peer_mss: u16,
    /// The largest payload of one [`Transmit`](super::Transmit), in octets, if the device splits
    /// super-segments; at most `mss`, or 0, if it does not.
    pub gso_max_size: usize,
    /// Offer and accept window scaling (RFC 7323).
    pub window_scaling: bool,
    /// Offer and accept selective acknowledgements (RFC 2018).
    pub sack: bool,
    /// Offer and accept timestamps (RFC 7323).
    pub timestamps: bool,
    /// Send small segments at once instead of waiting for acknowledgements (RFC 9293
    /// section 3.7.4); may be changed per connection.
    pub nodelay: bool,
    /// How long an acknowledgement may wait for company; RFC 9293 wants less than 0.5 s (MUST-40).
    pub delayed_ack: Duration,
    /// The most octets that may wait in the send buffer. What [`writable`] reports grows with the
    /// congestion window up to this.
    ///
    /// [`writable`]: super::StateVector::writable
    pub send_buffer_max: usize,
    /// The receive window offered first, in octets.
    pub receive_buffer_initial: usize,
    /// The receive window offered at most, in octets, once the application keeps up with it.
    pub receive_buffer_max: usize,
    /// The window shift to offer, where it shall not follow from `receive_buffer_max` (RFC 7323
    /// section 2.3): a buffer that is small now may still grow.
    pub window_shift: Option<u8>,
    /// The retransmission time-out before the first measurement (RFC 6298 section 2.1).
    pub rto_initial: Duration,
    /// The least that the variance adds to the smoothed round-trip time. RFC 6298 rounds the sum up
    /// to one second; like Linux we let the delayed acknowledgement of the peer set the floor.
    pub rto_min: Duration,
    /// Count the retransmission time-out from when the oldest segment was sent, and not from the last
    /// acknowledgement, while few are in flight (RFC 7765).
    pub rto_restart: bool,
    /// Added to every time-out but the first of a SYN, for peers and clocks that dawdle; FreeBSD does so.
    pub rto_slop: Duration,
    /// The most that back-off may reach; at least 60 s by RFC 6298 section 2.5.
    pub rto_max: Duration,
    /// R1 of RFC 9293 section 3.8.3: retransmissions of one segment before trouble is reported.
    pub r1: u32,
    /// R2 of RFC 9293 section 3.8.3: how long a segment is retransmitted before the connection ends.
    pub r2: Duration,
    /// R2 for a SYN; at least 3 minutes (MUST-23).
    pub syn_r2: Duration,
    /// Keep-alive probes; off by default (MUST-25).
    pub keep_alive: Option<KeepAlive>,
    /// How long data may stay unacknowledged before the connection ends (RFC 9293 section 3.9.1.1).
    pub user_timeout: Option<Duration>,
    /// The maximum segment lifetime; TIME-WAIT lasts two of them.
    pub msl: Duration,
    /// How long FIN-WAIT-2 may last once the application is gone.
    pub fin_wait_2: Duration,
    /// The congestion controller.
    pub congestion: CongestionControl,
    /// Spread what the window allows over the round-trip time, with Reno and CUBIC too: twice the rate of
    /// the window in slow start, a fifth more than it afterwards. BBR always has a pace. Off by default.
    pub pacing: bool,
    /// The settings of [`CongestionControl::Bbr`].
    pub bbr: Bbr,
    /// Explicit congestion notification (RFC 3168).
    pub ecn: EcnPolicy,
    /// The initial congestion window, in segments (RFC 6928).
    pub initial_window: u32,
    /// Whether the segment size that the path carries is found by probing.
    pub mtu_probing: MtuProbing,
    /// Which ICMP errors end a handshake.
    pub icmp_refusal: IcmpRefusal,
    /// Dial with Fast Open (RFC 7413): ask peers for cookies, and send data with the SYN to who gave one.
    pub fast_open_client: bool,
    /// Give Fast Open cookies to who asks, and take the data of SYNs that show one. It may come twice,
    /// if its SYN does (RFC 7413 section 6.1).
    pub fast_open_server: bool,
    /// How many challenge acknowledgements may be sent per second (RFC 5961 section 7).
    pub challenge_ack_limit: u32,
}

impl Config {
    /// The settings for IPv4 over an interface of this MTU, in octets.
    pub fn for_ipv4(mtu: u16) -> Self {
        let mss = mtu.saturating_sub(40);
        Self { mss, default_peer_mss: 536, ..Self::default() }
    }

    /// The settings for IPv6 over an interface of this MTU, in octets.
    pub fn for_ipv6(mtu: u16) -> Self {
        let mss = mtu.saturating_sub(60);
        Self { mss, default_peer_mss: 1220, ..Self::default() }
    }

    /// The shift with which the largest window fits 16 bits (RFC 7323 section 2.3 allows 14).
    pub(super) fn window_shift(&self) -> u8 {
        if let Some(shift) = self.window_shift {
            return shift.min(MAX_WINDOW_SHIFT);
        }
        (0..MAX_WINDOW_SHIFT)
            .find(|shift| self.receive_buffer_max >> shift <= usize::from(u16::MAX))
            .unwrap_or(MAX_WINDOW_SHIFT)
    }

    /// The receive window offered first: what a SYN can say without scaling.
    pub(super) fn initial_receive_window(&self) -> u32 {
        let window = self.receive_buffer_initial.min(self.receive_buffer_max);
        window.min(usize::from(u16::MAX)) as u32
    }

    /// The receive window offered at most, in octets.
    pub(super) fn max_receive_window(&self, shift: u8) -> u32 {
        let most = usize::from(u16::MAX) << shift;
        self.receive_buffer_max.min(most) as u32
    }

    /// The MSS we advertise; never so small that options leave no room for data.
    pub(super) fn own_mss(&self) -> u16 {
        self.mss.max(1)
    }
}

impl Default for Config {
    fn default() -> Self {
        Self {
            mss: 1460,
            default_peer_mss: 536,
            gso_max_size: 0,
            window_scaling: true,
            sack: true,
            timestamps: true,
            nodelay: false,
            delayed_ack: Duration::from_millis(40),
            send_buffer_max: 4 << 20,
            receive_buffer_initial: 64 << 10,
            receive_buffer_max: 6 << 20,
            window_shift: None,
            rto_initial: Duration::from_secs(1),
            rto_min: Duration::from_millis(200),
            rto_restart: false,
            rto_slop: Duration::ZERO,
            rto_max: Duration::from_secs(60),
            r1: 3,
            r2: Duration::from_secs(120),
            syn_r2: Duration::from_secs(180),
            keep_alive: None,
            user_timeout: None,
            msl: Duration::from_secs(30),
            fin_wait_2: Duration::from_secs(60),
            congestion: CongestionControl::Cubic,
            pacing: false,
            bbr: Bbr::default(),
            ecn: EcnPolicy::default(),
            initial_window: 10,
            mtu_probing: MtuProbing::BlackHole,
            icmp_refusal: IcmpRefusal::HardErrors,
            fast_open_client: false,
            fast_open_server: false,
            challenge_ack_limit: 10,
        }
    }
}

/// Which controller decides how fast to send.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum CongestionControl {
    /// Slow start and additive increase (RFC 5681).
    Reno,
    /// CUBIC (RFC 9438).
    #[default]
    Cubic,
    /// BBR, version 3 (draft-ietf-ccwg-bbr): paced by a model of the path, tolerant of random loss.
    /// See [`Bbr`] for its settings.
    Bbr,
}

/// What may be set about [`CongestionControl::Bbr`].
///
/// The draft has one threshold of loss, 2 %, for all cases. On a path that loses packets by chance that
/// makes it as slow as others; without any it would push aside flows that answer loss. So there are two
/// here, and the round-trip time decides between them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Bbr {
    /// `BBR.LossThresh`: the share of a flight, in thousandths, whose loss shows congestion while the
    /// round-trip time shows a queue. The draft has 20; 10 by default, with which a CUBIC flow beside it
    /// keeps a quarter of a link with one bandwidth-delay product of queue.
    pub loss_threshold: u16,
    /// The same while it shows none, so that the losses are chance, or a queue too short to matter.
    /// 250 by default; set it to `loss_threshold` for the behaviour of the draft, to 1000 for that of
    /// version 1, which ignores loss.
    pub clear_loss_threshold: u16,
    /// By how much the round-trip time must exceed the least one to show a queue, in thousandths of that.
    pub queue_threshold: u16,
}

impl Default for Bbr {
    fn default() -> Self {
        Self { loss_threshold: 10, clear_loss_threshold: 250, queue_threshold: 250 }
    }
}

/// Whether the sender probes for the largest segment that the path carries (RFC 4821), like
/// `net.ipv4.tcp_mtu_probing` of Linux.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum MtuProbing {
    /// Never: ICMP alone tells.
    Off,
    /// Once full segments have vanished, or a router has reported a smaller MTU.
    #[default]
    BlackHole,
    /// From the beginning, with segments that fit nearly every path.
    On,
}

/// Which ICMP errors about its SYN end a handshake. On a connection that is up none does, for anybody
/// could have sent them (RFC 5461 section 4, RFC 5927 section 5.2).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum IcmpRefusal {
    /// None: the SYN is repeated until R2.
    Nothing,
    /// Hard errors (RFC 9293 section 3.9.2.2, SHLD-26), and that it was prohibited.
    #[default]
    HardErrors,
    /// All but source quench and reports of an MTU, which RFC 9293 forbids (MUST-56) and RFC 5461
    /// section 4.1 describes: who has other addresses to try learns soon that he must.
    AllErrors,
}

/// When to ask an idle peer whether it is still there (RFC 9293 section 3.8.4).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct KeepAlive {
    /// How long a connection is idle before the first probe.
    pub idle: Duration,
    /// The time between probes that nobody answers.
    pub interval: Duration,
    /// How many unanswered probes end the connection.
    pub probes: u32,
}

impl Default for KeepAlive {
    /// Two hours (MUST-28), then nine probes, 75 s apart.
    fn default() -> Self {
        Self { idle: Duration::from_secs(7200), interval: Duration::from_secs(75), probes: 9 }
    }
}

/// The largest shift of RFC 7323 section 2.3.
pub(super) const MAX_WINDOW_SHIFT: u8 = 14;
