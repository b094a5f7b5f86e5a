//! What the network says.

use super::super::{Event, IcmpError, IcmpKind, Reason, State, Trouble};
use super::script::{LOCAL, Trace, plain};

fn report(trace: &mut Trace, kind: IcmpKind, seq: u32) {
    let now = trace.now;
    trace.vector.handle_icmp(IcmpError { kind, seq: LOCAL + seq }, now);
}

#[test]
fn a_hard_error_ends_a_handshake_if_it_quotes_the_syn() {
    let mut trace = Trace::connect(plain());
    trace.send("S 0:0");
    for elsewhere in [u32::MAX, 1] {
        report(&mut trace, IcmpKind::PortUnreachable, elsewhere);
        trace.assert_state(State::SynSent);
    }
    report(&mut trace, IcmpKind::HostUnreachable, 0);
    trace.assert_state(State::SynSent);
    report(&mut trace, IcmpKind::PortUnreachable, 0);
    let kind = IcmpKind::PortUnreachable;
    assert!(trace.events().contains(&Event::Refused(Reason::Icmp(kind))));
}

#[test]
fn errors_do_not_end_a_connection_that_is_up_must_56_must_47() {
    let mut trace = Trace::established();
    trace.write_to(101);
    trace.send("P. 1:101");
    for kind in [IcmpKind::PortUnreachable, IcmpKind::HostUnreachable, IcmpKind::TimeExceeded] {
        report(&mut trace, kind, 1);
        trace.assert_state(State::Established);
        assert_eq!(trace.events(), [Event::Trouble(Trouble::Icmp(kind))]);
    }
    report(&mut trace, IcmpKind::SourceQuench, 1);
    assert_eq!(trace.events(), [], "MUST-55");
}

#[test]
fn a_smaller_mtu_is_believed_about_what_is_in_flight_rfc_1191_rfc_5927() {
    let mut trace = Trace::established();
    trace.write_to(1_001);
    trace.send("P. 1:1001");
    report(&mut trace, IcmpKind::PacketTooBig { mss: 500 }, 1_001);
    trace.silent();
    report(&mut trace, IcmpKind::PacketTooBig { mss: 5_000 }, 1);
    trace.silent();
    report(&mut trace, IcmpKind::PacketTooBig { mss: 500 }, 1);
    trace.send(". 1:501");
    trace.send("P. 501:1001");
    report(&mut trace, IcmpKind::PacketTooBig { mss: 1 }, 1);
    assert_eq!(trace.vector.info().send_mss, 256, "no report starves us");
    assert_eq!(trace.vector.info().cwnd, 10_000, "it was no congestion");
}
