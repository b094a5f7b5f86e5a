//! The plainest use of a TUN device: system calls and nothing between.

use std::io::{self, IoSlice};
use std::os::fd::{AsFd, BorrowedFd};
use std::time::Duration;

use tun_rs::{DeviceBuilder, SyncDevice};

use super::{DEVICE, Framing, HOST_ADDRESS, MTU, QUEUE, wait_readable};

/// A TUN device that never waits unless told to.
pub(crate) struct Device(SyncDevice);

impl Device {
    pub(crate) fn open(framing: Framing) -> io::Result<Self> {
        let device = DeviceBuilder::new()
            .name(DEVICE)
            .mtu(MTU)
            .tx_queue_len(QUEUE)
            .offload(framing == Framing::Offload)
            .ipv4(HOST_ADDRESS, 24, None)
            .build_sync()?;
        device.set_nonblocking(true)?;
        Ok(Self(device))
    }

    /// Reads a packet, if there is one.
    pub(crate) fn read(&self, buffer: &mut [u8]) -> io::Result<Option<usize>> {
        match self.0.recv(buffer) {
            Ok(len) => Ok(Some(len)),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(None),
            Err(error) => Err(error),
        }
    }

    pub(crate) fn write(&self, pieces: &[IoSlice<'_>]) -> io::Result<()> {
        self.0.send_vectored(pieces).map(drop)
    }

    pub(crate) fn wait(&self, timeout: Duration) -> io::Result<()> {
        wait_readable(self.as_fd(), timeout)
    }
}

impl AsFd for Device {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}
