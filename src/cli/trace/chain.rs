//! The chain of causes of an event.

use std::collections::{HashMap, HashSet};
use std::io::Write;
use std::sync::Arc;

use anyhow::bail;
use netmart::bus::EventId;

use super::Show;

/// An event of a place.
type Id = (Arc<str>, EventId);

/// Prints the events that led to event `id`, oldest first. Where several places have one of that
/// number, each gets its chain, one after the other.
pub(super) fn print(show: &Show, id: u64, out: &mut impl Write) -> anyhow::Result<()> {
    let wanted = chains(show, EventId::from_number(id))?;
    if wanted.is_empty() {
        bail!("{} has no event #{id} there", show.file.display());
    }
    for chain in wanted {
        let mut left = chain.len();
        show.events(|event| {
            if chain.contains(&(Arc::clone(&event.place), event.id)) {
                writeln!(out, "{event}")?;
                left -= 1;
            }
            Ok(left > 0)
        })?;
    }
    Ok(())
}

/// The chain of event `id` in each place that has it. A cause stands before its effects in the file,
/// so one reading suffices.
fn chains(show: &Show, id: EventId) -> anyhow::Result<Vec<HashSet<Id>>> {
    let mut causes: HashMap<Id, EventId> = HashMap::new();
    let mut found = Vec::new();
    show.events(|event| {
        if show.place.is_empty() || show.place.iter().any(|place| **place == *event.place) {
            if event.id == id {
                found.push(Arc::clone(&event.place));
            }
            causes.insert((event.place, event.id), event.cause);
        }
        // One place is enough if only one was asked for.
        Ok(show.place.len() != 1 || found.is_empty())
    })?;
    let chain = |place: Arc<str>| {
        let mut chain = HashSet::new();
        let mut next = (Arc::clone(&place), id);
        while let Some(&cause) = causes.get(&next) {
            chain.insert(std::mem::replace(&mut next, (Arc::clone(&place), cause)));
        }
        chain
    };
    Ok(found.into_iter().map(chain).collect())
}
