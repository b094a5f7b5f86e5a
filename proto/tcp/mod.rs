//! The state vector: a TCP connection as a machine without I/O (RFC 9293).
//!
//! | file | question |
//! |---|---|
//! | `acceptance` | is this segment acceptable |
//! | `input`, `handshake` | what state comes next |
//! | `challenge` | may I answer who may be guessing |
//! | `fast_open` | may data travel with a SYN |
//! | `cookie` | must I remember who asked |
//! | `ack`, `scoreboard` | what has arrived, what is lost |
//! | `gain`, `rack`, `tail` | when does silence mean loss |
//! | `recovery`, `prr`, `undo` | how is a loss repaired, and what if there was none |
//! | `congestion` | how fast may I send |
//! | `ecn` | what do routers say |
//! | `delivery` | how fast does it arrive |
//! | `output`, `pacing` | what do I send next, and when |
//! | `path` | how large may a segment be |
//! | `deadline`, `timer`, `rtt` | when do I come back, and why |
//! | `urgent` | how far is it urgent |
//! | `reassembly`, `receive_buffer` | what do I tell the application |
//! | `application`, `event` | what may the application ask, what does it hear |
//! | `icmp` | what does the network say |
//!
//! See [`StateVector`] for the contract.

mod acceptance;
mod ack;
mod application;
mod challenge;
mod config;
mod congestion;
mod cookie;
mod deadline;
mod delivery;
mod ecn;
mod event;
mod fast_open;
mod gain;
mod handshake;
mod icmp;
mod info;
mod input;
mod isn;
mod output;
mod pacing;
mod path;
mod prr;
mod rack;
mod reassembly;
mod receive_buffer;
mod recovery;
mod rtt;
mod scoreboard;
mod send_buffer;
mod state;
mod tail;
#[cfg(test)]
mod tests;
mod timer;
mod undo;
mod urgent;
mod vector;

pub use acceptance::reset_for;
pub use challenge::ChallengeBudget;
pub use config::{Bbr, Config, CongestionControl, IcmpRefusal, KeepAlive, MtuProbing};
pub use cookie::{Ends, SynCookies};
pub use ecn::EcnPolicy;
pub use event::{Event, IcmpError, IcmpKind, Reason, Retransmission, Transmit, Trouble};
pub use fast_open::{FastOpenKey, FastOpenNews};
pub use info::{Agreed, Counters, Info, LimitedBy, LimitedTimes, Resent};
pub use isn::IsnGenerator;
pub use state::State;
pub use timer::TimerKind;
pub use vector::StateVector;
