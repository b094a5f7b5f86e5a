//! read, write and their kin.

use bytes::Bytes;

use super::stream::Phase;
use super::{
    Call, CallError, Descriptor, Expression, Flavour, Outcome, Process, Role, Syscall, has, number,
};

/// What a call says of the octets to move.
struct Buffer {
    /// How many.
    len: usize,
    /// Those that the script writes out, or expects.
    octets: Vec<u8>,
    flags: i64,
}

/// The most that one call moves: a script that asks for more is wrong.
const MOST: i64 = 1 << 30;

/// The most octets that a call that dials may leave to the stack (see [`Terms`](netmart_actors::message::Terms)).
const MOST_FIRST: usize = 128 * 1024;

impl Process {
    /// The buffer of a call, whatever its form.
    fn buffer(&self, call: &Syscall) -> Result<Buffer, CallError> {
        let flavour = self.flavour();
        let argument = |index: usize| call.arguments.get(index);
        let flags = |index: usize| argument(index).map_or(Ok(0), |value| number(value, flavour));
        match call.name.as_str() {
            "readv" | "writev" => self.vector(argument(1), 0),
            "recvmsg" | "sendmsg" => {
                let vector = argument(1).and_then(|message| message.field("msg_iov"));
                self.vector(vector, flags(2)?)
            }
            "read" | "write" => {
                let len = argument(2).map_or(Ok(0), |len| number(len, flavour))?;
                self.plain(argument(1), len, 0)
            }
            _ => {
                let len = argument(2).map_or(Ok(0), |len| number(len, flavour))?;
                self.plain(argument(1), len, flags(3)?)
            }
        }
    }

    fn plain(&self, base: Option<&Expression>, len: i64, flags: i64) -> Result<Buffer, CallError> {
        let octets = match base {
            Some(Expression::Bytes(octets) | Expression::BytesPrefix(octets)) => octets.clone(),
            _ => Vec::new(),
        };
        if !(0..=MOST).contains(&len) {
            return Err(CallError::bad(format!("{len} octets are no buffer")));
        }
        Ok(Buffer { len: len as usize, octets, flags })
    }

    fn vector(&self, vector: Option<&Expression>, flags: i64) -> Result<Buffer, CallError> {
        let Some(Expression::List(pieces)) = vector else {
            return Err(CallError::bad("a list of buffers is missing"));
        };
        let mut all = Buffer { len: 0, octets: Vec::new(), flags };
        for piece in pieces {
            let Expression::Iovec(piece) = piece else {
                return Err(CallError::bad(format!("{piece} is no buffer")));
            };
            let len = number(&piece.len, self.flavour())?;
            let one = self.plain(Some(&piece.base), len, flags)?;
            if all.len == all.octets.len() {
                all.octets.extend(one.octets);
            }
            all.len += one.len;
        }
        Ok(all)
    }

    pub(super) fn receive(&mut self, call: &Syscall) -> Call {
        let fd = self.descriptor_of(call)?;
        let buffer = self.buffer(call)?;
        let flavour = self.flavour();
        if has(buffer.flags, "MSG_OOB", flavour) {
            return Err(CallError::unsupported("urgent data out of line: it stays in the stream"));
        }
        if has(buffer.flags, "MSG_ERRQUEUE", flavour) {
            return Err(CallError::unsupported("the error queue of sockets"));
        }
        match self.descriptors.get(&fd) {
            None => return Ok(Outcome::error("EBADF")),
            Some(Descriptor::Socket(socket)) if matches!(socket.role, Role::Stream(_)) => {}
            Some(_) => return Ok(Outcome::error("ENOTCONN")),
        }
        self.fetch(fd, buffer.len)?;
        let Some(Descriptor::Socket(socket)) = self.descriptors.get_mut(&fd) else {
            return Ok(Outcome::error("EBADF"));
        };
        let waits = !socket.nonblocking && !has(buffer.flags, "MSG_DONTWAIT", flavour);
        let Role::Stream(stream) = &mut socket.role else { return Ok(Outcome::error("ENOTCONN")) };
        let all = has(buffer.flags, "MSG_WAITALL", flavour);
        let ends = stream.at_end() || stream.has_error();
        if stream.unread() > 0 && (!all || !waits || stream.unread() >= buffer.len || ends) {
            let got = stream.read(buffer.len, has(buffer.flags, "MSG_PEEK", flavour));
            let expected = &buffer.octets[..buffer.octets.len().min(got.len())];
            let mut faults = Vec::new();
            if !got.starts_with(expected) {
                let (expected, got) = (expected.escape_ascii(), got.escape_ascii());
                faults.push(format!("octets: expected \"{expected}\", actual \"{got}\""));
            }
            return Ok(Outcome::with_faults(got.len() as i64, faults));
        }
        if let Some(errno) = stream.take_error() {
            return Ok(Outcome::error(errno));
        }
        if stream.at_end() || buffer.len == 0 {
            return Ok(Outcome::value(0));
        }
        Ok(match stream.phase() {
            Phase::Connecting if !waits => Outcome::error("EAGAIN"),
            _ if waits => Outcome::Blocked(None),
            _ => Outcome::error("EAGAIN"),
        })
    }

