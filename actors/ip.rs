//! x
pub mod reassembly;
