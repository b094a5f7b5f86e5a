//! The client: asks for so many octets, and takes them in.

use std::cell::RefCell;
use std::rc::Rc;

use netmart::actors::end::{ChannelEnd, Heard, session};
use netmart::actors::message::{
    Body, Channel, CloseReason, ConnectionKey, ConnectionPattern, Refused,
};
use netmart::bus::{Actor, Change, Context, Delivery, Handler, Spawn, Time, Watcher};
use netmart::proto::tcp::Info;
use sha2::{Digest, Sha256};

/// How a download stands.
#[derive(Debug, Default)]
pub(super) struct Progress {
    /// Octets of the body.
    pub(super) received: u64,
    pub(super) sha256: Sha256,
    /// When the last octet came.
    pub(super) finished: Option<Time>,
    /// How the connection did when the server had said all.
    pub(super) info: Option<Box<Info>>,
    /// What went wrong.
    pub(super) failure: Option<String>,
    /// The connection has ended.
    pub(super) is_over: bool,
}

/// Downloads `size` octets over `connection`.
pub(super) fn download(
    connection: ConnectionKey,
    size: u64,
    progress: Rc<RefCell<Progress>>,
) -> Spawn<Download> {
    let refused = ConnectionPattern::any().local(connection.local).remote(connection.remote);
    session("client", connection, WINDOW, |end| Download {
        end,
        size,
        stage: Stage::Connecting,
        progress,
    })
    .watch::<Refused>(refused)
}

/// Octets that may be on their way to the client: enough for a long fat network.
const WINDOW: usize = 4 << 20;

/// The longest head of an answer, in octets.
const HEAD_MAX: usize = 8 * 1024;

/// The user of the connection.
pub(super) struct Download {
    end: ChannelEnd,
    size: u64,
    stage: Stage,
    progress: Rc<RefCell<Progress>>,
}

enum Stage {
    Connecting,
    /// The head of the answer as far as it has come.
    Head(Vec<u8>),
    Body,
}

impl Download {
    fn ask(&mut self, ctx: &mut Context<'_, Self>) {
        if matches!(self.stage, Stage::Connecting) {
            self.stage = Stage::Head(Vec::new());
            let Self { size, .. } = self;
            let host = self.end.connection().remote;
            let request =
                format!("GET /{size} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n");
            self.end.write(request, ctx);
        }
    }

    fn read(&mut self, octets: &[u8], ctx: &mut Context<'_, Self>) {
        match &mut self.stage {
            Stage::Connecting => {}
            Stage::Body => self.take_in(octets, ctx.now()),
            Stage::Head(head) => {
                head.extend_from_slice(octets);
                match body_of(head, self.size) {
                    Ok(None) => {}
                    Ok(Some(at)) => {
                        let body = head.split_off(at);
                        self.stage = Stage::Body;
                        self.take_in(&body, ctx.now());
                    }
                    Err(failure) => {
                        self.fail(failure);
                        self.end.abort(ctx);
                    }
                }
            }
        }
    }

    fn take_in(&mut self, octets: &[u8], now: Time) {
        let mut progress = self.progress.borrow_mut();
        progress.received += octets.len() as u64;
        progress.sha256.update(octets);
        if progress.received == self.size && progress.finished.is_none() {
            progress.finished = Some(now);
        }
    }

    /// The first failure tells; those after it are its consequences.
    fn fail(&self, failure: impl Into<String>) {
        self.progress.borrow_mut().failure.get_or_insert(failure.into());
    }

    fn over(&self, ctx: &mut Context<'_, Self>) {
        self.progress.borrow_mut().is_over = true;
        ctx.stop();
    }

    fn closed(&self, reason: CloseReason, ctx: &mut Context<'_, Self>) {
        let received = self.progress.borrow().received;
        if received != self.size {
            self.fail(format!("the connection ended after {received} octets: {reason}"));
        }
        self.over(ctx);
    }
}

impl Actor for Download {
    fn started(&mut self, ctx: &mut Context<'_, Self>) {
        if self.size == 0 {
            self.progress.borrow_mut().finished = Some(ctx.now());
        }
    }
}

impl Handler<Channel> for Download {
    fn handle(&mut self, message: Delivery<'_, Channel>, ctx: &mut Context<'_, Self>) {
        let body = message.take().body;
        if let Body::Info(info) = body {
            self.progress.borrow_mut().info = Some(info);
            return self.end.finish(ctx);
        }
        match self.end.hear(body, ctx) {
            Some(Heard::Room(_)) => self.ask(ctx),
            Some(Heard::Data(chunks)) => {
                for chunk in chunks {
                    self.end.consumed(chunk.len(), ctx);
                    self.read(&chunk, ctx);
                }
            }
            Some(Heard::End) => self.end.inquire(ctx),
            Some(Heard::Closed(reason)) => self.closed(reason, ctx),
            _ => {}
        }
    }
}

impl Watcher<Refused> for Download {
    fn changed(&mut self, change: Change<Refused>, ctx: &mut Context<'_, Self>) {
        if let Change::Appeared(refused) = change {
            self.fail(format!("no connection: {}", refused.reason));
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
