//! An address of the loopback network that no other test uses.

use std::net::Ipv4Addr;
use std::sync::atomic::{AtomicU32, Ordering};

/// The kernel answers to all of 127.0.0.0/8. At an address of its own a test can free a port and find nobody
/// there, or take it again: whoever binds or dials meanwhile does so elsewhere.
pub(crate) fn own_address() -> Ipv4Addr {
    static NEXT: AtomicU32 = AtomicU32::new(1);
    let [.., high, low] = std::process::id().to_be_bytes();
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    let number = u8::try_from(number).expect("a test program has fewer than 256 tests");
    // Not 127.0, where everybody else is.
    Ipv4Addr::new(127, high | 0x80, low, number)
}
