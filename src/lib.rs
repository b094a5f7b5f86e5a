//! netmart: an actor-native network stack.
//!
//! | module | its subject |
//! |---|---|
//! | [`sim`] | stacks in a simulation with a virtual clock |
//! | [`stack`] | stacks that run on an actix arbiter |
//! | [`link`] | devices, and captures of what they carry |
//! | [`trace`] | files of everything that happened on a bus, and how to read them |
//! | [`bus`] | the dataspace: topics, interests, routing, turns, timers |
//! | [`actors`] | the cast of a stack, and everything that is said on its bus |
//! | [`proto`] | wire formats and protocol machines, sans-IO |

mod addresses;
pub mod link;
pub mod net;
pub mod sim;
pub mod stack;
pub mod trace;

pub use netmart_actors as actors;
pub use netmart_actors::config::Config;
pub use netmart_bus as bus;
pub use netmart_proto as proto;
