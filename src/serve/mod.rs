//! The services of `netmart up`.
//!
//! | module | who serves |
//! |---|---|
//! | [`echo`], [`chargen`], [`chat`] | an actor on the bus per connection, under [`netmart::actors::serve`] |
//! | [`udp_echo`] | one actor on the bus |
//! | [`discard`], [`http`] | a task per connection, on streams as tokio has them, kept by [`tasks`] |
//!
//! [`herald`] tells when all of it can be reached, [`sentinel`] when none of it can any more.

pub(crate) mod chargen;
pub(crate) mod chat;
pub(crate) mod discard;
pub(crate) mod echo;
pub(crate) mod herald;
pub(crate) mod http;
pub(crate) mod sentinel;
pub(crate) mod tasks;
#[cfg(test)]
mod testing;
pub(crate) mod udp_echo;
