//! Tells when everything that was declared is served, or why it cannot be.

use std::collections::BTreeSet;

use netmart::actors::address::{Listener, LocalAddress};
use netmart::actors::message::{
    BindFailed, Bound, BoundPattern, ListenError, ListenFailed, ListenerPattern, Listening,
    ListeningPattern,
};
use netmart::bus::{Actor, Change, Context, Fact, Spawn, Watcher};
use tokio::sync::oneshot;

/// Something that others can reach us by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Place {
    Tcp(Listener),
    Udp(LocalAddress),
}

/// The place that could not be had, and why.
pub(crate) type Verdict = Result<(), (Place, ListenError)>;

/// Watches the facts about some places until there is nothing left to be learnt.
pub(crate) struct Herald {
    awaited: BTreeSet<Place>,
    answer: Option<oneshot::Sender<Verdict>>,
}

impl Herald {
    pub(crate) fn spawn(
        awaited: impl IntoIterator<Item = Place>,
        answer: oneshot::Sender<Verdict>,
    ) -> Spawn<Self> {
        let herald = Self { awaited: awaited.into_iter().collect(), answer: Some(answer) };
        Spawn::new("herald", herald)
            .watch::<Listening>(ListeningPattern::any())
            .watch::<ListenFailed>(ListenerPattern::any())
            .watch::<Bound>(BoundPattern::any())
            .watch::<BindFailed>(BoundPattern::any())
    }

    fn learn<F: Fact>(
        &mut self,
        change: Change<F>,
        read: impl Fn(&F) -> (Place, Result<(), ListenError>),
        ctx: &mut Context<'_, Self>,
    ) {
        let facts = match change {
            Change::Snapshot(facts) => facts,
            Change::Appeared(fact) => vec![fact],
            Change::Gone(_) => return,
        };
        for (place, result) in facts.iter().map(read) {
            if self.awaited.remove(&place)
                && let Err(reason) = result
            {
                return self.tell(Err((place, reason)), ctx);
            }
        }
        if self.awaited.is_empty() {
            self.tell(Ok(()), ctx);
        }
    }

    fn tell(&mut self, verdict: Verdict, ctx: &mut Context<'_, Self>) {
        if let Some(answer) = self.answer.take() {
            // Whoever asked may have gone.
            let _ = answer.send(verdict);
        }
        ctx.stop();
    }
}

impl Actor for Herald {}

impl Watcher<Listening> for Herald {
    fn changed(&mut self, change: Change<Listening>, ctx: &mut Context<'_, Self>) {
        self.learn(change, |fact| (Place::Tcp(fact.at.listener), Ok(())), ctx);
    }
}

impl Watcher<ListenFailed> for Herald {
    fn changed(&mut self, change: Change<ListenFailed>, ctx: &mut Context<'_, Self>) {
        self.learn(change, |fact| (Place::Tcp(fact.of.listener), Err(fact.reason)), ctx);
    }
}

impl Watcher<Bound> for Herald {
    fn changed(&mut self, change: Change<Bound>, ctx: &mut Context<'_, Self>) {
        self.learn(change, |fact| (Place::Udp(fact.at.local), Ok(())), ctx);
    }
}

impl Watcher<BindFailed> for Herald {
    fn changed(&mut self, change: Change<BindFailed>, ctx: &mut Context<'_, Self>) {
        self.learn(change, |fact| (Place::Udp(fact.at.local), Err(fact.reason)), ctx);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::serve::testing::Bench;
    use crate::serve::{echo, udp_echo};

    fn ask(bench: &mut Bench, places: &[Place]) -> oneshot::Receiver<Verdict> {
        let (answer, answered) = oneshot::channel();
        bench.spawn(Herald::spawn(places.iter().copied(), answer));
        bench.run();
        answered
    }

    #[test]
    fn what_is_declared_before_or_after_is_told() {
        let mut bench = Bench::with(echo::service(7));
        let (tcp, udp) = (Place::Tcp(Listener::on(7)), Place::Udp(udp_echo::local(7)));
        assert_eq!(ask(&mut bench, &[tcp]).try_recv(), Ok(Ok(())));
        let mut both = ask(&mut bench, &[tcp, udp]);
        assert_eq!(both.try_recv(), Err(oneshot::error::TryRecvError::Empty));
        bench.spawn(udp_echo::service(7));
        bench.run();
        assert_eq!(both.try_recv(), Ok(Ok(())));
        assert_eq!(ask(&mut bench, &[]).try_recv(), Ok(Ok(())), "nothing is there at once");
    }

    #[test]
    fn what_cannot_be_is_told() {
        let mut bench = Bench::with(echo::service(0));
        let nowhere = "192.0.2.1:7".parse::<std::net::SocketAddr>().expect("an address");
        let place = Place::Tcp(Listener::at(nowhere));
        bench.spawn(crate::serve::testing::wish(Listener::at(nowhere)));
        let told = ask(&mut bench, &[place]).try_recv();
        assert_eq!(told, Ok(Err((place, ListenError::NotLocal))));
    }
}
