//! What it costs to read and to write the packets that TCP is made of, checksums left out.
//!
//! `cargo bench -p netmart-proto --bench wire`

use bytes::{Bytes, BytesMut};
use divan::{Bencher, black_box};
use netmart_proto::wire::tcp::{self, Flags, Options, PortedSegment, Segment, Timestamps};
use netmart_proto::wire::{ChecksumMode, ChecksumState, IpHeader, Packet, Protocol, parse_ip};

/// Payloads of an ACK and of a full segment.
const PAYLOADS: [usize; 2] = [0, 1448];

fn main() {
    divan::main();
}

fn header() -> IpHeader {
    IpHeader::new([192, 0, 2, 1].into(), [192, 0, 2, 2].into(), Protocol::TCP)
}

fn segment(payload: Bytes) -> PortedSegment {
    PortedSegment {
        src_port: 80,
        dst_port: 50_000,
        segment: Segment {
            flags: Flags::ACK,
            window: 1000,
            options: Options {
                timestamps: Some(Timestamps { value: 1, echo: 2 }),
                ..Options::default()
            },
            payload,
            ..Segment::default()
        },
    }
}

fn packet(payload: usize) -> Packet {
    let payload = Bytes::from(vec![0x5a; payload]);
    let packet =
        tcp::emit(&mut BytesMut::new(), &header(), segment(payload), None, ChecksumMode::Full)
            .expect("it is short enough");
    Packet::from(packet.to_vec())
}

#[divan::bench(args = PAYLOADS)]
fn parse(bencher: Bencher<'_, '_>, payload: usize) {
    let mut packet = packet(payload);
    packet.offload.checksum = ChecksumState::Verified;
    bencher.with_inputs(|| packet.clone()).bench_values(|packet| {
        let parsed = parse_ip(&packet).expect("it is well formed");
        tcp::parse(&parsed.header, packet.narrow(parsed.payload))
    });
}

#[divan::bench(args = PAYLOADS)]
fn parse_and_verify(bencher: Bencher<'_, '_>, payload: usize) {
    let packet = packet(payload);
    bencher.with_inputs(|| packet.clone()).bench_values(|packet| {
        let parsed = parse_ip(&packet).expect("it is well formed");
        tcp::parse(&parsed.header, packet.narrow(parsed.payload))
    });
}

#[divan::bench(args = PAYLOADS)]
fn emit_partial(bencher: Bencher<'_, '_>, payload: usize) {
    bench_emit(bencher, payload, ChecksumMode::Partial);
}

#[divan::bench(args = PAYLOADS)]
fn emit_full(bencher: Bencher<'_, '_>, payload: usize) {
    bench_emit(bencher, payload, ChecksumMode::Full);
}

fn bench_emit(bencher: Bencher<'_, '_>, payload: usize, mode: ChecksumMode) {
    let header = header();
    let segment = segment(vec![0x5a; payload].into());
    let mut arena = BytesMut::new();
    bencher.with_inputs(|| segment.clone()).bench_local_values(|segment| {
        if arena.capacity() < 256 {
            arena = BytesMut::with_capacity(16 * 1024);
        }
        tcp::emit(&mut arena, black_box(&header), segment, None, mode)
    });
}
