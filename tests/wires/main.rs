//! The wires over whole stacks: everything between two applications and two links, in virtual time, and a part of it
//! over the sockets of the system.
//!
//! ```sh
//! # All contents of all sizes in any weather, and ten megabytes over each wire (one over sockettcp).
//! NETMART_WIRES=all cargo test --release --test wires -- --nocapture
//! # More datagrams that were tampered with: so many for each wire.
//! NETMART_WIRE_MUTANTS=200000 cargo test --release --test wires -- --nocapture tampered
//! ```

mod apps;
mod content;
mod crowd;
mod forge;
#[path = "../../proto/wires/tests/content.rs"]
mod octets;
#[path = "../common/scribe.rs"]
mod scribe;
mod sockets;
mod tampered;
mod transfer;
mod two;

/// Whether more is wanted than what is enough for every day.
fn is_thorough() -> bool {
    std::env::var("NETMART_WIRES").is_ok_and(|wanted| wanted == "all")
}
