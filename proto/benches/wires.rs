//! Throughput of the wires in datagrams: two sessions back to back, every datagram written and read.

use std::net::SocketAddr;

use bytes::{Bytes, BytesMut};
use divan::Bencher;
use divan::counter::BytesCount;
use netmart_proto::Instant;
use netmart_proto::wires::{
    Borders, Chunk, Codec, Config, Wire, WriteError, cs488, faketcp, quiq, sockettcp,
};

fn main() {
    divan::main();
}

const CLIENT: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 1);
const SERVER: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 2);

/// Octets of a transfer.
const TOTAL: usize = 4 << 20;

#[divan::bench]
fn faketcp(bencher: Bencher<'_, '_>) {
    transfer::<faketcp::Session>(bencher);
}

#[divan::bench]
fn cs488(bencher: Bencher<'_, '_>) {
    transfer::<cs488::Session>(bencher);
}

#[divan::bench]
fn sockettcp(bencher: Bencher<'_, '_>) {
    transfer::<sockettcp::Session>(bencher);
}

#[divan::bench]
fn quiq(bencher: Bencher<'_, '_>) {
    transfer::<quiq::Session>(bencher);
}

fn transfer<W: Wire>(bencher: Bencher<'_, '_>) {
    let data = Bytes::from(vec![7; TOTAL]);
    bencher.counter(BytesCount::new(TOTAL)).bench_local(|| run::<W>(&data));
}

fn run<W: Wire>(data: &Bytes) {
    let config = Config { chunk: Some(14_900), ..Config::default() };
    let mut now = Instant::ZERO;
    let mut client = W::connect(&config, SERVER, 3, now);
    let mut server: Option<W> = None;
    let mut rest = data.clone();
    let mut received = 0;
    let mut octets = BytesMut::new();
    while received < TOTAL {
        // A microsecond each way keeps round trips from being nothing.
        now += std::time::Duration::from_micros(1);
        write(&mut client, &mut rest, now);
        while let Some(transmit) = client.poll_transmit(now) {
            transmit.packet.emit(&mut octets);
            let packet = W::Packet::parse(octets.split().freeze()).expect("a packet");
            match &mut server {
                Some(server) => drop(server.handle_packet(packet, CLIENT, now)),
                None => server = W::accept(&config, &packet, CLIENT, 5, now),
            }
        }
        let Some(server) = &mut server else { continue };
        while let Some(chunk) = server.read() {
            received += chunk.data.len();
        }
        while let Some(transmit) = server.poll_transmit(now) {
            transmit.packet.emit(&mut octets);
            let packet = W::Packet::parse(octets.split().freeze()).expect("a packet");
            client.handle_packet(packet, SERVER, now);
        }
    }
}

fn write<W: Wire>(client: &mut W, rest: &mut Bytes, now: Instant) {
    let most = match W::PROFILE.borders {
        Borders::Datagram(most) => most,
        _ => 256 * 1024,
    };
    while !rest.is_empty() {
        let data = rest.slice(..rest.len().min(most));
        let len = data.len();
        match client.write(Chunk { stream: 1, data, end: len == rest.len() }, now) {
            Ok(()) => drop(rest.split_to(len)),
            Err(WriteError::Full) => return,
            Err(error) => panic!("{error}"),
        }
    }
}
