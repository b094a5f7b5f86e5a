//! `netmart send` and `netmart recv`, as processes on the loopback interface.

#![cfg(feature = "cli")]
#![allow(unreachable_pub, reason = "modules of a test have no outside")]

mod harness;
mod outputs;
mod scripted;
mod statistics;
mod statuses;
mod transfers;
