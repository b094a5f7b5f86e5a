//! The server, spoken to octet by octet over a pipe.

use std::fs;
use std::os::unix::fs::symlink;

use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex};

use super::*;

/// A directory with `hello.txt` (13 octets), `big.bin` (300,000) and `sub/`.
fn directory() -> TempDir {
    let dir = tempfile::tempdir().expect("a directory");
    fs::write(dir.path().join("hello.txt"), "Hello, world!").expect("written");
    fs::write(dir.path().join("big.bin"), big()).expect("written");
    fs::create_dir(dir.path().join("sub")).expect("created");
    dir
}

fn big() -> Vec<u8> {
    (0..300_000_u32).map(|index| (index * 7 + index / 253) as u8).collect()
}

/// What the server says to `request` until it closes the connection.
async fn ask(dir: &TempDir, access: Access, request: &str) -> Answer {
    let site = Site::open(dir.path(), access).expect("there is a directory");
    let (mut client, server) = duplex(4096);
    let stop = CancellationToken::new();
    let mut octets = Vec::new();
    let (_, ()) = tokio::join!(site.serve(server, &stop), async {
        client.write_all(request.as_bytes()).await.expect("sent");
        client.shutdown().await.expect("half-closed");
        client.read_to_end(&mut octets).await.expect("answered");
    });
    let end = octets.windows(4).position(|octets| octets == b"\r\n\r\n").expect("a head") + 4;
    let head = String::from_utf8(octets[..end].to_vec()).expect("text");
    Answer { head, body: octets.split_off(end) }
}

async fn get(dir: &TempDir, target: &str, fields: &str) -> Answer {
    let request = format!("GET {target} HTTP/1.1\r\nhost: x\r\n{fields}\r\n");
    ask(dir, Access::ReadOnly, &request).await
}

async fn put(dir: &TempDir, access: Access, target: &str, body: &str) -> Answer {
    let length = body.len();
    let request =
        format!("PUT {target} HTTP/1.1\r\nhost: x\r\ncontent-length: {length}\r\n\r\n{body}");
    ask(dir, access, &request).await
}

#[derive(Debug)]
struct Answer {
    /// hyper writes the names of fields in lower case.
    head: String,
    body: Vec<u8>,
}

impl Answer {
    fn status(&self) -> &str {
        &self.head["HTTP/1.1 ".len()..][..3]
    }

    fn field(&self, name: &str) -> Option<&str> {
        let line = self.head.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "));
        line.map(str::trim)
    }

    fn text(&self) -> &str {
        std::str::from_utf8(&self.body).expect("text")
    }
}

#[tokio::test]
async fn a_small_file_and_what_is_known_of_it() {
    let answer = get(&directory(), "/hello.txt", "").await;
    assert_eq!((answer.status(), answer.text()), ("200", "Hello, world!"));
    assert_eq!(answer.field("content-type"), Some("text/plain; charset=utf-8"));
    assert_eq!(answer.field("content-length"), Some("13"));
    assert_eq!(answer.field("accept-ranges"), Some("bytes"));
    assert!(answer.field("last-modified").is_some_and(|date| date.ends_with("GMT")));
}

#[tokio::test]
async fn a_large_file_is_streamed_whole() {
    let answer = get(&directory(), "/big.bin", "").await;
    assert_eq!(answer.status(), "200");
    assert_eq!(answer.field("content-length"), Some("300000"));
    assert!(answer.body == big(), "{} octets, or wrong ones", answer.body.len());
}

#[tokio::test]
async fn parts_of_files() {
    let dir = directory();
    let answer = get(&dir, "/hello.txt", "range: bytes=7-\r\n").await;
    assert_eq!((answer.status(), answer.text()), ("206", "world!"));
    assert_eq!(answer.field("content-range"), Some("bytes 7-12/13"));
    let answer = get(&dir, "/big.bin", "range: bytes=-70000\r\n").await;
    assert_eq!(answer.field("content-range"), Some("bytes 230000-299999/300000"));
    assert!(answer.body == big()[230_000..]);
    let answer = get(&dir, "/hello.txt", "range: bytes=13-\r\n").await;
    assert_eq!((answer.status(), answer.field("content-range")), ("416", Some("bytes */13")));
}

