//! Streams, one behind the other: the one whose turn it is goes on as it comes, the others wait on disk.

use std::collections::BTreeMap;
use std::io::{self, Read, Seek, Write};
use std::path::PathBuf;

use netmart::proto::wires::Chunk;
use tempfile::SpooledTempFile;

use super::super::status::Result;
use super::out::Out;

#[derive(Debug)]
pub(in super::super) struct Ordered {
    out: Out,
    /// Whose turn it is.
    turn: u32,
    waiting: BTreeMap<u32, Waiting>,
}

#[derive(Debug)]
struct Waiting {
    octets: SpooledTempFile,
    ended: bool,
}

/// The number of a batch's first stream.
const FIRST: u32 = 1;

/// What a stream that waits may keep in memory.
const IN_MEMORY: usize = 64 * 1024;

impl Ordered {
    pub(super) fn new(out: Out) -> Self {
        Self { out, turn: FIRST, waiting: BTreeMap::new() }
    }

    pub(super) fn take(&mut self, chunks: &[Chunk]) -> Result<()> {
        let Self { out, turn, waiting } = self;
        out.attempt(|out| {
            for chunk in chunks {
                if chunk.stream == 0 {
                    finish(out, turn, waiting)?;
                } else if chunk.stream == *turn {
                    out.write(&chunk.data)?;
                    if chunk.end {
                        pass_on(out, turn, waiting)?;
                    }
                } else {
                    let waiting = waiting.entry(chunk.stream).or_insert_with(Waiting::new);
                    waiting.octets.write_all(&chunk.data)?;
                    waiting.ended |= chunk.end;
                }
            }
            out.flush()
        })
    }

    pub(super) fn place(self) -> Result<Vec<PathBuf>> {
        let Self { mut out, mut turn, mut waiting } = self;
        out.attempt(|out| finish(out, &mut turn, &mut waiting))?;
        out.place()
    }
}

impl Waiting {
    fn new() -> Self {
        Self { octets: tempfile::spooled_tempfile(IN_MEMORY), ended: false }
    }

    fn copy(mut self, out: &mut Out) -> io::Result<()> {
        self.octets.rewind()?;
        let mut buffer = vec![0; IN_MEMORY];
        loop {
            match self.octets.read(&mut buffer)? {
                0 => return Ok(()),
                len => out.write(&buffer[..len])?,
            }
        }
    }
}

/// The stream whose turn it was has ended.
fn pass_on(out: &mut Out, turn: &mut u32, waiting: &mut BTreeMap<u32, Waiting>) -> io::Result<()> {
    loop {
        *turn = turn.saturating_add(1);
        let Some(next) = waiting.remove(turn) else { return Ok(()) };
        let has_ended = next.ended;
        next.copy(out)?;
        if !has_ended {
            return Ok(());
        }
    }
}

/// The batch has ended: whoever still waits waits for a stream that does not exist.
fn finish(out: &mut Out, turn: &mut u32, waiting: &mut BTreeMap<u32, Waiting>) -> io::Result<()> {
    *turn = FIRST;
    std::mem::take(waiting).into_values().try_for_each(|waiting| waiting.copy(out))
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    /// What a file holds behind these chunks, each taken by itself, before it is placed and after.
    fn write(chunks: &[(u32, &str, bool)]) -> (String, String) {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("out");
        let mut ordered = Ordered::new(Out::create(&path).expect("created"));
        for &(stream, data, end) in chunks {
            let data = data.to_owned().into();
            ordered.take(&[Chunk { stream, data, end }]).expect("taken");
        }
        let partial = std::fs::read_dir(folder.path()).expect("a folder").flatten().next();
        let before = read(&partial.expect("it is being written").path());
        ordered.place().expect("placed");
        (before, read(&path))
    }

    fn read(path: &Path) -> String {
        std::fs::read_to_string(path).expect("text")
    }

    #[test]
    fn streams_follow_each_other_however_they_come() {
        let (before, after) = write(&[
            (2, "c", false),
            (1, "a", false),
            (3, "e", true),
            (2, "d", true),
            (1, "b", true),
        ]);
        assert_eq!((before.as_str(), after.as_str()), ("abcde", "abcde"));
    }

    #[test]
    fn a_stream_goes_on_as_it_comes_when_its_turn_has_come() {
        let (before, after) =
            write(&[(2, "b", false), (1, "a", true), (2, "c", false), (3, "d", true)]);
        assert_eq!((before.as_str(), after.as_str()), ("abc", "abcd"));
    }

    #[test]
    fn each_batch_begins_anew_and_numbers_may_be_left_out() {
        let (_, after) = write(&[
            (5, "b", true),
            (3, "a", true),
            (0, "", true),
            (2, "d", true),
            (1, "c", true),
            (0, "", true),
        ]);
        assert_eq!(after, "abcd");
    }

    #[test]
    fn large_streams_wait_as_well() {
        let large = "x".repeat(3 * IN_MEMORY + 1);
        let (_, after) = write(&[(2, &large, true), (1, "a", true)]);
        assert_eq!(after, format!("a{large}"));
    }
}
