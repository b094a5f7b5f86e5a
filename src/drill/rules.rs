//! How exactly a stack has to do what a script says.

/// Which differences count. Scripts are written for one kernel; what that kernel happens to do where the RFCs
/// leave a choice is compared only if asked for.
///
/// Each field, if true, takes back one leniency.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Rules {
    /// Windows of outbound segments have to be those of the script, which assumes the receive buffer of its
    /// kernel; and sequence numbers at the edge of that window are taken as they are. Else they follow the
    /// window that was really offered.
    pub windows: bool,
    /// Options have to come in the order of the script, with its padding. Else they are a set.
    pub option_order: bool,
    /// Pure acknowledgements have to come when the script says. Else they may come at once where it delays
    /// them, and within the delayed-ACK time where it does not.
    pub ack_times: bool,
    /// Segments have to have the boundaries of the script, and PSH where it has it. Else several may add up to
    /// a larger one of the script, as that kernel leaves cutting to the device, and an answer need not repeat a
    /// FIN that is on its way.
    pub segmentation: bool,
    /// Every command has to have a meaning here. Else those without are ignored with a note.
    pub commands: bool,
    /// System calls have to fail with the very error. Else one of the same class does: reset, refused, timed
    /// out, unreachable, in progress.
    pub errnos: bool,
    /// Timestamps have to advance as the script says. Else they may have any value.
    pub timestamps: bool,
}

impl Rules {
    /// Everything the RFCs leave open is left open.
    pub const LENIENT: Self = Self {
        windows: false,
        option_order: false,
        ack_times: false,
        segmentation: false,
        commands: false,
        errnos: false,
        timestamps: false,
    };

    /// Everything is compared.
    pub const STRICT: Self = Self {
        windows: true,
        option_order: true,
        ack_times: true,
        segmentation: true,
        commands: true,
        errnos: true,
        timestamps: true,
    };
}
