//! Connections over the wires of [`netmart_proto::wires`], for any task on any thread.

mod error;
mod listener;
mod log;
mod options;
mod pipe;
mod stream;
mod user;

pub use self::error::WireError;
pub use self::listener::WireListener;
pub use self::options::{WireLogger, WireOptions};
pub use self::stream::WireStream;
