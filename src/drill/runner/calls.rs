//! The program's system calls: what they return, and when.

use std::time::Duration;

use netmart_bus::Time;

use super::{Due, End, Run, Step};
use crate::drill::ast::{Event, Position, Syscall, When};
use crate::drill::process::{Outcome, Returned, agree};
use crate::drill::report::Mismatch;
use crate::drill::world::START;

/// A blocking call.
pub(super) struct Waiting<'a> {
    at: Position,
    call: &'a Syscall,
    began: Time,
    /// When it must return.
    due: Time,
    /// When there is something to look at again.
    pub(super) until: Option<Time>,
    /// What it returned, and when.
    pub(super) returned: Option<(Time, Returned)>,
}

impl<'a> Run<'a> {
    pub(super) fn call(&mut self, event: &Event, call: &'a Syscall, due: Due) -> Step {
        self.finish_waiting()?;
        let began = self.process.world.now();
        let outcome = self.process.call(call, None);
        let outcome = outcome.map_err(|error| self.call_error(event.at, error))?;
        self.ends.called(call, &self.process);
        self.learn_from(call);
        let end = call.end.map(|end| match event.time {
            When::Absolute(_) => START + end,
            _ => due.base + end,
        });
        match (outcome, end) {
            (Outcome::Returned(returned), None) => self.check_call(event.at, call, &returned),
            (outcome, Some(due)) => {
                let now = self.process.world.now();
                let (until, returned) = match outcome {
                    Outcome::Returned(returned) => (None, Some((now, returned))),
                    Outcome::Blocked(until) => (until, None),
                };
                self.waiting = Some(Waiting { at: event.at, call, began, due, until, returned });
                Ok(())
            }
            (Outcome::Blocked(_), None) => {
                let reason = format!("{} does not return at once", call.name);
                Err(self.failed(event.at, reason))
            }
        }
    }

    /// Whether a call that waits returns now.
    pub(super) fn look_at_waiting(&mut self) -> Step {
        let Some(waiting) = &self.waiting else { return Ok(()) };
        if waiting.returned.is_some() {
            return Ok(());
        }
        let (at, call, began) = (waiting.at, waiting.call, waiting.began);
        let outcome = self.process.call(call, Some(began));
        let outcome = outcome.map_err(|error| self.call_error(at, error))?;
        let now = self.process.world.now();
        if let Some(waiting) = &mut self.waiting {
            match outcome {
                Outcome::Returned(returned) => waiting.returned = Some((now, returned)),
                Outcome::Blocked(until) => waiting.until = until,
            }
        }
        Ok(())
    }

    /// Waits for a call that blocks, and checks what came of it.
    pub(super) fn finish_waiting(&mut self) -> Step {
        let Some(waiting) = &self.waiting else { return Ok(()) };
        let (at, due, tolerance) = (waiting.at, waiting.due, self.tolerance.fixed);
        let is_back = |run: &Self| run.waiting.as_ref().is_none_or(|call| call.returned.is_some());
        while !is_back(self) && self.step(at, due + tolerance)? {}
        let Some(waiting) = self.waiting.take() else { return Ok(()) };
        let Some((when, returned)) = waiting.returned else {
            let reason = format!("{} does not return in time", waiting.call.name);
            return Err(self.failed(at, reason));
        };
        if when + tolerance < due || when > due + tolerance {
            let (when, due) = (since_start(when), since_start(due));
            let reason = format!("{} returns at {when:?} instead of {due:?}", waiting.call.name);
            return Err(self.failed(at, reason));
        }
        self.check_call(at, waiting.call, &returned)
    }

    fn check_call(&self, at: Position, call: &Syscall, returned: &Returned) -> Step {
        let wanted = self.process.number(&call.result);
        let value_agrees = call.result.is_ellipsis() || wanted == Ok(returned.value);
        let error_agrees = match (call.errno.as_deref(), returned.errno) {
            (None, _) => true,
            (Some(_), None) => false,
            (Some(wanted), Some(actual)) => agree(wanted, actual, self.rules.errnos),
        };
        if value_agrees && error_agrees && returned.faults.is_empty() {
            return Ok(());
        }
        let errno = |errno: Option<&str>| errno.map(|name| format!(" {name}")).unwrap_or_default();
        let expected = format!("{} = {}{}", call.name, call.result, errno(call.errno.as_deref()));
        let actual = format!("{} = {}{}", call.name, returned.value, errno(returned.errno));
        let reason = match returned.faults.as_slice() {
            [] => format!("{} does something else", call.name),
            faults => faults.join("; "),
        };
        Err(End::Failed(Box::new(Mismatch {
            time: Some(self.elapsed()),
            expected: Some(expected),
            actual: Some(actual),
            ..Mismatch::new(at, reason)
        })))
    }
}

/// How long after the start of the script.
pub(super) fn since_start(time: Time) -> Duration {
    time.saturating_since(START)
}
