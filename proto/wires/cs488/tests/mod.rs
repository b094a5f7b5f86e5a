//! Vectors of the specification, and peers that behave as the originals do.

mod client;
mod model;
mod server;
mod shown;
mod vectors;

use super::super::tests::original::{Duel, Original};
use super::super::tests::script::{MS, Script, hex};
use super::{Cs488Packet as P, Flag, Session};
