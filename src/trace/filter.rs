//! Which events of a trace to look at.

use netmart_bus::{Kind, Time};

use super::event::{Event, Party};

/// Selects events. Every list that is not empty must be satisfied.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Filter {
    /// Any of these places.
    pub places: Vec<String>,
    /// Any of these actors, acting or receiving: a name, a number, or both as in `relay [12]`.
    pub actors: Vec<String>,
    /// Any of these topics.
    pub topics: Vec<String>,
    /// Any of these kinds.
    pub kinds: Vec<Kind>,
    /// All of these in the key: addresses, ports, whole 4-tuples.
    pub connection: Vec<String>,
    /// No earlier than this.
    pub from: Option<Time>,
    /// No later than this.
    pub to: Option<Time>,
}

impl Filter {
    /// Whether `event` is one of those selected.
    pub fn selects(&self, event: &Event) -> bool {
        let among =
            |list: &[String], text: &str| list.is_empty() || list.iter().any(|one| one == text);
        among(&self.places, &event.place)
            && (self.topics.is_empty()
                || event.topic.as_deref().is_some_and(|topic| among(&self.topics, topic)))
            && (self.kinds.is_empty() || self.kinds.contains(&event.kind))
            && self.from.is_none_or(|from| event.time >= from)
            && self.to.is_none_or(|to| event.time <= to)
            && self.selects_parties(event)
            && self.connection.iter().all(|part| has_part(&event.key, part))
    }

    fn selects_parties(&self, event: &Event) -> bool {
        self.actors.is_empty()
            || std::iter::once(&event.actor)
                .chain(&event.to)
                .any(|party| self.actors.iter().any(|actor| is_called(party, actor)))
    }
}

/// Whether `text` is a name or the number of `party`, or both as it displays itself.
pub(super) fn is_called(party: &Party, text: &str) -> bool {
    *party.name == *text || text.parse() == Ok(party.id.number()) || party.to_string() == text
}

/// The words of `text` that each have to be in a key.
pub fn connection_parts(text: &str) -> impl Iterator<Item = String> + '_ {
    text.split([' ', ',', '-', '<', '>', '/']).filter(|part| !part.is_empty()).map(str::to_owned)
}

/// Whether `part` stands in `key`, not as a part of something longer; digits alone are a port.
fn has_part(key: &str, part: &str) -> bool {
    let is_port = !part.is_empty() && part.bytes().all(|octet| octet.is_ascii_digit());
    let port = if is_port { format!(":{part}") } else { String::new() };
    let wanted = if is_port { port.as_str() } else { part };
    key.match_indices(wanted).any(|(at, _)| {
        let before = key[..at].chars().next_back();
        let after = key[at + wanted.len()..].chars().next();
        let goes_on = |c: char| c.is_alphanumeric() || c == '.';
        (is_port || !before.is_some_and(goes_on)) && !after.is_some_and(goes_on)
    })
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use netmart_bus::{ActorId, EventId};

    use super::*;

    const KEY: &str = "Flow { local: 10.0.0.1:80, remote: [fe80::1]:40000 }";

    fn party(number: u64, name: &str) -> Party {
        Party { id: ActorId::from_number(number), name: Arc::from(name) }
    }

    fn event() -> Event {
        Event {
            place: Arc::from("server"),
            id: EventId::from_number(9),
            cause: EventId::from_number(7),
            time: Time::from_micros(1_000),
            kind: Kind::Send,
            actor: party(3, "codec"),
            topic: Some(Arc::from("segments-in")),
            recipients: 1,
            to: vec![party(12, "state vector")],
            key: Arc::from(KEY),
            summary: "SYN".into(),
        }
    }

    fn selects(change: impl FnOnce(&mut Filter)) -> bool {
        let mut filter = Filter::default();
        change(&mut filter);
        filter.selects(&event())
    }

    #[test]
    fn an_empty_filter_selects_everything() {
        assert!(selects(|_| ()));
    }

    #[test]
    fn each_condition_can_refuse() {
        assert!(selects(|filter| filter.places.push("server".into())));
        assert!(!selects(|filter| filter.places.push("client".into())));
        assert!(selects(|filter| filter.topics.push("segments-in".into())));
        assert!(!selects(|filter| filter.topics.push("segments".into())));
        assert!(selects(|filter| filter.kinds.push(Kind::Send)));
        assert!(!selects(|filter| filter.kinds.push(Kind::Gone)));
        assert!(selects(|filter| filter.from = Some(Time::from_micros(1_000))));
        assert!(!selects(|filter| filter.from = Some(Time::from_micros(1_001))));
        assert!(selects(|filter| filter.to = Some(Time::from_micros(1_000))));
        assert!(!selects(|filter| filter.to = Some(Time::from_micros(999))));
    }

    #[test]
    fn an_actor_acts_or_receives_and_has_a_name_and_a_number() {
        for actor in ["codec", "3", "codec [3]", "state vector", "12"] {
            assert!(selects(|filter| filter.actors.push(actor.into())), "{actor}");
        }
        for actor in ["relay", "1", "codec [4]", ""] {
            assert!(!selects(|filter| filter.actors.push(actor.into())), "{actor}");
        }
    }

    #[test]
    fn a_part_of_a_connection_is_a_whole_address_or_port() {
        for part in ["80", "40000", "10.0.0.1", "10.0.0.1:80", "fe80::1", "[fe80::1]:40000"] {
            assert!(has_part(KEY, part), "{part}");
        }
        for part in ["8", "800", "4000", "0.0.0.1", "10.0.0", "10.0.0.10", "10.0.0.1:8", ":81"] {
            assert!(!has_part(KEY, part), "{part}");
        }
    }

    #[test]
    fn all_parts_of_a_connection_must_be_there() {
        let parts = |text| connection_parts(text).collect::<Vec<_>>();
        assert!(selects(|filter| filter.connection = parts("10.0.0.1:80 <-> [fe80::1]:40000")));
        assert!(!selects(|filter| filter.connection = parts("10.0.0.1:80,10.0.0.2:40000")));
    }
}
