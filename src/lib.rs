//! netmart: an actor-native network stack.

pub mod link;
