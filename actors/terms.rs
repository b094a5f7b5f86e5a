//! What users want of connections that do not exist yet: a value that is fed with [`Terms`].

use hashbrown::HashMap;
use netmart_bus::Change;

use crate::address::Local;
use crate::message::Terms;

/// The terms stated at the moment, by the local end they are for.
#[derive(Debug, Default)]
pub(crate) struct TermsTable {
    by_local: HashMap<Local, Vec<Terms>, foldhash::fast::FixedState>,
}

impl TermsTable {
    /// Takes in what was stated or retracted.
    pub(crate) fn apply(&mut self, change: Change<Terms>) {
        match change {
            Change::Snapshot(terms) => terms.into_iter().for_each(|terms| self.add(terms)),
            Change::Appeared(terms) => self.add(terms),
            Change::Gone(terms) => self.remove(&terms),
        }
    }

    fn add(&mut self, terms: Terms) {
        self.by_local.entry(terms.of.local).or_default().push(terms);
    }

    fn remove(&mut self, gone: &Terms) {
        if let Some(stated) = self.by_local.get_mut(&gone.of.local) {
            if let Some(index) = stated.iter().position(|terms| terms == gone) {
                stated.remove(index);
            }
            if stated.is_empty() {
                self.by_local.remove(&gone.of.local);
            }
        }
    }

    /// The terms for `local`; of several the one stated last.
    pub(crate) fn of(&self, local: Local) -> Option<&Terms> {
        self.by_local.get(&local)?.last()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::address::HandleId;
    use crate::message::TermsKey;

    fn terms(handle: u64, port: u16) -> Terms {
        Terms { port: Some(port), ..Terms::of(Local::Handle(HandleId::new(handle))) }
    }

    #[test]
    fn the_last_statement_about_an_end_counts_until_it_is_retracted() {
        let mut table = TermsTable::default();
        let port = |table: &TermsTable, handle| {
            table.of(Local::Handle(HandleId::new(handle))).and_then(|terms| terms.port)
        };
        table.apply(Change::Snapshot(vec![terms(1, 80), terms(2, 81)]));
        assert_eq!((port(&table, 1), port(&table, 2), port(&table, 3)), (Some(80), Some(81), None));
        table.apply(Change::Appeared(terms(1, 90)));
        assert_eq!(port(&table, 1), Some(90));
        table.apply(Change::Gone(terms(1, 80)));
        assert_eq!(port(&table, 1), Some(90));
        table.apply(Change::Gone(terms(1, 90)));
        assert_eq!(port(&table, 1), None);
        assert_eq!(TermsKey { local: Local::Handle(HandleId::new(2)) }, terms(2, 81).of);
    }
}