#[tokio::test]
async fn a_part_is_sent_only_of_the_file_that_the_client_knows() {
    let dir = directory();
    let date = get(&dir, "/hello.txt", "").await.field("last-modified").expect("dated").to_owned();
    let range = |condition: &str| format!("range: bytes=0-0\r\nif-range: {condition}\r\n");
    assert_eq!(get(&dir, "/hello.txt", &range(&date)).await.status(), "206");
    let other = "Thu, 01 Jan 2015 00:00:00 GMT";
    assert_eq!(get(&dir, "/hello.txt", &range(other)).await.status(), "200");
    assert_eq!(get(&dir, "/hello.txt", &range("\"a tag\"")).await.status(), "200");
}

#[tokio::test]
async fn a_file_that_has_not_changed_is_not_sent_again() {
    let dir = directory();
    let date = get(&dir, "/hello.txt", "").await.field("last-modified").expect("dated").to_owned();
    let answer = get(&dir, "/hello.txt", &format!("if-modified-since: {date}\r\n")).await;
    assert_eq!((answer.status(), answer.body.len()), ("304", 0));
    let old = "if-modified-since: Thu, 01 Jan 2015 00:00:00 GMT\r\n";
    assert_eq!(get(&dir, "/hello.txt", old).await.status(), "200");
}

#[tokio::test]
async fn head_tells_the_same_without_the_octets() {
    let dir = directory();
    for target in ["/hello.txt", "/big.bin", "/"] {
        let request = format!("HEAD {target} HTTP/1.1\r\nhost: x\r\n\r\n");
        let head = ask(&dir, Access::ReadOnly, &request).await;
        let whole = get(&dir, target, "").await;
        assert_eq!(head.status(), "200");
        assert!(head.body.is_empty());
        for name in ["content-length", "content-type", "last-modified"] {
            assert_eq!(head.field(name), whole.field(name), "{name} of {target}");
        }
    }
}

#[tokio::test]
async fn a_connection_serves_one_request_after_the_other() {
    let request = "GET /hello.txt HTTP/1.1\r\nhost: x\r\n\r\n".repeat(3);
    let answer = ask(&directory(), Access::ReadOnly, &request).await;
    let rest = answer.text();
    assert_eq!(rest.matches("HTTP/1.1 200 OK").count(), 2, "besides the first: {rest}");
}

#[tokio::test]
async fn directories_are_listed_or_show_their_index() {
    let dir = directory();
    let listing = get(&dir, "/", "").await;
    assert_eq!(listing.field("content-type"), Some("text/html; charset=utf-8"));
    assert!(listing.text().contains("<a href=\"./sub/\">sub/</a>"), "{listing:?}");
    let moved = get(&dir, "/sub", "").await;
    assert_eq!((moved.status(), moved.field("location")), ("301", Some("/sub/")));
    assert_eq!(get(&dir, "/sub/", "").await.status(), "200");
    fs::write(dir.path().join("sub/index.html"), "<p>mine").expect("written");
    assert_eq!(get(&dir, "/sub/", "").await.text(), "<p>mine");
}

#[tokio::test]
async fn nothing_outside_of_the_directory_can_be_had() {
    let (dir, outside) = (directory(), directory());
    symlink(outside.path(), dir.path().join("out")).expect("linked");
    symlink(outside.path().join("hello.txt"), dir.path().join("file")).expect("linked");
    symlink("../../../../../../../etc/passwd", dir.path().join("passwd")).expect("linked");
    symlink("loop", dir.path().join("loop")).expect("linked");
    for target in ["/out/hello.txt", "/out/", "/file", "/passwd", "/loop", "/../x", "/%2e%2e/x"] {
        let status = get(&dir, target, "").await.status().to_owned();
        assert!(["403", "404"].contains(&&*status), "{target}: {status}");
    }
    let listing = get(&dir, "/", "").await;
    assert!(!listing.text().contains("out"), "links out are not shown: {listing:?}");
    let status = put(&dir, Access::Writable, "/out/new", "x").await.status().to_owned();
    assert!(["403", "409"].contains(&&*status), "{status}");
    assert!(!outside.path().join("new").exists());
}

#[tokio::test]
async fn links_within_the_directory_are_followed() {
    let dir = directory();
    symlink("../hello.txt", dir.path().join("sub/link")).expect("linked");
    assert_eq!(get(&dir, "/sub/link", "").await.text(), "Hello, world!");
}

#[tokio::test]
async fn what_is_not_there_or_is_no_file() {
    let dir = directory();
    nix::unistd::mkfifo(&dir.path().join("pipe"), nix::sys::stat::Mode::S_IRWXU).expect("a pipe");
    let long = format!("/{}", "x".repeat(1000));
    for target in ["/none", "/hello.txt/", "/hello.txt/x", "/pipe", &long] {
        assert_eq!(get(&dir, target, "").await.status(), "404", "{target}");
    }
}

