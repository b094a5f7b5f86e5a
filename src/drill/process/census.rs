//! The states of all connections of the stack: what `sockstat` prints, and whom `tcpdrop` means.

use netmart_actors::address::{Direction, Flow, FlowPattern, Local};
use netmart_actors::message::{Body, Channel, ChannelKey, SegmentsIn};
use netmart_bus::Role as BusRole;
use netmart_proto::tcp::State;

use super::{CallError, Descriptor, Process, Role};

/// A state as FreeBSD's tools name it.
pub(in crate::drill) fn name_of(state: State) -> &'static str {
    match state {
        State::Closed => "CLOSED",
        State::Listen => "LISTEN",
        State::SynSent => "SYN_SENT",
        State::SynReceived => "SYN_RCVD",
        State::Established => "ESTABLISHED",
        State::CloseWait => "CLOSE_WAIT",
        State::FinWait1 => "FIN_WAIT_1",
        State::Closing => "CLOSING",
        State::LastAck => "LAST_ACK",
        State::FinWait2 => "FIN_WAIT_2",
        State::TimeWait => "TIME_WAIT",
    }
}

impl Process {
    /// Every connection there is, whether or not the program still has it, and its state.
    ///
    /// # Errors
    ///
    /// If the stack runs in circles.
    pub(in crate::drill) fn census(&mut self) -> Result<Vec<(Flow, State)>, CallError> {
        self.settle()?;
        self.census.borrow_mut().clear();
        let all = FlowPattern::any();
        let interests = self.world.dataspace.interests::<SegmentsIn>(BusRole::Subscriber, &all);
        for interest in interests {
            let (Some(local), Some(remote)) = (interest.pattern.local, interest.pattern.remote)
            else {
                continue;
            };
            self.tell(Flow { local, remote }, Body::Inquire);
        }
        self.settle()?;
        let answers = self.census.take();
        let of = |Channel { key, body }: Channel| match (key.local, body) {
            (Local::Address(local), Body::Info(info)) => {
                Some((Flow { local, remote: key.remote }, info.state))
            }
            _ => None,
        };
        Ok(answers.into_iter().filter_map(of).collect())
    }

    /// Says something to a state vector as its relay would.
    fn tell(&mut self, flow: Flow, body: Body) {
        let key = ChannelKey::of_flow(flow, Direction::Outbound);
        // A full queue shows as a stack that is stuck.
        let _ = self.world.dataspace.inject(Channel { key, body });
    }

    /// What `sockstat -s` would print: a line for each connection and each listening socket.
    ///
    /// # Errors
    ///
    /// If the stack runs in circles.
    pub(in crate::drill) fn sockstat(&mut self) -> Result<Vec<String>, CallError> {
        let mut lines = Vec::new();
        for (fd, descriptor) in &self.descriptors {
            if let Descriptor::Socket(socket) = descriptor
                && let Role::Listening(end) = &socket.role
            {
                let port = end.listener.port;
                lines.push(format!("root packetdril 1 {fd} tcp *:{port} *:* LISTEN"));
            }
        }
        for (Flow { local, remote }, state) in self.census()? {
            let state = name_of(state);
            lines.push(format!("root packetdril 1 4 tcp {local} {remote} {state}"));
        }
        Ok(lines)
    }

    /// Aborts every connection whose state is one of `states`.
    ///
    /// # Errors
    ///
    /// If the stack runs in circles.
    pub(in crate::drill) fn drop_connections(
        &mut self,
        is_meant: impl Fn(State) -> bool,
    ) -> Result<(), CallError> {
        for (flow, state) in self.census()? {
            if is_meant(state) {
                self.tell(flow, Body::Abort);
            }
        }
        Ok(self.settle()?)
    }
}
