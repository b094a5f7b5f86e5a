//! The character generator (RFC 864) over TCP: an actor per connection.

use bytes::Bytes;
use netmart::actors::address::Listener;
use netmart::actors::end::{ChannelEnd, Heard, session};
use netmart::actors::message::{Channel, Chunks};
use netmart::actors::serve::serve;
use netmart::bus::{Actor, Context, Delivery, Handler, Spawn};

/// Declares the generator on `port`.
pub(crate) fn service(port: u16) -> Spawn<impl Actor> {
    let pattern = pattern();
    serve("chargen", Listener::on(port), move |connection| {
        let pattern = pattern.clone();
        session("chargen session", connection, WINDOW, |end| Session { end, pattern, position: 0 })
    })
}

/// Sends lines for as long as somebody takes them, and pays no heed to what comes.
struct Session {
    end: ChannelEnd,
    pattern: Bytes,
    /// Where in the pattern the next octet is.
    position: usize,
}

/// Octets that a client may have on their way to be ignored.
const WINDOW: usize = 16 * 1024;

/// The printable characters, of which each line shows a stretch that starts one further on.
const FIRST: u8 = b' ';
const PRINTABLE: usize = 95;
const LINE: usize = 72;

/// Every line there is, once, in their order.
fn pattern() -> Bytes {
    let line = |start: usize| {
        let chars = (0..LINE).map(move |column| FIRST + ((start + column) % PRINTABLE) as u8);
        chars.chain(*b"\r\n")
    };
    (0..PRINTABLE).flat_map(line).collect()
}

impl Actor for Session {}

impl Handler<Channel> for Session {
    fn handle(&mut self, message: Delivery<'_, Channel>, ctx: &mut Context<'_, Self>) {
        let end = &mut self.end;
        match end.hear(message.take().body, ctx) {
            Some(Heard::Data(chunks)) => end.consumed(length(&chunks), ctx),
            Some(Heard::Room(mut room)) => {
                while room > 0 {
                    let stop = self.pattern.len().min(self.position + room);
                    room -= stop - self.position;
                    end.write(self.pattern.slice(self.position..stop), ctx);
                    self.position = stop % self.pattern.len();
                }
            }
            Some(Heard::Closed(_)) => ctx.stop(),
            // One who has said all still reads.
            _ => {}
        }
    }
}

fn length(chunks: &Chunks) -> usize {
    chunks.iter().map(Bytes::len).sum()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::serve::testing::Bench;

    #[test]
    fn the_lines_are_those_of_the_rfc() {
        let pattern = pattern();
        let lines: Vec<_> = pattern.split(|octet| *octet == b'\n').collect();
        assert_eq!(lines.len(), PRINTABLE + 1);
        assert_eq!(
            lines[1],
            b"!\"#$%&'()*+,-./0123456789:;<=>?@ABCDEFGHIJKLMNOPQRSTUVWXYZ[\\]^_`abcdefgh\r"
        );
        assert!(lines[94].starts_with(b"~ !\"#"));
    }

    #[test]
    fn who_has_nothing_to_say_from_the_start_gets_lines_as_well() {
        let mut bench = Bench::with(service(19));
        let client = bench.connect_without_reading(19);
        bench.finish(client);
        bench.run();
        assert!(bench.story(client).received.len() > 10_000);
        assert!(!bench.story(client).has_ended);
    }

    #[test]
    fn lines_come_for_as_long_as_they_are_read() {
        let mut bench = Bench::with(service(19));
        let client = bench.connect_without_reading(19);
        bench.run();
        let received = bench.story(client).received.clone();
        assert!(received.len() > 10_000);
        assert!(pattern().repeat(100).starts_with(&received));
        let before = received.len();
        bench.finish(client);
        bench.read_on(client, 50_000);
        bench.run();
        let more = bench.story(client).received.len() - before;
        assert!(more >= 40_000, "also to one who has nothing more to say: {more}");
        bench.leave(client);
        bench.run();
        assert_eq!(bench.connections(), 0, "the session ends with its client");
    }
}
