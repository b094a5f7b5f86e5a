//! Connections over wires between two whole stacks, by declared interest only: virtual time, nothing lost
//! unless a test says so.

#[path = "../common/mod.rs"]
mod common;

mod apps;
mod crash;
mod ends;
mod limits;
mod seats;
mod trace;
mod transfer;
mod weather;
