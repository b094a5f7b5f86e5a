//! Routing keys and the patterns that select them.
//!
//! A key is a few fields; a pattern fixes or leaves open each of them. [`key!`](crate::key) makes
//! the pair. Both sides can hash any subset of the fields (a [`Mask`]) and agree on the result,
//! which is what lets the router find a pattern by a probe instead of a walk.

use core::fmt::Debug;
use core::hash::{Hash, Hasher};

/// A set of key fields: bit `i` stands for field `i` in the order of declaration.
pub type Mask = u32;

/// The fields by which a topic is routed. Made by [`key!`](crate::key).
pub trait Key: Clone + Debug + Eq + Hash + 'static {
    /// The pattern that selects keys of this type.
    type Pattern: Pattern<Key = Self>;

    /// The names of the fields, in the order of their mask bits.
    const FIELDS: &'static [&'static str];

    /// The pattern that this key alone matches.
    fn exactly(&self) -> Self::Pattern;

    /// Feeds the fields in `mask` to `state`, in order.
    fn hash_fields<H: Hasher>(&self, mask: Mask, state: &mut H);
}

/// A key with each field fixed or left open. Made by [`key!`](crate::key).
pub trait Pattern: Clone + Debug + Default + Eq + Hash + 'static {
    /// The key that this pattern selects.
    type Key: Key<Pattern = Self>;

    /// The fields that are fixed.
    fn mask(&self) -> Mask;

    /// Feeds the fields in `mask` to `state`, in order, exactly as [`Key::hash_fields`] does.
    /// Fields that are open feed nothing.
    fn hash_fields<H: Hasher>(&self, mask: Mask, state: &mut H);

    /// The fixed fields in which `key` differs from this pattern.
    fn differing(&self, key: &Self::Key) -> Mask;

    /// The fields that both patterns fix, and fix to different values.
    fn conflicting(&self, other: &Self) -> Mask;

    /// Whether `key` agrees with every fixed field.
    fn matches(&self, key: &Self::Key) -> bool {
        self.differing(key) == 0
    }

    /// Whether some key could match both patterns.
    fn overlaps(&self, other: &Self) -> bool {
        self.conflicting(other) == 0
    }
}

/// The key of a topic that needs no routing: everybody interested hears everything.
impl Key for () {
    type Pattern = ();
    const FIELDS: &'static [&'static str] = &[];

    fn exactly(&self) {}

    fn hash_fields<H: Hasher>(&self, _mask: Mask, _state: &mut H) {}
}

impl Pattern for () {
    type Key = ();

    fn mask(&self) -> Mask {
        0
    }

    fn hash_fields<H: Hasher>(&self, _mask: Mask, _state: &mut H) {}

    fn differing(&self, _key: &()) -> Mask {
        0
    }

    fn conflicting(&self, _other: &Self) -> Mask {
        0
    }
}

