//! From the path of a request to a path below the served directory.

use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;
use std::path::PathBuf;

use percent_encoding::percent_decode_str;

/// What the path of a request names.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Target {
    /// Relative to the served directory; `.` for that directory itself. Made of plain names only.
    pub(super) path: PathBuf,
    /// Whether it ends in a slash, and so can only name a directory.
    pub(super) is_folder: bool,
}

/// Files with this prefix are uploads that have not ended: they can be neither seen nor written.
pub(super) const PARTIAL_PREFIX: &str = ".netmart-upload-";

/// The path named nothing that can be served: it tries to leave the directory, or no file has such a name.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Unservable;

impl Target {
    /// Reads the path of a request, percent-encoded as it came.
    ///
    /// Names are decoded after the path was cut at its slashes, so that `%2e%2e` and `%2f` are judged by
    /// what they stand for. Symbolic links are not this function's business: the directory is opened such
    /// that none leads out of it.
    pub(super) fn parse(path: &str) -> Result<Self, Unservable> {
        let mut target = Self { path: PathBuf::new(), is_folder: path.ends_with('/') };
        for name in path.split('/').filter(|name| !name.is_empty()) {
            let name: Vec<u8> = percent_decode_str(name).collect();
            let is_plain = !matches!(&name[..], b"." | b"..")
                && !name.iter().any(|octet| matches!(octet, b'/' | 0))
                && !name.starts_with(PARTIAL_PREFIX.as_bytes());
            if !is_plain {
                return Err(Unservable);
            }
            target.path.push(OsString::from_vec(name));
        }
        if target.path.as_os_str().is_empty() {
            target.path.push(".");
        }
        Ok(target)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(path: &str) -> Option<(String, bool)> {
        let target = Target::parse(path).ok()?;
        Some((target.path.to_str()?.to_owned(), target.is_folder))
    }

    #[test]
    fn plain_paths() {
        assert_eq!(parse("/a/b.txt"), Some(("a/b.txt".into(), false)));
        assert_eq!(parse("/a//b/"), Some(("a/b".into(), true)));
        assert_eq!(parse("/"), Some((".".into(), true)));
        assert_eq!(parse("/with%20space"), Some(("with space".into(), false)));
        assert_eq!(parse("/..."), Some(("...".into(), false)));
        assert_eq!(parse("/a%252fb"), Some(("a%2fb".into(), false)), "decoded once only");
    }

    #[test]
    fn no_path_leaves_the_directory() {
        let escapes = [
            "/..",
            "/../etc/passwd",
            "/a/../../etc",
            "/%2e%2e/etc",
            "/%2E./x",
            "/.%2e",
            "/a/%2e%2e%2fb",
            "/a%2f..%2fb",
            "/%2fetc/passwd",
            "/.",
            "/a/./b",
            "/a%00b",
        ];
        for path in escapes {
            assert_eq!(Target::parse(path), Err(Unservable), "{path}");
        }
    }

    #[test]
    fn names_need_not_be_utf_8() {
        let target = Target::parse("/%ff%fe").expect("any name but a few");
        assert_eq!(target.path.as_os_str().len(), 2);
    }

    #[test]
    fn what_is_being_uploaded_has_no_name() {
        assert_eq!(Target::parse("/.netmart-upload-7-1"), Err(Unservable));
        assert_eq!(Target::parse("/x/%2enetmart-upload-7-1"), Err(Unservable));
    }
}