    /// Takes from the stack as many octets as it has and the program wants, and not one more: what stays
    /// there narrows the window.
    pub(super) fn fetch(&mut self, fd: i64, wanted: usize) -> Result<(), CallError> {
        let there = self.stream_at(fd).map_or(0, |stream| stream.unread());
        if there >= wanted {
            return Ok(());
        }
        let Some(info) = self.inquire(fd)? else { return Ok(()) };
        let octets = info.receive_buffered.min(wanted - there);
        let dataspace = &mut self.world.dataspace;
        if let Some(Descriptor::Socket(socket)) = self.descriptors.get_mut(&fd)
            && let Role::Stream(stream) = &mut socket.role
        {
            stream.request(octets, dataspace);
        }
        Ok(self.settle()?)
    }

    pub(super) fn send(&mut self, call: &Syscall, first: bool) -> Call {
        let fd = self.descriptor_of(call)?;
        let buffer = self.buffer(call)?;
        let flavour = self.flavour();
        let urgent = has(buffer.flags, "MSG_OOB", flavour);
        if has(buffer.flags, "MSG_FASTOPEN", flavour) {
            return Err(CallError::unsupported("data in a SYN by MSG_FASTOPEN"));
        }
        let expects_more = has(buffer.flags, "MSG_MORE", flavour);
        if expects_more {
            // What is held back depends on what fills a segment.
            self.inquire(fd)?;
        }
        let Some(Descriptor::Socket(socket)) = self.descriptors.get_mut(&fd) else {
            return Ok(Outcome::error("EBADF"));
        };
        let waits = !socket.nonblocking && !has(buffer.flags, "MSG_DONTWAIT", flavour);
        let is_idle = matches!(socket.role, Role::Idle);
        if is_idle && call.name == "sendto" && flavour == Flavour::FreeBsd {
            // To send to an address dials it; Fast Open is for exactly this.
            let remote = self.address_of(call.arguments.get(4), self.addresses.of(self.v6).1)?;
            let octets = filled(&buffer.octets, buffer.len.min(MOST_FIRST));
            let len = octets.len() as i64;
            self.dial(fd, remote, Some(octets.into()))?;
            return Ok(Outcome::value(len));
        }
        let dataspace = &mut self.world.dataspace;
        let Some(Descriptor::Socket(socket)) = self.descriptors.get_mut(&fd) else {
            return Ok(Outcome::error("EBADF"));
        };
        let Role::Stream(stream) = &mut socket.role else { return Ok(Outcome::error("ENOTCONN")) };
        if let Some(errno) = stream.take_error() {
            return Ok(Outcome::error(errno));
        }
        if stream.is_shut() {
            return Ok(Outcome::error("EPIPE"));
        }
        if stream.phase() == Phase::Connecting {
            return Ok(if waits { Outcome::Blocked(None) } else { Outcome::error("EAGAIN") });
        }
        stream.expect_more(expects_more);
        let octets = |len: usize| Bytes::from(filled(&buffer.octets, len));
        if !waits {
            let len = buffer.len.min(stream.room());
            if len == 0 && buffer.len > 0 {
                return Ok(Outcome::error("EAGAIN"));
            }
            if urgent {
                stream.write_urgent(octets(len), dataspace);
            } else {
                stream.write(octets(len), dataspace);
            }
            return Ok(Outcome::value(len as i64));
        }
        // A call that has waited for the handshake has written nothing yet.
        if first || !self.writing.contains(&fd) {
            self.writing.insert(fd);
            if urgent {
                stream.write_urgent(octets(buffer.len), dataspace);
            } else {
                stream.write(octets(buffer.len), dataspace);
            }
        }
        self.settle()?;
        let queued = self.stream_at(fd).map_or(0, |stream| stream.queued());
        let corked = self.stream_at(fd).is_some_and(|stream| stream.is_corked());
        if queued > 0 && !corked {
            return Ok(Outcome::Blocked(None));
        }
        self.writing.remove(&fd);
        Ok(Outcome::value(buffer.len as i64))
    }
}

/// So many octets that begin with `octets`.
fn filled(octets: &[u8], len: usize) -> Vec<u8> {
    let mut all: Vec<u8> = octets.iter().copied().take(len).collect();
    // Octets that look alike nowhere, so that a wrong one shows in a capture.
    all.extend((all.len()..len).map(|index| (index * 31 + index / 251) as u8));
    all
}
