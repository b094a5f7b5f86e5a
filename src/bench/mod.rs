//! Bulk transfers over one bottleneck, measured in virtual time.
//!
//! A [`Cell`] is a path, the flows that share it and a seed; [`Cell::run`] simulates it and tells what
//! each flow reached. Two stacks, one wire: the first stack's applications always have something to send,
//! the second's take all that comes. Losses and reordering meet the data only; the acknowledgements come
//! back over a link that is as fast and as long. The same cell always gives the same outcome.
//!
//! ```
//! use std::time::Duration;
//! use netmart::bench::{Cell, Path};
//! use netmart::proto::netem::Loss;
//! use netmart::proto::tcp::CongestionControl;
//!
//! let path = Path {
//!     rate: 10_000_000,
//!     rtt: Duration::from_millis(20),
//!     loss: Loss::Independent(0.01),
//!     ..Path::default()
//! };
//! let outcome = Cell::new(path, [CongestionControl::Cubic], Duration::from_secs(2), 1).run()?;
//! assert!(outcome.goodput() > 1e6, "bits per second, of 10,000,000");
//! # Ok::<(), netmart::bench::Failure>(())
//! ```

mod apps;
mod cell;
mod outcome;
mod path;
mod pattern;
mod sender;
mod wires;

pub use self::cell::{Cell, Failure};
pub use self::outcome::{FlowOutcome, Moment, Outcome, jain};
pub use self::path::Path;
pub use self::pattern::draw_losses;
pub use self::sender::Sender;
pub use self::wires::{Load, WireCell, WireOutcome};
