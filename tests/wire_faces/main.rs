//! The streams and listeners of every wire, on running stacks whose clock stands still until nobody has anything
//! to do.

mod cargo;
mod ends;
mod limits;
mod stacks;
mod told;
mod transfers;
