//! What can go wrong on a wire.

use netmart_actors::message::{ListenError, Refusal};
use netmart_proto::wires::{Reason, WriteError};

use crate::stack::StackError;

/// Why a connection over a wire, or a listener for such, does not do what it was asked.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WireError {
    /// The connection could not be made: the peer or the network said no, or nothing.
    #[error("{0}")]
    Refused(Reason),
    /// It could not even be tried: no route, no port, too many connections.
    #[error("{0}")]
    NotDialled(Refusal),
    /// The connection has failed.
    #[error("{0}")]
    Closed(Reason),
    /// What was to be sent does not fit the wire, or comes too late.
    #[error("{0}")]
    Write(#[from] WriteError),
    /// Nobody can listen there.
    #[error("{0}")]
    Listen(#[from] ListenError),
    /// The stack does not answer.
    #[error("{0}")]
    Stack(#[from] StackError),
    /// The stack has let go of the connection: an actor of it has crashed, or the stack was shut down.
    #[error("the stack has let go of the connection")]
    Lost,
}
