//! Link, ip and udp on a dataspace of their own, in virtual time, with probes on both sides.

#![allow(unreachable_pub)]

mod bench;
mod icmp;
mod link;
mod receive;
mod send;
mod udp;
