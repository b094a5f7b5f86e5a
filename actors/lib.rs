//! The cast of netmart: the actors that make up a network stack; messages in, messages out, no runtime
//! and no clock.
//!
//! | module | its one job |
//! |---|---|
//! | [`message`] | everything that is said on the bus |
//! | [`address`] | the ends of a channel |
//! | [`link`] | edge to a device: packets in and out |
//! | [`ip`] | addresses, routes, fragments, echo, ICMP errors |
//! | [`udp`] | UDP datagrams to and from whoever bound a port |
//! | [`codec`] | datagrams to and from typed segments; new connections, stray segments |
//! | [`ports`] | hands out ports |
//! | [`listener`] | demand matcher: who wants a listener gets one |
//! | [`dialer`] | demand matcher: who wants a remote end gets a connection |
//! | [`state_vector`] | one per connection: drives the TCP machine |
//! | [`wires`] | the same for connections in UDP datagrams: a codec per wire, a session per connection |
//! | [`secrets`] | what nobody outside can guess |
//! | [`relay`] | one per connection: bridges user-level and kernel-level channel |
//! | [`end`] | what users of a channel share |
//! | [`serve`] | a listener whose every connection gets an actor |
//! | [`ledger`] | counts what was thrown away |
//! | [`supervisor`] | starts again who of these has crashed |
//! | [`cast`] | all of them, put on a dataspace |

pub mod address;
mod body;
mod borders;
pub mod cast;
mod census;
mod channel;
pub mod clock;
pub mod codec;
pub mod config;
mod content;
pub mod dialer;
mod doors;
pub mod end;
mod fast_open;
pub mod ip;
mod keys;
pub mod ledger;
pub mod link;
pub mod listener;
mod lives;
pub mod message;
mod packets;
pub mod ports;
pub mod relay;
pub mod route;
pub mod secrets;
pub mod serve;
pub mod state_vector;
mod summary;
pub mod supervisor;
mod terms;
pub mod udp;
pub mod wires;
