//! A TUN device as a link of a running stack.

use std::collections::VecDeque;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use futures_util::{Stream, stream};
use netmart_actors::link::Device;
use netmart_actors::message::LinkCapabilities;
use netmart_proto::wire::Packet;

use crate::link::tun::Tun;

/// The most packets that a link hands over at a time.
const BATCH: usize = 64;

/// The longest IP packet less the longest IPv6 and TCP headers that we write.
const LARGEST_SEGMENT: u32 = 65_535 - 40 - 60;

pub(super) fn capabilities(tun: &Tun) -> LinkCapabilities {
    let offload = tun.offload();
    LinkCapabilities {
        mtu: tun.mtu(),
        checksum_offload: offload,
        gso_max: if offload { LARGEST_SEGMENT } else { 0 },
    }
}

/// Writes to the device. What the kernel refuses is dropped and counted, as a network card does.
pub(super) struct Writer {
    tun: Arc<Tun>,
    refused: Arc<AtomicU64>,
}

impl Writer {
    pub(super) fn new(tun: Arc<Tun>, refused: Arc<AtomicU64>) -> Self {
        Self { tun, refused }
    }
}

impl Device for Writer {
    fn transmit(&mut self, packets: &mut VecDeque<Packet>) {
        for packet in packets.drain(..) {
            if let Err(error) = self.tun.write(&packet) {
                self.refused.fetch_add(1, Ordering::Relaxed);
                tracing::trace!(device = self.tun.name(), %error, "packet refused");
            }
        }
    }
}

/// What the device receives, in batches; ends with an error when the device is gone.
pub(super) fn arrivals(tun: Arc<Tun>) -> impl Stream<Item = io::Result<Vec<Packet>>> {
    stream::try_unfold(tun, |tun| async move {
        loop {
            let mut batch = Vec::new();
            if tun.read_batch(&mut batch, BATCH)? > 0 {
                return Ok(Some((batch, tun)));
            }
            tun.readable().await?;
        }
    })
}
