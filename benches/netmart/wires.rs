//! netmart over kernel sockets: a stack and its application on one thread, another of each on another.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::mpsc;

use actix_rt::System;
use bytes::Bytes;
use netmart::net::{WireListener, WireOptions, WireStream};
use netmart::proto::wires::{Chunk, Config, Kind};
use netmart::sockets::Sockets;
use netmart::stack::Stack;

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
        std::thread::scope(|scope| {
            let receiving = scope.spawn(|| System::new().block_on(self.receive(tell, transfer)));
            let sent = match told.recv() {
                Ok(address) => System::new().block_on(self.send(address, transfer)),
                Err(_) => Ok(()),
            };
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

    async fn receive(&self, tell: mpsc::Sender<SocketAddr>, transfer: &Transfer) -> io::Result<()> {
        let stack = start()?;
        let loopback = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        let listener = WireListener::bind(&stack, self.wire, loopback, self.options());
        let listener = listener.await.map_err(io::Error::other)?;
        tell.send(listener.local_addr()).map_err(io::Error::other)?;
        let (stream, _) = listener.accept().await.map_err(io::Error::other)?;
        while !transfer.stopped() {
            match stream.recv().await {
                Ok(Some(chunk)) => transfer.arrived(chunk.data.len()),
                Ok(None) => break,
                Err(_) if transfer.stopped() => break,
                Err(error) => return Err(io::Error::other(error)),
            }
        }
        drop((stream, listener));
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
            match stream.send(chunk).await {
                Ok(()) => {}
                Err(_) if transfer.stopped() => break,
                Err(error) => return Err(io::Error::other(error)),
            }
        }
        drop(stream);
        stack.shutdown().await;
        Ok(())
    }
}

fn start() -> io::Result<Stack> {
    Stack::builder().sockets(Sockets::new()).start().map_err(io::Error::other)
}
