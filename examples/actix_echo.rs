//! An echo service made of actix actors: one for the listener, one for each connection.
//!
//! A claim is an actor's interest. The server holds one in connections to port 7, each session one in its
//! connection; to drop it is to leave. Flow control is a message: a session grants its peer anew only
//! what has found room on the way back, so a client that does not read is held back.
//!
//! Run with: `cargo run --example actix_echo`

use std::collections::VecDeque;
use std::error::Error;

use actix::{Actor, ActorContext, AsyncContext, Context, Handler};
use actix_rt::System;
use bytes::Bytes;
use netmart::actors::address::Listener;
use netmart::claim::{Claim, ConnectionNews, Event, Knock, ListenClaim, ListenerNews, NoRoom};
use netmart::net::TcpStream;
use netmart::sim::WireConfig;
use netmart::stack::{Link, Stack, wire};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::oneshot;

/// Octets on their way to a session.
const WINDOW: usize = 64 * 1024;

struct Server {
    stack: Stack,
    claim: Option<ListenClaim>,
    ready: Option<oneshot::Sender<u16>>,
}

impl Actor for Server {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        self.claim = self.stack.listen(Listener::on(7), ctx.address().recipient()).ok();
    }
}

impl Handler<ListenerNews> for Server {
    type Result = ();

    fn handle(&mut self, news: ListenerNews, _ctx: &mut Self::Context) {
        match news {
            ListenerNews::Listening { port } => {
                println!("listening on port {port}");
                // Whoever waited for it may have gone.
                self.ready.take().map(|ready| ready.send(port));
            }
            ListenerNews::Knock(knock) => {
                let (stack, waiting) = (self.stack.clone(), VecDeque::new());
                Session { stack, knock, claim: None, waiting, has_ended: false }.start();
            }
            ListenerNews::Failed(error) => println!("nobody can listen: {error}"),
        }
    }
}

struct Session {
    stack: Stack,
    knock: Knock,
    claim: Option<Claim>,
    /// What has come and found no room on the way back; never more than the window.
    waiting: VecDeque<Bytes>,
    has_ended: bool,
}

impl Actor for Session {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        println!("{} comes", self.knock.peer);
        self.claim = self.stack.claim(&self.knock, ctx.address().recipient(), WINDOW).ok();
    }

    fn stopped(&mut self, _ctx: &mut Self::Context) {
        println!("{} has gone", self.knock.peer);
    }
}

impl Session {
    fn send_back(&mut self) {
        let Some(claim) = &self.claim else { return };
        while let Some(chunk) = self.waiting.pop_front() {
            let octets = chunk.len();
            match claim.write(chunk) {
                Ok(()) => claim.grant(octets),
                Err(NoRoom(chunk)) => return self.waiting.push_front(chunk),
            }
        }
        if self.has_ended {
            claim.finish();
        }
    }
}

impl Handler<ConnectionNews> for Session {
    type Result = ();

    fn handle(&mut self, news: ConnectionNews, ctx: &mut Self::Context) {
        match news.event {
            Event::Data(chunks) => self.waiting.extend(chunks),
            Event::End => self.has_ended = true,
            Event::Closed(_) | Event::Refused(_) => ctx.stop(),
            Event::Opened { .. } | Event::Room(_) | Event::Urgent(_) | Event::Trouble(_) => {}
        }
        self.send_back();
    }
}

async fn run() -> Result<(), Box<dyn Error>> {
    let (near, far) = wire(WireConfig::default(), 1);
    let client = Stack::builder().link(Link::wire(near).address("10.0.0.1/24".parse()?)).start()?;
    let stack = Stack::builder().link(Link::wire(far).address("10.0.0.2/24".parse()?)).start()?;
    let (ready, is_ready) = oneshot::channel();
    let _server = Server { stack: stack.clone(), claim: None, ready: Some(ready) }.start();
    let port = is_ready.await?;

    let stream = TcpStream::connect(&client, ("10.0.0.2", port)).await?;
    let (mut reader, mut writer) = stream.into_split();
    let text: Vec<u8> = (0..1_000_000u32).map(|index| index.to_le_bytes()[1]).collect();
    let mut back = Vec::new();
    let send = async {
        writer.write_all(&text).await?;
        writer.shutdown().await
    };
    tokio::try_join!(send, reader.read_to_end(&mut back))?;
    println!("{} octets sent, {} came back", text.len(), back.len());
    assert!(back == text, "they are the same");

    client.shutdown().await;
    stack.shutdown().await;
    Ok(())
}

fn main() -> Result<(), Box<dyn Error>> {
    System::new()
        .block_on(async { tokio::time::timeout(std::time::Duration::from_secs(60), run()).await? })
}
