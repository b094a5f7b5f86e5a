//! Why a TUN device could not be opened.

use std::io;

use ipnet::IpNet;

/// Finishes the sentence "could not open the device, because ...".
#[derive(Debug, thiserror::Error)]
pub enum TunError {
    /// Neither root nor `CAP_NET_ADMIN`, or `/dev/net/tun` may not be opened.
    #[error("no permission to create a network device (it takes CAP_NET_ADMIN, or root)")]
    NoPermission,
    /// Another interface of the network namespace has the name.
    #[error("an interface named {0} exists already")]
    NameTaken(String),
    /// Linux keeps 15 octets of it.
    #[error("the interface name {0} is longer than 15 octets")]
    NameTooLong(String),
    /// Empty, or with a character that no interface name has.
    #[error("{0:?} is no interface name")]
    NameInvalid(String),
    /// The kernel has no TUN driver, or the container no device node.
    #[error("there is no /dev/net/tun (module tun not loaded, or not passed into the container)")]
    NoTunDriver,
    /// The kernel refused an address of its side.
    #[error("the kernel refused the address {address}: {source}")]
    AddressRefused {
        /// The address.
        address: IpNet,
        /// What the kernel said.
        source: io::Error,
    },
    /// The kernel refused the MTU.
    #[error("the kernel refused an MTU of {mtu}: {source}")]
    MtuRefused {
        /// The MTU, in octets.
        mtu: u16,
        /// What the kernel said.
        source: io::Error,
    },
    /// The MTU is too small for an address of its side.
    #[error("an MTU of {mtu} is too small for {address} (IPv6 needs 1280)")]
    MtuTooSmall {
        /// The MTU, in octets.
        mtu: u16,
        /// The IPv6 address.
        address: IpNet,
    },
    /// There is no tokio runtime to wait for packets with.
    #[error("there is no tokio runtime to wait for packets with")]
    NoRuntime,
    /// Anything else the kernel said.
    #[error("the kernel refused: {0}")]
    Refused(#[source] io::Error),
}

/// No permission is told as such, whatever step met it; all else as `otherwise` says.
pub(super) fn classify(
    error: io::Error,
    otherwise: impl FnOnce(io::Error) -> TunError,
) -> TunError {
    match error.kind() {
        io::ErrorKind::PermissionDenied => TunError::NoPermission,
        _ => otherwise(error),
    }
}
