//! What an application and the actor of its connection tell each other whatever the connection carries: how
//! far it has got, what is asked of the actor, and how the connection does.

use std::mem;
use std::net::SocketAddr;

/// The addresses of an established connection.
#[derive(Clone, Copy, Debug)]
pub(super) struct Ends {
    pub(super) local: SocketAddr,
    pub(super) peer: SocketAddr,
}

/// How far a connection has got.
#[derive(Clone, Copy, Default)]
pub(super) enum Phase {
    #[default]
    Dialing,
    Established(Ends),
    /// Nothing can be written any more; what was received can still be read.
    Over(Option<Ends>),
}

/// How the application leaves the connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Leave {
    /// What it has written is still sent.
    InOrder,
    /// Something was lost on the way, and the peer shall know as far as the protocol can tell it.
    Abort,
}

/// Whether the actor must be told.
#[must_use]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Tell {
    Actor,
    Nobody,
}

/// What the application wants the actor to do.
#[derive(Default)]
pub(super) struct Wishes {
    /// What it has read since the last time has cost so much credit.
    pub(super) consumed: usize,
    /// It wants to know how the connection does.
    pub(super) inquire: bool,
    /// It has taken the connection over from the listener.
    pub(super) accepted: bool,
    pub(super) finish: bool,
    pub(super) leave: Option<Leave>,
}

/// One connection between its application and its actor; `I` is what it knows about itself.
pub(super) struct Course<I> {
    phase: Phase,
    wishes: Wishes,
    /// A touch is under way.
    is_touched: bool,
    /// The application writes no more.
    is_shut: bool,
    /// How many inquiries there were, and the last answer with the inquiries it answers.
    inquiries: u32,
    info: Option<(u32, I)>,
}

impl<I> Default for Course<I> {
    fn default() -> Self {
        let (phase, wishes) = (Phase::default(), Wishes::default());
        Self { phase, wishes, is_touched: false, is_shut: false, inquiries: 0, info: None }
    }
}

/// The application's side.
impl<I> Course<I> {
    /// There is something for the actor.
    pub(super) fn touch(&mut self) -> Tell {
        if mem::replace(&mut self.is_touched, true) { Tell::Nobody } else { Tell::Actor }
    }

    pub(super) const fn phase(&self) -> Phase {
        self.phase
    }

    pub(super) const fn is_over(&self) -> bool {
        matches!(self.phase, Phase::Over(_))
    }

    /// Whether nothing can be written any more.
    pub(super) const fn is_write_closed(&self) -> bool {
        self.is_shut || self.is_over()
    }

    /// Credit has been used up, of `window` at the most.
    pub(super) fn consume(&mut self, credit: usize, window: usize) -> Tell {
        self.wishes.consumed += credit;
        // The same portions in which credit is granted: less is not worth a word.
        if self.wishes.consumed >= window / 4 { self.touch() } else { Tell::Nobody }
    }

    /// No more will be written; nothing if that was said before.
    pub(super) fn shut_down(&mut self) -> Option<Tell> {
        if mem::replace(&mut self.is_shut, true) {
            return None;
        }
        self.wishes.finish = true;
        Some(self.touch())
    }

    /// The application took the connection from its listener.
    pub(super) fn accepted(&mut self) -> Tell {
        self.wishes.accepted = true;
        self.touch()
    }

    /// The application goes away. As with any kernel: who goes without having read everything has not got
    /// the message.
    pub(super) fn leave(&mut self, wish: Leave, has_unread: bool) -> Tell {
        self.wishes.leave = Some(if has_unread { Leave::Abort } else { wish });
        self.touch()
    }

    /// Asks how the connection does. The number is for [`answer`](Self::answer).
    pub(super) fn inquire(&mut self) -> (u32, Tell) {
        self.inquiries = self.inquiries.wrapping_add(1);
        if self.is_over() {
            return (self.inquiries, Tell::Nobody);
        }
        self.wishes.inquire = true;
        (self.inquiries, self.touch())
    }

    /// The answer to that inquiry, once it is there.
    pub(super) fn answer(&self, inquiry: u32) -> Option<&I> {
        let (answered, info) = self.info.as_ref()?;
        (answered.wrapping_sub(inquiry) as i32 >= 0).then_some(info)
    }

    /// What the connection told of itself the last time.
    pub(super) fn last_answer(&self) -> Option<&I> {
        self.info.as_ref().map(|(_, info)| info)
    }
}

/// The actor's side.
impl<I> Course<I> {
    /// What the application asks for; from now on another touch is needed.
    pub(super) fn take_wishes(&mut self) -> Wishes {
        self.is_touched = false;
        mem::take(&mut self.wishes)
    }

    /// The connection is established; says whether that is news.
    pub(super) const fn establish(&mut self, ends: Ends) -> bool {
        let is_news = matches!(self.phase, Phase::Dialing);
        if is_news {
            self.phase = Phase::Established(ends);
        }
        is_news
    }

    /// The connection is over; says whether that is news.
    pub(super) const fn end(&mut self) -> bool {
        let ends = match self.phase {
            Phase::Over(_) => return false,
            Phase::Established(ends) => Some(ends),
            Phase::Dialing => None,
        };
        self.phase = Phase::Over(ends);
        true
    }

    /// How the connection does.
    pub(super) fn informed(&mut self, info: I) {
        self.info = Some((self.inquiries, info));
    }
}
