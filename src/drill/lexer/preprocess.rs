//! Lines that begin with `#`: what FreeBSD's scripts leave to the C preprocessor.
//!
//! They choose between the behaviour of one kernel and that of the standard. Lines keep their numbers: what
//! is left out becomes empty.

use std::collections::BTreeSet;

use crate::drill::ast::Position;
use crate::drill::error::SyntaxError;

/// Leaves out what `#ifdef` and its kin say, given the names that are defined.
///
/// `#` alone, or with a blank or `!` behind it, begins a comment; any other directive is an error.
pub(in crate::drill) fn preprocess(text: &str, defined: &[&str]) -> Result<String, SyntaxError> {
    let mut names: BTreeSet<String> = defined.iter().map(|&name| name.to_owned()).collect();
    let mut open: Vec<Block> = Vec::new();
    let mut kept = String::with_capacity(text.len());
    let mut inside: Option<&str> = None;
    for (number, line) in text.split_inclusive('\n').enumerate() {
        let was_inside = inside.is_some();
        inside = ends_inside(line, inside);
        let at = Position { line: number as u32 + 1, column: 1 };
        let is_kept = open.iter().all(|block| block.is_taken);
        let directive = line.trim_start().strip_prefix('#').filter(|_| !was_inside);
        let Some(directive) = directive else {
            kept.push_str(if is_kept { line } else { "\n" });
            continue;
        };
        kept.push('\n');
        if directive.starts_with('!') || directive.trim().is_empty() {
            continue;
        }
        let directive = directive.split("//").next().unwrap_or_default();
        let mut words = directive.split_whitespace();
        let name = words.next().unwrap_or_default();
        let argument = words.next();
        match (name, argument) {
            ("ifdef", Some(name)) => open.push(Block::new(at, names.contains(name))),
            ("ifndef", Some(name)) => open.push(Block::new(at, !names.contains(name))),
            ("if", Some(_)) => {
                let condition = directive.trim_start().trim_start_matches("if");
                open.push(Block::new(at, holds(at, condition, &names)?));
            }
            ("elif", Some(_)) => {
                let condition = directive.trim_start().trim_start_matches("elif");
                let holds = holds(at, condition, &names)?;
                let block = innermost(&mut open, at, "#elif")?;
                block.is_taken = holds && !block.was_taken;
                block.was_taken |= holds;
            }
            ("else", _) => {
                let block = innermost(&mut open, at, "#else")?;
                block.is_taken = !block.was_taken;
                block.was_taken = true;
            }
            ("endif", _) => {
                innermost(&mut open, at, "#endif")?;
                open.pop();
            }
            ("define", Some(name)) if is_kept => _ = names.insert(name.to_owned()),
            ("undef", Some(name)) if is_kept => _ = names.remove(name),
            ("define" | "undef", Some(_)) => {}
            _ if directive.starts_with(char::is_whitespace) => {}
            _ => {
                let found = format!("`#{}`", directive.trim());
                return Err(SyntaxError::new(at, "#ifdef, #ifndef, #if, #else or #endif", found));
            }
        }
    }
    match open.pop() {
        Some(block) => Err(SyntaxError::new(block.at, "#endif", "the end of the script")),
        None => Ok(kept),
    }
}

/// What `line` leaves open, if it begins inside of something that `inside` closes: code or a comment.
fn ends_inside<'a>(line: &str, mut inside: Option<&'a str>) -> Option<&'a str> {
    let mut rest = line;
    loop {
        if let Some(close) = inside {
            let Some(place) = rest.find(close) else { return inside };
            rest = &rest[place + close.len()..];
        }
        let openings = ["%{", "/*", "//"].into_iter();
        let (place, open) = openings.filter_map(|open| Some((rest.find(open)?, open))).min()?;
        inside = match open {
            "%{" => Some("}%"),
            "/*" => Some("*/"),
            _ => return None,
        };
        rest = &rest[place + open.len()..];
    }
}

struct Block {
    at: Position,
    /// Whether its lines are kept.
    is_taken: bool,
    /// Whether one of its branches has been.
    was_taken: bool,
}

impl Block {
    fn new(at: Position, holds: bool) -> Self {
        Self { at, is_taken: holds, was_taken: holds }
    }
}

fn innermost<'a>(
    open: &'a mut [Block],
    at: Position,
    directive: &str,
) -> Result<&'a mut Block, SyntaxError> {
    open.last_mut()
        .ok_or_else(|| SyntaxError::new(at, "#ifdef before it", format!("`{directive}`")))
}

/// `0`, `1`, `defined(NAME)`, `!defined(NAME)`, joined by `&&` or `||`.
fn holds(at: Position, condition: &str, names: &BTreeSet<String>) -> Result<bool, SyntaxError> {
    let mut any = false;
    for alternative in condition.split("||") {
        let mut all = true;
        for term in alternative.split("&&") {
            let term = term.trim();
            let (term, is_negated) = match term.strip_prefix('!') {
                Some(term) => (term.trim(), true),
                None => (term, false),
            };
            let value = match term.strip_prefix("defined") {
                Some(name) => names.contains(name.trim().trim_matches(['(', ')']).trim()),
                None => match term {
                    "0" => false,
                    "1" => true,
                    other => {
                        let found = format!("`{other}`");
                        return Err(SyntaxError::new(at, "0, 1 or defined(NAME)", found));
                    }
                },
            };
            all &= value != is_negated;
        }
        any |= all;
    }
    Ok(any)
}
