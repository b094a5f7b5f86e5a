//! The null responder: answers kernel TCP with hand-made segments, no stack behind it.
//!
//! What it reaches is what the device and the kernel's TCP allow. It keeps one connection, verifies
//! nothing, reassembles nothing, sends zeros, and goes back to the last acknowledged octet when the
//! peer asks three times. One acknowledgement answers all that was read at once, eight packets at most.

use std::io::{self, IoSlice};
use std::time::Duration;

use super::device::Device;
use super::{Contender, Framing, Service, Task};

pub(crate) struct NullResponder(pub(crate) Framing);

impl Contender for NullResponder {
    fn name(&self) -> String {
        format!("null responder, {}", self.0.label())
    }

    fn serve(&self, service: &Service) -> io::Result<()> {
        let device = Device::open(self.0)?;
        let mut responder = Responder::new(service.task, self.0);
        let mut buffer = vec![0; VNET_HEADER + MAX_PACKET];
        let skip = if self.0 == Framing::Offload { VNET_HEADER } else { 0 };
        service.ready();
        while !service.stopped() {
            let mut read = 0;
            while read < READS_PER_ACK
                && let Some(len) = device.read(&mut buffer)?
            {
                responder.handle(&buffer[skip..len]);
                read += 1;
            }
            let mut written = 0;
            while written < WRITES_PER_READ
                && let Some(reply) = responder.poll()
            {
                let pieces = reply.pieces().map(IoSlice::new);
                device.write(if self.0 == Framing::Offload { &pieces } else { &pieces[1..] })?;
                written += 1;
            }
            if read == 0 && written == 0 {
                device.wait(Duration::MAX)?;
            }
        }
        Ok(())
    }
}

/// The other end of one TCP connection, reduced to arithmetic.
pub(crate) struct Responder {
    task: Task,
    /// Payload octets of what it sends at once.
    chunk: usize,
    open: bool,
    peer: [u8; 4],
    own: [u8; 4],
    ports: [u8; 4],
    rcv_nxt: u32,
    snd_una: u32,
    snd_nxt: u32,
    snd_wnd: u32,
    peer_shift: u8,
    duplicates: u8,
    syn_due: bool,
    ack_due: bool,
    fin_due: bool,
    echo_due: usize,
}

/// A packet to be sent: header of the device, headers of IP and TCP, and so many zeros.
pub(crate) struct Reply {
    vnet: [u8; VNET_HEADER],
    head: [u8; MAX_HEAD],
    head_len: usize,
    payload: usize,
}

impl Reply {
    /// The pieces in their order; the first is for devices with offload only.
    pub(crate) fn pieces(&self) -> [&[u8]; 3] {
        [&self.vnet, &self.head[..self.head_len], &ZEROS[..self.payload]]
    }

    /// Payload octets of each segment, if it is to be split.
    pub(crate) fn gso_size(&self) -> Option<u16> {
        (self.payload > MSS).then_some(MSS as u16)
    }
}

impl Responder {
    pub(crate) fn new(task: Task, framing: Framing) -> Self {
        Self {
            task,
            chunk: if framing == Framing::Offload { MSS * 44 } else { MSS },
            open: false,
            peer: [0; 4],
            own: [0; 4],
            ports: [0; 4],
            rcv_nxt: 0,
            snd_una: 0,
            snd_nxt: 0,
            snd_wnd: 0,
            peer_shift: 0,
            duplicates: 0,
            syn_due: false,
            ack_due: false,
            fin_due: false,
            echo_due: 0,
        }
    }

