//! netmart: an actor-native network stack.
