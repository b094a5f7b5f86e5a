//! Packetdrill scripts: what they say, and whether a stack does it.
//!
//! A script is a list of events: packets that the wire delivers, packets that the stack must send, system
//! calls of a simulated program, commands, and assertions about a connection. [`parser::parse`] reads one, in
//! the dialect of either public suite (FreeBSD's and Google's).
//!
//! | module | its subject |
//! |---|---|
//! | [`ast`] | what a script says |
//! | [`parser`] | from text to script |
//! | [`error`] | what is wrong with the text |

pub mod ast;
pub mod error;
mod icmp_names;
mod lexer;
pub mod parser;
