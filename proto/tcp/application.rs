//! What the application asks for.

use core::time::Duration;

use bytes::Bytes;

use super::vector::AckNeed;
use super::{CongestionControl, KeepAlive, Reason, State, StateVector, TimerKind};
use crate::Instant;

impl StateVector {
    /// Queues octets to be sent and returns those for which there is no room: none if
    /// [`writable`](Self::writable) ever said that they fit, for that advice may shrink while this
    /// takes up to `send_buffer_max`. They are not copied unless they are few.
    pub fn write(&mut self, mut data: Bytes) -> Option<Bytes> {
        let most = if self.may_write() { self.config.send_buffer_max } else { 0 };
        let room = most.saturating_sub(self.send_buffer.len()).min(data.len());
        let rest = data.split_off(room);
        self.send_buffer.push(data);
        (!rest.is_empty()).then_some(rest)
    }

    /// How many octets are worth [writing](Self::write) now. It grows with the congestion window,
    /// so that a fast path is kept busy and a slow one does not hoard.
    pub fn writable(&self) -> usize {
        if !self.may_write() {
            return 0;
        }
        self.send_limit().saturating_sub(self.send_buffer.len())
    }

    /// Whether the application may still write, now or once there is room.
    pub fn may_write(&self) -> bool {
        !self.snd.fin && self.state.accepts_writes()
    }

    /// Whether all that was written was acknowledged.
    pub fn is_flushed(&self) -> bool {
        self.send_buffer.is_empty()
    }

    /// The application has room for so many more octets.
    pub fn grant(&mut self, octets: usize, _now: Instant) {
        self.receive_buffer.grant(octets);
        self.events.readable |= self.receive_buffer.is_readable();
    }

    /// The next octets in order, as far as they were granted: without copy a part of what the
    /// device delivered.
    pub fn read(&mut self) -> Option<Bytes> {
        let chunk = self.receive_buffer.read()?;
        self.note_read();
        Some(chunk)
    }

    /// All that [`read`](Self::read) would give, one after the other.
    pub fn read_all(&mut self, chunks: &mut impl Extend<Bytes>) {
        if self.receive_buffer.is_readable() {
            self.receive_buffer.read_all(chunks);
            self.note_read();
        }
    }

    fn note_read(&mut self) {
        self.note_urgent_read();
        if self.receive_buffer.unread() == 0 {
            self.tell_peer_closed();
        }
        if self.state.expects_data() && self.window_update_due() {
            self.need_ack(AckNeed::Now);
        }
    }

    /// The application writes no more: FIN follows what is queued (RFC 9293 section 3.6).
    pub fn shutdown(&mut self, _now: Instant) {
        if !self.may_write() {
            return;
        }
        self.snd.fin = true;
        self.events.writable = false;
        match self.state {
            State::SynSent if self.send_buffer.is_empty() => self.close(Reason::Normal),
            State::Established => self.state = State::FinWait1,
            State::CloseWait => self.state = State::LastAck,
            // The FIN waits for the handshake.
            _ => {}
        }
    }

    /// The application has gone: what was written is still delivered, but data that it has not read,
    /// or that comes later, is answered with a RST, so that the peer knows it was lost (RFC 9293
    /// section 3.6.1, SHLD-3).
    pub fn detach(&mut self, now: Instant) {
        self.attached = false;
        // From here on nobody but R2 says how long to try.
        self.patience.since.get_or_insert(now);
        if self.receive_buffer.unread() > 0 || !self.reassembly.is_empty() {
            self.abort(now);
            return;
        }
        self.shutdown(now);
        if self.state == State::FinWait2 {
            self.timers.set(TimerKind::Linger, now + self.config.fin_wait_2);
        }
    }

    /// Ends the connection at once and tells the peer with a RST (RFC 9293 section 3.10.5).
    pub fn abort(&mut self, _now: Instant) {
        self.abort_with(Reason::Aborted);
    }

    pub(super) fn abort_with(&mut self, reason: Reason) {
        self.pending.reset = match self.state {
            State::SynReceived
            | State::Established
            | State::FinWait1
            | State::FinWait2
            | State::CloseWait => true,
            // Both sides have said all they had to say, or the peer knows nothing yet.
            _ => false,
        };
        self.receive_buffer.clear();
        self.close(reason);
    }

    /// Whether small segments are sent at once (MUST-17).
    pub fn set_nodelay(&mut self, nodelay: bool, _now: Instant) {
        self.nodelay = nodelay;
    }

    /// Switches keep-alive probes on or off (MUST-24).
    pub fn set_keep_alive(&mut self, keep_alive: Option<KeepAlive>, now: Instant) {
        self.patience.keep_alive = keep_alive.map(Box::new);
        self.patience.keep_alives = 0;
        self.arm_keep_alive(now);
    }

    /// Sets how long data may stay unacknowledged (RFC 9293 section 3.9.1.1), from the next
    /// progress on.
    pub fn set_user_timeout(&mut self, timeout: Option<Duration>, _now: Instant) {
        self.patience.user_timeout = timeout;
        if timeout.is_none() {
            self.timers.stop(TimerKind::UserTimeout);
        }
    }

    /// Chooses the congestion controller; a new one takes over the window as it is.
    pub fn set_congestion(&mut self, control: CongestionControl, now: Instant) {
        let seed = self.snd.nxt.0.into();
        self.congestion.switch(control, &self.config, seed, now);
    }

    pub(super) fn arm_keep_alive(&mut self, now: Instant) {
        match &self.patience.keep_alive {
            Some(keep_alive) if self.state.is_synchronised() => {
                self.timers.set(TimerKind::KeepAlive, now + keep_alive.idle);
            }
            _ => self.timers.stop(TimerKind::KeepAlive),
        }
    }

    /// Tells the application of room in the send buffer when it is worth a message: a quarter of
    /// the buffer, or all of it.
    pub(super) fn note_writable(&mut self) {
        let room = self.writable();
        if room > 0 && (self.send_buffer.is_empty() || room >= self.send_limit() / 4) {
            self.events.writable = true;
        }
    }

    /// How many octets may wait in the send buffer now.
    fn send_limit(&self) -> usize {
        // What has arrived beyond a hole takes room here, but none in the window.
        let wanted = self.congestion.cwnd() as usize * 2 + self.scoreboard.sacked() as usize;
        wanted.max(SEND_BUFFER_MIN).min(self.config.send_buffer_max)
    }
}

/// The send buffer holds as much as this even while the congestion window is small.
const SEND_BUFFER_MIN: usize = 128 << 10;
