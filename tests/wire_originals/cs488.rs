//! The face of `cs488`.

use std::time::Duration;

use netmart::net::WireError;
use netmart::proto::wires::Reason;
use netmart::wires::cs488;

use crate::{HOME, at, hasty, with_a_stack};

#[test]
fn any_octets_pass_between_client_and_server() {
    with_a_stack(async |stack| {
        let files: [Vec<u8>; 5] = [
            Vec::new(),
            b"x".to_vec(),
            vec![0; 1025],
            (0..100_000).map(|at| (at / 7) as u8).collect(),
            "K\u{e4}se|||\0\0".into(),
        ];
        let mut server = cs488::Server::bind(&stack, at(8000)).await.unwrap();
        for file in files {
            let mut client = cs488::Client::new(&stack, HOME, 8000);
            let mut copy = Vec::new();
            let (sent, received) = tokio::join!(client.send(&file[..]), server.receive(&mut copy));
            assert_eq!(copy, file);
            let (sent, received) = (sent.unwrap(), received.unwrap());
            assert_eq!((sent.bytes, received.bytes), (file.len() as u64, file.len() as u64));
            assert_eq!((client.exit_status(), server.exit_status()), (0, 0));
        }
    });
}

#[test]
fn counters_have_the_originals_units() {
    let elapsed = Duration::from_millis(2500);
    let counters = cs488::Counters { elapsed, bytes: 1_000_000 };
    assert_eq!(counters.rate(), Some(3200.0));
    assert_eq!(counters.to_string(), "2.500 s, 1000000 bytes, 3200.00 kbit/s");
    assert_eq!(cs488::Counters::default().to_string(), "0.000 s, 0 bytes");
}

#[test]
fn an_input_that_breaks_off_is_not_taken_for_a_file() {
    with_a_stack(async |stack| {
        let mut server = cs488::Server::bind_with(&stack, at(8000), hasty()).await.unwrap();
        let client = cs488::Client::new(&stack, HOME, 8000);
        // More than waits to be sent at a time, so that some of it has arrived when it breaks off.
        let mut options = hasty();
        options.config.send_limit = 1024;
        let mut client = client.with_options(options);
        let broken = BrokenOff(4);
        let mut copy = Vec::new();
        let (sent, received) = tokio::join!(client.send(broken), server.receive(&mut copy));
        assert!(matches!(sent, Err(cs488::Error::Input(_))), "{sent:?}");
        let vanished = WireError::Closed(Reason::Vanished);
        assert!(
            matches!(&received, Err(cs488::Error::Wire(error)) if *error == vanished),
            "{received:?}"
        );
        assert_eq!((client.exit_status(), server.exit_status()), (1, 1));
    });
}

/// Gives so many portions, then an error.
struct BrokenOff(u32);

impl tokio::io::AsyncRead for BrokenOff {
    fn poll_read(
        mut self: std::pin::Pin<&mut Self>,
        _cx: &mut std::task::Context<'_>,
        buf: &mut tokio::io::ReadBuf<'_>,
    ) -> std::task::Poll<std::io::Result<()>> {
        let portion = [b'x'; 4096];
        let Some(left) = self.0.checked_sub(1) else {
            return std::task::Poll::Ready(Err(std::io::ErrorKind::BrokenPipe.into()));
        };
        self.0 = left;
        buf.put_slice(&portion[..portion.len().min(buf.remaining())]);
        std::task::Poll::Ready(Ok(()))
    }
}

#[test]
fn nobody_there_gives_status_1() {
    with_a_stack(async |stack| {
        let mut client = cs488::Client::new(&stack, HOME, 8000).with_options(hasty());
        let failure = client.send(&b"file"[..]).await.unwrap_err();
        assert!(matches!(failure, cs488::Error::Wire(WireError::Refused(_))), "{failure:?}");
        assert_eq!(client.exit_status(), 1);
    });
}
