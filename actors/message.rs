//! Everything that is said on the bus of a stack, in the order in which a packet meets it.
//!
//! `docs/MESSAGES.md` lists who says each and who listens. The keys they are routed by stand in `keys`,
//! the reasons and abilities they carry in `content`; both are re-exported here.

use core::fmt::{self, Write};

use netmart_bus::Topic;

pub use crate::body::*;
pub use crate::content::*;
pub use crate::keys::*;

/// Makes a struct a topic: its name, the field that holds its key, and its line in a trace.
macro_rules! topic {
    ($type:ty, $name:literal, $key:ident: $key_type:ty, |$this:ident, $out:ident| $line:expr
     $(, when full: $when_full:expr)?) => {
        impl Topic for $type {
            type Key = $key_type;
            const NAME: &'static str = $name;
            $(const WHEN_FULL: WhenFull = $when_full;)?

            fn key(&self) -> &$key_type {
                &self.$key
            }

            fn summarize(&self, out: &mut dyn Write) -> fmt::Result {
                let ($this, $out) = (self, out);
                $line
            }
        }
    };
}

mod channel;
mod ip;
mod link;
mod port;
mod tcp;
mod udp;
mod wire;

pub use self::channel::*;
pub use self::ip::*;
pub use self::link::*;
pub use self::port::*;
pub use self::tcp::*;
pub use self::udp::*;
pub use self::wire::*;

/// Something was thrown away: anyone to ledger.
#[derive(Clone, Debug)]
pub struct Discard {
    /// Where and why.
    pub why: DiscardKey,
    /// How many packets, segments or datagrams.
    pub count: u32,
}

topic!(Discard, "discard", why: DiscardKey, |this, out| write!(out, "{}", this.count));
