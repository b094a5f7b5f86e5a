//! What a connection tells of itself.

use std::sync::{Arc, Mutex};

use netmart::net::{WireLogger, WireOptions};
use netmart::proto::wires::{Kind, Mode, Reason};

use crate::cargo::all;
use crate::stacks::{connected, met, on_a_paused_clock, pair};

/// What was written to a log.
#[derive(Clone, Default)]
struct Lines(Arc<Mutex<Vec<String>>>);

impl Lines {
    fn logger(&self) -> Option<WireLogger> {
        let lines = Arc::clone(&self.0);
        Some(WireLogger::new(move |line| lines.lock().unwrap().push(line.to_owned())))
    }

    fn taken(&self) -> Vec<String> {
        std::mem::take(&mut self.0.lock().unwrap())
    }
}

#[test]
fn both_sides_write_down_each_datagram_as_the_original_does() {
    for (kind, first_sent, first_received) in [
        (Kind::Faketcp, "SOCKET(STATE=SYN", "RECV: (FLAGS=SYN "),
        (Kind::Cs488, "SEND 42 0 0 SYN", "RECV 42 0 0 SYN"),
        (Kind::Sockettcp, "SEND: 1|||0|||0|||", "RECV: 1|||0|||0|||"),
        (Kind::Quiq, "SEND: SYN number=1 payload=20", "RECV: SYN number=1 payload=20"),
    ] {
        on_a_paused_clock(async {
            let (near, far) = pair();
            let [of_client, of_server] = [Lines::default(), Lines::default()];
            let options = [&of_client, &of_server]
                .map(|of| WireOptions { log: of.logger(), ..Default::default() });
            let (client, server) = met(&near, &far, kind, options).await;
            let (sent, received) = tokio::join!(client.close(), all(&server));
            assert_eq!(sent.unwrap().ended, Some(Reason::Normal));
            assert!(received.is_ok(), "{received:?}");
            let [of_client, of_server] = [of_client.taken(), of_server.taken()];
            assert!(of_client[0].starts_with(first_sent), "{of_client:?}");
            assert!(of_server[0].starts_with(first_received), "{of_server:?}");
            assert!(of_client.iter().any(|line| line.starts_with("RECV")), "{of_client:?}");
            assert!(of_server.iter().any(|line| line.starts_with("SEND")), "{of_server:?}");
        });
    }
}

#[test]
fn careful_peers_know_each_other() {
    on_a_paused_clock(async {
        let (near, far) = pair();
        let (client, _server) = connected(&near, &far, Kind::Faketcp).await;
        let info = client.info().await.unwrap();
        assert_eq!((info.wire, info.mode, info.ended), ("faketcp", Some(Mode::Careful), None));
    });
}
