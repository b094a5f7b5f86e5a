//! Facts that have come to hold, for watchers whom it does not concern when they end.

use netmart_bus::Change;

/// The facts that hold now and did not before.
pub(crate) fn appeared<F>(change: Change<F>) -> Vec<F> {
    match change {
        Change::Snapshot(facts) => facts,
        Change::Appeared(fact) => vec![fact],
        Change::Gone(_) => Vec::new(),
    }
}

/// The newest of them: all there is to know where one holds at a time.
pub(crate) fn newest<F>(change: Change<F>) -> Option<F> {
    match change {
        Change::Snapshot(mut facts) => facts.pop(),
        Change::Appeared(fact) => Some(fact),
        Change::Gone(_) => None,
    }
}
