//! Tests of the machine, one file per question.

mod pair;
mod transfer;
