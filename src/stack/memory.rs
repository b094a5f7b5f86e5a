//! A wire in memory between two running stacks, with the impairments of a bad network if wanted.
//!
//! The stacks may live on different threads. Packets cross in batches, and one wake-up serves as many
//! as were sent since the receiver last looked.

use std::collections::VecDeque;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use futures_util::Stream;
use netmart_actors::clock::{instant, time};
use netmart_actors::link::Device;
use netmart_actors::message::LinkCapabilities;
use netmart_proto::netem::{self, Netem};
use netmart_proto::wire::Packet;
use tokio::time::{Sleep, sleep_until};

use super::clock::Clock;
use crate::sim::WireConfig;

/// One end of a wire in memory, to be made a [`Link`](super::Link) of a stack.
pub struct WireEnd {
    outgoing: Arc<Lane>,
    incoming: Arc<Lane>,
    capabilities: LinkCapabilities,
}

/// A wire in memory: its two ends. What is left to chance on it follows from `seed`; what happens when
/// is up to the runtime, for all that.
pub fn wire(config: WireConfig, seed: u64) -> (WireEnd, WireEnd) {
    let WireConfig { there, back, capabilities } = config;
    let clock = Clock::start();
    let lane = |config, seed| Arc::new(Lane::new(config, seed, clock));
    let (there, back) = (lane(there, seed), lane(back, seed ^ OTHER_WAY));
    let end = |outgoing: &Arc<Lane>, incoming: &Arc<Lane>| WireEnd {
        outgoing: Arc::clone(outgoing),
        incoming: Arc::clone(incoming),
        capabilities,
    };
    (end(&there, &back), end(&back, &there))
}

/// Sets the chances of one direction apart from those of the other.
const OTHER_WAY: u64 = 0x6261_636b_7761_7264;

/// The most packets that a link hands over at a time.
const BATCH: usize = 64;

impl WireEnd {
    pub(super) fn capabilities(&self) -> LinkCapabilities {
        self.capabilities
    }

    pub(super) fn split(self) -> (Transmitter, Arrivals) {
        (Transmitter(self.outgoing), Arrivals { lane: self.incoming, alarm: None })
    }
}

/// One direction.
struct Lane {
    clock: Clock,
    state: Mutex<State>,
}

struct State {
    netem: Netem<Packet>,
    receiver: Option<Waker>,
    /// Nobody sends any more.
    is_closed: bool,
}

impl Lane {
    fn new(config: netem::Config, seed: u64, clock: Clock) -> Self {
        let netem = Netem::new(config, seed);
        Self { clock, state: Mutex::new(State { netem, receiver: None, is_closed: false }) }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The device of a link at the end of a wire: it always has room, for the wire drops what it cannot
/// carry.
pub(super) struct Transmitter(Arc<Lane>);

impl Device for Transmitter {
    fn transmit(&mut self, packets: &mut VecDeque<Packet>) {
        let now = instant(self.0.clock.now());
        let mut state = self.0.lock();
        for packet in packets.drain(..) {
            state.netem.handle_packet(now, packet);
        }
        let receiver = state.receiver.take();
        drop(state);
        if let Some(receiver) = receiver {
            receiver.wake();
        }
    }
}

impl Drop for Transmitter {
    fn drop(&mut self) {
        let mut state = self.0.lock();
        state.is_closed = true;
        let receiver = state.receiver.take();
        drop(state);
        if let Some(receiver) = receiver {
            receiver.wake();
        }
    }
}

/// What arrives at the end of a wire, in batches. It ends when the other end is gone and nothing is
/// under way any more.
pub(super) struct Arrivals {
    lane: Arc<Lane>,
    /// Wakes us for the next packet under way.
    alarm: Option<Pin<Box<Sleep>>>,
}

impl Stream for Arrivals {
    type Item = Vec<Packet>;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = self.get_mut();
        loop {
            let mut state = this.lane.lock();
            let now = instant(this.lane.clock.now());
            let batch: Vec<_> = std::iter::from_fn(|| state.netem.poll(now)).take(BATCH).collect();
            if !batch.is_empty() {
                return Poll::Ready(Some(batch));
            }
            let Some(arrival) = state.netem.next_deadline() else {
                if state.is_closed {
                    return Poll::Ready(None);
                }
                state.receiver = Some(cx.waker().clone());
                return Poll::Pending;
            };
            // A packet sent from now on may arrive before the one we wait for.
            state.receiver = Some(cx.waker().clone());
            drop(state);
            let at = this.lane.clock.instant(time(arrival));
            let alarm = this.alarm.get_or_insert_with(|| Box::pin(sleep_until(at)));
            if alarm.deadline() != at {
                alarm.as_mut().reset(at);
            }
            match alarm.as_mut().poll(cx) {
                Poll::Ready(()) => this.alarm = None,
                Poll::Pending => return Poll::Pending,
            }
        }
    }
}
