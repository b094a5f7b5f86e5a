//! Files of everything that happened on a bus.
