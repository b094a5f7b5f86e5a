//! Two runs are the same if all that is recorded of them is.

use std::cell::RefCell;
use std::fmt::Write;
use std::rc::Rc;

use netmart::bus::{Detail, Record, Recorder};
use netmart::sim::{Simulation, StackId};

/// Writes down every event with its key and summary.
struct Scribe(Rc<RefCell<String>>);

impl Recorder for Scribe {
    fn record(&mut self, record: &Record, detail: &dyn Detail) {
        let mut text = self.0.borrow_mut();
        write!(text, "{record:?} ").unwrap();
        detail.key(&mut *text).unwrap();
        text.push(' ');
        detail.summary(&mut *text).unwrap();
        text.push('\n');
    }
}

/// What will have happened on each of `stacks`.
pub(crate) fn write_down<const N: usize>(
    sim: &mut Simulation,
    stacks: [StackId; N],
) -> [Rc<RefCell<String>>; N] {
    stacks.map(|stack| {
        let text = Rc::default();
        sim[stack].set_recorder(Some(Box::new(Scribe(Rc::clone(&text)))));
        text
    })
}
