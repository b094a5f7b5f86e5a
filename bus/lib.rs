//! The dataspace of netmart: a routing bus together with the actors on it, as one value.

mod actor;
mod channel;
mod context;
mod counters;
mod dataspace;
mod demand;
mod down;
mod facts;
mod handle;
mod id;
mod key;
mod lease;
mod news;
mod routing;
mod space;
mod spawn;
mod time;
mod timer;
mod topic;
mod trace;

pub use actor::{Actor, Delivery, Handler, Watchable, Watcher};
pub use context::{Context, Publisher};
pub use counters::{Counters, Footprint};
pub use dataspace::{Config, Dataspace, QueueFull, Ran};
pub use demand::{Action, Demand, DemandCounters, DemandMatcher, DemandPolicy, Ended, Restart};
pub use down::{Down, DownKey, DownPattern, Reason};
pub use handle::Handle;
pub use id::{ActorId, EventId};
pub use key::{Key, Mask, Pattern};
pub use spawn::Spawn;
pub use time::Time;
pub use timer::{Timer, TimerToken};
pub use topic::{Change, Fact, Interest, PatternOf, Role, Topic, WhenFull};
pub use trace::{Detail, Kind, Record, Recorder};
