//! What is wrong with the text of a script.

use super::ast::Position;

/// Something stands in a script that the language does not have there.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{at}: expected {expected}, found {found}")]
pub struct SyntaxError {
    /// Where.
    pub at: Position,
    /// What could have stood there.
    pub expected: String,
    /// What stands there.
    pub found: String,
}

impl SyntaxError {
    pub(super) fn new(at: Position, expected: impl Into<String>, found: impl Into<String>) -> Self {
        Self { at, expected: expected.into(), found: found.into() }
    }
}
