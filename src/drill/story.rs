//! What has happened on the bus lately, so that a mismatch can be explained.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::rc::Rc;

use netmart_bus::{EventId, Recorder};

use crate::trace::Event;
use crate::trace::write::EventRecorder;

/// The newest events of a dataspace, in words.
#[derive(Clone, Default)]
pub(super) struct Story(Rc<RefCell<VecDeque<Event>>>);

/// Events kept: the chain that leads to a packet is far shorter.
const KEPT: usize = 4_096;

impl Story {
    /// A recorder that tells this story.
    pub(super) fn recorder(&self) -> Box<dyn Recorder> {
        let events = Rc::clone(&self.0);
        Box::new(EventRecorder::new(
            "netmart",
            |_| true,
            move |event| {
                let mut events = events.borrow_mut();
                if events.len() == KEPT {
                    events.pop_front();
                }
                events.push_back(event);
            },
        ))
    }

    /// The chain of causes that led to `event`, oldest first, each as the line of a trace.
    pub(super) fn leading_to(&self, event: EventId) -> Vec<String> {
        let events = self.0.borrow();
        let mut chain = Vec::new();
        let mut wanted = event;
        // A cause is older than its effect.
        for event in events.iter().rev() {
            if wanted == EventId::NONE {
                break;
            }
            if event.id == wanted {
                chain.push(event.to_string());
                wanted = event.cause;
            }
        }
        chain.reverse();
        chain
    }
}
