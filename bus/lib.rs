//! The dataspace of netmart: a routing bus together with the actors on it, as one value that is
//! stepped. It owns no thread and no clock, and knows nothing of networks.
//!
//! | primitive | meaning |
//! |---|---|
//! | [`assert`](Context::assert) | a fact holds until its [`Handle`] is dropped or its actor ends |
//! | [`watch`](Context::watch) | a snapshot of the facts that match, then each [`Change`] |
//! | [`send`](Context::send) | a message goes once to every actor with a pattern that matches |
//!
//! [`subscribe`](Context::subscribe) and [`provide`](Context::provide) are facts too, about
//! patterns: [`Interest`], which [`watch_interest`](Context::watch_interest) watches. What an
//! actor does in one turn takes effect all or not at all, in one order for the whole dataspace;
//! an actor that panics leaves nothing behind but the news that it is [`Down`].
//!
//! ```
//! use netmart_bus::{
//!     Actor, Config, Context, Dataspace, Delivery, Handler, Ran, Spawn, Time, Topic,
//! };
//!
//! netmart_bus::key! {
//!     /// A room of the house.
//!     #[derive(Copy)]
//!     pub struct Room / RoomPattern { pub floor: u8, pub number: u8 }
//! }
//!
//! #[derive(Clone, Debug, PartialEq, Eq, Hash)]
//! struct Knock { room: Room }
//!
//! #[derive(Clone, Debug, PartialEq, Eq, Hash)]
//! struct Lit { room: Room }
//!
//! impl Topic for Knock {
//!     type Key = Room;
//!     const NAME: &'static str = "Knock";
//!     fn key(&self) -> &Room { &self.room }
//! }
//!
//! impl Topic for Lit {
//!     type Key = Room;
//!     const NAME: &'static str = "Lit";
//!     fn key(&self) -> &Room { &self.room }
//! }
//!
//! /// Lights the room where somebody knocks, and keeps it lit.
//! struct Porter;
//!
//! impl Actor for Porter {}
//!
//! impl Handler<Knock> for Porter {
//!     fn handle(&mut self, knock: Delivery<'_, Knock>, ctx: &mut Context<'_, Self>) {
//!         ctx.assert(Lit { room: knock.room }).keep();
//!     }
//! }
//!
//! let mut house = Dataspace::new(Config::default());
//! let porter = Spawn::new("porter", Porter).subscribe::<Knock>(RoomPattern::any().floor(1));
//! let porter = house.spawn(porter);
//! house.inject(Knock { room: Room { floor: 1, number: 4 } })?;
//! house.inject(Knock { room: Room { floor: 2, number: 4 } })?;
//! assert_eq!(house.run(Time::ZERO), Ran::Idle);
//! assert_eq!(house.facts::<Lit>(&RoomPattern::any()).len(), 1);
//! assert_eq!(house.counters().unmatched, 1);
//!
//! house.stop(porter);
//! assert_eq!(house.run(Time::ZERO), Ran::Idle);
//! assert_eq!(house.facts::<Lit>(&RoomPattern::any()), []);
//! # Ok::<(), netmart_bus::QueueFull>(())
//! ```
//!
//! # Map
//!
//! What travels: `topic`, `key`, `down`. Who acts: `actor`, `context`, `spawn`, `handle`, `timer`,
//! `demand`. The value itself: `dataspace` steps, `space` holds the order queue and rolls turns
//! back, `channel` and `facts` keep a topic's tables, `routing` and `group` find patterns, `news`
//! fans a change out, `lease` knows who holds what. What can be seen: `counters`, `trace`, `ring`,
//! `unmatched`.

mod actor;
mod channel;
mod context;
mod counters;
mod dataspace;
mod demand;
mod down;
mod facts;
mod group;
mod handle;
mod id;
mod key;
mod lease;
mod news;
mod ring;
mod routing;
mod space;
mod spawn;
mod time;
mod timer;
mod topic;
mod trace;
mod unmatched;

pub use actor::{Actor, Delivery, Handler, Watchable, Watcher};
pub use context::{Context, Publisher};
pub use counters::{Counters, Footprint};
pub use dataspace::{Config, Dataspace, QueueFull, Ran};
pub use demand::{Action, Demand, DemandCounters, DemandMatcher, DemandPolicy, Ended, Restart};
pub use down::{Down, DownKey, DownPattern, Reason};
pub use handle::Handle;
pub use id::{ActorId, EventId};
pub use key::{Key, Mask, Pattern};
pub use ring::RingRecorder;
pub use spawn::Spawn;
pub use time::Time;
pub use timer::{Timer, TimerToken};
pub use topic::{Change, Fact, Interest, PatternOf, Role, Topic, WhenFull};
pub use trace::{Detail, Kind, Record, Recorder};
pub use unmatched::Unmatched;