    /// Takes an IP packet of the peer; what is not IPv4 and TCP is ignored.
    pub(crate) fn handle(&mut self, packet: &[u8]) {
        if packet.len() < 40 || packet[0] != 0x45 || packet[9] != 6 {
            return;
        }
        let (ip, tcp) = packet.split_at(20);
        let total_len = usize::from(u16::from_be_bytes([ip[2], ip[3]])).min(packet.len());
        let header_len = usize::from(tcp[12] >> 4) * 4;
        let Some(payload) = total_len.checked_sub(20 + header_len) else { return };
        let (seq, ack, flags) = (word(tcp, 4), word(tcp, 8), tcp[13]);
        if flags & SYN != 0 {
            self.accept(ip, tcp, seq, header_len.min(tcp.len()));
            return;
        }
        // The kernel may still be closing its connection to the contender before.
        if self.ports != [tcp[2], tcp[3], tcp[0], tcp[1]] {
            return;
        }
        if flags & RST != 0 {
            self.open = false;
        } else if self.open {
            let window = u32::from(u16::from_be_bytes([tcp[14], tcp[15]])) << self.peer_shift;
            self.acknowledged(ack, window, payload);
            self.received(seq, payload, flags);
        }
    }

    fn accept(&mut self, ip: &[u8], tcp: &[u8], seq: u32, header_len: usize) {
        self.peer.copy_from_slice(&ip[12..16]);
        self.own.copy_from_slice(&ip[16..20]);
        self.ports.copy_from_slice(&[tcp[2], tcp[3], tcp[0], tcp[1]]);
        self.rcv_nxt = seq.wrapping_add(1);
        self.peer_shift = window_shift(&tcp[20..header_len.max(20)]);
        (self.snd_una, self.snd_nxt) = (1, 1);
        // The window of a SYN is not scaled; the first ACK brings the real one.
        self.snd_wnd = 0;
        (self.open, self.syn_due) = (true, true);
        (self.ack_due, self.fin_due, self.echo_due) = (false, false, 0);
    }

    fn acknowledged(&mut self, ack: u32, window: u32, payload: usize) {
        let advance = ack.wrapping_sub(self.snd_una);
        let in_flight = self.snd_nxt.wrapping_sub(self.snd_una);
        if advance == 0 && in_flight > 0 && payload == 0 && window == self.snd_wnd {
            self.duplicates += 1;
            if self.duplicates == 3 {
                self.snd_nxt = self.snd_una;
            }
        } else if advance < 1 << 31 {
            self.snd_una = ack;
            self.duplicates = 0;
            if advance > in_flight {
                self.snd_nxt = ack;
            }
        }
        self.snd_wnd = window;
    }

    fn received(&mut self, seq: u32, payload: usize, flags: u8) {
        if payload == 0 && flags & FIN == 0 {
            return;
        }
        self.ack_due = true;
        if seq != self.rcv_nxt {
            return;
        }
        self.rcv_nxt = seq.wrapping_add(payload as u32);
        if self.task == Task::Echo {
            self.echo_due += payload;
        }
        if flags & FIN != 0 {
            self.rcv_nxt = self.rcv_nxt.wrapping_add(1);
            self.fin_due = true;
        }
    }

    /// The next packet to send, if one is due.
    pub(crate) fn poll(&mut self) -> Option<Reply> {
        if !self.open {
            return None;
        }
        if self.syn_due {
            self.syn_due = false;
            return Some(self.reply(SYN | ACK, 0, 0));
        }
        let in_flight = self.snd_nxt.wrapping_sub(self.snd_una) as usize;
        let room = (self.snd_wnd as usize).saturating_sub(in_flight);
        let payload = match self.task {
            Task::Receive => 0,
            Task::Send if room >= self.chunk => self.chunk,
            Task::Send if in_flight == 0 => room,
            Task::Send => 0,
            Task::Echo => self.echo_due.min(room).min(MSS),
        };
        if self.fin_due {
            (self.open, self.fin_due) = (false, false);
            return Some(self.reply(FIN | ACK, self.snd_nxt, 0));
        }
        if payload == 0 && !self.ack_due {
            return None;
        }
        self.ack_due = false;
        self.echo_due -= self.echo_due.min(payload);
        let seq = self.snd_nxt;
        self.snd_nxt = seq.wrapping_add(payload as u32);
        Some(self.reply(ACK, seq, payload))
    }

