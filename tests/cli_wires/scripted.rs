//! Peers that are not netmart, spoken octet by octet over a socket of the kernel.

use std::net::{SocketAddr, UdpSocket};
use std::thread::{self, JoinHandle};
use std::time::Duration;

/// An upper limit, not a measure.
const PATIENCE: Duration = Duration::from_secs(60);

/// A socket on a free port of the loopback interface, and its address as text.
pub fn socket() -> (UdpSocket, String) {
    let socket = UdpSocket::bind("127.0.0.1:0").expect("a free port");
    socket.set_read_timeout(Some(PATIENCE)).expect("it is more than nothing");
    let place = socket.local_addr().expect("it is bound").to_string();
    (socket, place)
}

fn receive(socket: &UdpSocket) -> Option<(Vec<u8>, SocketAddr)> {
    let mut buffer = vec![0; 16_384];
    let (len, from) = socket.recv_from(&mut buffer).ok()?;
    buffer.truncate(len);
    Some((buffer, from))
}

/// A packet of quiq without frames.
pub fn quiq(kind: u8, number: u32, payload: &[u8]) -> Vec<u8> {
    let len = payload.len() as u64;
    [&[kind][..], &number.to_be_bytes(), &len.to_be_bytes(), payload].concat()
}

/// A frame of quiq.
pub fn frame(stream: u32, offset: u32, data: &[u8]) -> Vec<u8> {
    let len = data.len() as u64;
    [&stream.to_be_bytes()[..], &offset.to_be_bytes(), &len.to_be_bytes(), data].concat()
}

/// An original sender of quiq, of whose packets the middle one is lost.
pub fn quiq_sender_with_a_hole(to: &str) {
    let (socket, _) = socket();
    let send = |packet: Vec<u8>| {
        socket.send_to(&packet, to).expect("sent");
    };
    send(quiq(1, 1, &[]));
    let (accept, _) = receive(&socket).expect("an answer");
    assert_eq!(accept, quiq(2, 1, &[]));
    send(quiq(5, 3, &frame(1, 0, b"one")));
    send(quiq(6, 5, &frame(1, 2, b"three")));
    send(quiq(7, 6, &[]));
    send(quiq(8, 7, &[]));
}

/// Somebody who answers the SYN of quiq with something else.
pub fn quiq_receiver_without_manners() -> (JoinHandle<()>, String) {
    let (socket, place) = socket();
    let thread = thread::spawn(move || {
        let (syn, from) = receive(&socket).expect("a SYN");
        assert_eq!(syn[0], 1);
        socket.send_to(&quiq(2, 1, &frame(9, 9, b"nonsense")), from).expect("sent");
    });
    (thread, place)
}

/// An original server of cs488: it drops the NULs at the end of a packet, and counts what is left. It ends with
/// the connection, or when nothing comes any more.
pub fn cs488_server() -> (JoinHandle<Vec<u8>>, String) {
    const CON_ID: i16 = 7;
    let (socket, place) = socket();
    socket.set_read_timeout(Some(Duration::from_secs(3))).expect("it is more than nothing");
    let thread = thread::spawn(move || {
        let (mut expected, mut output) = (43_i32, Vec::new());
        while let Some((packet, from)) = receive(&socket) {
            let seq = i32::from_le_bytes(packet[..4].try_into().expect("four"));
            let flag = i16::from_le_bytes(packet[10..12].try_into().expect("two"));
            let answer = |ack: i32, flag: i16| {
                let numbers = [seq.to_le_bytes(), ack.to_le_bytes()].concat();
                let packet = [&numbers[..], &CON_ID.to_le_bytes(), &flag.to_le_bytes()].concat();
                socket.send_to(&packet, from).expect("sent");
            };
            match flag {
                2 => answer(43, 6),
                1 => {
                    answer(seq, 5);
                    answer(0, 1);
                }
                5 => return output,
                _ => {
                    let end = packet[12..].iter().rposition(|octet| *octet != 0);
                    let data = &packet[12..][..end.map_or(0, |end| end + 1)];
                    if seq == expected {
                        output.extend_from_slice(data);
                        expected += data.len() as i32;
                    }
                    answer(seq + data.len() as i32, 4);
                }
            }
        }
        output
    });
    (thread, place)
}
