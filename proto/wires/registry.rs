//! The list of wires: the one place that a new one is added to.

use super::{Profile, Wire};

/// What is done with a wire whose name is known only when the program runs.
pub trait Visitor {
    /// What comes of it.
    type Output;

    /// Does it.
    fn visit<W: Wire>(self) -> Self::Output;
}

macro_rules! wires {
    ($($kind:ident: $module:ident,)*) => {
        /// A wire by name.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum Kind {
            $(
                #[doc = concat!("See [`", stringify!($module), "`](super::", stringify!($module), ").")]
                $kind,
            )*
        }

        impl Kind {
            /// All of them.
            pub const ALL: &'static [Self] = &[$(Self::$kind),*];

            /// Its name on the command line.
            pub const fn name(self) -> &'static str {
                self.profile().name
            }

            /// What it is like.
            pub const fn profile(self) -> Profile {
                match self {
                    $(Self::$kind => <super::$module::Session as Wire>::PROFILE,)*
                }
            }

            /// The wire of that name.
            pub fn from_name(name: &str) -> Option<Self> {
                Self::ALL.iter().copied().find(|kind| kind.name() == name)
            }

            /// Hands the wire to `visitor` as a type.
            pub fn visit<V: Visitor>(self, visitor: V) -> V::Output {
                match self {
                    $(Self::$kind => visitor.visit::<super::$module::Session>(),)*
                }
            }
        }
    };
}

wires! {
    Faketcp: faketcp,
    Cs488: cs488,
    Sockettcp: sockettcp,
    Quiq: quiq,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_wire_is_found_by_its_name() {
        for &kind in Kind::ALL {
            assert_eq!(Kind::from_name(kind.name()), Some(kind));
        }
        assert_eq!(Kind::from_name("tcp"), None);
    }
}
