//! Many scripts: where they are, and what became of each.

use std::fs;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use super::parser::{Environment, parse};
use super::report::{Mismatch, Report, Verdict};
use super::runner::{self, Options, Ran};

/// The scripts that `path` names: itself, or all `*.pkt` below it in the order of their names.
///
/// # Errors
///
/// If it is not there, or cannot be read.
pub fn scripts(path: &Path) -> io::Result<Vec<PathBuf>> {
    if !fs::metadata(path)?.is_dir() {
        return Ok(vec![path.to_owned()]);
    }
    let mut entries = fs::read_dir(path)?.collect::<io::Result<Vec<_>>>()?;
    entries.sort_by_key(fs::DirEntry::file_name);
    let mut found = Vec::new();
    for entry in entries {
        let path = entry.path();
        if entry.file_type()?.is_dir() {
            found.extend(scripts(&path)?);
        } else if path.extension().is_some_and(|extension| extension == "pkt") {
            found.push(path);
        }
    }
    Ok(found)
}

/// Runs all `paths`, `jobs` at a time, and shows each result to `each` in the order of the paths. Every run
/// is deterministic, whatever runs beside it.
///
/// # Errors
///
/// Those of `each`, which end it.
pub fn run_all<E>(
    paths: &[PathBuf],
    options: &Options,
    jobs: usize,
    mut each: impl FnMut(Report) -> Result<(), E>,
) -> Result<(), E> {
    let next = AtomicUsize::new(0);
    let (results, finished) = mpsc::channel();
    thread::scope(|scope| {
        for _ in 0..jobs.clamp(1, paths.len().max(1)) {
            let (results, next) = (results.clone(), &next);
            scope.spawn(move || {
                while let Some((index, path)) = take(paths, next) {
                    if results.send((index, run_file(path, options))).is_err() {
                        // Nobody wants to know any more.
                        next.store(paths.len(), Ordering::Relaxed);
                    }
                }
            });
        }
        drop(results);
        let mut waiting: Vec<Option<Report>> = paths.iter().map(|_| None).collect();
        let mut shown = 0;
        for (index, result) in &finished {
            waiting[index] = Some(result);
            while let Some(result) = waiting.get_mut(shown).and_then(Option::take) {
                shown += 1;
                if let Err(error) = each(result) {
                    drop(finished);
                    return Err(error);
                }
            }
        }
        Ok(())
    })
}

fn take<'a>(paths: &'a [PathBuf], next: &AtomicUsize) -> Option<(usize, &'a PathBuf)> {
    let index = next.fetch_add(1, Ordering::Relaxed);
    Some((index, paths.get(index)?))
}

/// Runs the script in a file.
pub fn run_file(path: &Path, options: &Options) -> Report {
    let ran = match fs::read(path) {
        // Comments are in whatever encoding their authors used.
        Ok(octets) => run_text(&String::from_utf8_lossy(&octets), options),
        Err(error) => broken(Mismatch { reason: error.to_string(), ..Mismatch::default() }),
    };
    let Ran { verdict, notes, elapsed } = ran;
    Report { path: path.to_owned(), verdict, notes, took: elapsed }
}

/// Runs a script. One that names several behaviours with `#ifdef` is content with any of them.
fn run_text(text: &str, options: &Options) -> Ran {
    let ran = run_as(text, &Environment::default(), options);
    let alternative = text.lines().any(|line| line.trim_start().starts_with("#ifdef"));
    if !alternative || ran.verdict == Verdict::Passed {
        return ran;
    }
    let freebsd = Environment { defined: vec!["FreeBSD".to_owned()], ..Environment::default() };
    let other = run_as(text, &freebsd, options);
    if other.verdict == Verdict::Passed { other } else { ran }
}

fn run_as(text: &str, environment: &Environment, options: &Options) -> Ran {
    let script = match parse(text, environment) {
        Ok(script) => script,
        Err(error) => {
            let reason = format!("expected {}, found {}", error.expected, error.found);
            return broken(Mismatch::new(error.at, reason).quote(text));
        }
    };
    let ran = catch_unwind(AssertUnwindSafe(|| runner::run(&script, options)));
    let mut ran = ran.unwrap_or_else(|panic| {
        let words = panic.downcast_ref::<String>().map(String::as_str);
        let words = words.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("no words");
        let reason = format!("the drill panicked: {words}");
        broken(Mismatch { reason, ..Mismatch::default() })
    });
    if let Verdict::Failed(mismatch) = &mut ran.verdict {
        *mismatch = std::mem::take(mismatch).quote(text);
    }
    ran
}

fn broken(mismatch: Mismatch) -> Ran {
    let verdict = Verdict::Failed(mismatch);
    Ran { verdict, notes: Vec::new(), elapsed: Duration::ZERO }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_come_in_the_order_of_the_scripts() {
        let paths: Vec<_> = (0..20).map(|n| PathBuf::from(format!("/nowhere/{n}.pkt"))).collect();
        let mut seen = Vec::new();
        let shown = run_all(&paths, &Options::default(), 4, |result| {
            assert!(matches!(result.verdict, Verdict::Failed(_)), "there is no such file");
            seen.push(result.path);
            Ok::<(), ()>(())
        });
        assert_eq!(shown, Ok(()));
        assert_eq!(seen, paths);
    }

    #[test]
    fn who_has_seen_enough_ends_it() {
        let paths: Vec<_> = (0..20).map(|n| PathBuf::from(format!("/nowhere/{n}.pkt"))).collect();
        let mut seen = 0;
        let shown = run_all(&paths, &Options::default(), 2, |_| {
            seen += 1;
            if seen == 3 { Err("enough") } else { Ok(()) }
        });
        assert_eq!((shown, seen), (Err("enough"), 3));
    }

    #[test]
    fn a_script_that_is_not_understood_fails_with_its_place() {
        let ran =
            run_text("0 socket(..., SOCK_STREAM, IPPROTO_TCP) = 3\n+0 ?\n", &Options::default());
        let Verdict::Failed(mismatch) = ran.verdict else { panic!("{:?}", ran.verdict) };
        assert_eq!(mismatch.at.map(|at| (at.line, at.column)), Some((2, 4)));
        assert!(mismatch.reason.starts_with("expected"), "{mismatch:?}");
    }
}
