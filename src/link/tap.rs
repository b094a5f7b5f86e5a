//! A capture.
