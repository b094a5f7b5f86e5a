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

pub mod ast;
pub mod code;
pub mod conversation;
pub mod error;
mod icmp_names;
pub mod inbound;
mod lexer;
pub mod matching;
mod notation;
mod options;
pub mod parser;
pub mod report;
pub mod rules;
pub mod seen;
