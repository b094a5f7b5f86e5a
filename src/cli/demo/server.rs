//! The web server: for a number it serves as many octets, or takes as many in.

use netmart::actors::address::{Listener, Transport};
use netmart::actors::end::{ChannelEnd, Heard, session};
use netmart::actors::message::ConnectionKey;
use netmart::actors::message::{Body, Channel};
use netmart::actors::serve::{Server, serve};
use netmart::bus::{Actor, Context, Delivery, Handler, Spawn};

use super::content::{Content, Figures, Intake, Notes};

/// A server on `listener` that says `seed`'s octets, and notes what it did.
pub(super) fn web_server(
    listener: Listener,
    seed: u64,
    notes: Notes,
) -> Spawn<Server<impl FnMut(ConnectionKey) -> Spawn<Session>>> {
    serve("web server", listener, move |connection| {
        let notes = notes.clone();
        session("session", connection, WINDOW, |end| Session {
            end,
            stage: Stage::Request(Vec::new()),
            seed,
            notes,
        })
    })
}

/// The longest request, in octets.
const REQUEST_MAX: usize = 8 * 1024;

/// Octets that may be on their way to the server: enough for a long fat network.
const WINDOW: usize = 4 << 20;

/// The user of one connection: reads one request, does what it says, closes.
pub(super) struct Session {
    end: ChannelEnd,
    stage: Stage,
    seed: u64,
    notes: Notes,
}

enum Stage {
    /// What has come of it.
    Request(Vec<u8>),
    Serving(Content),
    Taking(Intake),
    /// Nothing it says matters any more.
    Refused,
}

impl Session {
    fn read(&mut self, octets: &[u8], ctx: &mut Context<'_, Self>) {
        let request = match &mut self.stage {
            Stage::Request(request) => request,
            Stage::Taking(intake) => return intake.take_in(octets, ctx.now()),
            Stage::Serving(_) | Stage::Refused => return,
        };
        request.extend_from_slice(octets);
        match parse(request) {
            Request::Unfinished if request.len() <= REQUEST_MAX => {}
            Request::Get(length) => {
                let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n{HEADERS}");
                self.end.write(head, ctx);
                let mut content = Content::new(self.seed, length, self.notes.sent.clone());
                content.pump(&mut self.end, ctx);
                self.stage = Stage::Serving(content);
            }
            Request::Put(length, body) => {
                let intake = Intake::new(length, self.notes.received.clone(), ctx.now());
                intake.take_in(&request[body..], ctx.now());
                self.stage = Stage::Taking(intake);
            }
            Request::Unfinished | Request::Bad => {
                self.stage = Stage::Refused;
                self.end.write(format!("HTTP/1.1 400 Bad Request\r\n{HEADERS}"), ctx);
                self.end.finish(ctx);
            }
        }
    }

    fn is_over_wire(&self) -> bool {
        matches!(self.end.connection().local.transport(), Some(Transport::Wire(_)))
    }

    fn note(&self, figures: Figures) {
        self.notes.told.borrow_mut().server = Some(figures);
    }
}

const HEADERS: &str = "Content-Type: application/octet-stream\r\nConnection: close\r\n\r\n";

impl Actor for Session {}

impl Handler<Channel> for Session {
    fn handle(&mut self, message: Delivery<'_, Channel>, ctx: &mut Context<'_, Self>) {
        let body = message.take().body;
        if let Body::Info(info) = body {
            self.note(Figures::Tcp(info));
            return ctx.stop();
        }
        match self.end.hear(body, ctx) {
            Some(Heard::Data(chunks)) => {
                for chunk in chunks {
                    self.end.consumed(chunk.len(), ctx);
                    self.read(&chunk, ctx);
                }
            }
            Some(Heard::Room(_)) => {
                if let Stage::Serving(content) = &mut self.stage {
                    content.pump(&mut self.end, ctx);
                }
            }
            Some(Heard::End) if self.is_over_wire() => self.end.finish(ctx),
            // The client has heard all: the state vector is in TIME-WAIT, and can still be asked.
            Some(Heard::End) => self.end.inquire(ctx),
            // It comes by itself, right before the end.
            Some(Heard::Report(info)) => self.note(Figures::Wire(info)),
            Some(Heard::Closed(_)) => ctx.stop(),
            Some(Heard::Urgent(_) | Heard::Trouble(_) | Heard::Chunks(_)) | None => {}
        }
    }
}

#[derive(Debug, PartialEq, Eq)]
enum Request {
    Unfinished,
    /// So many octets are wanted.
    Get(u64),
    /// So many octets follow, from this place on.
    Put(u64, usize),
    Bad,
}

fn parse(octets: &[u8]) -> Request {
    let mut headers = [httparse::EMPTY_HEADER; 32];
    let mut request = httparse::Request::new(&mut headers);
    let body = match request.parse(octets) {
        Ok(httparse::Status::Partial) => return Request::Unfinished,
        Ok(httparse::Status::Complete(body)) => body,
        Err(_) => return Request::Bad,
    };
    let number = request.path.and_then(|path| path.strip_prefix('/')?.parse().ok());
    match (request.method, number) {
        (Some("GET"), Some(number)) => Request::Get(number),
        (Some("PUT"), Some(number)) => Request::Put(number, body),
        _ => Request::Bad,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_is_a_get_or_a_put_of_a_number() {
        assert_eq!(parse(b"GET /12 HTTP/1.1\r\nHost: a\r\n\r\n"), Request::Get(12));
        assert_eq!(parse(b"GET /12 HTTP/1.1\r\nHost: a\r\n"), Request::Unfinished);
        assert_eq!(parse(b"PUT /12 HTTP/1.1\r\n\r\nabc"), Request::Put(12, 20));
        assert_eq!(parse(b"POST /12 HTTP/1.1\r\n\r\n"), Request::Bad);
        assert_eq!(parse(b"GET /index.html HTTP/1.1\r\n\r\n"), Request::Bad);
        assert_eq!(parse(b"\0\0"), Request::Bad);
    }
}
