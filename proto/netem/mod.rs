//! Impairment.
