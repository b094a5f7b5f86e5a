//! How the application reaches the actor behind an end it holds: a message on the bus, like all else.

use std::fmt;

use netmart_bus::{Topic, WhenFull, key};

/// The name of an end that an application holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct FaceId(pub(crate) u64);

key! {
    /// Which end.
    #[derive(Copy)]
    pub(crate) struct OfFace / OfFacePattern {
        /// The end.
        pub(crate) face: FaceId,
    }
}

/// The application has done something with the end it holds: host to the actor behind it, which looks
/// what it was.
#[derive(Clone, Debug)]
pub(crate) struct Touch {
    pub(crate) of: OfFace,
}

impl Topic for Touch {
    type Key = OfFace;
    const NAME: &'static str = "touch";
    const WHEN_FULL: WhenFull = WhenFull::Drop;

    fn key(&self) -> &OfFace {
        &self.of
    }

    fn summarize(&self, _out: &mut dyn fmt::Write) -> fmt::Result {
        Ok(())
    }
}
