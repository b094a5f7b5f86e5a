//! One run of octets: standard output, or a file that gets its name when it is whole.

use std::fs::{File, OpenOptions};
use std::io::{self, BufWriter, Write};
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};

use tempfile::TempPath;

use super::super::status::{Failure, Result};
use super::partial_in;

#[derive(Debug)]
pub(in super::super) struct Out {
    name: String,
    file: BufWriter<File>,
    /// What it is called as long as it is not whole, and what it is called then.
    names: Option<(TempPath, PathBuf)>,
}

const BUFFER: usize = 64 * 1024;

impl Out {
    /// Standard output. Its octets are out when they were flushed, whatever becomes of the connection.
    pub(super) fn stdout() -> io::Result<Self> {
        let file = File::from(io::stdout().as_fd().try_clone_to_owned()?);
        let file = BufWriter::with_capacity(BUFFER, file);
        Ok(Self { name: "standard output".to_owned(), file, names: None })
    }

    /// What will be at `path` when it is whole. What is no regular file, such as a pipe or `/dev/null`, is
    /// written to as it is.
    pub(super) fn create(path: &Path) -> io::Result<Self> {
        let name = path.display().to_string();
        // The file that a link leads to is replaced, not the link.
        let path = path.canonicalize().unwrap_or_else(|_| path.to_owned());
        let is_special = path.metadata().is_ok_and(|about| !about.is_file() && !about.is_dir());
        let (file, names) = if is_special {
            (OpenOptions::new().write(true).open(&path)?, None)
        } else if path.is_dir() {
            return Err(io::ErrorKind::IsADirectory.into());
        } else {
            let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty());
            let (file, partial) = partial_in(parent.unwrap_or(Path::new(".")))?.into_parts();
            (file, Some((partial, path)))
        };
        Ok(Self { name, file: BufWriter::with_capacity(BUFFER, file), names })
    }

    pub(super) fn write(&mut self, octets: &[u8]) -> io::Result<()> {
        self.file.write_all(octets)
    }

    pub(super) fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }

    /// Does something to it, and says its name if that fails.
    pub(super) fn attempt<T>(&mut self, act: impl FnOnce(&mut Self) -> io::Result<T>) -> Result<T> {
        act(self).map_err(|error| Failure::output(&self.name, &error))
    }

    /// It is whole.
    pub(super) fn place(mut self) -> Result<Vec<PathBuf>> {
        self.attempt(Self::flush)?;
        let Some((partial, path)) = self.names else { return Ok(Vec::new()) };
        let placed = partial.persist(&path);
        placed.map_err(|error| Failure::output(&self.name, &error.error))?;
        Ok(vec![path])
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    fn names(folder: &Path) -> Vec<String> {
        let entries = std::fs::read_dir(folder).expect("a folder");
        let names = entries.flatten().map(|entry| entry.file_name().to_string_lossy().into_owned());
        let mut names: Vec<_> = names.collect();
        names.sort();
        names
    }

    #[test]
    fn a_file_has_its_name_only_when_it_is_whole() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("out");
        std::fs::write(&path, "old").expect("written");
        let mut out = Out::create(&path).expect("created");
        out.write(b"new").expect("written");
        assert_eq!(std::fs::read(&path).expect("there"), b"old");
        out.place().expect("placed");
        assert_eq!(std::fs::read(&path).expect("there"), b"new");
        let mut broken = Out::create(&path).expect("created");
        broken.write(&[1; 2 * BUFFER]).expect("written");
        drop(broken);
        assert_eq!(std::fs::read(&path).expect("there"), b"new");
        assert_eq!(names(folder.path()), ["out"], "nothing is left behind");
    }

    #[test]
    fn a_link_stays_a_link() {
        let folder = tempfile::tempdir().expect("a folder");
        let (path, link) = (folder.path().join("out"), folder.path().join("link"));
        std::fs::write(&path, "old").expect("written");
        symlink(&path, &link).expect("linked");
        let mut out = Out::create(&link).expect("created");
        out.write(b"new").expect("written");
        out.place().expect("placed");
        assert!(link.symlink_metadata().expect("there").is_symlink());
        assert_eq!(std::fs::read(&path).expect("there"), b"new");
    }

    #[test]
    fn devices_are_written_to_and_stay() {
        let mut null = Out::create(Path::new("/dev/null")).expect("it is there");
        null.write(b"x").expect("it takes anything");
        assert!(null.names.is_none());
        assert_eq!(null.place().expect("done"), Vec::<PathBuf>::new());
        let full = Out::create(Path::new("/dev/full"));
        let mut full = full.expect("it is there");
        full.write(b"x").expect("buffered");
        let failure = full.attempt(Out::flush).expect_err("nothing fits");
        assert!(failure.to_string().starts_with("could not write /dev/full: "), "{failure}");
    }

    #[test]
    fn a_directory_is_no_file() {
        let folder = tempfile::tempdir().expect("a folder");
        assert!(Out::create(folder.path()).is_err());
        assert!(Out::create(&folder.path().join("no/such")).is_err());
    }
}
