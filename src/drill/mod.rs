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
//! | [`code`] | assertions between `%{` and `}%` |
//! | [`conversation`] | the numbers of a script and those of the wire |
//! | [`inbound`] | packets that a script sends, as octets |
//! | [`seen`] | packets that a stack has sent |
//! | [`matching`] | whether these are what the script expects |
//! | [`rules`] | how exactly |
//! | [`report`] | what came of a script, for people and for programs |
//! | [`runner`] | runs a script: the clock, and the order of events |
//! | [`suite`] | many scripts |
//!
//! Below these, the script's program and the stack under it: `process` makes system calls on the bus,
//! `ear` has its actors there, `world` is stack, wire and clock, `settings` and `command` are what shell
//! commands of scripts mean, `story` remembers what led to a packet.

pub mod ast;
pub mod code;
mod command;
pub mod conversation;
mod ear;
pub mod error;
mod icmp_names;
pub mod inbound;
mod lexer;
pub mod matching;
mod notation;
mod options;
pub mod parser;
mod process;
pub mod report;
pub mod rules;
pub mod runner;
pub mod seen;
mod settings;
mod story;
pub mod suite;
mod world;
