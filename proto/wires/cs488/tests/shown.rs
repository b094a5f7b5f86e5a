//! What the original shows its user.

use bytes::Bytes;

use super::super::super::{Action, Reason, Role, Wire};
use super::super::exit_status;
use super::*;

#[test]
fn its_log_of_the_captured_run() {
    let none = Bytes::new();
    let line = |action, packet: P| Session::log_line(Role::Server, action, &packet);
    for (said, expected) in [
        (line(Action::Receive, P::client(Flag::Syn, 0, 42, 0, &none)), "RECV 42 0 0 SYN"),
        (line(Action::Send, P::server(Flag::SynAck, 19, 42, 43)), "SEND 42 43 19 ACK SYN"),
        (line(Action::Receive, P::client(Flag::Ack, 19, 43, 0, &none)), "RECV 43 0 19 ACK"),
        (line(Action::Send, P::server(Flag::Ack, 19, 43, 555)), "SEND 43 555 19 ACK"),
        (line(Action::Receive, P::client(Flag::Data, 19, 555, 0, &none)), "RECV 555 0 19 "),
        (line(Action::Send, P::server(Flag::FinAck, 19, 560, 565)), "SEND 560 565 19 ACK FIN"),
        (line(Action::Send, P::server(Flag::Fin, 19, 560, 0)), "SEND 560 0 19 FIN"),
        (line(Action::Drop, P::client(Flag::Fin, 19, 560, 0, &none)), "DROP 560 0 19FIN"),
    ] {
        assert_eq!(said, expected);
    }
    let again = P::client(Flag::Data, 19, 555, 0, &none);
    assert_eq!(Session::log_line(Role::Client, Action::SendAgain, &again), "SEND 555 0 19  DUP");
}

#[test]
fn its_figures_count_the_octets_of_the_file() {
    let mut script = Script::<Session>::client(0);
    script.write("x".repeat(1_000));
    script.say(P::server(Flag::SynAck, 19, 42, 43));
    script.wait(MS * 110);
    script.say(P::server(Flag::Ack, 19, 43, 555));
    script.wait(MS * 50);
    let report = Session::report(&script.session.info());
    assert_eq!(report, "elapsed (s): 0.100\nbytes: 1000\nrate (kbit/s): 80.00\n");
    assert_eq!(exit_status(&Reason::Normal), 0);
    assert_eq!(exit_status(&Reason::Vanished), 1);
}
