//! People who chat, on a simulated network.

use super::*;
use crate::serve::testing::Bench;

const PORT: u16 = 5999;

/// Somebody who has given their name.
fn guest(bench: &mut Bench, name: &str) -> usize {
    let guest = bench.connect(PORT);
    bench.send(guest, format!("{name}\n"));
    bench.run();
    guest
}

fn heard(bench: &Bench, guest: usize) -> String {
    bench.story(guest).text().to_owned()
}

#[test]
fn two_who_talk() {
    let mut bench = Bench::with(service(PORT));
    let ann = guest(&mut bench, "ann");
    let bob = guest(&mut bench, "bob");
    bench.send(ann, "hello\n");
    bench.run();
    bench.send(bob, "hi, ann\r\n\n");
    bench.run();
    bench.finish(bob);
    bench.run();
    assert_eq!(
        heard(&bench, ann),
        "What is your name?\n* 1 here: ann\n* bob joins\nbob: hi, ann\n* bob leaves\n"
    );
    assert_eq!(heard(&bench, bob), "What is your name?\n* 2 here: ann, bob\nann: hello\n");
    assert!(bench.story(bob).has_ended, "who has said all is seen off");
}

#[test]
fn all_at_once_and_without_a_last_end_of_line() {
    let mut bench = Bench::with(service(PORT));
    let ann = guest(&mut bench, "ann");
    let bob = bench.connect(PORT);
    bench.send(bob, "bob\none\ntwo");
    bench.finish(bob);
    bench.run();
    assert!(heard(&bench, ann).ends_with("* bob joins\nbob: one\nbob: two\n* bob leaves\n"));
}

#[test]
fn of_two_who_want_a_name_at_once_one_gets_it() {
    let mut bench = Bench::with(service(PORT));
    let guests = [bench.connect(PORT), bench.connect(PORT)];
    bench.run();
    guests.iter().for_each(|guest| bench.send(*guest, "ann\n"));
    bench.run();
    let told: Vec<_> = guests.iter().map(|guest| heard(&bench, *guest)).collect();
    let rejected = "What is your name?\nThat name is taken. What is your name?\n";
    assert_eq!(told.iter().filter(|told| *told == rejected).count(), 1, "{told:?}");
    let entered = "What is your name?\n* 1 here: ann\n";
    assert_eq!(told.iter().filter(|told| *told == entered).count(), 1, "{told:?}");
}

#[test]
fn a_name_is_free_again_when_its_bearer_is_gone() {
    let mut bench = Bench::with(service(PORT));
    let first = guest(&mut bench, "ann");
    let second = guest(&mut bench, "ann");
    bench.leave(first);
    bench.run();
    bench.send(second, "ann\n");
    bench.run();
    assert!(heard(&bench, second).ends_with("* 1 here: ann\n"), "{}", heard(&bench, second));
}

#[test]
fn names_that_are_none() {
    let mut bench = Bench::with(service(PORT));
    let guest = bench.connect(PORT);
    bench.send(guest, "\n \na b\n\x1b[1m\nabcdefghijklmnopqrstuvwxyz\nann\n");
    bench.run();
    assert_eq!(heard(&bench, guest).matches("A name is made of").count(), 5);
    assert!(heard(&bench, guest).ends_with("* 1 here: ann\n"));
}

#[test]
fn commands() {
    let mut bench = Bench::with(service(PORT));
    let ann = guest(&mut bench, "ann");
    guest(&mut bench, "bob");
    bench.send(ann, "/who\n");
    bench.run();
    bench.send(ann, "/what\n/quit\nunheard\n");
    bench.run();
    assert!(heard(&bench, ann).ends_with("* 2 here: ann, bob\n* there are /who and /quit\n"));
    assert!(bench.story(ann).has_ended);
}

#[test]
fn who_does_not_read_misses_lines_and_holds_nobody_up() {
    let mut bench = Bench::with(service(PORT));
    let ann = guest(&mut bench, "ann");
    let deaf = bench.connect_without_reading(PORT);
    bench.send(deaf, "deaf\n");
    bench.run();
    let line = "x".repeat(900);
    for _ in 0..5_000 {
        bench.send(ann, format!("{line}\n"));
    }
    bench.run();
    assert_eq!(bench.story(ann).waiting, 0, "ann could say all");
    bench.read_on(deaf, 10_000_000);
    bench.run();
    bench.send(ann, "last\n");
    bench.run();
    let heard = heard(&bench, deaf);
    let (_, after) = heard.split_once(" lines were left out\n").expect("some were");
    assert_eq!(after, "ann: last\n");
}

#[test]
fn the_session_ends_with_its_connection() {
    let mut bench = Bench::with(service(PORT));
    let ann = guest(&mut bench, "ann");
    let bob = guest(&mut bench, "bob");
    bench.leave(bob);
    bench.run();
    assert!(heard(&bench, ann).ends_with("* bob leaves\n"));
    assert_eq!(bench.connections(), 1);
}
