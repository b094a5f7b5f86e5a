//! Vectors of the specification, and peers that behave as the originals do.

mod dialects;
mod model;
mod scripted;
mod students;

use super::super::tests::script::{MS, PEER, Script, address};
use super::{Session, SockettcpPacket as P};
