//! Flow control from end to end, and the life of a claim, on running stacks: streams and actix actors.

use std::time::Duration;

use actix::prelude::*;
use actix_rt::System;
use bytes::Bytes;
use netmart::actors::address::Listener;
use netmart::actors::message::{ListenError, PortError, Refusal};
use netmart::claim::{Claim, ConnectionNews, Event, Knock, ListenClaim, ListenerNews, NoRoom};
use netmart::net::{TcpListener, TcpStream};
use netmart::sim::WireConfig;
use netmart::stack::{Link, Stack, wire};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::mpsc::{self, UnboundedReceiver, UnboundedSender};

/// Runs `body` on an actix arbiter whose clock stands still until nobody has anything to do.
fn on_a_paused_clock<F: Future>(body: F) -> F::Output {
    let runtime = || {
        let mut builder = tokio::runtime::Builder::new_current_thread();
        builder.enable_all().start_paused(true).build().unwrap()
    };
    System::with_tokio_rt(runtime).block_on(body)
}

fn pair(window: usize) -> (Stack, Stack) {
    let (near, far) = wire(WireConfig::with_delay(Duration::from_millis(1)), 3);
    let stack = |end, address: &str| {
        let link = Link::wire(end).address(address.parse().unwrap());
        Stack::builder().seed(3).window(window).link(link).start().unwrap()
    };
    (stack(near, "10.0.0.1/24"), stack(far, "10.0.0.2/24"))
}

fn octets(len: usize) -> Vec<u8> {
    (0..len).map(|at| (at / 7 + at / 65_521) as u8).collect()
}

/// Hands on what it is told, so that a test can wait for it.
struct Ears<M>(UnboundedSender<M>);

impl<M: Unpin + 'static> Actor for Ears<M> {
    type Context = Context<Self>;
}

impl<M: Message<Result = ()> + Unpin + 'static> Handler<M> for Ears<M> {
    type Result = ();

    fn handle(&mut self, message: M, _ctx: &mut Self::Context) {
        let _ = self.0.send(message);
    }
}

fn ears<M>() -> (Recipient<M>, UnboundedReceiver<M>)
where
    M: Message<Result = ()> + Send + Unpin + 'static,
{
    let (sender, receiver) = mpsc::unbounded_channel();
    (Ears(sender).start().recipient(), receiver)
}

/// What a connection's recipient is told next, the room there is left out.
async fn next_event(news: &mut UnboundedReceiver<ConnectionNews>) -> Event {
    loop {
        match news.recv().await.unwrap().event {
            Event::Room(_) => {}
            event => return event,
        }
    }
}

/// A listener on port 7, its claim, and the next who knocks.
async fn listening(stack: &Stack) -> (ListenClaim, UnboundedReceiver<ListenerNews>) {
    let (recipient, mut news) = ears();
    let claim = stack.listen(Listener::on(7), recipient).unwrap();
    let first = news.recv().await.unwrap();
    assert!(matches!(first, ListenerNews::Listening { port: 7 }), "{first:?}");
    (claim, news)
}

