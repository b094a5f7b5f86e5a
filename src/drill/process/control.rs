//! shutdown, fcntl, ioctl, and calls that only ask.

use netmart_proto::tcp;

use super::stream::Phase;
use super::{
    Call, CallError, Descriptor, Expression, Outcome, Process, Role, Syscall, is_open, number,
    value,
};

impl Process {
    pub(super) fn shutdown(&mut self, call: &Syscall) -> Call {
        let (fd, how) = (self.descriptor_of(call)?, self.argument(call, 1)?);
        let Some(Descriptor::Socket(socket)) = self.descriptors.get_mut(&fd) else {
            return Ok(Outcome::error("EBADF"));
        };
        let Role::Stream(stream) = &mut socket.role else {
            return Ok(Outcome::error("ENOTCONN"));
        };
        if stream.phase() != Phase::Connected {
            return Ok(Outcome::error("ENOTCONN"));
        }
        let dataspace = &mut self.world.dataspace;
        match how {
            0 => stream.shut_read(dataspace),
            1 => stream.shut_write(dataspace),
            2 => {
                stream.shut_read(dataspace);
                stream.shut_write(dataspace);
            }
            _ => return Ok(Outcome::error("EINVAL")),
        }
        Ok(Outcome::value(0))
    }

    pub(super) fn fcntl(&mut self, call: &Syscall) -> Call {
        let fd = self.descriptor_of(call)?;
        let flavour = self.flavour();
        let command = call.arguments.get(1).and_then(Expression::as_symbol).unwrap_or_default();
        let value = match call.arguments.get(2) {
            Some(value) => number(value, flavour)?,
            None => 0,
        };
        let Some(socket) = self.socket_at(fd)? else { return Ok(Outcome::error("EBADF")) };
        let nonblock = value::constant("O_NONBLOCK", flavour).unwrap_or(0);
        match command {
            "F_GETFL" => Ok(Outcome::value(2 | if socket.nonblocking { nonblock } else { 0 })),
            "F_SETFL" => {
                socket.nonblocking = value & nonblock != 0;
                Ok(Outcome::value(0))
            }
            "F_GETFD" | "F_SETFD" => Ok(Outcome::value(0)),
            other => Err(CallError::unsupported(format!("fcntl {other}"))),
        }
    }

    pub(super) fn ioctl(&mut self, call: &Syscall) -> Call {
        let fd = self.descriptor_of(call)?;
        let request = call.arguments.get(1).and_then(Expression::as_symbol).unwrap_or_default();
        let expected = call.arguments.get(2).cloned();
        if self.socket_at(fd)?.is_none() {
            return Ok(Outcome::error("EBADF"));
        }
        if request == "FIONBIO" {
            let on = expected.as_ref().map_or(Ok(0), |value| self.first_number(value))?;
            if let Some(socket) = self.socket_at(fd)? {
                socket.nonblocking = on != 0;
            }
            return Ok(Outcome::value(0));
        }
        let info = self.inquire(fd)?;
        let (unread, queued) =
            self.stream_at(fd).map_or((0, 0), |stream| (stream.unread(), stream.queued()));
        let value = match request {
            "SIOCINQ" | "FIONREAD" => unread + info.as_ref().map_or(0, |i| i.receive_buffered),
            "SIOCOUTQ" | "TIOCOUTQ" | "FIONWRITE" => {
                queued + info.as_ref().map_or(0, |i| i.send_buffered)
            }
            "SIOCOUTQNSD" => {
                let unsent = |i: &tcp::Info| i.send_buffered.saturating_sub(i.outstanding as usize);
                queued + info.as_ref().map_or(0, unsent)
            }
            other => return Err(CallError::unsupported(format!("ioctl {other}"))),
        };
        self.out_number(expected.as_ref(), value as i64, request)
    }

    /// The number in `[5]`, or the value itself.
    pub(super) fn first_number(&self, value: &Expression) -> Result<i64, CallError> {
        match value {
            Expression::List(items) => {
                items.first().map_or(Ok(0), |item| number(item, self.flavour()))
            }
            other => number(other, self.flavour()),
        }
    }

    /// Success with a number written where the script expects one.
    pub(super) fn out_number(
        &self,
        expected: Option<&Expression>,
        actual: i64,
        what: &str,
    ) -> Call {
        let mut faults = Vec::new();
        if let Some(expected) = expected.filter(|expected| !is_open(expected)) {
            let wanted = self.first_number(expected)?;
            if wanted != actual {
                faults.push(format!("{what}: expected {wanted}, actual {actual}"));
            }
        }
        Ok(Outcome::with_faults(0, faults))
    }

    pub(super) fn name(&mut self, call: &Syscall) -> Call {
        let fd = self.descriptor_of(call)?;
        let peer = call.name == "getpeername";
        let Some(socket) = self.socket_at(fd)? else { return Ok(Outcome::error("EBADF")) };
        let name = match (&socket.role, peer) {
            (Role::Stream(stream), true) if stream.phase() == Phase::Connected => {
                Some(stream.remote())
            }
            (Role::Stream(stream), false) => stream.local().or(socket.bound),
            (_, true) => None,
            (_, false) => socket.bound,
        };
        Ok(match name {
            None if peer => Outcome::error("ENOTCONN"),
            _ => Outcome::value(0),
        })
    }

    pub(super) fn open_inert(&mut self, call: &Syscall) -> Call {
        if call.name != "open" {
            return Err(CallError::unsupported(format!("the system call {}", call.name)));
        }
        let fd = self.expected_descriptor(call)?;
        self.descriptors.insert(fd, Descriptor::Inert);
        Ok(Outcome::value(fd))
    }
}
