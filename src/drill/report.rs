//! What came of a script, for people and for programs.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use serde_json::{Value, json};

use super::ast::Position;

/// What came of one script.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    /// The script.
    pub path: PathBuf,
    /// How it went.
    pub verdict: Verdict,
    /// What was ignored or interpreted, a sentence each.
    pub notes: Vec<String>,
    /// How long it took in virtual time.
    pub took: Duration,
}

/// How a script went.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The stack did what the script says.
    Passed,
    /// It did not.
    Failed(Mismatch),
    /// The script needs something that is not there: what.
    Skipped(String),
}

/// The first thing that was not as a script says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Mismatch {
    /// Where the script says it. Nothing if the stack did something behind its end.
    pub at: Option<Position>,
    /// The line of the script there, as it is written.
    pub line: Option<String>,
    /// When it happened, in virtual time since the script began.
    pub time: Option<Duration>,
    /// What is wrong, in a phrase: `no packet came`, `ack: expected 1, got 2`.
    pub reason: String,
    /// What the script expects, in its notation.
    pub expected: Option<String>,
    /// What the stack did, in the same notation.
    pub actual: Option<String>,
    /// The turn that sent the packet in question, a line for each of its events.
    pub trace: Vec<String>,
}

impl Mismatch {
    /// A mismatch at `at`, of which nothing but the reason is known yet.
    pub fn new(at: Position, reason: impl Into<String>) -> Self {
        Self { at: Some(at), reason: reason.into(), ..Self::default() }
    }

    /// Takes the text of the line from the script's own `text`.
    pub fn quote(mut self, text: &str) -> Self {
        let line = self.at.and_then(|at| text.lines().nth(at.line.checked_sub(1)? as usize));
        self.line = line.map(|line| line.trim().to_owned());
        self
    }
}

impl Report {
    /// One line of JSON, without a newline.
    ///
    /// ```
    /// use netmart::drill::report::{Report, Verdict};
    ///
    /// let verdict = Verdict::Skipped("needs tunnels".to_owned());
    /// let report = Report { path: "a.pkt".into(), verdict, notes: vec![], took: Default::default() };
    /// assert_eq!(report.to_json(), r#"{"path":"a.pkt","reason":"needs tunnels","seconds":0.0,"verdict":"skipped"}"#);
    /// ```
    pub fn to_json(&self) -> String {
        let mut object = serde_json::Map::new();
        object.insert("path".to_owned(), json!(self.path.to_string_lossy()));
        object.insert("seconds".to_owned(), json!(self.took.as_secs_f64()));
        let verdict = match &self.verdict {
            Verdict::Passed => "passed",
            Verdict::Failed(mismatch) => {
                mismatch.fill(&mut object);
                "failed"
            }
            Verdict::Skipped(reason) => {
                object.insert("reason".to_owned(), json!(reason));
                "skipped"
            }
        };
        object.insert("verdict".to_owned(), json!(verdict));
        if !self.notes.is_empty() {
            object.insert("notes".to_owned(), json!(self.notes));
        }
        Value::Object(object).to_string()
    }
}

impl Mismatch {
    fn fill(&self, object: &mut serde_json::Map<String, Value>) {
        let mut insert = |name: &str, value: Value| _ = object.insert(name.to_owned(), value);
        insert("reason", json!(self.reason));
        if let Some(at) = self.at {
            insert("line", json!(at.line));
            insert("column", json!(at.column));
        }
        let texts = [("text", &self.line), ("expected", &self.expected), ("actual", &self.actual)];
        for (name, text) in texts {
            if let Some(text) = text {
                insert(name, json!(text));
            }
        }
        if let Some(time) = self.time {
            insert("at_seconds", json!(time.as_secs_f64()));
        }
        if !self.trace.is_empty() {
            insert("trace", json!(self.trace));
        }
    }
}

/// A line that says how it went, and below it, indented, what was wrong.
impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let path = self.path.display();
        match &self.verdict {
            Verdict::Passed => write!(f, "passed   {path}"),
            Verdict::Skipped(reason) => write!(f, "skipped  {path}: {reason}"),
            Verdict::Failed(mismatch) => {
                write!(f, "FAILED   {path}")?;
                if let Some(at) = mismatch.at {
                    write!(f, ":{at}")?;
                }
                write!(f, ": {}{mismatch}", mismatch.reason)
            }
        }
    }
}

/// Everything but place and reason, on lines of its own, each of which begins with a newline.
impl fmt::Display for Mismatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(line) = &self.line {
            write!(f, "\n    script    {line}")?;
        }
        if let Some(expected) = &self.expected {
            write!(f, "\n    expected  {expected}")?;
        }
        if let Some(actual) = &self.actual {
            write!(f, "\n    actual    {actual}")?;
        }
        if let Some(time) = self.time {
            write!(f, "\n    at        {:.6} s", time.as_secs_f64())?;
        }
        if !self.trace.is_empty() {
            f.write_str("\n    the turn that sent it")?;
        }
        self.trace.iter().try_for_each(|event| write!(f, "\n        {event}"))
    }
}