    fn reply(&self, flags: u8, seq: u32, payload: usize) -> Reply {
        let options: &[u8] = if flags & SYN != 0 { &SYN_OPTIONS } else { &[] };
        let head_len = 40 + options.len();
        let mut head = [0; MAX_HEAD];
        head[..10].copy_from_slice(&[0x45, 0, 0, 0, 0, 0, 0x40, 0, 64, 6]);
        head[2..4].copy_from_slice(&((head_len + payload) as u16).to_be_bytes());
        head[12..16].copy_from_slice(&self.own);
        head[16..20].copy_from_slice(&self.peer);
        let ip_checksum = !sum(&[&head[..20]]);
        head[10..12].copy_from_slice(&ip_checksum.to_be_bytes());

        head[20..24].copy_from_slice(&self.ports);
        head[24..28].copy_from_slice(&seq.to_be_bytes());
        head[28..32].copy_from_slice(&self.rcv_nxt.to_be_bytes());
        head[32] = ((20 + options.len()) as u8 / 4) << 4;
        head[33] = flags;
        head[34..36].copy_from_slice(&WINDOW.to_be_bytes());
        head[40..head_len].copy_from_slice(options);
        let tcp_len = (20 + options.len() + payload) as u16;
        let [len_high, len_low] = tcp_len.to_be_bytes();
        let pseudo_header: [&[u8]; 3] = [&self.own, &self.peer, &[0, 6, len_high, len_low]];
        let gso = payload > MSS;
        // The payload is zeros: it adds nothing to the sum.
        let checksum = if gso {
            sum(&pseudo_header)
        } else {
            let [own, peer, rest] = pseudo_header;
            !sum(&[own, peer, rest, &head[20..head_len]])
        };
        head[36..38].copy_from_slice(&checksum.to_be_bytes());
        let vnet = if gso { super_segment_header() } else { [0; VNET_HEADER] };
        Reply { vnet, head, head_len, payload }
    }
}

/// NEEDS_CSUM, TCPV4, 40 octets of headers, the MSS, and where the checksum goes.
fn super_segment_header() -> [u8; VNET_HEADER] {
    let mut header = [0; VNET_HEADER];
    (header[0], header[1]) = (1, 1);
    for (at, value) in [(2, 40), (4, MSS as u16), (6, 20), (8, 16)] {
        header[at..at + 2].copy_from_slice(&value.to_ne_bytes());
    }
    header
}

/// The window scale option (RFC 7323), 0 without.
fn window_shift(mut options: &[u8]) -> u8 {
    loop {
        match *options {
            [1, ref rest @ ..] => options = rest,
            [3, 3, shift, ..] => return shift.min(14),
            [kind, len, ..] if kind > 1 && len >= 2 => match options.get(usize::from(len)..) {
                Some(rest) => options = rest,
                None => return 0,
            },
            _ => return 0,
        }
    }
}

/// The sum of RFC 1071 over pieces of even length.
fn sum(pieces: &[&[u8]]) -> u16 {
    let words = pieces.iter().flat_map(|piece| piece.chunks_exact(2));
    let mut sum: u32 = words.map(|word| u32::from(u16::from_be_bytes([word[0], word[1]]))).sum();
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    sum as u16
}

fn word(octets: &[u8], at: usize) -> u32 {
    u32::from_be_bytes([octets[at], octets[at + 1], octets[at + 2], octets[at + 3]])
}

const FIN: u8 = 1;
const SYN: u8 = 2;
const RST: u8 = 4;
const ACK: u8 = 16;

/// MSS 1460; window scale 7.
const SYN_OPTIONS: [u8; 8] = [2, 4, 5, 180, 1, 3, 3, 7];
/// 4 MiB, scaled by 7.
const WINDOW: u16 = 32_768;
const MSS: usize = 1460;
const MAX_HEAD: usize = 48;
const VNET_HEADER: usize = 10;
const MAX_PACKET: usize = 65_535;
/// Reads answered by one acknowledgement.
pub(crate) const READS_PER_ACK: usize = 8;
/// Writes before it looks for acknowledgements again.
pub(crate) const WRITES_PER_READ: usize = 16;
/// What it sends.
pub(crate) static ZEROS: [u8; 65_536] = [0; 65_536];
