//! A capture is read back by an independent reader, and by tshark where there is one.

use std::process::Command;
use std::time::Duration;

use netmart_proto::wire::{self, ChecksumState, Offload};
use pcap_file::DataLink;
use pcap_file::pcapng::blocks::enhanced_packet::{EnhancedPacketBlock, EnhancedPacketOption};
use pcap_file::pcapng::blocks::interface_description::InterfaceDescriptionOption;
use pcap_file::pcapng::{Block, PcapNgReader};

use super::*;

/// A TCP segment over IPv4 with `len` octets of payload, its checksum left to the device.
fn segment(len: usize) -> Packet {
    let tcp_len = 20 + len;
    let mut head = vec![0u8; 40];
    head[..10].copy_from_slice(&[0x45, 0, 0, 0, 0, 1, 0x40, 0, 64, 6]);
    head[2..4].copy_from_slice(&(20 + tcp_len as u16).to_be_bytes());
    head[12..20].copy_from_slice(&[10, 77, 0, 1, 10, 77, 0, 2]);
    let header_sum = wire::checksum(&head[..20]);
    head[10..12].copy_from_slice(&header_sum.to_be_bytes());
    head[20..24].copy_from_slice(&[0x30, 0x39, 0, 80]);
    head[32..36].copy_from_slice(&[0x50, 0x10, 0xff, 0xff]);
    let left_to_the_device = pseudo_sum(&head, tcp_len);
    head[36..38].copy_from_slice(&left_to_the_device.to_be_bytes());
    let body: Vec<u8> = (0..len).map(|index| (index % 251) as u8).collect();
    let checksum = ChecksumState::Partial { start: 20, offset: 16 };
    Packet {
        head: head.into(),
        body: body.into(),
        offload: Offload { checksum, gso_size: (len > 1460).then_some(1460) },
    }
}

fn pseudo_sum(ip: &[u8], tcp_len: usize) -> u16 {
    let mut pseudo_header = ip[12..20].to_vec();
    pseudo_header.extend([0, 6]);
    pseudo_header.extend((tcp_len as u16).to_be_bytes());
    !wire::checksum(&pseudo_header)
}

fn capture(packets: &[(Direction, u64, Packet)]) -> Vec<u8> {
    let mut file = Vec::new();
    let mut tap = Tap::new(&mut file).unwrap();
    let (first, second) = (tap.add_interface("nm0"), tap.add_interface("memory"));
    for (direction, micros, packet) in packets {
        let interface = if *direction == Direction::Inbound { first } else { second };
        tap.record(interface, *direction, Instant::from_micros(*micros), packet);
    }
    let counters = tap.finish().unwrap();
    assert_eq!(counters.written, packets.len() as u64);
    file
}

/// The interfaces' names and the packets of a capture.
fn read(file: &[u8]) -> (Vec<String>, Vec<EnhancedPacketBlock<'static>>) {
    let mut reader = PcapNgReader::new(file).unwrap();
    let (mut names, mut packets) = (Vec::new(), Vec::new());
    while let Some(block) = reader.next_block() {
        match block.unwrap().into_owned() {
            Block::InterfaceDescription(interface) => {
                assert_eq!((interface.linktype, interface.snaplen), (DataLink::RAW, 0));
                names.extend(interface.options.into_iter().filter_map(|option| match option {
                    InterfaceDescriptionOption::IfName(name) => Some(name.into_owned()),
                    _ => None,
                }));
            }
            Block::EnhancedPacket(packet) => packets.push(packet),
            other => panic!("unexpected {other:?}"),
        }
    }
    (names, packets)
}

#[test]
fn names_times_directions_and_octets_are_read_back() {
    let late = (1 << 40) + 5;
    let file = capture(&[
        (Direction::Inbound, 7, segment(0)),
        (Direction::Outbound, 1_000_001, segment(1)),
        (Direction::Inbound, late, segment(62_000)),
    ]);
    let (names, packets) = read(&file);
    assert_eq!(names, ["nm0", "memory"]);
    // The reader takes ticks for nanoseconds; ours are microseconds.
    let ticks: Vec<Duration> = packets.iter().map(|packet| packet.timestamp).collect();
    assert_eq!(ticks, [7, 1_000_001, late].map(Duration::from_nanos));
    let flags: Vec<_> = packets.iter().map(|packet| &packet.options[..]).collect();
    let (inbound, outbound) = ([EnhancedPacketOption::Flags(1)], [EnhancedPacketOption::Flags(2)]);
    assert_eq!(flags, [&inbound, &outbound, &inbound]);
    let lens: Vec<usize> = packets.iter().map(|packet| packet.data.len()).collect();
    assert_eq!(lens, [40, 41, 62_040]);
    assert_eq!(packets[2].original_len, 62_040);
    assert_eq!(packets[2].data[40..], segment(62_000).body[..]);
}

