//! What holds for every wire: the same tests over each session type in the registry.

mod content;
pub(super) mod data;
mod mutants;
pub(super) mod original;
pub(super) mod pair;
pub(super) mod script;
mod transfer;
