//! Tests of the machine, one file per question.
//!
//! Most read like a packet trace (`script`); whole transfers run between two machines (`pair`).

mod acceptance;
mod close;
mod cookie;
mod ecn;
mod fast_open;
mod handshake;
mod icmp;
mod injection;
mod pair;
mod path;
mod prediction;
mod rack;
mod random;
mod receiving;
mod recovery;
mod requirements;
mod script;
mod sending;
mod timers;
mod transfer;
mod undo;
mod urgent;
