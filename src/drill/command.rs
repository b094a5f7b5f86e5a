//! Shell commands of scripts: configuration, assertions about connections, and the rest.

use netmart_proto::tcp::State;

use super::process::{CallError, Process};
use super::settings::{Applied, Settings};

/// What became of a command.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Done {
    /// It was carried out.
    Yes,
    /// It means nothing to this stack; why.
    Ignored(String),
    /// What it asserts does not hold.
    Failed(String),
    /// The script depends on something that the stack does not do.
    Needs(String),
}

/// Where a command acts: on settings alone, or on a stack that runs.
pub(super) enum Place<'a> {
    /// There is no stack yet.
    Before(&'a mut Settings),
    /// There is one.
    During(&'a mut Process),
}

impl Place<'_> {
    fn settings(&mut self) -> &mut Settings {
        match self {
            Self::Before(settings) => settings,
            Self::During(process) => &mut process.settings,
        }
    }
}

/// Whether a command needs a stack that runs, because it looks at connections.
pub(super) fn looks_at_connections(text: &str) -> bool {
    commands(text)
        .any(|command| matches!(word(command, 0), Some("sockstat" | "netstat" | "ss" | "tcpdrop")))
}

/// Carries out all commands of `text`, one after the other, until one fails.
///
/// # Errors
///
/// If the stack runs in circles.
pub(super) fn run(text: &str, mut place: Place<'_>) -> Result<Vec<Done>, CallError> {
    let mut done = Vec::new();
    for command in commands(text) {
        done.push(one(command, &mut place)?);
        if matches!(done.last(), Some(Done::Failed(_))) {
            break;
        }
    }
    Ok(done)
}

/// The commands of a text, one for each line or between `;` and `&&`.
fn commands(text: &str) -> impl Iterator<Item = &str> {
    text.split(['\n', ';'])
        .flat_map(|line| line.split("&&"))
        .map(|command| {
            command.trim().trim_end_matches(">/dev/null").trim_end_matches("2>&1").trim()
        })
        .filter(|command| !command.is_empty() && !command.starts_with('#'))
}

fn word(command: &str, index: usize) -> Option<&str> {
    let mut words = command.split_whitespace().filter(|word| *word != "sudo");
    words.nth(index).map(|word| word.rsplit('/').next().unwrap_or(word))
}

fn one(command: &str, place: &mut Place<'_>) -> Result<Done, CallError> {
    match word(command, 0) {
        Some("sysctl") => Ok(sysctl(command, place.settings())),
        Some("sockstat" | "netstat" | "ss") => match place {
            Place::During(process) => pipeline(command, process),
            Place::Before(_) => Ok(Done::Ignored(format!("`{command}` before there is a stack"))),
        },
        Some("tcpdrop") => match place {
            Place::During(process) => drop_connections(command, process),
            Place::Before(_) => Ok(Done::Yes),
        },
        Some("ip")
            if ["advmss ", "mtu "].iter().any(|metric| command.contains(metric))
                && command.contains("route ") =>
        {
            Ok(Done::Needs("a route with a segment size of its own".to_owned()))
        }
        Some("ip") if command.contains("initcwnd") => {
            let mut words = command.split_whitespace().skip_while(|word| *word != "initcwnd");
            match words.nth(1).and_then(|segments| segments.parse().ok()) {
                Some(segments) => {
                    place.settings().initial_window(segments);
                    Ok(Done::Yes)
                }
                None => Ok(Done::Ignored(format!("`{command}` names no number of segments"))),
            }
        }
        Some("set_sysctls.py") => Ok(assignments(command, place.settings())),
        Some("defaults.sh") => Ok(Done::Yes),
        Some("true" | ":" | "sync" | "echo" | "sleep") => Ok(Done::Yes),
        _ => Ok(Done::Ignored(format!("`{command}` is not known here"))),
    }
}

/// `sysctl -w name=value`, with several assignments, some quoted.
fn sysctl(command: &str, settings: &mut Settings) -> Done {
    assignments(command, settings)
}

fn assignments(command: &str, settings: &mut Settings) -> Done {
    let mut ignored = Vec::new();
    for (name, value) in assigned(command) {
        match settings.sysctl(&name, &value) {
            Applied::Yes => {}
            Applied::Meaningless => ignored.push(format!("{name} means nothing here")),
            Applied::Unknown => ignored.push(format!("{name} is not known here")),
            Applied::Refused(what) => return Done::Needs(what.to_owned()),
        }
    }
    if ignored.is_empty() { Done::Yes } else { Done::Ignored(ignored.join(", ")) }
}

