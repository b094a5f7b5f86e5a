//! What a script says.
//!
//! The types keep the script's own numbers: sequence numbers relative to the initial ones, timestamps as
//! they were written. Mapping them to those of a connection is the matter of whoever runs the script.

mod expression;
mod packet;

use std::fmt;
use std::time::Duration;

pub use expression::{Expression, Iovec};
pub use packet::{
    Ack, Direction, EcnMark, Encapsulation, Extent, FlagPattern, IcmpKind, IcmpPacket, IpInfo,
    Number, Packet, PacketBody, Quoted, TcpOption, TcpOptions, TcpPacket, UdpPacket,
};

/// A whole script, with what the preprocessor left out already gone.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Script {
    /// `--name=value` lines, in order.
    pub options: Vec<ScriptOption>,
    /// The command in front of all events, which has no time: Linux's scripts set defaults with it.
    pub init: Option<Command>,
    /// What happens, in order.
    pub events: Vec<Event>,
    /// The command behind all events, which has no time and is run whatever became of the script.
    pub cleanup: Option<Command>,
}

impl Script {
    /// The value of the last option `name`, without the dashes. A flag that has no value gives `""`.
    pub fn option(&self, name: &str) -> Option<&str> {
        let option = self.options.iter().rev().find(|option| option.name == name)?;
        Some(option.value.as_deref().unwrap_or_default())
    }
}

/// Where something stands in a script. Both count from 1.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Position {
    /// The line.
    pub line: u32,
    /// The column, in characters.
    pub column: u32,
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.line, self.column)
    }
}

/// `--name=value`, or `--name`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ScriptOption {
    /// Where it begins.
    pub at: Position,
    /// The name without its dashes.
    pub name: String,
    /// What follows the equals sign, without quotes.
    pub value: Option<String>,
}

/// A shell command, as it stands between backticks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Command {
    /// Where the opening backtick is.
    pub at: Position,
    /// The text; it may have several lines.
    pub text: String,
}

/// Something that happens at a time.
#[derive(Clone, Debug, PartialEq)]
pub struct Event {
    /// Where its time stands.
    pub at: Position,
    /// When it happens.
    pub time: When,
    /// What happens.
    pub action: Action,
}

/// When an event happens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum When {
    /// `1.5`: so long after the script began.
    Absolute(Duration),
    /// `+0.1`: so long after the event before it.
    Relative(Duration),
    /// `*`: at any time. Outbound packets only.
    Any,
    /// `1.0~1.2`: between the two, counted from the beginning of the script. Outbound packets only.
    AbsoluteRange(Duration, Duration),
    /// `+0.1~+0.2`: between the two, counted from the event before it. Outbound packets only.
    RelativeRange(Duration, Duration),
}

/// What happens.
#[derive(Clone, Debug, PartialEq)]
pub enum Action {
    /// A packet comes in, or must go out.
    Packet(Packet),
    /// The program calls the system.
    Syscall(Syscall),
    /// A shell command that stands for configuration or for an assertion.
    Command(Command),
    /// `%{ … }%`: Python, of which the suites use assertions about `TCP_INFO`.
    Code(Code),
}

/// The text between `%{` and `}%`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Code {
    /// Where the text begins, blanks in front of it left out.
    pub at: Position,
    /// The text, without blanks around it.
    pub text: String,
}

/// A system call, and what must come of it.
#[derive(Clone, Debug, PartialEq)]
pub struct Syscall {
    /// Where its name stands.
    pub at: Position,
    /// `...0.3`: the call blocks, and must return at this time. It counts as the event's own time does:
    /// from the beginning of the script, or of the event before.
    pub end: Option<Duration>,
    /// The name: `socket`, `connect`, …
    pub name: String,
    /// What it is called with.
    pub arguments: Vec<Expression>,
    /// What it must return.
    pub result: Expression,
    /// `EAGAIN`: the error it must fail with.
    pub errno: Option<String>,
    /// The words in parentheses behind the result: `flags O_RDWR`. They mean nothing.
    pub note: Option<String>,
}
