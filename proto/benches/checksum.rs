//! The checksum beside that of the `internet-checksum` crate (Fuchsia's).
//!
//! `cargo bench -p netmart-proto --bench checksum`

use divan::{Bencher, black_box, counter::BytesCount};

/// Lengths of an ACK's TCP header, of a full segment, and of a super-segment.
const LENGTHS: [usize; 3] = [32, 1480, 65_000];

fn main() {
    divan::main();
}

fn octets(len: usize) -> Vec<u8> {
    (0..len).map(|i| (i.wrapping_mul(167) ^ (i >> 3)) as u8).collect()
}

#[divan::bench(args = LENGTHS)]
fn netmart(bencher: Bencher<'_, '_>, len: usize) {
    let octets = octets(len);
    bencher
        .counter(BytesCount::new(len))
        .bench(|| netmart_proto::wire::checksum(black_box(&octets)));
}

#[divan::bench(args = LENGTHS)]
fn internet_checksum(bencher: Bencher<'_, '_>, len: usize) {
    let octets = octets(len);
    bencher.counter(BytesCount::new(len)).bench(|| internet_checksum::checksum(black_box(&octets)));
}
