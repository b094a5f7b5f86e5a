//! Packetdrill scripts: what they say, and whether a stack does it.
//!
//! A script is a list of events: packets that the wire delivers, packets that the stack must send, system
//! calls of a simulated program, commands, and assertions about a connection.
//!
//! | module | its subject |
//! |---|---|
//! | [`ast`] | what a script says |

pub mod ast;
