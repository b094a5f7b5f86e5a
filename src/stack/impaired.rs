//! A bad network behind a link of a running stack: what the stack sends is lost, repeated, delayed or
//! reordered in real time, whatever the device.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll, Waker};

use futures_util::Stream;
use netmart_actors::clock::{instant, time};
use netmart_actors::link::Device;
use netmart_proto::netem::{self, Counters, Netem};
use netmart_proto::wire::Packet;
use tokio::time::{Sleep, sleep_until};

use super::clock::Clock;

/// The bad network of one link, between its device and whoever waits for what it delays.
pub(super) struct Weather {
    clock: Clock,
    netem: RefCell<Netem<Packet>>,
    /// Wakes who waits.
    waker: RefCell<Option<Waker>>,
}

/// Packets under way at most, and packets that wait for a device that has no room.
const UNDER_WAY: usize = 64 * 1024;
const WAITING: usize = 1000;

impl Weather {
    pub(super) fn new(config: netem::Config, seed: u64, clock: Clock) -> Rc<Self> {
        let in_flight_limit = config.in_flight_limit.min(UNDER_WAY);
        let netem = Netem::new(netem::Config { in_flight_limit, ..config }, seed);
        Rc::new(Self { clock, netem: RefCell::new(netem), waker: RefCell::default() })
    }

    pub(super) fn counters(&self) -> Counters {
        *self.netem.borrow().counters()
    }
}

/// A device behind a bad network.
pub(super) struct Impaired<D> {
    device: D,
    weather: Rc<Weather>,
    /// What has got through and the device had no room for.
    ready: VecDeque<Packet>,
    refused: Arc<AtomicU64>,
}

impl<D: Device> Impaired<D> {
    /// What finds no room in the end is added to `refused`.
    pub(super) fn new(device: D, weather: Rc<Weather>, refused: Arc<AtomicU64>) -> Self {
        Self { device, weather, ready: VecDeque::new(), refused }
    }
}

impl<D: Device> Device for Impaired<D> {
    fn transmit(&mut self, packets: &mut VecDeque<Packet>) {
        let now = instant(self.weather.clock.now());
        let mut netem = self.weather.netem.borrow_mut();
        for packet in packets.drain(..) {
            netem.handle_packet(now, packet);
        }
        self.ready.extend(std::iter::from_fn(|| netem.poll(now)));
        drop(netem);
        self.device.transmit(&mut self.ready);
        let excess = self.ready.len().saturating_sub(WAITING);
        self.ready.truncate(WAITING);
        self.refused.fetch_add(excess as u64, Ordering::Relaxed);
        let waker = self.weather.waker.borrow_mut().take();
        waker.into_iter().for_each(Waker::wake);
    }
}

/// Comes up whenever a packet has been delayed for long enough, so that the device is looked after.
pub(super) struct Due {
    weather: Rc<Weather>,
    alarm: Option<Pin<Box<Sleep>>>,
}

impl Due {
    pub(super) fn of(weather: Rc<Weather>) -> Self {
        Self { weather, alarm: None }
    }
}

impl Stream for Due {
    type Item = ();

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<()>> {
        let this = self.get_mut();
        // A packet sent from now on may be due before the one we wait for.
        *this.weather.waker.borrow_mut() = Some(cx.waker().clone());
        let Some(due) = this.weather.netem.borrow().next_deadline() else {
            this.alarm = None;
            return Poll::Pending;
        };
        let at = this.weather.clock.instant(time(due));
        let alarm = this.alarm.get_or_insert_with(|| Box::pin(sleep_until(at)));
        if alarm.deadline() != at {
            alarm.as_mut().reset(at);
        }
        alarm.as_mut().poll(cx).map(Some)
    }
}
