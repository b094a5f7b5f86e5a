use bytes::BytesMut;
use netmart_proto::wire::icmp::{self, IcmpErrorKind, IcmpMessage, Quote};
use netmart_proto::wire::tcp::{Options, PortedSegment, Segment, SeqNumber, Timestamps};
use netmart_proto::wire::{ChecksumMode, Packet as WirePacket, Protocol, parse_ip};

use super::*;
use crate::drill::ast::{Action, Script};
use crate::drill::inbound::InboundError;
use crate::drill::parser::{Environment, parse};

pub(in crate::drill) fn packet(text: &str) -> Packet {
    let script: Script = parse(&format!("+0 {text}"), &Environment::default())
        .unwrap_or_else(|error| panic!("{text}: {error}"));
    match script.events.into_iter().next().map(|event| event.action) {
        Some(Action::Packet(packet)) => packet,
        other => panic!("{text}: {other:?}"),
    }
}

pub(in crate::drill) fn conversation() -> Conversation {
    let end = |text: &str| text.parse().expect("an address");
    Conversation::new(end("192.168.0.1:8080"), end("192.0.2.1:40000"))
}

/// The stack sends `segment`.
pub(in crate::drill) fn seen(conversation: &mut Conversation, segment: Segment) -> Seen {
    let (local, remote) = (conversation.local, conversation.remote);
    let ip = netmart_proto::wire::IpHeader::new(local.ip(), remote.ip(), Protocol::TCP);
    let ported = PortedSegment { src_port: local.port(), dst_port: remote.port(), segment };
    let mode = ChecksumMode::Partial;
    let packet = netmart_proto::wire::tcp::emit(&mut BytesMut::new(), &ip, ported, None, mode);
    let seen = Seen::parse(packet.expect("a packet")).expect("a segment");
    conversation.observe(&seen);
    seen
}

pub(in crate::drill) fn segment(flags: Flags, seq: u32, ack: u32) -> Segment {
    let (seq, ack) = (SeqNumber(seq), SeqNumber(ack));
    Segment { seq, ack, flags, window: 65_535, ..Segment::default() }
}

fn parsed(packet: WirePacket) -> Segment {
    let ip = parse_ip(&packet).expect("an IP packet");
    let transport = packet.narrow(ip.payload);
    netmart_proto::wire::tcp::parse(&ip.header, transport).expect("a segment").segment
}

fn send(conversation: &mut Conversation, text: &str) -> Segment {
    parsed(conversation.inbound(&packet(text)).unwrap_or_else(|error| panic!("{text}: {error}")))
}

const SYN_ACK: Flags = Flags(0x12);

#[test]
fn numbers_are_counted_from_the_initial_ones() {
    let mut both = conversation();
    let syn = send(&mut both, "< S 123:123(0) win 1000 <mss 1460,sackOK,nop,wscale 7>");
    assert_eq!((syn.seq, syn.flags, syn.window), (SeqNumber(123), Flags::SYN, 1000));
    assert_eq!((syn.options.mss, syn.options.window_scale), (Some(1460), Some(7)));
    let reply = seen(&mut both, segment(SYN_ACK, 0xffff_fff0, 124));
    assert_eq!(both.describe(&reply, None), "> S. 0:0(0) ack 124 win 65535");

    let data = send(&mut both, "< P. 1:11(10) ack 21 win 257 <sack 31:41,nop,nop>");
    assert_eq!((data.seq, data.ack), (SeqNumber(124), SeqNumber(5)));
    assert_eq!(data.options.sack.as_slice(), [(SeqNumber(15), SeqNumber(25))]);
    assert_eq!(data.payload.len(), 10);

    let mut answer = segment(Flags::ACK, 5, 134);
    assert!(answer.options.sack.push(SeqNumber(143), SeqNumber(153)));
    let answer = seen(&mut both, answer);
    assert_eq!(both.describe(&answer, None), "> . 21:21(0) ack 11 win 65535 <nop,nop,sack 20:30>");
}

#[test]
fn the_acknowledgement_of_a_syn_is_written_like_the_syn() {
    let mut both = conversation();
    let syn = seen(&mut both, segment(Flags::SYN, 7000, 0));
    let PacketBody::Tcp(expected) = packet("> S 500:500(0)").body else { panic!("a segment") };
    both.agree(&expected, syn.segment().expect("a segment"));
    assert_eq!(send(&mut both, "< S. 123:123(0) ack 501 win 9").ack, SeqNumber(7001));
    let data = send(&mut both, "< . 1:11(10) ack 1 win 9");
    assert_eq!((data.seq, data.ack), (SeqNumber(124), SeqNumber(7001)));
    let answer = seen(&mut both, segment(Flags::ACK, 7001, 134));
    assert_eq!(both.describe(&answer, None), "> . 1:1(0) ack 11 win 65535");
}

#[test]
fn nothing_is_added_as_long_as_nothing_is_known() {
    let mut closed = conversation();
    let stray = send(&mut closed, "< . 5:5(0) ack 7 win 1");
    assert_eq!((stray.seq, stray.ack), (SeqNumber(5), SeqNumber(7)));
    let reset = seen(&mut closed, segment(Flags::RST, 7, 0));
    assert_eq!(closed.describe(&reset, None), "> R 7:7(0) win 65535");
    assert_eq!(send(&mut closed, "< R 9:9(0)! win 0").seq, SeqNumber(9));
}

