//! Echo (RFC 862) over TCP: an actor per connection.

use netmart::actors::address::Listener;
use netmart::actors::end::{ChannelEnd, Heard, session};
use netmart::actors::message::Channel;
use netmart::actors::serve::serve;
use netmart::bus::{Actor, Context, Delivery, Handler, Spawn};

/// Declares echo on `port`.
pub(crate) fn service(port: u16) -> Spawn<impl Actor> {
    serve("echo", Listener::on(port), |connection| {
        session("echo session", connection, WINDOW, |end| Session { end, owed: 0 })
    })
}

/// Sends back what comes. It takes no more from its peer than the peer takes back from it.
struct Session {
    end: ChannelEnd,
    /// Octets taken from the peer and not granted to it again.
    owed: usize,
}

/// Octets on their way through a session.
const WINDOW: usize = 1 << 20;

impl Actor for Session {}

impl Handler<Channel> for Session {
    fn handle(&mut self, message: Delivery<'_, Channel>, ctx: &mut Context<'_, Self>) {
        let Self { end, owed } = self;
        match end.hear(message.take().body, ctx) {
            Some(Heard::Data(chunks)) => {
                for chunk in chunks {
                    *owed += chunk.len();
                    end.write(chunk, ctx);
                }
            }
            Some(Heard::End) => end.finish(ctx),
            Some(Heard::Closed(_)) => return ctx.stop(),
            _ => {}
        }
        // Granted again only when it is on its way back: what a peer does not read waits at the peer.
        let sent = *owed - end.queued();
        *owed -= sent;
        end.consumed(sent, ctx);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::serve::testing::{Bench, octets};

    #[test]
    fn everything_comes_back_and_then_the_end() {
        let mut bench = Bench::with(service(7));
        let client = bench.connect(7);
        bench.send(client, octets(3_000_000));
        bench.finish(client);
        bench.run();
        let story = bench.story(client);
        assert!(story.received == octets(3_000_000), "{} octets", story.received.len());
        assert!(story.has_ended);
    }

    #[test]
    fn a_client_that_does_not_read_is_held_back() {
        let mut bench = Bench::with(service(7));
        let client = bench.connect_without_reading(7);
        bench.send(client, octets(20_000_000));
        bench.run();
        let waiting = bench.story(client).waiting;
        assert!(waiting > 10_000_000, "only {waiting} of 20,000,000 wait at the client");
    }

    #[test]
    fn connections_are_told_apart() {
        let mut bench = Bench::with(service(7));
        let clients: Vec<_> = (0..20).map(|_| bench.connect(7)).collect();
        for (number, client) in clients.iter().enumerate() {
            bench.send(*client, format!("client {number}"));
            bench.finish(*client);
        }
        bench.run();
        for (number, client) in clients.iter().enumerate() {
            assert_eq!(bench.story(*client).text(), format!("client {number}"));
        }
    }
}
