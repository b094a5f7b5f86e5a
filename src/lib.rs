//! netmart: an actor-native network stack.
//!
//! An application reaches a stack by one of three faces, all users of the same channels: as an actor on
//! its bus ([`actors::end`], [`actors::serve`]), as an actix actor that holds a [`claim`], or by the
//! sockets of [`net`]. The stack runs on a thread ([`stack`]) or in virtual time ([`sim`]), the same
//! code in both. The README has a first program, `examples/` the next ones, `docs/ARCHITECTURE.md` the
//! whole.
//!
//! | module | its subject |
//! |---|---|
//! | [`stack`] | stacks that run on an actix arbiter |
//! | [`net`] | sockets with tokio's names and behaviour |
//! | [`wires`] | the reliable protocols in UDP datagrams, each as its original offers it |
//! | [`claim`] | connections for actix actors |
//! | [`sim`] | stacks in a simulation with a virtual clock |
//! | [`mod@bench`] | bulk transfers in a simulation, measured |
//! | `drill` | packetdrill scripts, run against a stack in virtual time (feature `cli`) |
//! | [`sockets`] | UDP by sockets of the operating system |
//! | [`link`] | devices, and captures of what they carry |
//! | [`trace`] | files of everything that happened on a bus, and how to read them |
//! | [`bus`] | the dataspace: topics, interests, routing, turns, timers |
//! | [`actors`] | the cast of a stack, and everything that is said on its bus |
//! | [`proto`] | wire formats and protocol machines, sans-IO |

mod addresses;
pub mod bench;
pub mod claim;
#[cfg(feature = "cli")]
pub mod drill;
pub mod link;
pub mod net;
pub mod sim;
pub mod sockets;
pub mod stack;
pub mod trace;
pub mod wires;

pub use netmart_actors as actors;
pub use netmart_actors::config::Config;
pub use netmart_bus as bus;
pub use netmart_proto as proto;

/// The README's program is compiled and run like any other example in the documentation.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;

/// So is what the page on testing shows.
#[cfg(doctest)]
#[doc = include_str!("../docs/TESTING.md")]
struct Testing;
