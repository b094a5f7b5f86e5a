//! What the original shows its user: a log with a line per datagram, and figures that it counts but never prints.

use super::super::report::line;
use super::super::{Action, Info, Reason, Role};
use super::packet::{Cs488Packet, Flag};

fn flags(flag: Flag) -> &'static str {
    match flag {
        Flag::Data => "",
        Flag::Fin => "FIN",
        Flag::Syn => "SYN",
        Flag::Ack => "ACK",
        Flag::FinAck => "ACK FIN",
        Flag::SynAck => "ACK SYN",
    }
}

/// Action, numbers, connection and flags; a blank remains where there are no flags. Repeats are marked: on the
/// client's side what is sent again, on the server's a SYN that has come before. What the server drops has lost the
/// blank before the flags.
pub(super) fn log_line(role: Role, action: Action, packet: &Cs488Packet) -> String {
    let (verb, is_sent) = match action {
        Action::Send
        | Action::SendAgain
        | Action::SendDelayed
        | Action::SendDuplicate
        | Action::SendLost => ("SEND", true),
        Action::Receive => ("RECV", false),
        Action::ReceiveDuplicate | Action::ReceiveEarly | Action::Drop => ("DROP", false),
    };
    let is_repeated_syn = action == Action::ReceiveDuplicate && packet.flag == Flag::Syn;
    let dup = match role {
        Role::Client => is_sent && matches!(action, Action::SendAgain | Action::SendDuplicate),
        Role::Server => is_repeated_syn,
    };
    let blank = if role == Role::Server && verb == "DROP" { "" } else { " " };
    let dup = if dup { " DUP" } else { "" };
    let Cs488Packet { seq, ack, con_id, flag, .. } = packet;
    format!("{verb} {seq} {ack} {con_id}{blank}{}{dup}", flags(*flag))
}

/// The original's figures: seconds with three decimals, and kilobits per second with two. It counts 512 octets for
/// every packet; here those count that the file has.
pub(super) fn report(info: &Info) -> String {
    let octets = info.counters.octets_sent + info.counters.octets_received;
    let seconds = info.counters.elapsed().as_secs_f64();
    let mut text = String::new();
    line(&mut text, "elapsed (s)", &format!("{seconds:.3}"));
    line(&mut text, "bytes", &octets.to_string());
    let rate = octets as f64 / 125.0 / seconds;
    let rate = if seconds > 0.0 { format!("{rate:.2}") } else { "-".to_owned() };
    line(&mut text, "rate (kbit/s)", &rate);
    text
}

/// The exit status of the original's programs: 0, or 1 where they are not up to what happened.
pub fn exit_status(reason: &Reason) -> u8 {
    u8::from(*reason != Reason::Normal)
}
