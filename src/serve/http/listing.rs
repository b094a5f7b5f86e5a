//! The page that shows what is in a directory.

use std::ffi::OsString;
use std::fmt::{self, Display, Write};
use std::os::unix::ffi::OsStrExt;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_encode};

/// What a directory holds, as far as it is shown.
#[derive(Debug, Default)]
pub(super) struct Listing {
    /// Sorted by name, once [`finish`](Self::finish) was called.
    entries: Vec<Entry>,
    /// How many there are besides.
    omitted: usize,
}

/// A line of the listing.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Entry {
    pub(super) name: OsString,
    pub(super) kind: Kind,
}

/// What a name stands for.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Kind {
    Directory,
    /// So many octets.
    File(u64),
}

/// The most entries shown: a page costs memory.
const MOST: usize = 10_000;

/// All but what RFC 3986 section 2.3 calls unreserved.
const ENCODED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

impl Listing {
    pub(super) fn add(&mut self, entry: Entry) {
        if self.entries.len() < MOST {
            self.entries.push(entry);
        } else {
            self.omitted += 1;
        }
    }

    pub(super) fn finish(mut self) -> Self {
        self.entries.sort_unstable();
        self
    }

    /// The page for the directory that the request called `title`, percent-encoded.
    pub(super) fn page(&self, title: &str) -> String {
        let title = percent_encoding::percent_decode_str(title).decode_utf8_lossy();
        let mut page = String::with_capacity(512 + 128 * self.entries.len());
        let written = self.write(&mut page, &title);
        debug_assert!(written.is_ok(), "writing to a string does not fail");
        page
    }

    fn write(&self, page: &mut String, title: &str) -> fmt::Result {
        let title = Escaped(title);
        write!(page, "{HEAD}<title>{title}</title>\n<h1>{title}</h1>\n<table>\n")?;
        if !title.0.trim_matches('/').is_empty() {
            page.push_str("<tr><td><a href=\"../\">../</a><td>\n");
        }
        for Entry { name, kind } in &self.entries {
            // The leading `./` keeps a name with a colon from being read as a scheme.
            let href = percent_encode(name.as_bytes(), ENCODED);
            let name = name.to_string_lossy();
            let name = Escaped(&name);
            match kind {
                Kind::Directory => writeln!(page, "<tr><td><a href=\"./{href}/\">{name}/</a><td>")?,
                Kind::File(size) => {
                    writeln!(page, "<tr><td><a href=\"./{href}\">{name}</a><td>{size}")?;
                }
            }
        }
        page.push_str("</table>\n");
        match self.omitted {
            0 => Ok(()),
            omitted => writeln!(page, "<p>and {omitted} more"),
        }
    }
}

const HEAD: &str = "<!doctype html>\n<meta charset=\"utf-8\">\n\
    <style>body { font-family: sans-serif } td { padding-right: 3em } \
    td + td { text-align: right; font-variant-numeric: tabular-nums }</style>\n";

/// Text as HTML shows it.
struct Escaped<'a>(&'a str);

impl Display for Escaped<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for char in self.0.chars() {
            match char {
                '&' => f.write_str("&amp;"),
                '<' => f.write_str("&lt;"),
                '>' => f.write_str("&gt;"),
                '"' => f.write_str("&quot;"),
                '\'' => f.write_str("&#39;"),
                char => f.write_char(char),
            }?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn listing(entries: impl IntoIterator<Item = (&'static str, Kind)>) -> Listing {
        let mut listing = Listing::default();
        for (name, kind) in entries {
            listing.add(Entry { name: name.into(), kind });
        }
        listing.finish()
    }

    #[test]
    fn entries_are_sorted_and_have_their_size() {
        let page = listing([("b", Kind::File(17)), ("a", Kind::Directory)]).page("/");
        let (a, b) = (page.find("./a/\">a/<"), page.find("./b\">b</a><td>17\n"));
        assert!(a.is_some() && a < b, "{page}");
        assert!(!page.contains("../"), "nothing is above the root");
    }

    #[test]
    fn names_are_escaped_for_html_and_for_urls() {
        let page = listing([("<script>&\"'#?%", Kind::File(0))]).page("/x%3Cy/");
        assert!(page.contains("href=\"./%3Cscript%3E%26%22%27%23%3F%25\""), "{page}");
        assert!(page.contains(">&lt;script&gt;&amp;&quot;&#39;#?%</a>"), "{page}");
        assert!(page.contains("<title>/x&lt;y/</title>"), "{page}");
        assert!(page.contains("href=\"../\""), "{page}");
    }

    #[test]
    fn a_huge_directory_is_cut() {
        let mut listing = Listing::default();
        for number in 0..MOST + 3 {
            listing.add(Entry { name: number.to_string().into(), kind: Kind::Directory });
        }
        assert!(listing.finish().page("/").ends_with("<p>and 3 more\n"));
    }
}
