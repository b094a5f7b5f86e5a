//! The null responder behind netmart's own TUN link: what the link costs, no stack behind it.

use std::io;

use bytes::Bytes;
use netmart::link::tun::{Tun, TunConfig};
use netmart_proto::wire::{ChecksumState, Offload, Packet};

use super::null_responder::{READS_PER_ACK, Reply, Responder, WRITES_PER_READ, ZEROS};
use super::{Contender, DEVICE, Framing, HOST_ADDRESS, MTU, QUEUE, Service, TICK};

pub(crate) struct NullBehindLink(pub(crate) Framing);

impl Contender for NullBehindLink {
    fn name(&self) -> String {
        format!("null responder behind netmart's link, {}", self.0.label())
    }

    fn serve(&self, service: &Service) -> io::Result<()> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        runtime.block_on(respond(self.0, service))
    }
}

async fn respond(framing: Framing, service: &Service) -> io::Result<()> {
    let tun = open(framing)?;
    let mut responder = Responder::new(service.task, framing);
    let mut batch = Vec::with_capacity(READS_PER_ACK);
    service.ready();
    while !service.stopped() {
        let read = tun.read_batch(&mut batch, READS_PER_ACK)?;
        batch.drain(..).for_each(|packet| responder.handle(&packet.head));
        let mut written = 0;
        while written < WRITES_PER_READ
            && let Some(reply) = responder.poll()
        {
            tun.write(&packet(&reply))?;
            written += 1;
        }
        if read == 0 && written == 0 {
            // Out of time is as good as readable: both mean to look again.
            let _ = tokio::time::timeout(TICK, tun.readable()).await;
        }
    }
    Ok(())
}

fn open(framing: Framing) -> io::Result<Tun> {
    let config = TunConfig {
        name: DEVICE.to_owned(),
        host_addresses: vec![format!("{HOST_ADDRESS}/24").parse().map_err(io::Error::other)?],
        mtu: MTU,
        tx_queue_len: QUEUE,
        offload: framing == Framing::Offload,
    };
    Tun::open(&config).map_err(io::Error::other)
}

fn packet(reply: &Reply) -> Packet {
    let [_, head, zeros] = reply.pieces();
    let gso_size = reply.gso_size();
    let checksum = match gso_size {
        Some(_) => ChecksumState::Partial { start: 20, offset: 16 },
        None => ChecksumState::Unverified,
    };
    Packet {
        head: Bytes::copy_from_slice(head),
        body: Bytes::from_static(&ZEROS[..zeros.len()]),
        offload: Offload { checksum, gso_size },
    }
}
