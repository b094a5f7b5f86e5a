use netmart_proto::wire::tcp::{Options, SackBlocks, Segment, SeqNumber, Timestamps};

use super::super::conversation::tests::{conversation, packet, seen, segment};
use super::*;

const SYN_ACK: Flags = Flags(0x12);
const PUSH: Flags = Flags(0x18);

/// A conversation whose sides begin at 1000 and 0.
fn established() -> Conversation {
    let mut both = conversation();
    both.inbound(&packet("< S 0:0(0) win 1000 <mss 1460>")).expect("a packet");
    seen(&mut both, segment(SYN_ACK, 1000, 1));
    both
}

fn data(flags: Flags, seq: u32, len: usize) -> Segment {
    Segment { payload: vec![0; len].into(), ..segment(flags, seq, 1) }
}

/// The fields in which `sent` differs from `text`.
fn fields(text: &str, sent: &Segment, rules: &Rules) -> Vec<&'static str> {
    let mut both = established();
    let sent = seen(&mut both, sent.clone());
    match both.judge(&packet(text), &[sent], rules) {
        Verdict::Met => vec![],
        Verdict::Begun => vec!["begun"],
        Verdict::Differs(all) => all.into_iter().map(|difference| difference.field).collect(),
    }
}

#[test]
fn each_field_counts() {
    let plain = segment(Flags::ACK, 1001, 1);
    let none: &[&str] = &[];
    let cases = [
        ("> . 1:1(0) ack 1", none),
        ("> . 1:1(0) ack 1 win 9", none),
        ("> . ...(0) ack ...", none),
        ("> [noecn] . 1:1(0) ack 1", none),
        ("> [ttl 64] . 1:1(0) ack 1", none),
        ("> 8080 > 40000 . 1:1(0) ack 1", none),
        ("> 8080 > 40001 . 1:1(0) ack 1", &["ports"]),
        ("> P. 1:1(0) ack 1", &["flags"]),
        ("> . 2:2(0) ack 1", &["seq"]),
        ("> . 1:11(10) ack 1", &["length"]),
        ("> . 1:1(0) ack 2", &["ack"]),
        ("> . 1:1(0) ack 1 urg 1", &["urg"]),
        ("> . 1:1(0) ack 1 <nop>", none),
        ("> . 1:1(0) ack 1 <sackOK>", &["options"]),
        ("> . 1:1(0) ack 1 <...>", none),
        ("> [ect0] . 1:1(0) ack 1", &["ecn"]),
        ("> [tos 0x4] . 1:1(0) ack 1", &["tos"]),
        ("> [ttl 255] . 1:1(0) ack 1", &["ttl"]),
        ("> F. 2:2(0) ack 2 <mss 1>", &["flags", "seq", "ack", "options"]),
        ("> icmp unreachable", &["packet"]),
    ];
    for (text, expected) in cases {
        assert_eq!(fields(text, &plain, &Rules::LENIENT), expected, "{text}");
    }
    assert_eq!(fields("> . 1:1(0) ack 1 win 9", &plain, &Rules::STRICT), ["win"]);
    assert_eq!(fields("> . 1:1(0) ack 1 <nop>", &plain, &Rules::STRICT), ["options"]);
}

#[test]
fn options_are_a_set_unless_the_rules_are_strict() {
    let options = Options {
        mss: Some(1460),
        sack_permitted: true,
        timestamps: Some(Timestamps { value: 5, echo: 9 }),
        ..Options::default()
    };
    let sent = Segment { options, ..segment(Flags::ACK, 1001, 1) };
    let good = [
        "mss 1460,sackOK,TS val 777 ecr 9",
        "TS val ... ecr 9,nop,nop,sackOK,mss 1460,eol",
        "mss ...,sackOK,TS val 0 ecr ...",
    ];
    for options in good {
        let text = format!("> . 1:1(0) ack 1 <{options}>");
        assert!(fields(&text, &sent, &Rules::LENIENT).is_empty(), "{text}");
    }
    for options in
        ["mss 1460,sackOK", "mss 1460,sackOK,TS val 5 ecr 8", "mss 1,sackOK,TS val 5 ecr 9"]
    {
        let text = format!("> . 1:1(0) ack 1 <{options}>");
        assert_eq!(fields(&text, &sent, &Rules::LENIENT), ["options"], "{text}");
    }
    let exact = "> . 1:1(0) ack 1 <mss 1460,sackOK,TS val 5 ecr 9>";
    let order = Rules { option_order: true, timestamps: true, ..Rules::LENIENT };
    assert!(fields(exact, &sent, &order).is_empty());
    let order_of_the_script = "> . 1:1(0) ack 1 <sackOK,mss 1460,TS val 5 ecr 9>";
    assert_eq!(fields(order_of_the_script, &sent, &order), ["options"]);
    let value = "> . 1:1(0) ack 1 <mss 1460,sackOK,TS val 6 ecr 9>";
    assert_eq!(fields(value, &sent, &order), ["options"]);
}

#[test]
fn blocks_are_compared_in_order() {
    let mut sack = SackBlocks::default();
    assert!(sack.push(SeqNumber(11), SeqNumber(21)) && sack.push(SeqNumber(31), SeqNumber(41)));
    let sent =
        Segment { options: Options { sack, ..Options::default() }, ..segment(Flags::ACK, 1001, 1) };
    assert!(fields("> . 1:1(0) ack 1 <sack 11:21 31:41>", &sent, &Rules::LENIENT).is_empty());
    assert_eq!(fields("> . 1:1(0) ack 1 <sack 31:41 11:21>", &sent, &Rules::LENIENT), ["options"]);
}

