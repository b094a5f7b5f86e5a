//! What stands between `%{` and `}%`: statements of Python, as far as scripts use them.
//!
//! They assert something about the values of `TCP_INFO`, and sometimes name a value to use it later:
//!
//! ```text
//! %{ assert tcpi_snd_cwnd == 10, tcpi_snd_cwnd }%
//! %{ rto = tcpi_rto; assert 200000 <= rto <= 250000 }%
//! ```
//!
//! Names that nobody knows are errors.

mod evaluate;
mod parse;
mod value;

use std::collections::BTreeMap;

pub use value::Value;

use super::ast::Code;
use super::error::SyntaxError;

/// What came of a piece of code that could be run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// All it asserts holds. What it prints, a line each.
    Holds(Vec<String>),
    /// This assertion does not hold.
    Fails {
        /// The assertion as it is written.
        assertion: String,
        /// What stands behind the comma, and the values of the names in the assertion.
        because: String,
    },
}

/// Why code cannot be run.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CodeError {
    /// It is not what scripts use of Python.
    #[error(transparent)]
    Syntax(#[from] SyntaxError),
    /// Nobody knows this name.
    #[error("nobody knows the name `{0}`")]
    UnknownName(String),
    /// A computation makes no sense: the reason.
    #[error("{0}")]
    Senseless(String),
}

/// The names that the code of a script has given to values, from one piece to the next.
#[derive(Clone, Debug, Default)]
pub struct Names(BTreeMap<String, Value>);

/// Runs `code`. Names that it has not given itself are looked up with `lookup`.
pub fn run(
    code: &Code,
    names: &mut Names,
    lookup: &mut dyn FnMut(&str) -> Option<Value>,
) -> Result<Outcome, CodeError> {
    let statements = parse::statements(&code.text, code.at)?;
    evaluate::run(&statements, names, lookup)
}

#[cfg(test)]
mod tests;
