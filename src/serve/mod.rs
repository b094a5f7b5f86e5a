//! The services of `netmart up`.
//!
//! | module | who serves |
//! |---|---|
//! | [`echo`], [`chargen`], [`chat`] | an actor on the bus per connection, behind a [`door`] |
//! | [`udp_echo`] | one actor on the bus |
//! | [`discard`], [`http`] | a task per connection, on streams as tokio has them, kept by [`tasks`] |
//!
//! [`herald`] tells when all of it can be reached.

pub(crate) mod chargen;
pub(crate) mod chat;
pub(crate) mod discard;
mod door;
pub(crate) mod echo;
pub(crate) mod herald;
pub(crate) mod http;
pub(crate) mod tasks;
#[cfg(test)]
mod testing;
pub(crate) mod udp_echo;
