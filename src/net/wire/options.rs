//! What may be chosen of a connection over a wire.

use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;

use netmart_actors::message::Impair;
use netmart_proto::wires;

/// How connections over a wire behave. The default suits everybody.
#[derive(Clone, Debug, Default)]
pub struct WireOptions {
    /// Tries, time-outs, buffers, and octets per packet.
    pub config: wires::Config,
    /// What shall happen to datagrams on their way out: a bad network to try things on. Nothing if there is
    /// none.
    pub impair: Option<Impair>,
    /// Who gets a line for each datagram, in the manner of the wire's original where it keeps a log, for as long as
    /// somebody holds the stream, or there is the listener or a connection of its.
    pub log: Option<WireLogger>,
    /// How many octets that have come may wait to be read; what the stack gives its TCP streams if it is not
    /// said.
    pub window: Option<usize>,
    /// Where to connect from; what is unspecified of it, or 0, is left to the stack. Listeners do not look at it.
    pub from: Option<SocketAddr>,
}

/// Who gets the lines of a log. It is called on the stack's thread and shall not keep it waiting.
#[derive(Clone)]
pub struct WireLogger(Arc<dyn Fn(&str) + Send + Sync>);

impl WireLogger {
    /// Hands each line, without its end, to `write`.
    pub fn new(write: impl Fn(&str) + Send + Sync + 'static) -> Self {
        Self(Arc::new(write))
    }

    /// Hands on a line.
    pub(super) fn line(&self, line: &str) {
        (self.0)(line);
    }
}

impl fmt::Debug for WireLogger {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("WireLogger")
    }
}
