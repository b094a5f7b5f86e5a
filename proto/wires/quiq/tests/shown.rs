//! What the original shows its user.

use super::super::super::{Action, Chunk, Role, Wire};
use super::super::SocketError;
use super::*;

#[test]
fn statistics_of_all_data_and_of_each_stream() {
    let mut script = Script::<Session>::server(&P::bare(Kind::Syn, 1), 1);
    script.say(packet(
        Kind::First,
        3,
        vec![frame(1, 0, vec![0; 1_000]), frame(1, 1, vec![0; 500])],
    ));
    script.wait(MS * 250);
    script.say(packet(Kind::First, 4, vec![frame(2, 0, "hello")]));
    script.wait(MS * 250);
    script.say(packet(Kind::Last, 5, vec![frame(1, 2, "hello")]));
    script.say(P::bare(Kind::DataFin, 6));
    let report = Session::report(&script.session.info());
    let expected = "All data\nnumber of streams: 2\npackets: 3\nframes: 4\nbytes: 1,613\n\
                    payload size: 1,510\ntotal time (s): 0.500000\n\
                    average data rate (bytes/s): 3,226.00\naverage packet rate (packets/s): 6.00\n\
                    Stream 1\npackets: 2\nframes: 3\nbytes: 1,579\npayload size: 1,505\n\
                    time (s): 0.500000\naverage data rate (bytes/s): 3,158.00\n\
                    Stream 2\npackets: 1\nframes: 1\nbytes: 34\npayload size: 5\n\
                    time (s): 0.000000\naverage data rate (bytes/s): -\n";
    assert_eq!(report, expected);
}

#[test]
fn a_packet_in_words_and_errors_by_name() {
    let first = packet(Kind::First, 3, vec![frame(1, 0, "hello quiq")]);
    let line = Session::log_line(Role::Client, Action::Send, &first);
    assert_eq!(line, "SEND: STREAM_FIRST number=3 payload=26");
    assert_eq!(SocketError::check_frame_size(1_134), Ok(1_134));
    assert_eq!(SocketError::check_frame_size(16), Err(SocketError::ValueError(16)));
    assert_eq!(SocketError::check_frame_size(14_988), Err(SocketError::ValueError(14_988)));
}

#[test]
fn how_each_stream_was_cut_is_told_once() {
    let mut script = Script::<Session>::client(0);
    script.say(greeting(Kind::Accept, 2));
    assert_eq!(script.session.poll_remark(), None);
    script.write_chunk(Chunk { stream: 2, data: Bytes::from_static(b"hello"), end: true });
    script.write_chunk(Chunk { stream: 1, data: vec![0; 5_000].into(), end: true });
    script.heard();
    let plans: Vec<_> = std::iter::from_fn(|| script.session.poll_remark()).collect();
    assert_eq!(
        plans,
        [
            "stream_id=1 number_of_packets=4 frame_per_packet=1 number_of_frames=4 frame_size=1387",
            "stream_id=2 number_of_packets=1 frame_per_packet=1 number_of_frames=1 frame_size=1387",
        ]
    );
}