async fn knock(news: &mut UnboundedReceiver<ListenerNews>) -> Knock {
    match news.recv().await.unwrap() {
        ListenerNews::Knock(knock) => knock,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_stream_that_is_not_read_holds_its_peer_back_and_nothing_is_lost() {
    on_a_paused_clock(async {
        let (client, server) = pair(100_000);
        let listener = TcpListener::bind(&server, "10.0.0.2:7").await.unwrap();
        let connecting = TcpStream::connect(&client, "10.0.0.2:7");
        let (here, there) = tokio::join!(connecting, listener.accept());
        let (mut here, (mut there, _)) = (here.unwrap(), there.unwrap());
        let sent = octets(20_000_000);
        let (progress, mut written) = mpsc::unbounded_channel();
        let sending = actix_rt::spawn({
            let sent = sent.clone();
            async move {
                for chunk in sent.chunks(10_000) {
                    here.write_all(chunk).await.unwrap();
                    progress.send(chunk.len()).unwrap();
                }
            }
        });
        let mut before = 0;
        tokio::time::sleep(Duration::from_secs(60)).await;
        while let Ok(len) = written.try_recv() {
            before += len;
        }
        assert!(before < 12 << 20, "{before} octets wait somewhere");
        tokio::time::sleep(Duration::from_secs(60)).await;
        assert!(written.try_recv().is_err(), "the window is closed");

        let mut received = Vec::new();
        there.read_to_end(&mut received).await.unwrap();
        sending.await.unwrap();
        assert!(received == sent);
    });
}

#[test]
fn an_actix_actor_that_grants_nothing_holds_its_peer_back_and_nothing_is_lost() {
    on_a_paused_clock(async {
        let (client, server) = pair(100_000);
        let (_claim, mut knocks) = listening(&server).await;
        let mut here = TcpStream::connect(&client, "10.0.0.2:7").await.unwrap();
        let (recipient, mut news) = ears();
        let claim = server.claim(&knock(&mut knocks).await, recipient, 50_000).unwrap();
        let sent = octets(20_000_000);
        let (progress, mut written) = mpsc::unbounded_channel();
        let sending = actix_rt::spawn({
            let sent = sent.clone();
            async move {
                for chunk in sent.chunks(10_000) {
                    here.write_all(chunk).await.unwrap();
                    progress.send(chunk.len()).unwrap();
                }
            }
        });
        tokio::time::sleep(Duration::from_secs(60)).await;
        let mut received = Vec::new();
        while let Ok(ConnectionNews { event, .. }) = news.try_recv() {
            if let Event::Data(chunks) = event {
                chunks.iter().for_each(|chunk| received.extend_from_slice(chunk));
            }
        }
        assert_eq!(received.len(), 50_000, "what was granted, and no more");
        let mut before = 0;
        while let Ok(len) = written.try_recv() {
            before += len;
        }
        assert!(before < 12 << 20, "{before} octets wait somewhere");

        claim.grant(50_000);
        loop {
            match next_event(&mut news).await {
                Event::Data(chunks) => {
                    for chunk in chunks {
                        claim.grant(chunk.len());
                        received.extend_from_slice(&chunk);
                    }
                }
                Event::End => break,
                Event::Opened { .. } => {}
                other => panic!("{other:?}"),
            }
        }
        sending.await.unwrap();
        assert!(received == sent);
    });
}

#[test]
fn an_actix_actor_dials_writes_finishes_and_hears_the_end() {
    on_a_paused_clock(async {
        let (client, server) = pair(100_000);
        let listener = TcpListener::bind(&server, "10.0.0.2:7").await.unwrap();
        let (recipient, mut news) = ears();
        let claim = client.dial("10.0.0.2:7".parse().unwrap(), recipient, 10_000).unwrap();
        assert_eq!(claim.write("too early"), Err(NoRoom(Bytes::from("too early"))));
        let (mut there, peer) = listener.accept().await.unwrap();
        match next_event(&mut news).await {
            Event::Opened { local, .. } => assert_eq!(local, peer),
            other => panic!("{other:?}"),
        }
        while claim.room() == 0 {
            news.recv().await.unwrap();
        }
        claim.write("question").unwrap();
        claim.finish();
        let mut question = String::new();
        there.read_to_string(&mut question).await.unwrap();
        assert_eq!(question, "question");
        there.write_all(b"answer").await.unwrap();
        drop(there);
        assert!(
            matches!(next_event(&mut news).await, Event::Data(chunks) if chunks[0] == "answer")
        );
        assert!(matches!(next_event(&mut news).await, Event::End));
    });
}

#[test]
fn dropping_a_claim_sends_what_was_written_and_then_fin() {
    on_a_paused_clock(async {
        let (client, server) = pair(100_000);
        let listener = TcpListener::bind(&server, "10.0.0.2:7").await.unwrap();
        let (recipient, mut news) = ears();
        let claim = client.dial("10.0.0.2:7".parse().unwrap(), recipient, 10_000).unwrap();
        let (mut there, _) = listener.accept().await.unwrap();
        while claim.room() == 0 {
            news.recv().await.unwrap();
        }
        // More than there is room for: the rest waits in the stack, without the claim.
        let long = octets(5_000_000);
        claim.write(long.clone()).unwrap();
        drop(claim);
        let mut received = Vec::new();
        there.read_to_end(&mut received).await.unwrap();
        assert!(received == long);
    });
}

#[test]
fn dropping_a_listening_claim_takes_the_listener_along_but_not_its_connections() {
    on_a_paused_clock(async {
        let (client, server) = pair(100_000);
        let (listening, mut knocks) = listening(&server).await;
        let mut here = TcpStream::connect(&client, "10.0.0.2:7").await.unwrap();
        let (recipient, mut news) = ears();
        let _claim = server.claim(&knock(&mut knocks).await, recipient, 50_000).unwrap();
        drop(listening);
        tokio::time::sleep(Duration::from_secs(1)).await;
        let refused = TcpStream::connect(&client, "10.0.0.2:7").await.unwrap_err();
        assert_eq!(refused.kind(), std::io::ErrorKind::ConnectionRefused);
        here.write_all(b"still here").await.unwrap();
        loop {
            match next_event(&mut news).await {
                Event::Data(chunks) => break assert_eq!(chunks[0], "still here"),
                Event::Opened { .. } => {}
                other => panic!("{other:?}"),
            }
        }
    });
}

#[test]
fn an_actix_actor_is_told_why_nobody_listens_and_why_nobody_answers() {
    on_a_paused_clock(async {
        let (client, server) = pair(100_000);
        let _listener = TcpListener::bind(&server, "0.0.0.0:7").await.unwrap();
        let (recipient, mut news) = ears();
        let _claim = server.listen(Listener::on(7), recipient).unwrap();
        let failed = news.recv().await.unwrap();
        let in_use = ListenError::Port(PortError::InUse);
        assert!(matches!(failed, ListenerNews::Failed(reason) if reason == in_use), "{failed:?}");

        let (recipient, mut news) = ears();
        let _claim = client.dial("192.0.2.1:7".parse().unwrap(), recipient, 1000).unwrap();
        assert!(matches!(next_event(&mut news).await, Event::Refused(Refusal::NoRoute)));
    });
}

#[test]
fn an_aborted_claim_resets_the_peer() {
    on_a_paused_clock(async {
        let (client, server) = pair(100_000);
        let (_listening, mut knocks) = listening(&server).await;
        let mut here = TcpStream::connect(&client, "10.0.0.2:7").await.unwrap();
        let (recipient, _news) = ears();
        let claim: Claim = server.claim(&knock(&mut knocks).await, recipient, 50_000).unwrap();
        claim.abort();
        let error = here.read(&mut [0; 8]).await.unwrap_err();
        assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset);
    });
}

#[test]
fn news_of_urgent_data_overtakes_a_full_stream() {
    on_a_paused_clock(async {
        let (client, server) = pair(10_000);
        let listener = TcpListener::bind(&server, "10.0.0.2:7").await.unwrap();
        let connecting = TcpStream::connect(&client, "10.0.0.2:7");
        let (here, there) = tokio::join!(connecting, listener.accept());
        let (mut here, (mut there, _)) = (here.unwrap(), there.unwrap());
        here.write_all(&octets(100_000)).await.unwrap();
        here.writable().await.unwrap();
        assert_eq!(here.try_write_urgent(b"stop").unwrap(), 4);
        assert!(there.urgent().await > 10_000, "though the window is closed");
        tokio::time::sleep(Duration::from_secs(1)).await;
        assert_eq!(
            there.urgent_remaining(),
            100_004,
            "the pointer reaches 65,535 octets at a time"
        );
        let mut received = vec![0; 100_000];
        there.read_exact(&mut received).await.unwrap();
        assert_eq!(received, octets(100_000));
        assert_eq!(there.urgent_remaining(), 4);
        received.truncate(4);
        there.read_exact(&mut received).await.unwrap();
        assert_eq!((received.as_slice(), there.urgent_remaining()), (&b"stop"[..], 0));
        drop(here);
        assert_eq!(there.urgent().await, 0, "the stream is over");
    });
}
