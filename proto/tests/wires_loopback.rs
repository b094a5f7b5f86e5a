//! Sessions of every wire over real UDP sockets: the driver that `docs/WIRES.md` describes, at its smallest.

use std::io::ErrorKind;
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::time::{Duration, Instant as Clock};

use bytes::Bytes;
use netmart_proto::Instant;
use netmart_proto::wires::{
    AnswersFrom, Borders, Chunk, Codec, Config, Event, Kind, Reason, Visitor, Wire, WriteError,
};

const OCTETS: usize = 20_000;

/// However slow the machine, a transfer that takes longer has failed.
const LIMIT: Duration = Duration::from_secs(600);

/// One end: a session, its socket, and where else its peer may send to.
struct Driver<W> {
    session: W,
    socket: UdpSocket,
    listening: Option<UdpSocket>,
    start: Clock,
    to_send: Vec<Chunk>,
    received: Vec<u8>,
    ended: Option<Reason>,
}

fn socket() -> UdpSocket {
    UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port of the loopback interface")
}

fn micros(start: Clock) -> Instant {
    Instant::from_micros(start.elapsed().as_micros() as u64)
}

/// Waits for a datagram for as long as `wait`; not at all if the socket does not block.
fn receive(socket: &UdpSocket, wait: Duration) -> Option<(Bytes, SocketAddr)> {
    let mut octets = [0; 16_384];
    let wait = wait.clamp(Duration::from_micros(100), Duration::from_millis(20));
    socket.set_read_timeout(Some(wait)).expect("a time-out");
    match socket.recv_from(&mut octets) {
        Ok((len, from)) => Some((Bytes::copy_from_slice(&octets[..len]), from)),
        Err(error) => {
            let expected =
                [ErrorKind::WouldBlock, ErrorKind::TimedOut, ErrorKind::ConnectionRefused];
            assert!(expected.contains(&error.kind()), "{error}");
            None
        }
    }
}

impl<W: Wire> Driver<W> {
    /// Runs until the session is over.
    fn run(mut self) -> (Vec<u8>, Option<Reason>) {
        while !self.session.is_over() {
            assert!(self.start.elapsed() < LIMIT, "{}: {:?}", W::PROFILE.name, self.session);
            self.drain();
            let now = micros(self.start);
            let deadline = self.session.next_deadline();
            let wait = deadline.map_or(Duration::ZERO, |(at, _)| at.saturating_since(now));
            if let Some((octets, from)) = receive(&self.socket, wait) {
                self.handle(octets, from);
            }
            let other = self.listening.as_ref();
            if let Some((octets, from)) = other.and_then(|other| receive(other, Duration::ZERO)) {
                self.handle(octets, from);
            }
            self.session.handle_deadline(micros(self.start));
        }
        self.drain();
        (self.received, self.ended)
    }

    fn handle(&mut self, octets: Bytes, from: SocketAddr) {
        if let Ok(packet) = W::Packet::parse(octets) {
            self.session.handle_packet(packet, from, micros(self.start));
        }
    }

    fn drain(&mut self) {
        let now = micros(self.start);
        while let Some(chunk) = self.session.read() {
            self.received.extend_from_slice(&chunk.data);
        }
        while let Some(chunk) = self.to_send.pop() {
            match self.session.write(chunk.clone(), now) {
                Ok(()) if self.to_send.is_empty() => self.session.close(now),
                Ok(()) => {}
                Err(WriteError::Full) => {
                    self.to_send.push(chunk);
                    break;
                }
                Err(error) => panic!("{error}"),
            }
        }
        while let Some(event) = self.session.poll_event() {
            if let Event::Closed(reason) | Event::Refused(reason) = event {
                self.ended = Some(reason);
            }
        }
        while let Some(transmit) = self.session.poll_transmit(now) {
            self.socket.send_to(&transmit.packet.to_bytes(), transmit.to).expect("it is sent");
        }
    }
}

/// What accepts the first connection, and nothing else.
fn serve<W: Wire>(listening: UdpSocket) -> (Vec<u8>, Option<Reason>) {
    let start = Clock::now();
    let session = loop {
        assert!(start.elapsed() < LIMIT, "{}: nobody came", W::PROFILE.name);
        let Some((octets, from)) = receive(&listening, Duration::from_millis(20)) else { continue };
        // A port of before may still have a peer that sends to it.
        let Ok(packet) = W::Packet::parse(octets) else { continue };
        let session = W::accept(&Config::default(), &packet, from, 12_345, micros(start));
        if let Some(session) = session {
            break session;
        }
    };
    let (socket, listening) = match W::PROFILE.answers_from {
        AnswersFrom::NewPort => {
            listening.set_nonblocking(true).expect("a socket that does not block");
            (socket(), Some(listening))
        }
        AnswersFrom::ListeningPort => (listening, None),
    };
    let (to_send, received) = (Vec::new(), Vec::new());
    Driver { session, socket, listening, start, to_send, received, ended: None }.run()
}

struct Transfer;

impl Visitor for Transfer {
    type Output = ();

    fn visit<W: Wire>(self) {
        let octets: Bytes = (0..OCTETS).map(|index| (index * 7 + index / 251) as u8).collect();
        let most = match W::PROFILE.borders {
            Borders::Datagram(most) => most,
            _ => OCTETS,
        };
        // The last comes first: they are taken from the end.
        let to_send: Vec<_> = octets
            .chunks(most)
            .map(|piece| Chunk { stream: 1, data: octets.slice_ref(piece), end: true })
            .rev()
            .collect();
        let listening = socket();
        let address = listening.local_addr().expect("an address");
        let server = std::thread::spawn(move || serve::<W>(listening));
        let start = Clock::now();
        let client = Driver {
            session: W::connect(&Config::default(), address, 54_321, micros(start)),
            socket: socket(),
            listening: None,
            start,
            to_send,
            received: Vec::new(),
            ended: None,
        };
        let (_, client_ended) = client.run();
        let (received, server_ended) = server.join().expect("the server's thread");
        assert!(received == octets, "{}: other octets", W::PROFILE.name);
        assert_eq!(client_ended, Some(Reason::Normal), "{}", W::PROFILE.name);
        assert_eq!(server_ended, Some(Reason::Normal), "{}", W::PROFILE.name);
    }
}

#[test]
fn every_wire_runs_over_sockets() {
    // At once, because closing takes its time.
    std::thread::scope(|scope| {
        for kind in Kind::ALL {
            scope.spawn(|| kind.visit(Transfer));
        }
    });
}