#[test]
fn segments_may_add_up() {
    let mut both = established();
    let expected = packet("> P. 1:2501(2500) ack 1");
    let first = seen(&mut both, data(Flags::ACK, 1001, 1000));
    let second = seen(&mut both, data(Flags::ACK, 2001, 1000));
    let third = seen(&mut both, data(PUSH, 3001, 500));
    let lenient = Rules::LENIENT;
    let all = [first.clone(), second.clone(), third.clone()];
    assert_eq!(both.judge(&expected, &all[..1], &lenient), Verdict::Begun);
    assert_eq!(both.judge(&expected, &all[..2], &lenient), Verdict::Begun);
    assert_eq!(both.judge(&expected, &all, &lenient), Verdict::Met);
    assert!(matches!(both.judge(&expected, &all[..1], &Rules::STRICT), Verdict::Differs(_)));
    let gap = [first, third];
    assert!(matches!(both.judge(&expected, &gap, &lenient), Verdict::Differs(_)));
    let mut other = established();
    let too_long = seen(&mut other, data(PUSH, 1001, 2600));
    let verdict = other.judge(&expected, &[too_long], &lenient);
    assert!(matches!(&verdict, Verdict::Differs(all) if all[0].field == "length"), "{verdict:?}");
}

#[test]
fn what_is_whole_has_push_where_the_script_has_it() {
    let text = "> P. 1:1001(1000) ack 1";
    assert!(fields(text, &data(PUSH, 1001, 1000), &Rules::LENIENT).is_empty());
    assert_eq!(fields(text, &data(Flags::ACK, 1001, 1000), &Rules::LENIENT), ["flags"]);
}

#[test]
fn fin_is_in_the_last_piece() {
    let mut both = established();
    let expected = packet("> FP. 1:1501(1500) ack 1");
    let first = seen(&mut both, data(Flags::ACK, 1001, 1000));
    let last = seen(&mut both, data(PUSH | Flags::FIN, 2001, 500));
    assert_eq!(
        both.judge(&expected, std::slice::from_ref(&first), &Rules::LENIENT),
        Verdict::Begun
    );
    assert_eq!(both.judge(&expected, &[first, last], &Rules::LENIENT), Verdict::Met);
}

#[test]
fn a_syn_has_the_number_of_the_script() {
    let mut both = conversation();
    let sent = seen(&mut both, segment(Flags::SYN, 777, 0));
    let expected = packet("> S 1000:1000(0)");
    assert_eq!(both.judge(&expected, std::slice::from_ref(&sent), &Rules::LENIENT), Verdict::Met);
    // Retransmitted, it has to be the same again.
    assert_eq!(both.describe(&sent, Some(&expected)), "> S 1000:1000(0) win 65535");
}

#[test]
fn acks_at_other_times_are_recognised() {
    let mut both = established();
    let expected = packet("> . 1:1(0) ack 2001");
    let mut relation = |flags, ack| {
        let sent = seen(&mut both, segment(flags, 1001, ack));
        both.ack_relation(&expected, &sent)
    };
    assert_eq!(relation(Flags::ACK, 2001), AckRelation::Same);
    assert_eq!(relation(Flags::ACK, 1001), AckRelation::Less);
    assert_eq!(relation(Flags::ACK, 3001), AckRelation::More);
    assert_eq!(relation(Flags::ACK | Flags::FIN, 2001), AckRelation::Unrelated);
    assert!(expected.is_pure_ack() && !packet("> F. 1:1(0) ack 1").is_pure_ack());
}

#[test]
fn differences_are_told_in_words_and_packets_in_notation() {
    let mut both = established();
    let sent = seen(&mut both, data(PUSH, 1001, 10));
    let expected = packet("> [ect0] P. 1:11(10) ack 5");
    let Verdict::Differs(all) = both.judge(&expected, std::slice::from_ref(&sent), &Rules::LENIENT)
    else {
        panic!("it differs")
    };
    let all: Vec<_> = all.iter().map(ToString::to_string).collect();
    assert_eq!(all, ["ecn: expected ect0, got noecn", "ack: expected 5, got 1"]);
    let notation = both.describe(&sent, Some(&expected));
    assert_eq!(notation, "> [noecn] P. 1:11(10) ack 1 win 65535");
}

#[test]
fn notation_is_read_as_it_is_written() {
    for text in [
        "> S. 0:0(0) ack 1 win 65535 <mss 1460,nop,wscale 6,sackOK,TS val 100 ecr 0>",
        "< [ect0] FP. 1:11(10) ack 1 win 5 urg 3 <sack 1:2 3:4,eol>",
        "> [dscp 0x2e, ecn ce, ttl 5] - 7:7(0)!",
        "> . ...(0) ack ... <...>",
        "> 1 > 2 . 1:1(0) <FO 00ff,FOEXP,md5 aa,AccECN0 ee0b 1 eceb 2,kind 99 0102,kind 98>",
        "> . 1:1(0) <mss ...,TS val ... ecr 5!,sack ...>",
        "< icmp unreachable frag_needed mtu 1300 [1:1461(1460)]",
        "< icmp echo_request id 5",
        "> udp 5 > 6 (100)",
        "< ipv4 192.0.2.1 > 192.0.2.2: gre: mpls: . 1:1(0) / udp(1 > 2)",
    ] {
        assert_eq!(packet(text).to_string(), text);
    }
}
