//! Stop and wait by hand: a datagram with a number and a chunk, and the number back.

use std::io;
use std::net::Ipv4Addr;
use std::time::Duration;

use tokio::net::UdpSocket;
use tokio::runtime::{Builder, Runtime};
use tokio::time::timeout;

use super::{Contender, Transfer};

/// Sender and receiver, a thread and a runtime each.
pub(crate) struct StopAndWait {
    /// Octets in a datagram, the number left out.
    pub(crate) chunk: usize,
}

impl Contender for StopAndWait {
    fn name(&self) -> String {
        format!("by hand, {} octets", self.chunk)
    }

    fn transfer(&self, transfer: &Transfer) -> io::Result<()> {
        let sockets = || {
            let socket = std::net::UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))?;
            socket.set_nonblocking(true)?;
            Ok::<_, io::Error>(socket)
        };
        let (near, far) = (sockets()?, sockets()?);
        near.connect(far.local_addr()?)?;
        far.connect(near.local_addr()?)?;
        std::thread::scope(|scope| {
            let receiving = scope.spawn(|| {
                runtime()?.block_on(async { receive(UdpSocket::from_std(far)?, transfer).await })
            });
            let sent = runtime()?
                .block_on(async { send(UdpSocket::from_std(near)?, self.chunk, transfer).await });
            let received = receiving.join().map_err(|_| io::Error::other("it panicked"))?;
            // Whoever is the last finds that the other has gone.
            if transfer.stopped() { Ok(()) } else { received.and(sent) }
        })
    }
}

fn runtime() -> io::Result<Runtime> {
    Builder::new_current_thread().enable_all().build()
}

async fn send(socket: UdpSocket, chunk: usize, transfer: &Transfer) -> io::Result<()> {
    let mut datagram = vec![0; NUMBER + chunk];
    let mut answer = [0; NUMBER];
    for number in 0u32.. {
        datagram[..NUMBER].copy_from_slice(&number.to_be_bytes());
        loop {
            socket.send(&datagram).await?;
            let Ok(len) = timeout(REPEAT, socket.recv(&mut answer)).await else { continue };
            if len? == NUMBER && answer == number.to_be_bytes() {
                break;
            }
        }
        if transfer.stopped() {
            break;
        }
    }
    // The receiver looks up at each datagram.
    socket.send(&[]).await?;
    Ok(())
}

async fn receive(socket: UdpSocket, transfer: &Transfer) -> io::Result<()> {
    let mut datagram = vec![0; 2048];
    let mut expected = 0u32;
    while !transfer.stopped() {
        let Ok(len) = timeout(REPEAT, socket.recv(&mut datagram)).await else { continue };
        let len = len?;
        if len < NUMBER {
            continue;
        }
        if datagram[..NUMBER] == expected.to_be_bytes() {
            expected = expected.wrapping_add(1);
            transfer.arrived(len - NUMBER);
        }
        socket.send(&datagram[..NUMBER]).await?;
    }
    Ok(())
}

/// Octets of the number.
const NUMBER: usize = 4;
/// How long to wait for an answer, or for the next datagram.
const REPEAT: Duration = Duration::from_millis(200);
