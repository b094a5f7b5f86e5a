//! The files that a measurement leaves: they are created before it begins, so that what cannot be written
//! is told before the work is done.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

use anyhow::Context;

use super::canvas::{self, Format};
use super::export::{self, Record};
use super::figure::Figure;

/// A file that is still empty.
pub(super) fn create(path: &Path) -> anyhow::Result<BufWriter<File>> {
    File::create(path).map(BufWriter::new).with_context(|| said(path))
}

/// A path, for an error.
pub(super) fn said(path: &Path) -> String {
    path.display().to_string()
}

/// Where figures are drawn.
#[derive(Debug)]
pub(super) struct Pictures(Vec<(PathBuf, BufWriter<File>)>);

impl Pictures {
    /// Creates them; the names end as [`canvas::file`] wants them.
    pub(super) fn create(paths: &[PathBuf]) -> anyhow::Result<Self> {
        let created = paths.iter().map(|path| Ok((path.clone(), create(path)?)));
        created.collect::<anyhow::Result<_>>().map(Self)
    }

    /// Draws the figure into each of them, and tells which they are.
    pub(super) fn draw(self, figure: &Figure) -> anyhow::Result<()> {
        for (path, mut file) in self.0 {
            let format = Format::of(&path).unwrap_or(Format::Svg);
            let octets = canvas::render(figure, format).with_context(|| said(&path))?;
            file.write_all(&octets).and_then(|()| file.flush()).with_context(|| said(&path))?;
            eprintln!("drawn: {}", path.display());
        }
        Ok(())
    }
}

/// Where every measurement is told to programs.
#[derive(Debug)]
pub(super) struct Tables {
    csv: Option<(PathBuf, BufWriter<File>)>,
    json: Option<(PathBuf, BufWriter<File>)>,
}

impl Tables {
    /// Creates those that are wanted.
    pub(super) fn create(csv: Option<&Path>, json: Option<&Path>) -> anyhow::Result<Self> {
        let maybe = |path: Option<&Path>| {
            path.map(|path| Ok::<_, anyhow::Error>((path.to_owned(), create(path)?))).transpose()
        };
        Ok(Self { csv: maybe(csv)?, json: maybe(json)? })
    }

    /// Writes the records.
    pub(super) fn write(self, records: &[Record]) -> anyhow::Result<()> {
        if let Some((path, mut file)) = self.csv {
            export::csv(records, &mut file)
                .and_then(|()| file.flush())
                .with_context(|| said(&path))?;
        }
        if let Some((path, mut file)) = self.json {
            export::json(records, &mut file)
                .and_then(|()| file.flush())
                .with_context(|| said(&path))?;
        }
        Ok(())
    }
}
