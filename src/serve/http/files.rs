//! The served directory: what is in it, and nothing that is outside of it.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::SystemTime;

use bytes::Bytes;
use cap_std::ambient_authority;
use cap_std::fs::{Dir, Metadata, OpenOptions, OpenOptionsExt};
use tokio::task::spawn_blocking;

use super::listing::{Entry, Kind, Listing};
use super::path::{PARTIAL_PREFIX, Target};

/// A directory. Paths are resolved below it by the kernel (`openat2`), or name by name where it cannot, so
/// that neither `..` nor a symbolic link leads out, not even one that is changed meanwhile.
#[derive(Clone, Debug)]
pub(super) struct Tree {
    dir: Arc<Dir>,
}

/// What a path names.
#[derive(Debug)]
pub(super) enum Found {
    File(Content, Facts),
    Directory(Listing),
    /// A directory, named without the slash that relative links in it need.
    WithoutSlash,
}

/// What a file holds.
#[derive(Debug)]
pub(super) enum Content {
    /// Read already, since that takes less than coming back for it.
    Read(Bytes),
    Open(File),
}

/// What is known of a file.
#[derive(Clone, Copy, Debug)]
pub(super) struct Facts {
    /// Octets.
    pub(super) len: u64,
    pub(super) modified: Option<SystemTime>,
}

/// Files up to this many octets are read at once.
const SMALL: u64 = 64 * 1024;

/// What a directory shows instead of its listing.
const INDEX: &str = "index.html";

impl Tree {
    /// # Errors
    ///
    /// When there is no such directory, or it may not be opened.
    pub(super) fn open(path: &Path) -> io::Result<Self> {
        let dir = Dir::open_ambient_dir(path, ambient_authority())?;
        Ok(Self { dir: Arc::new(dir) })
    }

    /// Runs `work` where it may block.
    async fn blocking<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Dir) -> io::Result<T> + Send + 'static,
    ) -> io::Result<T> {
        let dir = Arc::clone(&self.dir);
        spawn_blocking(move || work(&dir)).await?
    }

    /// # Errors
    ///
    /// Those of the file system; `PermissionDenied` for a symbolic link that leads out of the directory,
    /// `Unsupported` for what is neither file nor directory.
    pub(super) async fn find(&self, target: Target) -> io::Result<Found> {
        self.blocking(move |dir| find(dir, &target)).await
    }

    /// A file for what shall become `target`.
    ///
    /// # Errors
    ///
    /// Those of the file system; `IsADirectory` when the target is one.
    pub(super) async fn upload(&self, target: Target) -> io::Result<Upload> {
        let dir = Arc::clone(&self.dir);
        spawn_blocking(move || Upload::begin(dir, target)).await?
    }
}

fn find(dir: &Dir, target: &Target) -> io::Result<Found> {
    let (file, metadata) = open(dir, &target.path)?;
    if metadata.is_dir() {
        if !target.is_folder {
            return Ok(Found::WithoutSlash);
        }
        let folder = Dir::from_std_file(file);
        return match open(&folder, Path::new(INDEX)) {
            Ok((file, metadata)) if metadata.is_file() => content(file, &metadata),
            _ => Ok(Found::Directory(list(&folder)?)),
        };
    }
    if target.is_folder {
        return Err(io::ErrorKind::NotADirectory.into());
    }
    content(file, &metadata)
}

fn open(dir: &Dir, path: &Path) -> io::Result<(File, Metadata)> {
    let mut options = OpenOptions::new();
    // A pipe without a writer would hold the thread for ever.
    options.read(true).custom_flags(nix::libc::O_NONBLOCK);
    let file = dir.open_with(path, &options)?;
    let metadata = file.metadata()?;
    Ok((file.into_std(), metadata))
}

fn content(mut file: File, metadata: &Metadata) -> io::Result<Found> {
    if !metadata.is_file() {
        return Err(io::ErrorKind::Unsupported.into());
    }
    let modified = metadata.modified().ok().map(cap_std::time::SystemTime::into_std);
    let len = metadata.len();
    if len > SMALL {
        return Ok(Found::File(Content::Open(file), Facts { len, modified }));
    }
    let mut octets = Vec::with_capacity(metadata.len() as usize);
    file.by_ref().take(SMALL).read_to_end(&mut octets)?;
    let facts = Facts { len: octets.len() as u64, modified };
    Ok(Found::File(Content::Read(octets.into()), facts))
}

fn list(folder: &Dir) -> io::Result<Listing> {
    let mut listing = Listing::default();
    for entry in folder.entries()? {
        let name = entry?.file_name();
        if name.as_encoded_bytes().starts_with(PARTIAL_PREFIX.as_bytes()) {
            continue;
        }
        // Links are followed as a request would follow them; what one cannot have is not shown.
        let Ok(metadata) = folder.metadata(&name) else { continue };
        let kind = match (metadata.is_dir(), metadata.is_file()) {
            (true, _) => Kind::Directory,
            (_, true) => Kind::File(metadata.len()),
            _ => continue,
        };
        listing.add(Entry { name, kind });
    }
    Ok(listing.finish())
}

/// A file that is being received. It takes its place when it is complete; until then, and if it never is,
/// nothing is to be seen of it.
#[derive(Debug)]
pub(super) struct Upload {
    partial: Partial,
    target: Target,
    file: tokio::fs::File,
}

/// Whether an upload made a new file or replaced one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Placed {
    Created,
    Replaced,
}

/// A name that is removed again unless it was moved away.
#[derive(Debug)]
struct Partial {
    dir: Arc<Dir>,
    path: std::path::PathBuf,
}

impl Drop for Partial {
    fn drop(&mut self) {
        if !self.path.as_os_str().is_empty() {
            // If it cannot be removed there is nobody to tell.
            let _ = self.dir.remove_file(&self.path);
        }
    }
}

impl Upload {
    fn begin(dir: Arc<Dir>, target: Target) -> io::Result<Self> {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let is_directory = dir.metadata(&target.path).is_ok_and(|metadata| metadata.is_dir());
        if target.is_folder || is_directory {
            return Err(io::ErrorKind::IsADirectory.into());
        }
        loop {
            let number = NEXT.fetch_add(1, Ordering::Relaxed);
            let name = format!("{PARTIAL_PREFIX}{}-{number}", std::process::id());
            let path = target.path.with_file_name(name);
            match dir.open_with(&path, OpenOptions::new().write(true).create_new(true)) {
                Ok(file) => {
                    let file = tokio::fs::File::from_std(file.into_std());
                    return Ok(Self { partial: Partial { dir, path }, target, file });
                }
                // Left over by a process of that number that was killed.
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                Err(error) => return Err(error),
            }
        }
    }

    /// Where to write.
    pub(super) fn file(&mut self) -> &mut tokio::fs::File {
        &mut self.file
    }

    /// Puts the file, which is complete and flushed, in its place.
    pub(super) async fn place(self) -> io::Result<Placed> {
        let Self { mut partial, target, file } = self;
        drop(file);
        spawn_blocking(move || {
            let placed = match partial.dir.symlink_metadata(&target.path) {
                Ok(_) => Placed::Replaced,
                Err(_) => Placed::Created,
            };
            partial.dir.rename(&partial.path, &partial.dir, &target.path)?;
            partial.path.clear();
            Ok(placed)
        })
        .await?
    }
}
