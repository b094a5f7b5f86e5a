//! Commands of the script, and what its code asserts.

use super::{End, Run, Step, note};
use crate::drill::ast::{Code, Command};
use crate::drill::code::{self, CodeError, Value};
use crate::drill::command::{self, Done, Place};
use crate::drill::report::Mismatch;

impl Run<'_> {
    pub(super) fn command(&mut self, command: &Command) -> Step {
        let done = command::run(&command.text, Place::During(&mut self.process));
        for done in done.map_err(|error| self.call_error(command.at, error))? {
            match done {
                Done::Yes => {}
                Done::Failed(reason) => return Err(self.failed(command.at, reason)),
                Done::Needs(needs) => _ = self.needs.get_or_insert((command.at, needs)),
                Done::Ignored(reason) if self.rules.commands => {
                    return Err(self.failed(command.at, reason));
                }
                Done::Ignored(text) => {
                    let note = note(command.at, &text);
                    if !self.notes.contains(&note) {
                        self.notes.push(note);
                    }
                }
            }
        }
        Ok(())
    }

    pub(super) fn code(&mut self, code: &Code) -> Step {
        let facts = self.process.latest_info();
        let facts = facts.map_err(|error| self.call_error(code.at, error))?;
        let mut lookup = |name: &str| facts.value(name).map(|value| Value::Integer(value.into()));
        match code::run(code, &mut self.names, &mut lookup) {
            Ok(code::Outcome::Holds(_)) => Ok(()),
            Ok(code::Outcome::Fails { assertion, because }) => {
                let time = Some(self.elapsed());
                let reason = "the assertion does not hold";
                Err(End::Failed(Box::new(Mismatch {
                    time,
                    expected: Some(assertion),
                    actual: Some(because),
                    ..Mismatch::new(code.at, reason)
                })))
            }
            Err(CodeError::UnknownName(name)) if name.starts_with("tcpi_") => {
                Err(End::Skipped { at: code.at, needs: format!("{name} of TCP_INFO") })
            }
            Err(error) => Err(self.failed(code.at, error.to_string())),
        }
    }
}