/// Declares a routing key and the pattern that selects it.
///
/// Both derive `Clone`, `PartialEq`, `Eq` and `Hash`, print themselves, and take over the
/// attributes written above the declaration. The pattern has one `Option` per field (`None` leaves
/// it open), `any()` (all open, also its `Default`) and a builder method per field.
///
/// ```
/// netmart_bus::key! {
///     /// A desk in a room.
///     #[derive(Copy)]
///     pub struct Desk / DeskPattern {
///         /// The room's number.
///         pub room: u32,
///         /// The place in the room.
///         pub place: u8,
///     }
/// }
///
/// use netmart_bus::{Key, Pattern};
/// let desk = Desk { room: 4, place: 1 };
/// assert!(DeskPattern::any().room(4).matches(&desk));
/// assert!(!desk.exactly().matches(&Desk { room: 4, place: 2 }));
/// assert_eq!(format!("{:?}", DeskPattern::any().room(4)), "Desk { room: 4, place: * }");
/// ```
#[macro_export]
macro_rules! key {
    (
        $(#[$meta:meta])*
        $vis:vis struct $key:ident / $pattern:ident {
            $( $(#[$field_meta:meta])* $field_vis:vis $field:ident : $type:ty ),* $(,)?
        }
    ) => {
        $(#[$meta])*
        #[derive(Clone, Debug, PartialEq, Eq, Hash)]
        $vis struct $key {
            $( $(#[$field_meta])* $field_vis $field: $type, )*
        }

        $(#[$meta])*
        ///
        /// This is its pattern: each field is fixed, or open where it is `None`.
        #[derive(Clone, PartialEq, Eq, Hash)]
        $vis struct $pattern {
            $( $(#[$field_meta])* $field_vis $field: ::core::option::Option<$type>, )*
        }

        // Not derived: an open field needs no `Default` of its type.
        #[allow(clippy::derivable_impls)]
        impl ::core::default::Default for $pattern {
            fn default() -> Self {
                Self { $( $field: ::core::option::Option::None, )* }
            }
        }

        #[allow(dead_code)]
        impl $key {
            /// The pattern that this key alone matches.
            $vis fn exactly(&self) -> $pattern {
                $pattern {
                    $( $field: ::core::option::Option::Some(
                        ::core::clone::Clone::clone(&self.$field)
                    ), )*
                }
            }
        }

        #[allow(dead_code)]
        impl $pattern {
            /// The pattern with every field open: all keys match.
            $vis fn any() -> Self {
                ::core::default::Default::default()
            }

            $(
                #[doc = concat!("This pattern with `", stringify!($field), "` fixed.")]
                #[must_use]
                $field_vis fn $field(mut self, $field: $type) -> Self {
                    self.$field = ::core::option::Option::Some($field);
                    self
                }
            )*

            /// Whether `key` agrees with every fixed field.
            $vis fn matches(&self, key: &$key) -> bool {
                $crate::Pattern::matches(self, key)
            }

            /// Whether some key could match both patterns.
            $vis fn overlaps(&self, other: &Self) -> bool {
                $crate::Pattern::overlaps(self, other)
            }
        }

        impl ::core::fmt::Debug for $pattern {
            fn fmt(&self, f: &mut ::core::fmt::Formatter<'_>) -> ::core::fmt::Result {
                let mut out = f.debug_struct(stringify!($key));
                $( match &self.$field {
                    ::core::option::Option::Some(value) => {
                        out.field(stringify!($field), value);
                    }
                    ::core::option::Option::None => {
                        out.field(stringify!($field), &::core::format_args!("*"));
                    }
                } )*
                out.finish()
            }
        }

        #[allow(unused_variables, unused_mut, unused_assignments)]
        impl $crate::Key for $key {
            type Pattern = $pattern;
            const FIELDS: &'static [&'static str] = &[ $( stringify!($field) ),* ];

            fn exactly(&self) -> $pattern {
                $key::exactly(self)
            }

            #[inline]
            fn hash_fields<H: ::core::hash::Hasher>(&self, mask: $crate::Mask, state: &mut H) {
                let mut bit: $crate::Mask = 1;
                $(
                    if mask & bit != 0 {
                        ::core::hash::Hash::hash(&self.$field, state);
                    }
                    bit <<= 1;
                )*
            }
        }

        #[allow(unused_variables, unused_mut, unused_assignments)]
        impl $crate::Pattern for $pattern {
            type Key = $key;

            #[inline]
            fn mask(&self) -> $crate::Mask {
                let (mut mask, mut bit): ($crate::Mask, $crate::Mask) = (0, 1);
                $(
                    if self.$field.is_some() {
                        mask |= bit;
                    }
                    bit <<= 1;
                )*
                mask
            }

            #[inline]
            fn hash_fields<H: ::core::hash::Hasher>(&self, mask: $crate::Mask, state: &mut H) {
                let mut bit: $crate::Mask = 1;
                $(
                    if mask & bit != 0 {
                        if let ::core::option::Option::Some(value) = &self.$field {
                            ::core::hash::Hash::hash(value, state);
                        }
                    }
                    bit <<= 1;
                )*
            }

            #[inline]
            fn matches(&self, key: &$key) -> bool {
                $( self.$field.as_ref().is_none_or(|fixed| *fixed == key.$field) && )* true
            }

            #[inline]
            fn differing(&self, key: &$key) -> $crate::Mask {
                let (mut mask, mut bit): ($crate::Mask, $crate::Mask) = (0, 1);
                $(
                    if self.$field.as_ref().is_some_and(|fixed| *fixed != key.$field) {
                        mask |= bit;
                    }
                    bit <<= 1;
                )*
                mask
            }

            fn conflicting(&self, other: &Self) -> $crate::Mask {
                let (mut mask, mut bit): ($crate::Mask, $crate::Mask) = (0, 1);
                $(
                    if let (
                        ::core::option::Option::Some(ours),
                        ::core::option::Option::Some(theirs),
                    ) = (&self.$field, &other.$field)
                        && ours != theirs
                    {
                        mask |= bit;
                    }
                    bit <<= 1;
                )*
                mask
            }
        }
    };
}
