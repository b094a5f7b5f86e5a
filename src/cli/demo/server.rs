//! The web server: for a number it serves as many octets, which follow from the seed.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use bytes::Bytes;
use netmart::actors::address::Listener;
use netmart::actors::end::{ChannelEnd, Heard, session};
use netmart::actors::message::ConnectionKey;
use netmart::actors::message::{Body, Channel};
use netmart::actors::serve::{Server, serve};
use netmart::bus::{Actor, Context, Delivery, Handler, Spawn};
use netmart::proto::tcp::Info;
use rand::rngs::ChaCha8Rng;
use rand::{Rng, SeedableRng};
use sha2::{Digest, Sha256};

/// What the server did, for whoever reports it.
#[derive(Debug, Default)]
pub(super) struct Served {
    /// Of the octets sent.
    pub(super) sha256: RefCell<Sha256>,
    /// Whether the last octet has been handed to the stack.
    pub(super) is_finished: Cell<bool>,
    /// How the connection did in the end.
    pub(super) info: RefCell<Option<Box<Info>>>,
}

/// A server on `listener` that says `seed`'s octets, and notes in `served` what it did.
pub(super) fn web_server(
    listener: Listener,
    seed: u64,
    served: Rc<Served>,
) -> Spawn<Server<impl FnMut(ConnectionKey) -> Spawn<Session>>> {
    serve("web server", listener, move |connection| {
        let served = Rc::clone(&served);
        session("session", connection, REQUEST_MAX, |end| Session {
            end,
            request: Vec::new(),
            content: None,
            seed,
            served,
        })
    })
}

/// The longest request, in octets.
const REQUEST_MAX: usize = 8 * 1024;

/// The octets made at a time.
const PIECE: usize = 64 * 1024;

/// The user of one connection: reads one request, answers it, closes.
pub(super) struct Session {
    end: ChannelEnd,
    request: Vec<u8>,
    content: Option<Content>,
    seed: u64,
    served: Rc<Served>,
}

/// What is left to be sent.
struct Content {
    source: ChaCha8Rng,
    left: u64,
}

impl Content {
    fn next(&mut self, most: usize) -> Bytes {
        let length = self.left.min(most as u64) as usize;
        let mut piece = vec![0; length];
        self.source.fill_bytes(&mut piece);
        self.left -= length as u64;
        piece.into()
    }
}

impl Session {
    fn read(&mut self, octets: &[u8], ctx: &mut Context<'_, Self>) {
        if self.content.is_some() {
            return;
        }
        self.request.extend_from_slice(octets);
        match parse(&self.request) {
            Request::Unfinished if self.request.len() <= REQUEST_MAX => {}
            Request::Get(length) => {
                let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n{HEADERS}");
                self.end.write(head, ctx);
                let source = ChaCha8Rng::seed_from_u64(self.seed);
                self.content = Some(Content { source, left: length });
                self.pump(ctx);
            }
            Request::Unfinished | Request::Bad => {
                self.end.write(format!("HTTP/1.1 400 Bad Request\r\n{HEADERS}"), ctx);
                self.end.finish(ctx);
            }
        }
    }

    /// Makes as much as the connection has room for: nothing waits that could still be made.
    fn pump(&mut self, ctx: &mut Context<'_, Self>) {
        let Some(content) = &mut self.content else { return };
        while content.left > 0 && self.end.room() > 0 {
            let piece = content.next(self.end.room().min(PIECE));
            self.served.sha256.borrow_mut().update(&piece);
            self.end.write(piece, ctx);
        }
        if content.left == 0 {
            self.served.is_finished.set(true);
            self.end.finish(ctx);
        }
    }
}

const HEADERS: &str = "Content-Type: application/octet-stream\r\nConnection: close\r\n\r\n";

impl Actor for Session {}

impl Handler<Channel> for Session {
    fn handle(&mut self, message: Delivery<'_, Channel>, ctx: &mut Context<'_, Self>) {
        let body = message.take().body;
        if let Body::Info(info) = body {
            *self.served.info.borrow_mut() = Some(info);
            return ctx.stop();
        }
        match self.end.hear(body, ctx) {
            Some(Heard::Data(chunks)) => {
                for chunk in chunks {
                    self.end.consumed(chunk.len(), ctx);
                    self.read(&chunk, ctx);
                }
            }
            Some(Heard::Room(_)) => self.pump(ctx),
            // The client has heard all: the state vector is in TIME-WAIT, and can still be asked.
            Some(Heard::End) => self.end.inquire(ctx),
            Some(Heard::Closed(_)) => ctx.stop(),
            _ => {}
        }
    }
}

#[derive(Debug, PartialEq, Eq)]
enum Request {
    Unfinished,
    /// So many octets are wanted.
    Get(u64),
    Bad,
}

fn parse(octets: &[u8]) -> Request {
    let mut headers = [httparse::EMPTY_HEADER; 32];
    let mut request = httparse::Request::new(&mut headers);
    match request.parse(octets) {
        Ok(httparse::Status::Partial) => Request::Unfinished,
        Ok(httparse::Status::Complete(_)) if request.method == Some("GET") => {
            let number = request.path.and_then(|path| path.strip_prefix('/')?.parse().ok());
            number.map_or(Request::Bad, Request::Get)
        }
        _ => Request::Bad,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_is_a_get_of_a_number() {
        assert_eq!(parse(b"GET /12 HTTP/1.1\r\nHost: a\r\n\r\n"), Request::Get(12));
        assert_eq!(parse(b"GET /12 HTTP/1.1\r\nHost: a\r\n"), Request::Unfinished);
        assert_eq!(parse(b"PUT /12 HTTP/1.1\r\n\r\n"), Request::Bad);
        assert_eq!(parse(b"GET /index.html HTTP/1.1\r\n\r\n"), Request::Bad);
        assert_eq!(parse(b"\0\0"), Request::Bad);
    }

    #[test]
    fn content_follows_from_the_seed_however_it_is_cut() {
        let content = |left| Content { source: ChaCha8Rng::seed_from_u64(7), left };
        let whole = content(1000).next(2000);
        let mut cut = content(1000);
        // A generator hands out words of four octets.
        let parts = [cut.next(400), cut.next(400), cut.next(400)];
        assert_eq!(parts.concat(), whole);
    }
}
