//! The face of `quiq`.

use bytes::Bytes;
use netmart::net::{UdpSocket, WireError};
use netmart::proto::wires::quiq::{PacketKind, QuiqPacket};
use netmart::proto::wires::{Codec, Reason};
use netmart::wires::quiq;

use crate::{HOME, at, hasty, with_a_stack};

#[test]
fn batches_of_files_arrive_in_their_order() {
    with_a_stack(async |stack| {
        let (mut sender, mut receiver) = (quiq::Socket::new(&stack), quiq::Socket::new(&stack));
        let big: Bytes = (0..100_000).map(|at| (at / 3) as u8).collect();
        let first = vec![big.clone(), Bytes::new(), Bytes::from_static(b"\0\0"), big];
        let second = vec![Bytes::from_static(b"second batch")];
        let sending = async {
            // Whoever comes before there is a listener is not turned away at once.
            sender.connect_to(HOME, 4269).await.unwrap();
            sender.send_files(first.clone()).await.unwrap();
            sender.send_files(second.clone()).await.unwrap();
            sender.close().await.unwrap();
        };
        let receiving = async {
            receiver.listen(HOME, 4269).await.unwrap();
            assert_eq!(receiver.receive().await.unwrap(), Some(first.clone()));
            let counted = receiver.statistics().await.unwrap();
            assert_eq!(receiver.receive().await.unwrap(), Some(second.clone()));
            assert_eq!(receiver.receive().await.unwrap(), None);
            counted
        };
        let ((), counted) = tokio::join!(sending, receiving);
        assert_eq!(counted.kind().name(), "quiq");
        let text = sender.display_statistics().await.unwrap();
        assert!(text.contains("number of streams: 1\n"), "{text}");
        assert!(text.contains("payload size: 12\n"), "{text}");
        assert!(matches!(sender.close().await, Err(quiq::Error::NotConnected)));
    });
}

#[test]
fn statistics_add_up() {
    with_a_stack(async |stack| {
        let (mut sender, mut receiver) = (quiq::Socket::new(&stack), quiq::Socket::new(&stack));
        sender.set_frame_size(1702).unwrap();
        let file = Bytes::from(vec![b'x'; 1_048_575]);
        let sending = async {
            sender.connect_to(HOME, 4269).await.unwrap();
            sender.send_files([file.clone()]).await.unwrap();
            sender.close().await.unwrap();
        };
        let receiving = async {
            receiver.listen(HOME, 4269).await.unwrap();
            assert_eq!(receiver.receive().await.unwrap().unwrap(), std::slice::from_ref(&file));
            assert_eq!(receiver.receive().await.unwrap(), None);
            receiver.statistics().await.unwrap()
        };
        let ((), counted) = tokio::join!(sending, receiving);
        let stream = &counted.info().streams[0];
        assert_eq!(stream.octets, 1_048_575);
        assert_eq!(stream.wire_octets, stream.octets + 16 * stream.frames + 13 * stream.packets);
        assert_eq!(stream.frames, 1_048_575_u64.div_ceil(1702 - 16));
    });
}

#[test]
fn errors_are_the_originals() {
    with_a_stack(async |stack| {
        let mut socket = quiq::Socket::with_options(&stack, hasty());
        for size in [0, 16, 14_988] {
            let refused = socket.set_frame_size(size).unwrap_err();
            assert!(matches!(refused, quiq::Error::ValueError(s) if s == size), "{refused:?}");
        }
        socket.set_frame_size(14_987).unwrap();
        assert!(matches!(socket.send_files(["x"]).await, Err(quiq::Error::NotConnected)));
        assert!(matches!(socket.receive().await, Err(quiq::Error::NotConnected)));
        assert!(matches!(socket.display_statistics().await, Err(quiq::Error::NotConnected)));
        let failure = socket.connect_to(HOME, 4269).await.unwrap_err();
        assert!(matches!(failure, quiq::Error::ConnectionError(_)), "{failure:?}");
        assert!(failure.to_string().starts_with("connection error: "), "{failure}");

        // An answer that is none.
        let liar = UdpSocket::bind(&stack, at(4269)).await.unwrap();
        let lying = async {
            let mut syn = [0; 64];
            let (_, from) = liar.recv_from(&mut syn).await.unwrap();
            let mut answer = QuiqPacket::bare(PacketKind::Accept, 1);
            answer.frames = vec![netmart::proto::wires::quiq::Frame {
                stream: 9,
                offset: 9,
                data: Bytes::from_static(b"?"),
            }];
            liar.send_to(&answer.to_bytes(), from).await.unwrap();
        };
        let (failure, ()) = tokio::join!(socket.connect_to(HOME, 4269), lying);
        let failure = failure.unwrap_err();
        assert!(
            matches!(
                &failure,
                quiq::Error::ConnectionError(WireError::Refused(Reason::Protocol(_)))
            ),
            "{failure:?}"
        );
    });
}
