//! Files on the streams of `quiq` over the loopback interface: real sockets, real time.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::mpsc;
use std::time::Duration;

use actix_rt::System;
use anyhow::{Context, anyhow};
use bytes::Bytes;
use netmart::net::{WireListener, WireOptions, WireStream};
use netmart::proto::wires::{Chunk, Config, Info, Kind};
use netmart::sockets::Sockets;
use netmart::stack::Stack;

/// A file of `octets` on each of `count` streams, in turns; what the receiver has counted. Two stacks, each
/// on a thread of its own.
pub(super) fn transfer(
    count: u32,
    octets: u64,
    config: &Config,
    seed: u64,
) -> anyhow::Result<Info> {
    let (tell, told) = mpsc::channel();
    let options = || WireOptions { config: config.clone(), ..WireOptions::default() };
    std::thread::scope(|scope| {
        let receiving = scope.spawn(move || run(receive(tell, options(), seed)));
        let sent = match told.recv() {
            Ok(address) => run(send(address, count, octets, options(), !seed)),
            // It tells why it does not listen.
            Err(_) => Ok(()),
        };
        let received = receiving.join().map_err(|_| anyhow!("the receiver panicked"))?;
        sent.and(received)
    })
}

fn run<T>(side: impl Future<Output = anyhow::Result<T>>) -> anyhow::Result<T> {
    System::new().block_on(async {
        let done = tokio::time::timeout(LONGEST, side).await;
        done.with_context(|| format!("no end after {} s", LONGEST.as_secs()))?
    })
}

async fn receive(
    tell: mpsc::Sender<SocketAddr>,
    options: WireOptions,
    seed: u64,
) -> anyhow::Result<Info> {
    let stack = Stack::builder().seed(seed).sockets(Sockets::new()).start()?;
    let loopback = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
    let listener = WireListener::bind(&stack, Kind::Quiq, loopback, options).await?;
    tell.send(listener.local_addr())?;
    let (stream, _) = listener.accept().await?;
    while stream.recv().await?.is_some() {}
    let info = stream.close().await?;
    stack.shutdown().await;
    Ok(info)
}

async fn send(
    address: SocketAddr,
    count: u32,
    octets: u64,
    options: WireOptions,
    seed: u64,
) -> anyhow::Result<()> {
    let stack = Stack::builder().seed(seed).sockets(Sockets::new()).start()?;
    let stream = WireStream::connect(&stack, Kind::Quiq, address, options).await?;
    let portion = Bytes::from(vec![0x6e; TURN]);
    let mut left = octets;
    loop {
        let data = portion.slice(..left.min(TURN as u64) as usize);
        left -= data.len() as u64;
        for number in 1..=count {
            stream.send(Chunk { stream: number, data: data.clone(), end: left == 0 }).await?;
        }
        if left == 0 {
            break;
        }
    }
    stream.close().await?;
    stack.shutdown().await;
    Ok(())
}

/// Octets of one stream before it is the next one's turn.
const TURN: usize = 16 << 10;

/// A transfer that takes longer has failed.
const LONGEST: Duration = Duration::from_secs(60);
