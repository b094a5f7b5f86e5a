//! Connections over the wires of [`netmart_proto::wires`], for any task on any thread.

mod error;
mod listener;
mod log;
mod options;
mod pipe;
mod stream;
mod user;

use netmart_proto::wires::{Kind, Profile, Visitor, Wire};

pub use self::error::WireError;
pub use self::listener::WireListener;
pub use self::options::{WireLogger, WireOptions};
pub use self::stream::WireStream;

struct ProfileOf;

impl Visitor for ProfileOf {
    type Output = Profile;

    fn visit<W: Wire>(self) -> Profile {
        W::PROFILE
    }
}

fn profile(kind: Kind) -> Profile {
    kind.visit(ProfileOf)
}
