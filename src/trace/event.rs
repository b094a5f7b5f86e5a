//! One event as a reader of traces sees it.

use std::fmt;
use std::sync::Arc;

use netmart_bus::{ActorId, EventId, Kind, Time};

use super::format::KINDS;

/// One event of one dataspace, read from a trace.
///
/// Texts that many events have in common are shared.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// The dataspace it happened in, as whoever recorded it named that.
    pub place: Arc<str>,
    /// The event; unique in its place.
    pub id: EventId,
    /// The event of the same place whose handling led to this one, or [`EventId::NONE`].
    pub cause: EventId,
    /// When it took effect.
    pub time: Time,
    /// What it is.
    pub kind: Kind,
    /// Who did it.
    pub actor: Party,
    /// The topic it concerns, if any.
    pub topic: Option<Arc<str>>,
    /// How many actors received it; 65535 stands for that many or more.
    pub recipients: u16,
    /// Who received it, in order; of very many only the first.
    pub to: Vec<Party>,
    /// The routing key or pattern; empty where there is none.
    pub key: Arc<str>,
    /// One line about its subject.
    pub summary: String,
}

/// An actor and its name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Party {
    /// The actor; unique in its place.
    pub id: ActorId,
    /// Its name, which others may have as well; empty if the recording began after its birth.
    pub name: Arc<str>,
}

impl fmt::Display for Party {
    /// The name and the number, which together are unique in a place.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.id, &*self.name) {
            (ActorId::HOST, _) => f.write_str("host"),
            (id, "") => id.fmt(f),
            (id, name) => write!(f, "{name} [{}]", id.number()),
        }
    }
}

/// The word for a kind of event.
pub fn kind_name(kind: Kind) -> &'static str {
    KINDS.iter().find(|(known, _)| *known == kind).map_or("other", |(_, name)| name)
}

/// The kind of event that `name` is the word for.
pub fn kind_named(name: &str) -> Option<Kind> {
    KINDS.iter().find(|(_, known)| *known == name).map(|(kind, _)| *kind)
}

/// All words for kinds of events.
pub fn kind_names() -> impl Iterator<Item = &'static str> {
    KINDS.iter().map(|(_, name)| *name)
}

impl fmt::Display for Event {
    /// One line, in columns as far as the words are as short as they usually are.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { place, id, cause, time, kind, actor, topic, .. } = self;
        let (id, cause) = (id.to_string(), Cause(*cause).to_string());
        let (time, kind) = (time.to_string(), kind_name(*kind));
        let topic = topic.as_deref().unwrap_or("");
        write!(f, "{time:>11} {place:<7} {id:>8} {cause:<9} {kind:<11} {topic:<13} ")?;
        let route = Route { actor, to: &self.to, recipients: self.recipients };
        match self.what(topic) {
            what if what.is_empty() => write!(f, "{route}"),
            what => write!(f, "{:<34} {what}", route.to_string()),
        }
    }
}

impl Event {
    /// Key and summary, as far as they say more than topic and actor do.
    fn what(&self, topic: &str) -> String {
        // The key of a timer is its number, which the summary has as well.
        let key = if topic.is_empty() { String::new() } else { short_key(&self.key) };
        match self.summary.as_str() {
            summary if summary.is_empty() || *summary == *self.actor.name => key,
            summary if summary_repeats(summary, topic, &self.key) => key,
            summary if key.is_empty() => summary.to_owned(),
            summary => format!("{key}  {summary}"),
        }
    }
}

/// Whether a summary says no more than topic and key do, as that of a pattern.
fn summary_repeats(summary: &str, topic: &str, key: &str) -> bool {
    let rest = summary.strip_prefix(topic).and_then(|rest| rest.strip_prefix(' '));
    !key.is_empty() && rest == Some(key)
}

struct Cause(EventId);

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            EventId::NONE => Ok(()),
            cause => write!(f, "<{cause}"),
        }
    }
}

/// Who did it, and who received it.
struct Route<'a> {
    actor: &'a Party,
    to: &'a [Party],
    recipients: u16,
}

impl fmt::Display for Route<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.actor.fmt(f)?;
        match (self.to, self.recipients) {
            // A timer comes due for whoever set it.
            ([], 0 | 1) => Ok(()),
            ([], many) => write!(f, " -> {many} actors"),
            ([only], _) => write!(f, " -> {only}"),
            ([first, ..], many) => write!(f, " -> {first} and {} more", many.saturating_sub(1)),
        }
    }
}

/// A key as it prints itself, without the names of its type and fields, which the topic tells.
fn short_key(key: &str) -> String {
    let mut short = String::with_capacity(key.len());
    let mut rest = key;
    while !rest.is_empty() {
        let word = rest.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(rest.len());
        let after = &rest[word..];
        if let Some(after) = after.strip_prefix(" { ").filter(|_| word > 0) {
            short.push('{');
            rest = after;
        } else if let Some(after) = after.strip_prefix(": ").filter(|_| word > 0) {
            rest = after;
        } else if let Some(after) = rest.strip_prefix(" }") {
            short.push('}');
            rest = after;
        } else {
            // A word that stays, or a single character between words.
            let next = after.chars().next().map_or(0, char::len_utf8);
            let length = if word > 0 { word } else { next };
            short.push_str(&rest[..length]);
            rest = &rest[length..];
        }
    }
    short
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_has_what_there_is_to_say_and_no_more() {
        let party =
            |number, name| Party { id: ActorId::from_number(number), name: Arc::from(name) };
        let birth = Event {
            place: Arc::from("here"),
            id: EventId::from_number(12),
            cause: EventId::from_number(9),
            time: Time::from_micros(20_314),
            kind: Kind::Spawn,
            actor: party(4, "codec"),
            topic: None,
            recipients: 0,
            to: Vec::new(),
            key: Arc::from(""),
            summary: "codec".to_owned(),
        };
        let line = birth.to_string();
        assert_eq!(
            line.split_whitespace().collect::<Vec<_>>().join(" "),
            "0.020314 here #12 <#9 spawn codec [4]"
        );
        assert_eq!(line.trim_end(), line);
        let message = Event {
            kind: Kind::Send,
            topic: Some(Arc::from("echo")),
            recipients: 3,
            to: vec![party(5, "ip"), party(6, ""), party(7, "relay")],
            key: Arc::from("Key { port: 7 }"),
            summary: "ping".to_owned(),
            ..birth
        };
        assert!(
            message
                .to_string()
                .ends_with("echo          codec [4] -> ip [5] and 2 more     {7}  ping")
        );
    }

    #[test]
    fn a_key_is_printed_without_its_type_and_fields() {
        let flow = "Flow { local: 10.0.0.1:80, remote: [fe80::1]:40000 }";
        assert_eq!(short_key(flow), "{10.0.0.1:80, [fe80::1]:40000}");
        let nested = "OfListener { listener: listener *:80#1, flow: Flow { local: a, remote: * } }";
        assert_eq!(short_key(nested), "{listener *:80#1, {a, *}}");
        assert_eq!(short_key("OnLink { link: LinkId(1) }"), "{LinkId(1)}");
        assert_eq!(short_key("()"), "()");
        assert_eq!(short_key("ä: ö"), "ö");
    }

    #[test]
    fn words_for_kinds_go_both_ways() {
        for name in kind_names() {
            assert_eq!(kind_named(name).map(kind_name), Some(name));
        }
        assert_eq!(kind_named("nothing"), None);
    }
}
