//! Files of a directory, numbered as the originals number them: `file_1.txt`, `file_2.txt`, ... No name comes
//! from the peer, and no file that is there is touched.

use std::collections::BTreeMap;
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use netmart::proto::wires::Chunk;
use tempfile::NamedTempFile;

use super::super::status::{Failure, Result};
use super::partial_in;

#[derive(Debug)]
pub(in super::super) struct Numbered {
    directory: PathBuf,
    has_streams: bool,
    /// What is not whole yet, by stream.
    partial: BTreeMap<u32, BufWriter<NamedTempFile>>,
    placed: Vec<PathBuf>,
}

/// Of a wire without streams.
const ALL: u32 = 0;

const BUFFER: usize = 16 * 1024;

impl Numbered {
    pub(super) fn new(directory: &Path, has_streams: bool) -> Self {
        let directory = directory.to_owned();
        Self { directory, has_streams, partial: BTreeMap::new(), placed: Vec::new() }
    }

    pub(super) fn check(directory: &Path) -> Result<()> {
        partial_in(directory).map(drop).map_err(|error| Failure::output_at(directory, &error))
    }

    pub(super) fn take(&mut self, chunks: &[Chunk]) -> Result<()> {
        for chunk in chunks {
            let stream = match (self.has_streams, chunk.stream) {
                (true, 0) => {
                    self.place_all()?;
                    continue;
                }
                (true, stream) => stream,
                (false, _) => ALL,
            };
            let written = self.file(stream).and_then(|file| file.write_all(&chunk.data));
            written.map_err(|error| Failure::output_at(&self.directory, &error))?;
        }
        Ok(())
    }

    fn file(&mut self, stream: u32) -> io::Result<&mut BufWriter<NamedTempFile>> {
        use std::collections::btree_map::Entry;
        Ok(match self.partial.entry(stream) {
            Entry::Occupied(there) => there.into_mut(),
            Entry::Vacant(vacant) => {
                let file = partial_in(&self.directory)?;
                vacant.insert(BufWriter::with_capacity(BUFFER, file))
            }
        })
    }

    pub(super) fn place(mut self) -> Result<Vec<PathBuf>> {
        if !self.has_streams {
            // A connection that brought nothing is an empty file.
            self.take(&[Chunk::default()])?;
        }
        self.place_all()?;
        Ok(self.placed)
    }

    /// What there is is whole: it gets the next numbers, in the order of the streams.
    fn place_all(&mut self) -> Result<()> {
        let failed = |error| Failure::output_at(&self.directory, &error);
        let mut number = highest(&self.directory).map_err(failed)?;
        for file in std::mem::take(&mut self.partial).into_values() {
            self.placed.push(place(&self.directory, file, &mut number).map_err(failed)?);
        }
        Ok(())
    }
}

/// Gives a file the next number that nobody has.
fn place(
    directory: &Path,
    file: BufWriter<NamedTempFile>,
    number: &mut u64,
) -> io::Result<PathBuf> {
    let mut file = file.into_inner().map_err(|error| error.into_error())?;
    loop {
        *number = number.checked_add(1).ok_or(io::ErrorKind::FileTooLarge)?;
        let path = directory.join(format!("{PREFIX}{number}{SUFFIX}"));
        match file.persist_noclobber(&path) {
            Ok(_) => return Ok(path),
            // Another connection was faster.
            Err(error) if error.error.kind() == io::ErrorKind::AlreadyExists => file = error.file,
            Err(error) => return Err(error.error),
        }
    }
}

const PREFIX: &str = "file_";
const SUFFIX: &str = ".txt";

/// The highest number that is taken.
fn highest(directory: &Path) -> io::Result<u64> {
    let mut highest = 0;
    for entry in directory.read_dir()? {
        let name = entry?.file_name();
        let digits = name.to_str().and_then(|name| name.strip_prefix(PREFIX)?.strip_suffix(SUFFIX));
        let number = digits.and_then(|digits| digits.parse().ok());
        highest = highest.max(number.unwrap_or(0));
    }
    Ok(highest)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn content(folder: &Path) -> Vec<(String, String)> {
        let entries = std::fs::read_dir(folder).expect("a folder").flatten();
        let mut found: Vec<_> = entries
            .map(|entry| {
                let content = std::fs::read_to_string(entry.path()).expect("text");
                (entry.file_name().into_string().expect("text"), content)
            })
            .collect();
        found.sort();
        found
    }

    fn chunk(stream: u32, data: &str, end: bool) -> Chunk {
        Chunk { stream, data: data.to_owned().into(), end }
    }

    #[test]
    fn streams_are_numbered_in_their_order_behind_what_is_there() {
        let folder = tempfile::tempdir().expect("a folder");
        std::fs::write(folder.path().join("file_7.txt"), "mine").expect("written");
        let mut files = Numbered::new(folder.path(), true);
        let chunks =
            [chunk(2, "b", true), chunk(1, "a", true), chunk(0, "", true), chunk(1, "c", true)];
        files.take(&chunks).expect("taken");
        let placed = files.place().expect("placed");
        assert_eq!(placed.len(), 3);
        let expected = [("7", "mine"), ("8", "a"), ("9", "b"), ("10", "c")];
        let mut expected = expected.map(|(n, text)| (format!("file_{n}.txt"), text.to_owned()));
        expected.sort();
        assert_eq!(content(folder.path()), expected);
    }

    #[test]
    fn a_batch_that_has_ended_stays_and_one_that_has_not_goes() {
        let folder = tempfile::tempdir().expect("a folder");
        let mut files = Numbered::new(folder.path(), true);
        files
            .take(&[chunk(1, "a", true), chunk(0, "", true), chunk(1, "b", false)])
            .expect("taken");
        drop(files);
        assert_eq!(content(folder.path()), [("file_1.txt".to_owned(), "a".to_owned())]);
    }

    #[test]
    fn a_connection_without_streams_is_one_file() {
        let folder = tempfile::tempdir().expect("a folder");
        for text in ["", "x"] {
            let mut files = Numbered::new(folder.path(), false);
            files.take(&[chunk(0, text, true), chunk(0, text, true)]).expect("taken");
            files.place().expect("placed");
        }
        let nothing = Numbered::new(folder.path(), false);
        nothing.place().expect("placed");
        let expected = ["", "xx", ""];
        let found: Vec<_> = content(folder.path()).into_iter().map(|(_, text)| text).collect();
        assert_eq!(found, expected);
    }

    #[test]
    fn a_missing_directory_is_told() {
        let failure = Numbered::check(Path::new("/no/such/place")).expect_err("it is missing");
        assert!(failure.to_string().starts_with("could not write /no/such/place: "), "{failure}");
    }
}
