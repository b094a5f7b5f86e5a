//! The client: asks for so many octets and takes them in, or hands them over where the wire carries data to
//! the server only.

use netmart::actors::address::Transport;
use netmart::actors::end::{ChannelEnd, Heard, session};
use netmart::actors::message::{
    Body, Channel, CloseReason, ConnectionKey, ConnectionPattern, Refused,
};
use netmart::bus::{Actor, Change, Context, Delivery, Handler, Spawn, Watcher};

use super::content::{Content, Figures, Intake, Notes};

/// What the client wants.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Task {
    /// So many octets.
    Download(u64),
    /// To hand over so many octets, which follow from the seed.
    Upload { size: u64, seed: u64 },
}

/// The client of `connection`.
pub(super) fn client(connection: ConnectionKey, task: Task, notes: Notes) -> Spawn<Client> {
    let refused = ConnectionPattern::any().local(connection.local).remote(connection.remote);
    let make = |end| Client { end, task, stage: Stage::Connecting, notes };
    session("client", connection, WINDOW, make).watch::<Refused>(refused)
}

/// Octets that may be on their way to the client: enough for a long fat network.
const WINDOW: usize = 4 << 20;

/// The longest head of an answer, in octets.
const HEAD_MAX: usize = 8 * 1024;

/// The user of the connection.
pub(super) struct Client {
    end: ChannelEnd,
    task: Task,
    stage: Stage,
    notes: Notes,
}

enum Stage {
    Connecting,
    /// The head of the answer as far as it has come.
    Head(Vec<u8>),
    Body(Intake),
    Handing(Content),
}

impl Client {
    /// There is room: at first for the request.
    fn speak(&mut self, ctx: &mut Context<'_, Self>) {
        if matches!(self.stage, Stage::Connecting) {
            let (method, size, more) = match self.task {
                Task::Download(size) => ("GET", size, "Connection: close\r\n".to_owned()),
                Task::Upload { size, .. } => ("PUT", size, format!("Content-Length: {size}\r\n")),
            };
            let host = self.end.connection().remote;
            self.end.write(format!("{method} /{size} HTTP/1.1\r\nHost: {host}\r\n{more}\r\n"), ctx);
            self.stage = match self.task {
                Task::Download(_) => Stage::Head(Vec::new()),
                Task::Upload { size, seed } => {
                    Stage::Handing(Content::new(seed, size, self.notes.sent.clone()))
                }
            };
        }
        if let Stage::Handing(content) = &mut self.stage {
            content.pump(&mut self.end, ctx);
        }
    }

    fn read(&mut self, octets: &[u8], ctx: &mut Context<'_, Self>) {
        match (&mut self.stage, self.task) {
            (Stage::Body(intake), _) => intake.take_in(octets, ctx.now()),
            (Stage::Head(head), Task::Download(size)) => {
                head.extend_from_slice(octets);
                match body_of(head, size) {
                    Ok(None) => {}
                    Ok(Some(at)) => {
                        let intake = Intake::new(size, self.notes.received.clone(), ctx.now());
                        intake.take_in(&head[at..], ctx.now());
                        self.stage = Stage::Body(intake);
                    }
                    Err(failure) => {
                        self.notes.fail(failure);
                        self.end.abort(ctx);
                    }
                }
            }
            _ => {}
        }
    }

    fn is_over_wire(&self) -> bool {
        matches!(self.end.connection().local.transport(), Some(Transport::Wire(_)))
    }

    fn over(&self, ctx: &mut Context<'_, Self>) {
        self.notes.told.borrow_mut().is_over = true;
        ctx.stop();
    }

    fn closed(&self, reason: &CloseReason, ctx: &mut Context<'_, Self>) {
        let received = self.notes.received.borrow().octets;
        match self.task {
            Task::Download(size) if received != size => {
                self.notes.fail(format!("the connection ended after {received} octets: {reason}"));
            }
            Task::Upload { .. } if !reason.is_normal() => {
                self.notes.fail(format!("the connection ended: {reason}"));
            }
            _ => {}
        }
        self.over(ctx);
    }

    fn note(&self, figures: Figures) {
        self.notes.told.borrow_mut().client = Some(figures);
    }
}

impl Actor for Client {}

impl Handler<Channel> for Client {
    fn handle(&mut self, message: Delivery<'_, Channel>, ctx: &mut Context<'_, Self>) {
        let body = message.take().body;
        if let Body::Info(info) = body {
            self.note(Figures::Tcp(info));
            return self.end.finish(ctx);
        }
        match self.end.hear(body, ctx) {
            Some(Heard::Room(_)) => self.speak(ctx),
            Some(Heard::Data(chunks)) => {
                for chunk in chunks {
                    self.end.consumed(chunk.len(), ctx);
                    self.read(&chunk, ctx);
                }
            }
            Some(Heard::End) if self.is_over_wire() => self.end.finish(ctx),
            Some(Heard::End) => self.end.inquire(ctx),
            // It comes by itself, right before the end.
            Some(Heard::Report(info)) => self.note(Figures::Wire(info)),
            Some(Heard::Closed(reason)) => self.closed(&reason, ctx),
            Some(Heard::Urgent(_) | Heard::Trouble(_) | Heard::Chunks(_)) | None => {}
        }
    }
}

impl Watcher<Refused> for Client {
    fn changed(&mut self, change: Change<Refused>, ctx: &mut Context<'_, Self>) {
        if let Change::Appeared(refused) = change {
            self.notes.fail(format!("no connection: {}", refused.reason));
            self.over(ctx);
        }
    }
}

/// Where the body begins, as soon as the head of the answer is whole and says that it is what was
/// asked for.
fn body_of(head: &[u8], size: u64) -> Result<Option<usize>, String> {
    let mut headers = [httparse::EMPTY_HEADER; 32];
    let mut response = httparse::Response::new(&mut headers);
    match response.parse(head) {
        Err(error) => Err(format!("the server's answer is not HTTP: {error}")),
        Ok(httparse::Status::Partial) if head.len() > HEAD_MAX => {
            Err("the head of the server's answer has no end".to_owned())
        }
        Ok(httparse::Status::Partial) => Ok(None),
        Ok(httparse::Status::Complete(at)) => {
            let code = response.code.unwrap_or(0);
            let length =
                response.headers.iter().find(|h| h.name.eq_ignore_ascii_case("content-length"));
            let length: Option<u64> =
                length.and_then(|header| std::str::from_utf8(header.value).ok()?.parse().ok());
            match (code, length) {
                (200, Some(length)) if size == length => Ok(Some(at)),
                (200, _) => Err("the server offers something else".to_owned()),
                _ => Err(format!("the server answered with status {code}")),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_body_begins_behind_a_head_that_fits() {
        let ok = b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello";
        assert_eq!(body_of(ok, 5), Ok(Some(ok.len() - 5)));
        assert_eq!(body_of(&ok[..30], 5), Ok(None));
        assert!(body_of(ok, 6).is_err());
        assert!(body_of(b"HTTP/1.1 400 Bad Request\r\n\r\n", 5).is_err());
        assert!(body_of(b"\0", 5).is_err());
    }
}
