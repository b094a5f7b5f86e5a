//! One who chats.

use std::collections::VecDeque;
use std::rc::Rc;

use bytes::Bytes;
use netmart::actors::address::RemoteAddress;
use netmart::actors::end::{ChannelEnd, Heard, session};
use netmart::actors::message::{Channel, Chunks, ConnectionKey, Setting};
use netmart::bus::{Actor, Change, Context, Delivery, EventId, Handle, Handler, Spawn, Watcher};
use netmart::proto::tcp::KeepAlive;

use super::lines::{Line, Lines};
use super::{Claimed, Present, Room, Says, Seat, SeatPattern};

/// A connection to the chat, from the question for a name to the farewell.
pub(super) struct Session {
    room: Room,
    end: ChannelEnd,
    lines: Lines,
    /// Lines that wait until the name is settled; no more than the window lets in.
    waiting: VecDeque<Line>,
    phase: Phase,
    /// Lines that were left out because their reader is too slow, since the last that was not.
    omitted: u64,
    /// Whether the peer has said all.
    has_ended: bool,
}

/// How far somebody has come.
enum Phase {
    /// No name yet.
    Nameless,
    /// Asks whether somebody has that name.
    Asking {
        name: Rc<str>,
        _watch: Handle,
    },
    /// Has claimed the name, and waits to hear whether that was the first claim.
    Claiming {
        name: Rc<str>,
        _watch: Handle,
        claim: Handle,
    },
    Present(Presence),
    Leaving,
}

/// What is held by somebody who is present; all of it ends with this.
struct Presence {
    name: Rc<str>,
    _claim: Handle,
    _fact: Handle,
    _hears: Handle,
    _watch: Handle,
}

/// Octets that somebody may have on their way to us. Together with what [`Says::cost`] is for, it bounds how
/// much one can say before everybody was told.
const WINDOW: usize = 4 * 1024;

/// Octets that may wait for somebody who reads slowly; more is left out.
const OUTBOX: usize = 64 * 1024;

/// The most characters of a name.
const LONGEST_NAME: usize = 20;

/// How many unanswered probes, and how far apart, show that somebody is no longer there.
const KEEP_ALIVE: KeepAlive = KeepAlive {
    idle: std::time::Duration::from_secs(120),
    interval: std::time::Duration::from_secs(15),
    probes: 4,
};

impl Session {
    pub(super) fn spawn(room: Room, connection: ConnectionKey) -> Spawn<Self> {
        session("chat session", connection, WINDOW, |end| Self {
            room,
            end,
            lines: Lines::default(),
            waiting: VecDeque::new(),
            phase: Phase::Nameless,
            omitted: 0,
            has_ended: false,
        })
    }

    /// Shows `line`, unless too much waits to be read already.
    fn show(&mut self, line: impl Into<Bytes>, ctx: &mut Context<'_, Self>) {
        let line = line.into();
        let end = &mut self.end;
        if end.queued() + line.len() > OUTBOX {
            self.omitted += 1;
            return;
        }
        if self.omitted > 0 {
            end.write(format!("* {} lines were left out\n", self.omitted), ctx);
            self.omitted = 0;
        }
        end.write(line, ctx);
    }

    /// Octets of the peer's stream have been dealt with.
    fn repay(&mut self, cost: usize, ctx: &mut Context<'_, Self>) {
        self.end.consumed(cost, ctx);
    }

    fn receive(&mut self, chunks: Chunks, ctx: &mut Context<'_, Self>) {
        for chunk in chunks {
            let omitted = self.lines.take(&chunk, |line| self.waiting.push_back(line));
            self.repay(omitted, ctx);
        }
        self.work(ctx);
    }

    /// Deals with the lines that have come, unless a name is being settled.
    fn work(&mut self, ctx: &mut Context<'_, Self>) {
        while !matches!(self.phase, Phase::Asking { .. } | Phase::Claiming { .. }) {
            let Some(Line { text, length }) = self.waiting.pop_front() else {
                if self.has_ended {
                    self.leave(ctx);
                }
                return;
            };
            match &self.phase {
                Phase::Present(Presence { name, .. })
                    if !text.is_empty() && !text.starts_with('/') =>
                {
                    let line = Bytes::from(format!("{name}: {text}\n"));
                    let sent = ctx.send(Says { room: self.room, line, cost: length });
                    if sent == EventId::NONE {
                        self.show("* too much is going on, that line was lost\n", ctx);
                        self.repay(length, ctx);
                    }
                    continue;
                }
                Phase::Present(_) => self.command(&text, ctx),
                Phase::Nameless => self.introduce(&text, ctx),
                Phase::Asking { .. } | Phase::Claiming { .. } | Phase::Leaving => {}
            }
            self.repay(length, ctx);
        }
    }