#[test]
fn timestamps_are_echoed_as_they_were_sent() {
    let mut both = conversation();
    let mut syn = segment(Flags::SYN, 1000, 0);
    syn.options = Options { timestamps: Some(Timestamps { value: 7000, echo: 0 }), ..syn.options };
    let syn = seen(&mut both, syn);
    let PacketBody::Tcp(expected) = packet("> S 0:0(0) <TS val 100 ecr 0>").body else { panic!() };
    both.agree(&expected, syn.segment().expect("a segment"));
    let echo = |both: &mut Conversation, text: &str| {
        send(both, text).options.timestamps.expect("timestamps")
    };
    let cases = [("100", 7000), ("150", 7050), ("90", 6990), ("5!", 5)];
    for (scripted, live) in cases {
        let text = format!("< S. 0:0(0) ack 1 win 9 <TS val 300 ecr {scripted},nop,nop>");
        assert_eq!(echo(&mut both, &text), Timestamps { value: 300, echo: live }, "{text}");
    }
}

#[test]
fn the_edge_of_the_assumed_window_is_that_of_the_offered_one() {
    // The script's buffer, the window that is really offered, the number it has, and what that means.
    let cases = [
        (65_536, 65_535, 65_535, 65_535),
        (65_536, 30_000, 65_535, 30_000),
        (65_536, 30_000, 65_536, 30_001),
        (65_700, 30_000, 65_700, 30_000),
        (65_700, 30_000, 65_701, 30_001),
        (65_700, 30_000, 65_600, 65_600),
        (65_700, 30_000, 1, 1),
        (66_240, 65_535, 66_240, 65_535),
    ];
    for (buffer, window, scripted, meant) in cases {
        let mut both = conversation();
        both.assume_buffer(buffer);
        send(&mut both, "< S 0:0(0) win 1000");
        seen(&mut both, Segment { window, ..segment(SYN_ACK, 5000, 1) });
        let reset = send(&mut both, &format!("< R {scripted}:{scripted}(0) win 0"));
        assert_eq!(reset.seq, SeqNumber(meant), "{buffer} {window} {scripted}");
        let answer = seen(&mut both, segment(Flags::ACK, 5001, meant + 1));
        let PacketBody::Tcp(answer) = both.relate(&answer).body else { panic!("a segment") };
        assert_eq!(answer.ack, Ack::Relative(scripted + 1), "{buffer} {window} {scripted}");
    }
}

#[test]
fn a_scaled_window_counts_in_full() {
    let mut both = conversation();
    send(&mut both, "< S 0:0(0) win 1000 <mss 1460,nop,wscale 7>");
    let mut syn_ack = segment(SYN_ACK, 5000, 1);
    syn_ack.options.window_scale = Some(4);
    seen(&mut both, syn_ack);
    seen(&mut both, Segment { window: 5000, ..segment(Flags::ACK, 5001, 1) });
    assert_eq!(send(&mut both, "< R 65536:65536(0) win 0").seq, SeqNumber(80_001));
}

#[test]
fn errors_quote_what_the_stack_sent() {
    let mut both = conversation();
    seen(&mut both, segment(Flags::SYN, 1000, 0));
    let error = both.inbound(&packet("< icmp unreachable frag_needed mtu 1300 [1:1461(1460)]"));
    let error = error.expect("a packet");
    let ip = parse_ip(&error).expect("an IP packet");
    let message = icmp::parse(&ip.header, error.narrow(ip.payload)).expect("a message");
    let IcmpMessage::Error(error) = message else { panic!("an error") };
    assert_eq!(error.kind, IcmpErrorKind::PacketTooBig { mtu: 1300 });
    let quote = Quote::parse(&error.quote).expect("a quote");
    assert_eq!((quote.ports, quote.seq), (Some((8080, 40_000)), Some(SeqNumber(1001))));
    assert_eq!(error.quote[2..4], 1500_u16.to_be_bytes());
    let needs = both.inbound(&packet("< icmp packet_too_big mtu 1300"));
    assert!(matches!(needs, Err(InboundError::Unsupported(_))));
}

#[test]
fn both_versions_of_ip_are_spoken() {
    let end = |text: &str| text.parse().expect("an address");
    let mut both = Conversation::new(end("[fd3d::1]:8080"), end("[fd3d::2]:9"));
    let syn = send(&mut both, "< [ect0, ttl 9] 77 > 88 SEW 0:0(0) win 1 <kind 9 00ff>");
    assert_eq!(syn.options.unknown.as_deref(), Some(&[9, 4, 0, 255][..]));
    let raw = both.inbound(&packet("< [flowlabel 0x12, class 0x20] . 1:1(0) ack 1 win 1"));
    let ip = parse_ip(&raw.expect("a packet")).expect("an IP packet").header;
    assert_eq!((ip.flow_label, ip.tos, ip.ttl), (0x12, 0x20, 255));
    let message = both.inbound(&packet("< icmp unreachable port_unreachable [0:0(0)]"));
    let message = message.expect("a packet");
    let ip = parse_ip(&message).expect("an IP packet");
    assert!(icmp::parse(&ip.header, message.narrow(ip.payload)).is_ok());
    assert!(both.inbound(&packet("< udp (100)")).is_ok());
}

#[test]
fn what_cannot_be_sent_is_an_error() {
    let mut both = conversation();
    for text in ["< ipv4 192.0.2.1 > 192.0.2.2: . 1:1(0)", "< . 1:1(0) ack 1 win 1 /udp(1 > 2)"] {
        let error = both.inbound(&packet(text));
        assert!(matches!(error, Err(InboundError::Unsupported(_))), "{text}");
    }
    let blocks = "1:2 1:2 1:2 1:2 1:2";
    let error = both.inbound(&packet(&format!("< . 1:1(0) ack 1 win 1 <sack {blocks}>")));
    assert!(matches!(error, Err(InboundError::Impossible(_))));
}
