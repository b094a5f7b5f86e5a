//! Wire formats: what parses can be emitted again, and no bytes make anything here panic.

pub mod tcp;