    fn command(&mut self, text: &str, ctx: &mut Context<'_, Self>) {
        match text {
            "" => {}
            "/quit" => self.leave(ctx),
            "/who" => {
                // A watch begins with a snapshot: that is the answer.
                let watch = self.watch_presence(ctx);
                if let Phase::Present(presence) = &mut self.phase {
                    presence._watch = watch;
                }
            }
            _ => self.show("* there are /who and /quit\n", ctx),
        }
    }

    fn watch_presence(&self, ctx: &mut Context<'_, Self>) -> Handle {
        ctx.watch::<Present>(SeatPattern::any().room(self.room))
    }

    /// Somebody has said a name.
    fn introduce(&mut self, name: &str, ctx: &mut Context<'_, Self>) {
        let is_fit = |char: char| char.is_alphanumeric() || matches!(char, '-' | '_');
        if name.is_empty() || name.chars().count() > LONGEST_NAME || !name.chars().all(is_fit) {
            let limit = format!(
                "A name is made of up to {LONGEST_NAME} letters, digits, - and _. What is your name?\n"
            );
            return self.show(limit, ctx);
        }
        let name: Rc<str> = name.into();
        let _watch = ctx.watch::<Claimed>(self.seat(&name).exactly());
        self.phase = Phase::Asking { name, _watch };
    }

    fn seat(&self, name: &Rc<str>) -> Seat {
        Seat { room: self.room, name: Rc::clone(name) }
    }

    /// Nobody else in the room has this address.
    fn me(&self) -> RemoteAddress {
        self.end.connection().remote
    }

    fn reject(&mut self, ctx: &mut Context<'_, Self>) {
        self.phase = Phase::Nameless;
        self.show("That name is taken. What is your name?\n", ctx);
        self.work(ctx);
    }

    fn enter(&mut self, name: Rc<str>, claim: Handle, ctx: &mut Context<'_, Self>) {
        self.phase = Phase::Present(Presence {
            _claim: claim,
            // Stated before it is watched: the snapshot names this one, too, and no news of it follows.
            _fact: ctx.assert(Present { seat: self.seat(&name) }),
            _hears: ctx.subscribe::<Says>(self.room.exactly()),
            _watch: self.watch_presence(ctx),
            name,
        });
        self.work(ctx);
    }

    fn leave(&mut self, ctx: &mut Context<'_, Self>) {
        self.phase = Phase::Leaving;
        self.waiting.clear();
        self.end.finish(ctx);
    }
}

impl Actor for Session {
    fn started(&mut self, ctx: &mut Context<'_, Self>) {
        self.end.set(Setting::KeepAlive(Some(KEEP_ALIVE)), ctx);
        self.show("What is your name?\n", ctx);
    }
}

impl Handler<Channel> for Session {
    fn handle(&mut self, message: Delivery<'_, Channel>, ctx: &mut Context<'_, Self>) {
        match self.end.hear(message.take().body, ctx) {
            Some(Heard::Data(chunks)) => self.receive(chunks, ctx),
            Some(Heard::End) => {
                self.waiting.extend(self.lines.rest());
                self.has_ended = true;
                self.work(ctx);
            }
            Some(Heard::Closed(_)) => ctx.stop(),
            _ => {}
        }
    }
}

/// Watched for one name only, while that is being settled.
impl Watcher<Claimed> for Session {
    fn changed(&mut self, change: Change<Claimed>, ctx: &mut Context<'_, Self>) {
        match (std::mem::replace(&mut self.phase, Phase::Nameless), change) {
            (Phase::Asking { name, _watch }, Change::Snapshot(claims)) if claims.is_empty() => {
                let by = self.me();
                let claim = ctx.assert(Claimed { seat: self.seat(&name), by });
                self.phase = Phase::Claiming { name, _watch, claim };
            }
            (Phase::Asking { .. }, Change::Snapshot(_)) => self.reject(ctx),
            (Phase::Claiming { name, claim, .. }, Change::Appeared(first)) => {
                match first.by == self.me() {
                    true => self.enter(name, claim, ctx),
                    false => self.reject(ctx),
                }
            }
            (phase, _) => self.phase = phase,
        }
    }
}

impl Watcher<Present> for Session {
    fn changed(&mut self, change: Change<Present>, ctx: &mut Context<'_, Self>) {
        let line = match change {
            Change::Snapshot(present) => {
                let names: Vec<&str> = present.iter().map(|present| &*present.seat.name).collect();
                format!("* {} here: {}\n", names.len(), names.join(", "))
            }
            Change::Appeared(Present { seat }) => format!("* {} joins\n", seat.name),
            Change::Gone(Present { seat }) => format!("* {} leaves\n", seat.name),
        };
        if matches!(self.phase, Phase::Present(_)) {
            self.show(line, ctx);
        }
    }
}

impl Handler<Says> for Session {
    fn handle(&mut self, says: Delivery<'_, Says>, ctx: &mut Context<'_, Self>) {
        if says.sender() == ctx.id() {
            // By now everybody was told before any later line: there is room for one more.
            return self.repay(says.cost, ctx);
        }
        self.show(says.take().line, ctx);
    }
}
