//! Every way to fail has its exit status and one line.

use std::process::Stdio;

use nix::sys::signal::Signal;

use crate::harness::{Running, WIRES, octets, recv, recv_with, send};
use crate::scripted;

fn netmart(arguments: &[&str]) -> crate::harness::Ended {
    Running::start(arguments).end()
}

#[test]
fn a_wrong_command_line() {
    for (arguments, expected) in [
        (&["send", "--wire", "cs488", "localhost:1", "--streams", "2"][..], "cs488 has no streams"),
        (&["send", "--wire", "cs488", "localhost:1", "--chunk", "99"], "cs488 leaves no choice"),
        (&["send", "--wire", "faketcp", "localhost:1", "--chunk", "4081"], "1 to 4080"),
        (&["send", "--wire", "cs488", "localhost"], "write localhost:PORT"),
        (&["send", "--wire", "quiq", "localhost:1", "--udp"], "--udp is for tcp"),
        (&["send", "--wire", "tcp", "localhost:1"], "--tun NAME"),
        (&["recv", "--wire", "tcp", "--udp", "--log-format", "original"], "no original"),
    ] {
        netmart(arguments).badly(2, expected);
    }
    for arguments in [
        &["send", "--wire", "carrier-pigeon", "localhost:1"][..],
        &["send", "localhost:1"],
        &["recv", "--wire", "quiq", "-o", "a", "--dir", "b"],
        &["recv", "--wire", "quiq", "--once", "--forever"],
        &["recv", "--wire", "quiq", "--loss", "120%"],
    ] {
        assert_eq!(netmart(arguments).status, Some(2), "{arguments:?}");
    }
}

#[test]
fn nobody_listens() {
    for wire in WIRES {
        let (socket, place) = scripted::socket();
        drop(socket);
        send(wire, &place, &[], b"x").badly(3, "nobody listens there");
    }
    send("quiq", "no.such.host.invalid:1", &[], b"x").badly(3, "could not resolve");
}

#[test]
fn nobody_answers() {
    for wire in WIRES {
        let (_socket, place) = scripted::socket();
        send(wire, &place, &["--timeout", "400ms"], b"x").badly(4, "no answer for 0.4 s");
    }
    netmart(&["recv", "--wire", "quiq", "--bind", "127.0.0.1:0", "--timeout", "200ms"])
        .badly(4, "nobody has connected");
}

#[test]
fn packets_are_missing() {
    let (receiver, place) = recv("quiq", &[]);
    scripted::quiq_sender_with_a_hole(&place);
    receiver.end().badly(6, "data is missing: [4]");
}

#[test]
fn an_original_of_cs488_gets_no_nul_at_the_end() {
    let (server, place) = scripted::cs488_server();
    send("cs488", &place, &[], b"text\n").well();
    assert_eq!(server.join().expect("it ends"), b"text\n");
    let (server, place) = scripted::cs488_server();
    let refused = send("cs488", &place, &[], b"NULs\0\0");
    refused.badly(7, "the peer drops NULs at the end of a packet");
    drop(server.join());
}

#[test]
fn the_output_cannot_be_written() {
    let missing = ["recv", "--wire", "quiq", "--bind", "127.0.0.1:0", "-o", "/no/such/place/x"];
    netmart(&missing).badly(8, "could not write /no/such/place/x");
    let missing = ["recv", "--wire", "quiq", "--bind", "127.0.0.1:0", "--dir", "/no/such/place"];
    netmart(&missing).badly(8, "could not write /no/such/place");

    let (reader, writer) = std::io::pipe().expect("a pipe");
    drop(reader);
    let (receiver, place) = recv_with("quiq", &[], Stdio::from(writer));
    let mut sender = Running::start(&["send", "--wire", "quiq", "--timeout", "1s", &place]);
    sender.write(&octets(100_000));
    receiver.end().badly(8, "could not write standard output");
    assert_ne!(sender.end().status, Some(0), "not all of it was written");
}

#[test]
fn the_trace_cannot_be_written() {
    for arguments in [&["--wire", "quiq"][..], &["--wire", "tcp", "--udp"]] {
        let place = ["--bind", "127.0.0.1:0", "--trace", "/nowhere/at/all"];
        let all = [&["recv"], arguments, &place].concat();
        netmart(&all).badly(8, "could not write /nowhere/at/all");
    }
}

#[test]
fn the_input_cannot_be_read() {
    let missing = ["send", "--wire", "quiq", "localhost:1", "/no/such/file"];
    netmart(&missing).badly(9, "could not read /no/such/file");
    netmart(&["send", "--wire", "quiq", "localhost:1", "/"]).badly(9, "could not read /: ");
}

#[test]
fn the_protocol_is_broken() {
    let (peer, place) = scripted::quiq_receiver_without_manners();
    send("quiq", &place, &[], b"x").badly(10, "the peer broke the protocol");
    peer.join().expect("it has done its part");
}

#[test]
fn the_port_is_taken() {
    let (_socket, place) = scripted::socket();
    netmart(&["recv", "--wire", "faketcp", "--bind", &place]).badly(1, "could not listen at");
}

#[test]
fn signals() {
    for (signal, status, word) in
        [(Signal::SIGINT, 130, "interrupted"), (Signal::SIGTERM, 143, "terminated")]
    {
        let (receiver, _) = recv("faketcp", &[]);
        receiver.signal(signal);
        receiver.end().badly(status, word);
        // Whose input says nothing and does not end.
        let (mut receiver, place) = recv("faketcp", &["-v", "--forever"]);
        let sender = Running::start(&["send", "--wire", "faketcp", &place]);
        receiver.wait_for("connected");
        sender.signal(signal);
        sender.ended().badly(status, word);
    }
    let (receiver, _) = recv("faketcp", &["--forever"]);
    receiver.signal(Signal::SIGTERM);
    receiver.end().well();
}