#[test]
fn partial_checksums_are_completed_in_the_copy_only() {
    let packet = segment(1001);
    let file = capture(&[(Direction::Outbound, 0, packet.clone())]);
    let data = &read(&file).1[0].data;
    let sum = u32::from(!wire::checksum(&data[20..])) + u32::from(pseudo_sum(data, 1021));
    assert_eq!((sum & 0xffff) + (sum >> 16), 0xffff);
    assert_eq!(packet.head[36..38], segment(1001).head[36..38]);
}

#[test]
fn a_place_of_a_checksum_outside_the_packet_does_no_harm() {
    let mut packet = segment(4);
    packet.offload.checksum = ChecksumState::Partial { start: 43, offset: 16 };
    let file = capture(&[(Direction::Inbound, 0, packet.clone())]);
    assert_eq!(read(&file).1[0].data[..], packet.to_vec());
}

/// Takes so many octets, then fails.
struct Full(usize);

impl Write for Full {
    fn write(&mut self, octets: &[u8]) -> io::Result<usize> {
        self.0 = self.0.checked_sub(octets.len()).ok_or(io::ErrorKind::StorageFull)?;
        Ok(octets.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn an_error_is_kept_and_what_is_lost_is_counted() {
    let mut tap = Tap::new(Full(1000)).unwrap();
    let interface = tap.add_interface("nm0");
    for _ in 0..10 {
        tap.record(interface, Direction::Inbound, Instant::ZERO, &segment(300));
    }
    assert_eq!(tap.counters(), TapCounters { written: 2, over_limit: 0, failed: 8 });
    assert_eq!(tap.finish().unwrap_err().kind(), io::ErrorKind::StorageFull);
}

#[test]
fn a_file_stays_below_its_limit() {
    let mut file = Vec::new();
    let mut tap = Tap::new(&mut file).unwrap().with_limit(1000);
    let interface = tap.add_interface("nm0");
    for _ in 0..10 {
        tap.record(interface, Direction::Inbound, Instant::ZERO, &segment(300));
    }
    tap.record(interface, Direction::Inbound, Instant::ZERO, &segment(0));
    let counters = tap.finish().unwrap();
    assert_eq!(counters, TapCounters { written: 3, over_limit: 8, failed: 0 });
    assert_eq!(read(&file).1.len(), 3);
}

#[test]
fn a_capture_that_is_dropped_is_flushed() {
    let path = std::env::temp_dir().join(format!("netmart-tap-{}.pcapng", std::process::id()));
    let mut tap = Tap::create(&path).unwrap();
    let interface = tap.add_interface("nm0");
    tap.record(interface, Direction::Inbound, Instant::ZERO, &segment(10));
    drop(tap);
    let file = std::fs::read(&path).unwrap();
    std::fs::remove_file(&path).unwrap();
    assert_eq!(read(&file).1.len(), 1);
}

#[test]
fn tshark_finds_every_checksum_good() {
    let path = std::env::temp_dir().join(format!("netmart-tshark-{}.pcapng", std::process::id()));
    let sizes = [0, 1, 1001, 1460, 62_000];
    let packets = sizes.map(|len| (Direction::Outbound, 1_500_000, segment(len)));
    std::fs::write(&path, capture(&packets)).unwrap();
    let tshark = Command::new("tshark")
        .args(["-o", "tcp.check_checksum:TRUE", "-o", "ip.check_checksum:TRUE", "-T", "fields"])
        .args(["-e", "frame.interface_name", "-e", "frame.time_epoch", "-e", "tcp.len"])
        .args([
            "-e",
            "ip.checksum.status",
            "-e",
            "tcp.checksum.status",
            "-e",
            "frame.packet_flags_direction",
        ])
        .arg("-r")
        .arg(&path)
        .output();
    std::fs::remove_file(&path).unwrap();
    let Ok(output) = tshark else {
        eprintln!("SKIPPED: tshark is not installed");
        return;
    };
    let found = String::from_utf8(output.stdout).unwrap();
    let expected: Vec<String> =
        sizes.iter().map(|len| format!("memory\t1.500000000\t{len}\t1\t1\t0x00000002")).collect();
    let lines: Vec<&str> = found.lines().collect();
    assert_eq!(lines, expected, "{}", String::from_utf8_lossy(&output.stderr));
}