/// The pairs of `name=value` among the words of a command. A value in quotes may have blanks.
fn assigned(command: &str) -> Vec<(String, String)> {
    let mut pairs = Vec::new();
    let mut rest = command;
    while let Some(equals) = rest.find('=') {
        let start = rest[..equals].rfind(char::is_whitespace).map_or(0, |blank| blank + 1);
        let name = rest[start..equals].trim_matches(['"', '\'']).to_owned();
        let after = &rest[equals + 1..];
        let (value, left) = match after.chars().next().filter(|first| matches!(first, '"' | '\'')) {
            Some(quote) => after[1..].split_once(quote).unwrap_or((&after[1..], "")),
            None => match after.split_once(char::is_whitespace) {
                Some((value, left)) => (value, left),
                None => (after, ""),
            },
        };
        pairs.push((name, value.to_owned()));
        rest = left;
    }
    pairs
}

/// `sockstat … | grep … | grep -c STATE | grep N`: the text goes from one to the next, and the last must
/// find something.
fn pipeline(command: &str, process: &mut Process) -> Result<Done, CallError> {
    let mut lines = process.sockstat()?;
    let all = lines.clone();
    for stage in command.split('|').skip(1) {
        let words: Vec<&str> = stage.split_whitespace().collect();
        lines = match words.as_slice() {
            ["grep", options @ .., pattern] => {
                grep(options, pattern.trim_matches(['"', '\'']), lines)
            }
            ["wc", "-l"] => vec![lines.len().to_string()],
            _ => return Ok(Done::Ignored(format!("`{}` is not known here", stage.trim()))),
        };
    }
    if lines.is_empty() {
        let seen = if all.is_empty() { "no connection".to_owned() } else { all.join("; ") };
        return Ok(Done::Failed(format!("`{command}` found nothing; there is {seen}")));
    }
    Ok(Done::Yes)
}

fn grep(options: &[&str], pattern: &str, lines: Vec<String>) -> Vec<String> {
    let has = |letter: char| {
        options.iter().any(|option| option.starts_with('-') && option.contains(letter))
    };
    let found: Vec<String> =
        lines.into_iter().filter(|line| line.contains(pattern) != has('v')).collect();
    if has('c') { vec![found.len().to_string()] } else { found }
}

/// `tcpdrop -s STATE` and `tcpdrop -a`.
fn drop_connections(command: &str, process: &mut Process) -> Result<Done, CallError> {
    let words: Vec<&str> = command.split_whitespace().collect();
    let wanted = words.iter().position(|word| *word == "-s").and_then(|at| words.get(at + 1));
    if wanted.is_none() && !words.contains(&"-a") {
        return Ok(Done::Ignored(format!("`{command}` names no state")));
    }
    let name = |state: State| super::process::state_name(state);
    process.drop_connections(|state| wanted.is_none_or(|wanted| name(state) == *wanted))?;
    Ok(Done::Yes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::drill::process::Flavour;

    #[test]
    fn assignments_may_be_quoted_and_several() {
        let pairs = assigned(r#"sysctl -q -w a.b=1 c.d="4096 2 3" e='x y'"#);
        let pairs: Vec<_> = pairs.iter().map(|(name, value)| (&**name, &**value)).collect();
        assert_eq!(pairs, [("a.b", "1"), ("c.d", "4096 2 3"), ("e", "x y")]);
    }

    #[test]
    fn a_count_is_a_line_of_its_own() {
        let lines = || vec!["a LISTEN".to_owned(), "b TIME_WAIT".to_owned()];
        assert_eq!(grep(&["-c"], "TIME_WAIT", lines()), ["1"]);
        assert_eq!(grep(&["-c"], "CLOSED", lines()), ["0"]);
        assert_eq!(grep(&["-v"], "LISTEN", lines()), ["b TIME_WAIT"]);
        assert!(grep(&[], "FIN", lines()).is_empty());
    }

    #[test]
    fn a_script_that_wants_what_is_insecure_is_told_so() {
        let mut settings = Settings::new(Flavour::FreeBsd);
        let text = "sysctl -w net.inet.tcp.insecure_syn=1";
        let done = run(text, Place::Before(&mut settings)).expect("no stack that could be stuck");
        assert!(matches!(done.as_slice(), [Done::Needs(_)]), "{done:?}");
    }
}
