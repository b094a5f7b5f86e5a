//! The state vector.
