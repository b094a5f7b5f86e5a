//! Any octets as a packet: no panic; and what has been read can be written, and reads the same again.

#![no_main]

use bytes::{Bytes, BytesMut};
use libfuzzer_sys::fuzz_target;
use netmart_proto::wire::icmp::{self, IcmpMessage, Quote};
use netmart_proto::wire::{ChecksumMode, ChecksumState, Packet, Protocol, parse_ip, tcp, udp};

fuzz_target!(|octets: &[u8]| {
    let mut packet = Packet::new(Bytes::copy_from_slice(octets));
    // Hardly any input would get past a checksum.
    packet.offload.checksum = ChecksumState::Verified;
    let _ = Quote::parse(octets);
    let Ok(parsed) = parse_ip(&packet) else { return };
    let header = parsed.header;
    let transport = packet.narrow(parsed.payload);
    let mut arena = BytesMut::new();
    match header.protocol {
        Protocol::TCP => {
            let Ok(read) = tcp::parse(&header, transport) else { return };
            let written = tcp::emit(&mut arena, &header, read.clone(), None, ChecksumMode::Full);
            if let Ok(packet) = written {
                let again = parse_ip(&packet).expect("it was emitted");
                let segment = tcp::parse(&again.header, packet.narrow(again.payload));
                assert_eq!(segment.expect("it was emitted"), read);
            }
        }
        Protocol::UDP => {
            let Ok(read) = udp::parse(&header, transport) else { return };
            let written = udp::emit(&mut arena, &header, read.clone(), ChecksumMode::Full);
            if let Ok(packet) = written {
                let again = parse_ip(&packet).expect("it was emitted");
                let datagram = udp::parse(&again.header, packet.narrow(again.payload));
                assert_eq!(datagram.expect("it was emitted"), read);
            }
        }
        Protocol::ICMP | Protocol::ICMPV6 => {
            if let Ok(IcmpMessage::Error(error)) = icmp::parse(&header, transport) {
                let _ = Quote::parse(&error.quote);
            }
        }
        _ => {}
    }
});
