//! Where what is received goes, and when it is there.

use std::fs;
use std::path::Path;

use nix::sys::signal::Signal;

use crate::harness::{WIRES, octets, recv, send};

fn names(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).expect("a folder").flatten();
    let mut names: Vec<_> =
        entries.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect();
    names.sort();
    names
}

fn text(path: &Path) -> &str {
    path.to_str().expect("a temporary path is text")
}

#[test]
fn a_file_appears_when_it_is_whole() {
    for wire in WIRES {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("out");
        fs::write(&path, "what was there").expect("written");
        let (receiver, place) = recv(wire, &["-o", text(&path)]);
        let content = octets(3_000);
        send(wire, &place, &[], &content).well();
        assert!(receiver.end().well().is_empty());
        assert!(fs::read(&path).expect("it is there") == content, "{wire}");
        assert_eq!(names(folder.path()), ["out"], "{wire}: nothing else is left");
    }
}

#[test]
fn what_breaks_off_leaves_nothing() {
    for wire in WIRES {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("out");
        let (mut receiver, place) = recv(wire, &["-v", "-o", text(&path), "--timeout", "1s"]);
        let mut sender = crate::harness::Running::start(&["send", "--wire", wire, &place]);
        sender.write(&octets(50_000));
        receiver.wait_for("connected");
        // Its input stays open: it has not sent all.
        sender.signal(Signal::SIGKILL);
        let received = receiver.end();
        assert_eq!(received.status, Some(5), "{wire}: {:?}", received.errors);
        assert_eq!(names(folder.path()), Vec::<String>::new(), "{wire}");
    }
}

#[test]
fn a_signal_leaves_nothing_behind() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("out");
    let (mut receiver, place) = recv("quiq", &["-v", "-o", text(&path)]);
    let mut sender = crate::harness::Running::start(&["send", "--wire", "quiq", &place]);
    sender.write(&octets(50_000));
    receiver.wait_for("connected");
    receiver.signal(Signal::SIGTERM);
    assert_eq!(receiver.end().status, Some(143));
    assert_eq!(names(folder.path()), Vec::<String>::new());
    sender.signal(Signal::SIGINT);
    sender.ended().badly(130, "interrupted");
}

#[test]
fn a_directory_gets_a_file_for_each_stream() {
    let folder = tempfile::tempdir().expect("a folder");
    let (input, output) = (folder.path().join("in"), folder.path().join("out"));
    fs::create_dir(&input).and_then(|()| fs::create_dir(&output)).expect("made");
    fs::write(output.join("file_4.txt"), "mine").expect("written");
    let contents = [octets(9_000), Vec::new(), octets(20)];
    let files = [1, 2, 3].map(|number| input.join(number.to_string()));
    for (path, content) in files.iter().zip(&contents) {
        fs::write(path, content).expect("written");
    }
    let (receiver, place) = recv("quiq", &["--dir", text(&output)]);
    send("quiq", &place, &files.each_ref().map(|path| text(path)), b"").well();
    receiver.end().well();
    let expected = ["file_4.txt", "file_5.txt", "file_6.txt", "file_7.txt"];
    assert_eq!(names(&output), expected);
    for (number, content) in (5..).zip(&contents) {
        let path = output.join(format!("file_{number}.txt"));
        assert!(&fs::read(path).expect("it is there") == content, "{number}");
    }
    assert_eq!(fs::read(output.join("file_4.txt")).expect("it is there"), b"mine");
}

#[test]
fn a_server_goes_on_until_a_signal_ends_it() {
    for wire in WIRES {
        let folder = tempfile::tempdir().expect("a folder");
        let (receiver, place) = recv(wire, &["--dir", text(folder.path()), "--forever"]);
        for number in 1..=3 {
            send(wire, &place, &[], format!("number {number}").as_bytes()).well();
        }
        let path = folder.path().join("file_3.txt");
        crate::harness::eventually(|| path.exists());
        receiver.signal(Signal::SIGTERM);
        receiver.end().well();
        let found = ["file_1.txt", "file_2.txt", "file_3.txt"];
        assert_eq!(names(folder.path()), found, "{wire}");
    }
}

#[test]
fn many_at_once_do_not_disturb_each_other() {
    const SENDERS: usize = 16;
    for wire in WIRES {
        let folder = tempfile::tempdir().expect("a folder");
        let (receiver, place) = recv(wire, &["--dir", text(folder.path()), "--forever"]);
        let mut expected: Vec<_> = (0..SENDERS).map(|number| octets(900 + 100 * number)).collect();
        std::thread::scope(|scope| {
            for content in &expected {
                scope.spawn(|| send(wire, &place, &[], content).well());
            }
        });
        let path = folder.path().join(format!("file_{SENDERS}.txt"));
        crate::harness::eventually(|| path.exists());
        receiver.signal(Signal::SIGTERM);
        receiver.end().well();
        let read = |name| fs::read(folder.path().join(name)).expect("it is there");
        let mut found: Vec<_> = names(folder.path()).into_iter().map(read).collect();
        found.sort();
        expected.sort();
        assert!(found == expected, "{wire}: {} files", found.len());
    }
}
