//! Where what comes goes: standard output, a file, or files in a directory. A file has its name only when it
//! is whole.

mod numbered;
mod ordered;
mod out;

use std::io;
use std::path::PathBuf;

use netmart::proto::wires::Chunk;

use self::numbered::Numbered;
use self::ordered::Ordered;
use self::out::Out;
use super::status::{Failure, Result};

/// Where the command line wants it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Target {
    /// Standard output; also standard output for streams, in the order of their numbers.
    Output,
    /// This file, for all of a connection.
    File(PathBuf),
    /// Files in this directory, a new one for each connection or stream.
    Directory(PathBuf),
}

/// What is being received from one connection.
#[derive(Debug)]
pub(super) enum Sink {
    /// Octets as they come.
    Plain(Out),
    /// Streams, one behind the other.
    Ordered(Ordered),
    /// Each stream by itself; of wires without streams there is one.
    Numbered(Numbered),
}

impl Target {
    /// Whether something can be written there at all, as far as that can be known now.
    pub(super) fn check(&self) -> Result<()> {
        match self {
            Self::Output => Ok(()),
            Self::File(path) => {
                Out::create(path).map(drop).map_err(|error| Failure::output_at(path, &error))
            }
            Self::Directory(path) => Numbered::check(path),
        }
    }

    /// Whether connections would get in each other's way here.
    pub(super) fn is_for_one(&self) -> bool {
        !matches!(self, Self::Directory(_))
    }

    /// Begins to receive a connection, of a wire that may have streams.
    pub(super) fn open(&self, has_streams: bool) -> Result<Sink> {
        let out = match self {
            Self::Output => {
                Out::stdout().map_err(|error| Failure::output("standard output", &error))?
            }
            Self::File(path) => {
                Out::create(path).map_err(|error| Failure::output_at(path, &error))?
            }
            Self::Directory(path) => return Ok(Sink::Numbered(Numbered::new(path, has_streams))),
        };
        Ok(if has_streams { Sink::Ordered(Ordered::new(out)) } else { Sink::Plain(out) })
    }
}

impl Sink {
    /// Takes what came.
    pub(super) fn take(&mut self, chunks: &[Chunk]) -> Result<()> {
        match self {
            Self::Plain(out) => out.attempt(|out| {
                chunks.iter().try_for_each(|chunk| out.write(&chunk.data))?;
                out.flush()
            }),
            Self::Ordered(ordered) => ordered.take(chunks),
            Self::Numbered(numbered) => numbered.take(chunks),
        }
    }

    /// All has come: files get their names. Tells of them.
    pub(super) fn place(self) -> Result<Vec<PathBuf>> {
        match self {
            Self::Plain(out) => out.place(),
            Self::Ordered(ordered) => ordered.place(),
            Self::Numbered(numbered) => numbered.place(),
        }
    }
}

/// The name of files that are not whole begins like this.
const PARTIAL: &str = ".netmart-recv-";

/// A file beside those of `directory` that is gone unless it gets a name.
fn partial_in(directory: &std::path::Path) -> io::Result<tempfile::NamedTempFile> {
    use std::os::unix::fs::PermissionsExt;
    // As open(2) would: what the umask leaves of it.
    let mode = std::fs::Permissions::from_mode(0o666);
    tempfile::Builder::new().prefix(PARTIAL).permissions(mode).tempfile_in(directory)
}
