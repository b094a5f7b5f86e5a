//! Over the sockets of the system: peers that misbehave exactly as the originals do, octet by octet, against a stack
//! that runs; and a crowd.
//!
//! Nothing here depends on how fast the machine is: who waits, waits for a datagram, and time-outs are far away.

mod crowd;
mod cs488;
mod faketcp;
mod quiq;
mod sockettcp;

use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::time::Duration;

use bytes::Bytes;
use netmart::net::{WireError, WireListener, WireOptions, WireStream};
use netmart::proto::wires::{Chunk, Codec, Config, Info, Kind};
use netmart::sockets::Sockets;
use netmart::stack::Stack;

/// How long anything may take before a test gives up.
const PATIENCE: Duration = Duration::from_secs(60);

pub(super) fn stack() -> Stack {
    Stack::builder().seed(1).sockets(Sockets::new()).start_on_own_thread().expect("a stack")
}

/// Somebody at the other end of a datagram.
pub(super) struct Peer {
    socket: UdpSocket,
    /// Whom it talks to: whoever it heard last.
    pub(super) other: SocketAddr,
}

impl Peer {
    fn new(other: SocketAddr) -> Self {
        let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port");
        socket.set_read_timeout(Some(PATIENCE)).expect("a time-out");
        Self { socket, other }
    }

    fn address(&self) -> SocketAddr {
        self.socket.local_addr().expect("an address")
    }

    /// One that answers the same other from a port of its own.
    pub(super) fn on_new_port(&self) -> Self {
        Self::new(self.other)
    }

    /// The next packet.
    pub(super) fn hear<P: Codec>(&mut self) -> P {
        let mut octets = [0; 16_384];
        let (len, from) = self.socket.recv_from(&mut octets).expect("a datagram in time");
        self.other = from;
        let octets = Bytes::copy_from_slice(&octets[..len]);
        P::parse(octets.clone()).unwrap_or_else(|fault| panic!("{fault:?}: {octets:?}"))
    }

    /// The next packet that is wanted; all others are overheard.
    pub(super) fn hear_where<P: Codec>(&mut self, is_wanted: impl Fn(&P) -> bool) -> P {
        loop {
            let packet = self.hear();
            if is_wanted(&packet) {
                return packet;
            }
        }
    }

    pub(super) fn say<P: Codec>(&self, packet: &P) {
        self.say_octets(&packet.to_bytes());
    }

    pub(super) fn say_octets(&self, octets: &[u8]) {
        self.socket.send_to(octets, self.other).expect("it is sent");
    }
}

/// Options of somebody who loses patience soon.
pub(super) fn impatient() -> WireOptions {
    let patience = Duration::from_secs(3);
    let config = Config { connect_tries: 3, data_tries: 6, patience, ..Config::default() };
    WireOptions { config, ..WireOptions::default() }
}

fn block_on<T>(future: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let in_time = async { tokio::time::timeout(PATIENCE, future).await };
    runtime.expect("a runtime").block_on(in_time).expect("it ends in time")
}

/// Connects to a peer that follows `script`, writes `chunks` and closes; gives what became of it.
pub(super) fn send(
    kind: Kind,
    options: WireOptions,
    chunks: Vec<Chunk>,
    script: impl FnOnce(Peer) + Send + 'static,
) -> Result<Info, WireError> {
    let peer = Peer::new((Ipv4Addr::LOCALHOST, 1).into());
    let address = peer.address();
    let script = std::thread::spawn(move || script(peer));
    let stack = stack();
    let outcome = block_on(async {
        let stream = WireStream::connect(&stack, kind, address, options).await?;
        for chunk in chunks {
            stream.send(chunk).await?;
        }
        stream.close().await
    });
    script.join().expect("the script was followed to its end");
    outcome
}

/// What was received until the end, and how that came.
pub(super) struct Received {
    pub(super) chunks: Vec<Chunk>,
    pub(super) outcome: Result<Info, WireError>,
}

impl Received {
    pub(super) fn octets(&self) -> Vec<u8> {
        self.chunks.iter().flat_map(|chunk| chunk.data.to_vec()).collect()
    }
}

/// Accepts a peer that follows `script`, and reads to the end.
pub(super) fn receive(
    kind: Kind,
    options: WireOptions,
    script: impl FnOnce(Peer) + Send + 'static,
) -> Received {
    let stack = stack();
    block_on(async {
        let any = (Ipv4Addr::LOCALHOST, 0).into();
        let listener = WireListener::bind(&stack, kind, any, options).await.expect("a listener");
        let peer = Peer::new(listener.local_addr());
        let script = std::thread::spawn(move || script(peer));
        let (stream, _) = listener.accept().await.expect("somebody comes");
        let mut chunks = Vec::new();
        let outcome = loop {
            match stream.recv().await {
                Ok(Some(chunk)) => chunks.push(chunk),
                Ok(None) => break stream.close().await,
                Err(error) => break Err(error),
            }
        };
        // Its last words may have to be answered yet.
        let script = tokio::task::spawn_blocking(move || script.join());
        script.await.expect("a thread").expect("the script was followed to its end");
        Received { chunks, outcome }
    })
}

pub(super) fn message(text: &'static str) -> Chunk {
    Chunk::message(text)
}
