//! poll and epoll.

use std::collections::BTreeMap;
use std::time::Duration;

use netmart_bus::Time;
use netmart_proto::tcp::State;

use super::stream::Phase;
use super::{
    Call, CallError, Descriptor, Expression, Outcome, Process, Role, Syscall, is_open, number,
};

/// What an epoll descriptor waits for, by descriptor.
#[derive(Debug, Default)]
pub(super) struct Epoll(BTreeMap<i64, i64>);

const IN: i64 = 1;
const PRI: i64 = 2;
const OUT: i64 = 4;
const ERR: i64 = 8;
const HUP: i64 = 0x10;
const RDNORM: i64 = 0x40;
const RDHUP: i64 = 0x2000;

impl Process {
    /// What a descriptor is ready for.
    fn readiness(&mut self, fd: i64) -> Result<i64, CallError> {
        let info = self.inquire(fd)?;
        let Some(Descriptor::Socket(socket)) = self.descriptors.get(&fd) else { return Ok(0) };
        Ok(match &socket.role {
            Role::Idle => OUT | HUP,
            Role::Listening(end) if end.ready.is_empty() => 0,
            Role::Listening(_) => IN | RDNORM,
            Role::Stream(stream) => {
                let waiting = info.as_ref().map_or(0, |info| info.receive_buffered);
                let peer_closed = info.as_ref().is_some_and(|info| {
                    use State::{CloseWait, Closing, LastAck, TimeWait};
                    matches!(info.state, CloseWait | Closing | LastAck | TimeWait)
                });
                let readable = stream.unread() + waiting > 0 || stream.at_end() || peer_closed;
                let mut ready = 0;
                if readable || stream.has_error() {
                    ready |= IN | RDNORM;
                }
                if stream.phase() == Phase::Connected && stream.room() > 0 || stream.has_error() {
                    ready |= OUT;
                }
                if stream.is_shut() {
                    ready |= OUT;
                }
                if stream.is_urgent() {
                    ready |= PRI;
                }
                if peer_closed || stream.at_end() {
                    ready |= RDHUP;
                }
                if stream.has_error() {
                    ready |= ERR;
                }
                if stream.phase() == Phase::Over || peer_closed && stream.is_shut() {
                    ready |= HUP;
                }
                ready
            }
        })
    }

    /// When a wait of `millis` that began at `began` ends; never if it is negative.
    fn wait_until(&self, began: Option<Time>, millis: i64) -> Option<Time> {
        let millis = u64::try_from(millis).ok()?;
        Some(began.unwrap_or(self.world.now()) + Duration::from_millis(millis))
    }

    pub(super) fn poll(&mut self, call: &Syscall, began: Option<Time>) -> Call {
        let Some(Expression::List(wanted)) = call.arguments.first() else {
            return Err(CallError::bad("poll wants a list of descriptors"));
        };
        let millis = self.argument(call, 2)?;
        let (mut ready, mut faults) = (0, Vec::new());
        for one in wanted {
            let field = |name: &str| one.field(name).filter(|value| !is_open(value));
            let value = |process: &Self, name: &str| {
                field(name).map_or(Ok(0), |value| number(value, process.flavour()))
            };
            let fd = value(self, "fd")?;
            let events = value(self, "events")?;
            let actual = if self.descriptors.contains_key(&fd) {
                self.readiness(fd)? & (events | ERR | HUP)
            } else {
                0x20
            };
            ready += i64::from(actual != 0);
            if let Some(expected) = field("revents") {
                let expected_bits = number(expected, self.flavour())?;
                if expected_bits != actual {
                    faults
                        .push(format!("revents of {fd}: expected {expected}, actual {actual:#x}"));
                }
            }
        }
        let until = self.wait_until(began, millis);
        if ready == 0 && until.is_none_or(|until| until > self.world.now()) {
            return Ok(Outcome::Blocked(until));
        }
        Ok(Outcome::with_faults(ready, faults))
    }

    pub(super) fn epoll_create(&mut self, call: &Syscall) -> Call {
        let fd = self.expected_descriptor(call)?;
        self.descriptors.insert(fd, Descriptor::Epoll(Epoll::default()));
        Ok(Outcome::value(fd))
    }

    pub(super) fn epoll_ctl(&mut self, call: &Syscall) -> Call {
        let epoll = self.descriptor_of(call)?;
        let operation = call.arguments.get(1).and_then(Expression::as_symbol).unwrap_or_default();
        let fd = self.argument(call, 2)?;
        let events = match call.arguments.get(3).and_then(|event| event.field("events")) {
            Some(events) => number(events, self.flavour())?,
            None => 0,
        };
        let exists = self.descriptors.contains_key(&fd);
        let Some(Descriptor::Epoll(Epoll(wanted))) = self.descriptors.get_mut(&epoll) else {
            return Ok(Outcome::error("EBADF"));
        };
        if !exists {
            return Ok(Outcome::error("EBADF"));
        }
        match operation {
            "EPOLL_CTL_ADD" if wanted.contains_key(&fd) => return Ok(Outcome::error("EEXIST")),
            "EPOLL_CTL_MOD" | "EPOLL_CTL_DEL" if !wanted.contains_key(&fd) => {
                return Ok(Outcome::error("ENOENT"));
            }
            "EPOLL_CTL_ADD" | "EPOLL_CTL_MOD" => {
                wanted.insert(fd, events);
            }
            "EPOLL_CTL_DEL" => {
                wanted.remove(&fd);
            }
            other => return Err(CallError::unsupported(format!("epoll_ctl {other}"))),
        }
        Ok(Outcome::value(0))
    }

    pub(super) fn epoll_wait(&mut self, call: &Syscall, began: Option<Time>) -> Call {
        const ONESHOT: i64 = 1 << 30;
        const EDGE: i64 = 1 << 31;
        let epoll = self.descriptor_of(call)?;
        let millis = self.argument(call, 3)?;
        let Some(Descriptor::Epoll(Epoll(wanted))) = self.descriptors.get(&epoll) else {
            return Ok(Outcome::error("EBADF"));
        };
        let wanted = wanted.clone();
        if wanted.values().any(|events| events & EDGE != 0) {
            return Err(CallError::unsupported("edge-triggered epoll"));
        }
        let mut ready = Vec::new();
        for (fd, events) in wanted {
            let actual = self.readiness(fd)? & (events & !ONESHOT | ERR | HUP);
            if actual != 0 && events & !ONESHOT != 0 {
                ready.push((fd, actual));
            }
        }
        let until = self.wait_until(began, millis);
        if ready.is_empty() && until.is_none_or(|until| until > self.world.now()) {
            return Ok(Outcome::Blocked(until));
        }
        if let Some(Descriptor::Epoll(Epoll(wanted))) = self.descriptors.get_mut(&epoll) {
            for (fd, _) in &ready {
                if let Some(events) = wanted.get_mut(fd).filter(|events| **events & ONESHOT != 0) {
                    *events = ONESHOT;
                }
            }
        }
        let mut faults = Vec::new();
        if let Some(expected) = call.arguments.get(1).and_then(|event| event.field("events"))
            && !is_open(expected)
            && let Some((fd, actual)) = ready.first()
            && number(expected, self.flavour())? != *actual
        {
            faults.push(format!("events of {fd}: expected {expected}, actual {actual:#x}"));
        }
        Ok(Outcome::with_faults(ready.len() as i64, faults))
    }
}
