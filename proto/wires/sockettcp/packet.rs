//! The segment: four header fields in text, and data.

use core::fmt::{self, Write};

use bytes::{Buf, Bytes, BytesMut};

use super::super::{Codec, Fault};

/// What stands between the fields.
pub(super) const SEPARATOR: &[u8] = b"|||";

/// A segment. Its header is `SYN|||ACK|||FIN|||SEQ|||`, the rest is data.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SockettcpPacket {
    /// It opens a connection.
    pub syn: bool,
    /// Its number is the next one that its sender wants.
    pub ack: bool,
    /// Its sender has no more data.
    pub fin: bool,
    /// The number.
    pub seq: u64,
    /// How many digits the number has where some peer pads it with zeros; 0 for as many as it needs.
    pub digits: u16,
    /// The data; senders keep to [`MOST_DATA`] octets.
    pub data: Bytes,
}

/// Octets of data in a segment, at most.
pub const MOST_DATA: usize = 16;

impl SockettcpPacket {
    /// Opens a connection.
    pub fn syn(seq: u64) -> Self {
        Self { syn: true, seq, ..Self::default() }
    }

    /// Answers that.
    pub fn syn_ack(seq: u64) -> Self {
        Self { syn: true, ack: true, seq, ..Self::default() }
    }

    /// Acknowledges all before `seq`.
    pub fn ack(seq: u64) -> Self {
        Self { ack: true, seq, ..Self::default() }
    }

    /// Carries data, or the length of what follows.
    pub fn data(seq: u64, data: Bytes) -> Self {
        Self { seq, data, ..Self::default() }
    }

    /// Closes.
    pub fn fin(seq: u64) -> Self {
        Self { fin: true, seq, ..Self::default() }
    }

    /// Answers that.
    pub fn fin_ack(seq: u64) -> Self {
        Self { ack: true, fin: true, seq, ..Self::default() }
    }
}

impl Codec for SockettcpPacket {
    fn parse(mut datagram: Bytes) -> Result<Self, Fault> {
        let syn = flag(&mut datagram)?;
        let ack = flag(&mut datagram)?;
        let fin = flag(&mut datagram)?;
        let (seq, digits) = number(&mut datagram)?;
        Ok(Self { syn, ack, fin, seq, digits, data: datagram })
    }

    fn emit(&self, into: &mut BytesMut) {
        for flag in [self.syn, self.ack, self.fin] {
            into.extend_from_slice(if flag { b"1" } else { b"0" });
            into.extend_from_slice(SEPARATOR);
        }
        let width = usize::from(self.digits);
        into.extend_from_slice(format!("{:0width$}", self.seq).as_bytes());
        into.extend_from_slice(SEPARATOR);
        into.extend_from_slice(&self.data);
    }

    fn summarize(&self, out: &mut dyn Write) -> fmt::Result {
        for (is_set, name) in [(self.syn, "SYN "), (self.ack, "ACK "), (self.fin, "FIN ")] {
            out.write_str(if is_set { name } else { "" })?;
        }
        write!(out, "seq {} length {}", self.seq, self.data.len())
    }
}

fn flag(rest: &mut Bytes) -> Result<bool, Fault> {
    let flag = match rest.first() {
        None => return Err(Fault::Truncated),
        Some(b'0') => false,
        Some(b'1') => true,
        Some(_) => return Err(Fault::BadFlags),
    };
    rest.advance(1);
    separator(rest)?;
    Ok(flag)
}

fn separator(rest: &mut Bytes) -> Result<(), Fault> {
    if rest.starts_with(SEPARATOR) {
        rest.advance(SEPARATOR.len());
        return Ok(());
    }
    Err(if SEPARATOR.starts_with(rest) { Fault::Truncated } else { Fault::BadSeparator })
}

/// The number, and its digits if there are more of them than it needs.
fn number(rest: &mut Bytes) -> Result<(u64, u16), Fault> {
    let len = rest.iter().take_while(|octet| octet.is_ascii_digit()).count();
    let digits = rest.split_to(len);
    separator(rest)?;
    let value = decimal(&digits).ok_or(Fault::BadNumber)?;
    let padded = len > 1 && digits[0] == b'0';
    let width = u16::try_from(len).map_err(|_| Fault::BadNumber)?;
    Ok((value, if padded { width } else { 0 }))
}

/// A decimal number without a sign.
pub(super) fn decimal(digits: &[u8]) -> Option<u64> {
    if digits.is_empty() {
        return None;
    }
    digits.iter().try_fold(0u64, |value, digit| {
        let digit = char::from(*digit).to_digit(10)?;
        value.checked_mul(10)?.checked_add(digit.into())
    })
}