#[tokio::test]
async fn uploads_make_and_replace_files() {
    let dir = directory();
    assert_eq!(put(&dir, Access::Writable, "/sub/new", "one").await.status(), "201");
    assert_eq!(put(&dir, Access::Writable, "/sub/new", "two!").await.status(), "204");
    assert_eq!(fs::read(dir.path().join("sub/new")).expect("there"), b"two!");
    assert_eq!(put(&dir, Access::Writable, "/sub/empty", "").await.status(), "201");
    assert_eq!(fs::read(dir.path().join("sub/empty")).expect("there"), b"");
}

#[tokio::test]
async fn uploads_that_cannot_be_taken() {
    let dir = directory();
    let refused = put(&dir, Access::ReadOnly, "/new", "x").await;
    assert_eq!((refused.status(), refused.field("allow")), ("405", Some("GET, HEAD")));
    for target in ["/sub", "/new/", "/none/new", "/hello.txt/x", "/"] {
        let status = put(&dir, Access::Writable, target, "x").await.status().to_owned();
        assert_eq!(status, "409", "{target}");
    }
    let part =
        "PUT /new HTTP/1.1\r\nhost: x\r\ncontent-range: bytes 0-0/2\r\ncontent-length: 1\r\n\r\nx";
    assert_eq!(ask(&dir, Access::Writable, part).await.status(), "400");
    assert_eq!(fs::read_dir(dir.path()).expect("there").count(), 3, "nothing was left behind");
}

#[tokio::test]
async fn of_an_upload_that_breaks_off_nothing_is_left() {
    let dir = directory();
    let request = "PUT /hello.txt HTTP/1.1\r\nhost: x\r\ncontent-length: 100\r\n\r\nonly this";
    ask(&dir, Access::Writable, request).await;
    assert_eq!(fs::read(dir.path().join("hello.txt")).expect("there"), b"Hello, world!");
    assert_eq!(fs::read_dir(dir.path()).expect("there").count(), 3);
}

#[tokio::test]
async fn an_upload_is_seen_only_when_it_is_complete() {
    let dir = directory();
    let site = Site::open(dir.path(), Access::Writable).expect("there is a directory");
    let (mut client, server) = duplex(4096);
    let stop = CancellationToken::new();
    let (_, ()) = tokio::join!(site.serve(server, &stop), async {
        let head = "PUT /new HTTP/1.1\r\nhost: x\r\nconnection: close\r\nexpect: 100-continue\r\ncontent-length: 6\r\n\r\n";
        client.write_all(head.as_bytes()).await.expect("sent");
        let mut go_on = [0; 25];
        client.read_exact(&mut go_on).await.expect("answered");
        assert_eq!(&go_on, b"HTTP/1.1 100 Continue\r\n\r\n");
        client.write_all(b"abc").await.expect("sent");
        let listing = get(&dir, "/", "").await;
        assert!(
            !listing.text().contains("new") && !listing.text().contains("upload"),
            "{listing:?}"
        );
        client.write_all(b"def").await.expect("sent");
        client.read_to_end(&mut Vec::new()).await.expect("answered");
    });
    assert_eq!(fs::read(dir.path().join("new")).expect("there"), b"abcdef");
}

#[tokio::test]
async fn stopping_answers_the_request_under_way_and_closes() {
    let dir = directory();
    let site = Site::open(dir.path(), Access::ReadOnly).expect("there is a directory");
    let (mut client, server) = duplex(4096);
    let stop = CancellationToken::new();
    let (served, ()) = tokio::join!(site.serve(server, &stop), async {
        let request = b"GET /big.bin HTTP/1.1\r\nhost: x\r\n\r\n";
        client.write_all(request).await.expect("sent");
        let mut start = [0; 12];
        client.read_exact(&mut start).await.expect("answered");
        stop.cancel();
        let mut rest = Vec::new();
        client.read_to_end(&mut rest).await.expect("closed");
        assert!(rest.ends_with(&big()[200_000..]));
    });
    assert!(served.is_ok());
}

#[test]
fn a_directory_that_is_not_there() {
    let error = Site::open(Path::new("/no/such/directory"), Access::ReadOnly).expect_err("missing");
    assert_eq!(error.kind(), io::ErrorKind::NotFound);
}
