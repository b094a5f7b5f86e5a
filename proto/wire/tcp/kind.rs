//! Kinds of options, each where it is defined.

/// The end of the options (RFC 9293 section 3.2).
pub const EOL: u8 = 0;
/// Padding (RFC 9293 section 3.2).
pub const NOP: u8 = 1;
/// The maximum segment size (RFC 9293 section 3.7.1).
pub const MSS: u8 = 2;
/// RFC 7323 section 2.2.
pub const WINDOW_SCALE: u8 = 3;
/// RFC 2018 section 2.
pub const SACK_PERMITTED: u8 = 4;
/// RFC 2018 section 3.
pub const SACK: u8 = 5;
/// RFC 7323 section 3.2.
pub const TIMESTAMPS: u8 = 8;
/// A signature of each segment (RFC 2385).
pub const MD5: u8 = 19;
/// A cookie (RFC 7413 section 4.1.1).
pub const FAST_OPEN: u8 = 34;
/// Counters of marks, in one order (RFC 9768 section 3.2.3).
pub const ACC_ECN_0: u8 = 172;
/// The same in the other order.
pub const ACC_ECN_1: u8 = 174;
/// An experiment, which the first two octets name (RFC 6994).
pub const EXPERIMENT: u8 = 254;

/// The experiment that Fast Open was (RFC 7413 appendix A).
pub const EXPERIMENT_FAST_OPEN: [u8; 2] = [0xf9, 0x89];
