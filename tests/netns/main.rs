//! The kernel's TCP, and programs that everybody has, as the peers of `netmart up` and `netmart get`, each
//! test in a network namespace of its own.
//!
//! This takes root and a few programs; where they are missing, tests say so and are skipped. Transfers
//! are small unless `NETMART_TEST_MIB` says how large: `NETMART_TEST_MIB=1024 cargo test --release --test netns`.

#![allow(unreachable_pub, reason = "modules of a test have no outside")]

mod exchange;
mod grid;
mod harness;
mod refusals;
mod services;
mod transfers;
