//! What an expression of Python may be.

use std::cmp::Ordering;
use std::fmt;

/// A value.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// A whole number. Those of `TCP_INFO` have 64 bits at most.
    Integer(i128),
    /// Any other number.
    Float(f64),
    /// `True` or `False`.
    Bool(bool),
    /// Text.
    Text(String),
    /// `None`.
    None,
    /// `(1, 2)`, `[1, 2]`.
    Sequence(Vec<Value>),
}

impl Value {
    /// What Python takes it for where a condition stands.
    pub fn is_true(&self) -> bool {
        match self {
            Self::Integer(value) => *value != 0,
            Self::Float(value) => *value != 0.0,
            Self::Bool(value) => *value,
            Self::Text(text) => !text.is_empty(),
            Self::None => false,
            Self::Sequence(items) => !items.is_empty(),
        }
    }

    /// The whole number it is, truth counting as 0 and 1.
    pub(super) fn as_integer(&self) -> Option<i128> {
        match self {
            Self::Integer(value) => Some(*value),
            Self::Bool(value) => Some((*value).into()),
            _ => None,
        }
    }

    /// The number it is.
    pub(super) fn as_float(&self) -> Option<f64> {
        match self {
            Self::Float(value) => Some(*value),
            other => other.as_integer().map(|value| value as f64),
        }
    }

    /// How it compares with `other`; nothing if the two are not comparable.
    pub(super) fn compare(&self, other: &Self) -> Option<Ordering> {
        match (self, other) {
            (Self::Text(left), Self::Text(right)) => Some(left.cmp(right)),
            (Self::Sequence(left), Self::Sequence(right)) => {
                for (left, right) in left.iter().zip(right) {
                    match left.compare(right)? {
                        Ordering::Equal => {}
                        unequal => return Some(unequal),
                    }
                }
                Some(left.len().cmp(&right.len()))
            }
            _ => match (self.as_integer(), other.as_integer()) {
                (Some(left), Some(right)) => Some(left.cmp(&right)),
                _ => self.as_float()?.partial_cmp(&other.as_float()?),
            },
        }
    }

    /// Whether the two are equal. Values of different kinds are not.
    pub(super) fn equals(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::None, Self::None) => true,
            _ => self.compare(other) == Some(Ordering::Equal),
        }
    }
}

impl From<u64> for Value {
    fn from(value: u64) -> Self {
        Self::Integer(value.into())
    }
}

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Integer(value) => write!(f, "{value}"),
            Self::Float(value) => write!(f, "{value:?}"),
            Self::Bool(true) => f.write_str("True"),
            Self::Bool(false) => f.write_str("False"),
            Self::Text(text) => f.write_str(text),
            Self::None => f.write_str("None"),
            Self::Sequence(items) => {
                let items: Vec<_> = items.iter().map(ToString::to_string).collect();
                write!(f, "({})", items.join(", "))
            }
        }
    }
}
