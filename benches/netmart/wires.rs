//! netmart over kernel sockets: a stack and its application on one thread, another of each on another.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::pin::pin;
use std::sync::mpsc;

use actix_rt::System;
use bytes::Bytes;
use futures_util::future::{Either, select};
use netmart::net::{WireListener, WireOptions, WireStream};
use netmart::proto::wires::{Chunk, Config, Kind};
use netmart::sockets::Sockets;
use netmart::stack::Stack;
use tokio::sync::oneshot;

use super::{Contender, Transfer};

/// Both ends of a connection over a wire.
pub(crate) struct Netmart {
    pub(crate) wire: Kind,
    /// Octets of a write.
    pub(crate) chunk: usize,
}

impl Contender for Netmart {
    fn name(&self) -> String {
        format!("netmart, {}", self.wire.name())
    }

    fn transfer(&self, transfer: &Transfer) -> io::Result<()> {
        let (tell, told) = mpsc::channel();
        // Who stays behind would wait for the other as long as a wire is patient: the sender goes first, and
        // the receiver goes when the sender has gone.
        let (goes, gone) = oneshot::channel::<()>();
        std::thread::scope(|scope| {
            let receiving =
                scope.spawn(|| System::new().block_on(self.receive(tell, gone, transfer)));
            let sent = match told.recv() {
                Ok(address) => System::new().block_on(self.send(address, transfer)),
                Err(_) => Ok(()),
            };
            drop(goes);
            // Its own error tells more.
            receiving.join().map_err(|_| io::Error::other("it panicked"))??;
            sent
        })
    }
}

impl Netmart {
    fn options(&self) -> WireOptions {
        // What fits the loopback interface in one piece.
        let config = Config { chunk: Some(14_900), ..Config::default() };
        WireOptions { config, window: Some(4 << 20), ..WireOptions::default() }
    }

    async fn receive(
        &self,
        tell: mpsc::Sender<SocketAddr>,
        mut gone: oneshot::Receiver<()>,
        transfer: &Transfer,
    ) -> io::Result<()> {
        let stack = start()?;
        let loopback = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        let listener = WireListener::bind(&stack, self.wire, loopback, self.options());
        let listener = listener.await.map_err(io::Error::other)?;
        tell.send(listener.local_addr()).map_err(io::Error::other)?;
        let (stream, _) = listener.accept().await.map_err(io::Error::other)?;
        while let Either::Left((received, _)) = select(pin!(stream.recv()), &mut gone).await {
            match received.map_err(io::Error::other)? {
                Some(chunk) => transfer.arrived(chunk.data.len()),
                None => break,
            }
        }
        stream.abort();
        drop(listener);
        stack.shutdown().await;
        Ok(())
    }

    async fn send(&self, address: SocketAddr, transfer: &Transfer) -> io::Result<()> {
        let stack = start()?;
        let stream = WireStream::connect(&stack, self.wire, address, self.options());
        let stream = stream.await.map_err(io::Error::other)?;
        let octets = Bytes::from(vec![0x6e; self.chunk]);
        while !transfer.stopped() {
            let end = self.wire != Kind::Quiq;
            let stream_number = u32::from(self.wire == Kind::Quiq);
            let chunk = Chunk { stream: stream_number, data: octets.clone(), end };
            stream.send(chunk).await.map_err(io::Error::other)?;
        }
        // Nobody waits for the rest of it.
        stream.abort();
        stack.shutdown().await;
        Ok(())
    }
}

fn start() -> io::Result<Stack> {
    Stack::builder().sockets(Sockets::new()).start().map_err(io::Error::other)
}
