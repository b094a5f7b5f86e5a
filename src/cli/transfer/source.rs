//! What is sent: standard input, or files; opened before anybody is dialled, and read a piece at a time.

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use bytes::Bytes;
use tokio::sync::mpsc::{self, Receiver, Sender};
use tokio::task::spawn_blocking;

use super::status::{Failure, Result, Status};

/// Inputs that are open.
pub(super) struct Sources {
    sources: Vec<Source>,
}

struct Source {
    name: String,
    reader: Box<dyn Read + Send>,
    /// How much it will give, if that can be known.
    len: Option<u64>,
}

/// A part of an input.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Part {
    /// The index of the input.
    pub(super) of: usize,
    /// Its next octets; nothing when it has ended.
    pub(super) data: Option<Bytes>,
}

/// Whether inputs are read one after the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Order {
    InTurn,
    Together,
}

/// The most that is read at once.
const MOST: usize = 64 * 1024;
/// The most that all inputs together have read in advance, as long as there are not too many of them.
const IN_ADVANCE: usize = 8 << 20;
const LEAST: usize = 4096;

/// Parts that may wait besides those in the hands of readers.
const WAITING: usize = 4;

impl Sources {
    /// Opens `files`, of which `-` is standard input; without any, that alone.
    pub(super) fn open(files: &[PathBuf]) -> Result<Self> {
        let stdin = [PathBuf::from("-")];
        let files = if files.is_empty() { &stdin } else { files };
        let sources = files.iter().map(|path| Source::open(path)).collect::<Result<_>>()?;
        Ok(Self { sources })
    }

    /// How much there is in all, if that can be known.
    pub(super) fn len(&self) -> Option<u64> {
        self.sources.iter().map(|source| source.len).sum()
    }

    /// Begins to read, on threads where waiting harms nobody.
    pub(super) fn start(self, order: Order) -> Parts {
        let (sender, parts) = mpsc::channel(WAITING);
        let mut sources = self.sources.into_iter().enumerate();
        match order {
            Order::InTurn => {
                spawn_blocking(move || sources.all(|(of, source)| source.read(of, MOST, &sender)));
            }
            Order::Together => {
                let most = (IN_ADVANCE / sources.len().max(1)).clamp(LEAST, MOST);
                for (of, source) in sources {
                    let sender = sender.clone();
                    spawn_blocking(move || source.read(of, most, &sender));
                }
            }
        }
        Parts(parts)
    }
}

impl Source {
    fn open(path: &Path) -> Result<Self> {
        if path == Path::new("-") {
            let reader = Box::new(io::stdin());
            return Ok(Self { name: "standard input".to_owned(), reader, len: None });
        }
        let name = path.display().to_string();
        let open = || {
            let file = File::open(path)?;
            let about = file.metadata()?;
            if about.is_dir() {
                return Err(io::ErrorKind::IsADirectory.into());
            }
            Ok((file, about.is_file().then_some(about.len())))
        };
        let (file, len) = open().map_err(|error| unreadable(&name, &error))?;
        Ok(Self { name, reader: Box::new(file), len })
    }

    /// Reads to the end; tells whether anybody still wants to hear of the next one.
    fn read(mut self, of: usize, most: usize, to: &Sender<Result<Part>>) -> bool {
        let mut buffer = vec![0; most];
        loop {
            let data = match self.reader.read(&mut buffer) {
                Ok(0) => None,
                Ok(len) => Some(Bytes::copy_from_slice(&buffer[..len])),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => {
                    // Nobody may be there any more to hear it.
                    let _ = to.blocking_send(Err(unreadable(&self.name, &error)));
                    return false;
                }
            };
            let is_end = data.is_none();
            let is_heard = to.blocking_send(Ok(Part { of, data })).is_ok();
            if is_end || !is_heard {
                return is_heard;
            }
        }
    }
}

fn unreadable(name: &str, error: &io::Error) -> Failure {
    Failure::new(Status::Input, format_args!("could not read {name}: {error}"))
}

/// The parts of all inputs, as they are read.
pub(super) struct Parts(Receiver<Result<Part>>);

impl Parts {
    /// The next part; nothing when every input has ended.
    pub(super) async fn next(&mut self) -> Result<Option<Part>> {
        self.0.recv().await.transpose()
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use tempfile::NamedTempFile;

    use super::*;

    fn file(content: &[u8]) -> NamedTempFile {
        let mut file = NamedTempFile::new().expect("a file");
        file.write_all(content).expect("written");
        file
    }

    async fn read_all(files: &[PathBuf], order: Order) -> Vec<(usize, Option<usize>)> {
        let mut parts = Sources::open(files).expect("open").start(order);
        let mut seen = Vec::new();
        while let Some(part) = parts.next().await.expect("readable") {
            seen.push((part.of, part.data.map(|data| data.len())));
        }
        seen
    }

    #[tokio::test]
    async fn files_in_turn_end_one_after_the_other() {
        let files = [file(b"abc"), file(b""), file(&[7; MOST + 1])];
        let paths = files.each_ref().map(|file| file.path().to_owned());
        let seen = read_all(&paths, Order::InTurn).await;
        let expected =
            [(0, Some(3)), (0, None), (1, None), (2, Some(MOST)), (2, Some(1)), (2, None)];
        assert_eq!(seen, expected);
        assert_eq!(Sources::open(&paths).expect("open").len(), Some(MOST as u64 + 4));
    }

    #[tokio::test]
    async fn files_together_each_end_once() {
        let files = [file(b"abc"), file(b""), file(b"x")];
        let paths = files.each_ref().map(|file| file.path().to_owned());
        let mut seen = read_all(&paths, Order::Together).await;
        seen.sort_unstable();
        assert_eq!(seen, [(0, None), (0, Some(3)), (1, None), (2, None), (2, Some(1))]);
    }

    #[test]
    fn what_cannot_be_read_is_told_before_anything_is_sent() {
        let folder = tempfile::tempdir().expect("a folder");
        for path in [folder.path().to_owned(), folder.path().join("missing")] {
            let failure =
                Sources::open(std::slice::from_ref(&path)).map(|_| ()).expect_err("unreadable");
            assert_eq!(failure.status, Status::Input);
            let told = failure.to_string();
            assert!(told.contains(path.to_str().expect("text")), "{told}");
        }
    }
}
