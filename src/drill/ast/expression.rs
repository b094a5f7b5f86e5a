//! Arguments and results of system calls.

use std::fmt;
use std::net::IpAddr;

/// A value as a script writes it.
#[derive(Clone, Debug, PartialEq)]
pub enum Expression {
    /// `...`: anything, or the usual.
    Ellipsis,
    /// `-1`, `4096`, `0x02`.
    Integer(i64),
    /// `0.5`.
    Float(f64),
    /// `"cubic"`, with its escapes resolved. Strings that follow one another are one.
    Bytes(Vec<u8>),
    /// `"abc"...`: octets that begin so.
    BytesPrefix(Vec<u8>),
    /// `SO_REUSEADDR`.
    Symbol(String),
    /// `NULL`.
    Null,
    /// `O_RDWR | O_NONBLOCK`.
    Or(Box<Expression>, Box<Expression>),
    /// `NAME=4`, where a list has a value by name.
    Assign(String, Box<Expression>),
    /// `[1]`, `[{…}, {…}]`.
    List(Vec<Expression>),
    /// `{onoff=1, linger=0}`: fields by name, in order. A field may have an argument:
    /// `msg_name(...)=...` is a field `msg_name` whose value alone is kept.
    Struct(Vec<(String, Expression)>),
    /// `{1, 2}`: braces around values without names.
    Tuple(Vec<Expression>),
    /// `{..., 1000}`, `{iov_base=..., iov_len=1000}`: a buffer of so many octets, or in `{"abc", 3}` of these.
    Iovec(Iovec),
    /// `htons(8080)`: the number in host order.
    Port(u16),
    /// `inet_addr("192.0.2.1")`, `inet6_addr("::1")`, or an address without quotes.
    Address(IpAddr),
    /// `name(arguments)` where a value stands: a function whose meaning is the runner's matter.
    Call(String, Vec<Expression>),
}

/// One piece of a message.
#[derive(Clone, Debug, PartialEq)]
pub struct Iovec {
    /// `...`, or octets.
    pub base: Box<Expression>,
    /// How many octets.
    pub len: Box<Expression>,
}

impl Expression {
    /// The integer it is, if it is one.
    pub fn as_integer(&self) -> Option<i64> {
        match self {
            Self::Integer(value) => Some(*value),
            Self::Port(port) => Some(i64::from(*port)),
            _ => None,
        }
    }

    /// The symbol it is, if it is one.
    pub fn as_symbol(&self) -> Option<&str> {
        match self {
            Self::Symbol(name) => Some(name),
            _ => None,
        }
    }

    /// Whether it is `...`.
    pub fn is_ellipsis(&self) -> bool {
        matches!(self, Self::Ellipsis)
    }

    /// The symbols and numbers of `A | B | C`, in order; itself if it is no such thing.
    pub fn alternatives(&self) -> Vec<&Self> {
        match self {
            Self::Or(left, right) => {
                let mut all = left.alternatives();
                all.extend(right.alternatives());
                all
            }
            other => vec![other],
        }
    }

    /// The field `name` of a structure.
    pub fn field(&self, name: &str) -> Option<&Self> {
        match self {
            Self::Struct(fields) => {
                fields.iter().find(|(field, _)| field == name).map(|(_, value)| value)
            }
            _ => None,
        }
    }
}

/// Writes the value as a script would.
impl fmt::Display for Expression {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ellipsis => f.write_str("..."),
            Self::Integer(value) => write!(f, "{value}"),
            Self::Float(value) => write!(f, "{value}"),
            Self::Bytes(octets) => write!(f, "\"{}\"", octets.escape_ascii()),
            Self::BytesPrefix(octets) => write!(f, "\"{}\"...", octets.escape_ascii()),
            Self::Symbol(name) => f.write_str(name),
            Self::Null => f.write_str("NULL"),
            Self::Or(left, right) => write!(f, "{left} | {right}"),
            Self::Assign(name, value) => write!(f, "{name}={value}"),
            Self::List(items) => bracketed(f, '[', items, ']'),
            Self::Tuple(items) => bracketed(f, '{', items, '}'),
            Self::Struct(fields) => {
                f.write_str("{")?;
                for (number, (name, value)) in fields.iter().enumerate() {
                    write!(f, "{}{name}={value}", if number == 0 { "" } else { ", " })?;
                }
                f.write_str("}")
            }
            Self::Iovec(Iovec { base, len }) => write!(f, "{{{base}, {len}}}"),
            Self::Port(port) => write!(f, "htons({port})"),
            Self::Address(address @ IpAddr::V4(_)) => write!(f, "inet_addr(\"{address}\")"),
            Self::Address(address) => write!(f, "inet6_addr(\"{address}\")"),
            Self::Call(name, arguments) => {
                f.write_str(name)?;
                bracketed(f, '(', arguments, ')')
            }
        }
    }
}

fn bracketed(
    f: &mut fmt::Formatter<'_>,
    open: char,
    items: &[Expression],
    close: char,
) -> fmt::Result {
    write!(f, "{open}")?;
    for (number, item) in items.iter().enumerate() {
        write!(f, "{}{item}", if number == 0 { "" } else { ", " })?;
    }
    write!(f, "{close}")
}
