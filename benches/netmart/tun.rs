//! netmart behind its TUN link: the stack as applications get it, the service an actor on its bus.

use std::collections::HashMap;
use std::io;

use actix_rt::System;
use bytes::Bytes;
use netmart::actors::address::{Direction, Listener, Local};
use netmart::actors::end::{ChannelEnd, Heard};
use netmart::actors::message::{
    Channel, ChannelPattern, ConnectionKey, Listening, ListeningPattern, Setting,
};
use netmart::bus::{Actor, Context, Delivery, Handler, Spawn};
use netmart::link::tun::TunConfig;
use netmart::stack::{Link, Stack};

use super::{
    CONTENDER_ADDRESS, Contender, DEVICE, Framing, HOST_ADDRESS, MTU, QUEUE, Service, TICK, Task,
};

pub(crate) struct Netmart(pub(crate) Framing);

impl Contender for Netmart {
    fn name(&self) -> String {
        format!("netmart, {}", self.0.label())
    }

    fn serve(&self, service: &Service) -> io::Result<()> {
        System::new().block_on(async {
            let stack = start(self.0)?;
            let task = service.task;
            let ready = stack.with(move |dataspace| dataspace.spawn(Server::on(task)));
            ready.await.map_err(io::Error::other)?;
            while !listens(&stack, task).await? {
                tokio::task::yield_now().await;
            }
            service.ready();
            while !service.stopped() {
                tokio::time::sleep(TICK).await;
            }
            stack.shutdown().await;
            Ok(())
        })
    }
}

async fn listens(stack: &Stack, task: Task) -> io::Result<bool> {
    let listening = ListeningPattern::any().port(task.port());
    let facts = stack.with(move |dataspace| dataspace.facts::<Listening>(&listening));
    facts.await.map(|facts| !facts.is_empty()).map_err(io::Error::other)
}

fn start(framing: Framing) -> io::Result<Stack> {
    let config = TunConfig {
        name: DEVICE.to_owned(),
        host_addresses: vec![format!("{HOST_ADDRESS}/24").parse().map_err(io::Error::other)?],
        mtu: MTU,
        tx_queue_len: QUEUE,
        offload: framing == Framing::Offload,
    };
    let address = format!("{CONTENDER_ADDRESS}/24").parse().map_err(io::Error::other)?;
    let link = Link::tun(config).address(address);
    Stack::builder().seed(1).link(link).start().map_err(io::Error::other)
}

/// Serves whoever connects.
struct Server {
    task: Task,
    ends: HashMap<ConnectionKey, ChannelEnd>,
}

impl Server {
    fn on(task: Task) -> Spawn<Self> {
        let anybody = ChannelPattern::any().local(Local::Listener(Listener::on(task.port())));
        Spawn::new("server", Self { task, ends: HashMap::new() })
            .subscribe::<Channel>(anybody.direction(Direction::Inbound))
            .provide::<Channel>(anybody.direction(Direction::Outbound))
    }
}

impl Actor for Server {}

impl Handler<Channel> for Server {
    fn handle(&mut self, message: Delivery<'_, Channel>, ctx: &mut Context<'_, Self>) {
        let Channel { key, body } = message.take();
        let connection = key.connection();
        let end = self.ends.entry(connection).or_insert_with(|| {
            let mut end = ChannelEnd::new(connection, WINDOW, ctx);
            end.set(Setting::NoDelay(true), ctx);
            end
        });
        match end.hear(body, ctx) {
            Some(Heard::Data(chunks)) => {
                for chunk in chunks {
                    end.consumed(chunk.len(), ctx);
                    if self.task == Task::Echo {
                        end.write(chunk, ctx);
                    }
                }
            }
            Some(Heard::Room(mut room)) if self.task == Task::Send => {
                while room > 0 {
                    let portion = room.min(OCTETS.len());
                    end.write(Bytes::from_static(&OCTETS[..portion]), ctx);
                    room -= portion;
                }
            }
            Some(Heard::End) => end.finish(ctx),
            Some(Heard::Closed(_)) => drop(self.ends.remove(&connection)),
            _ => {}
        }
    }
}

static OCTETS: [u8; 64 << 10] = [0; 64 << 10];
const WINDOW: usize = 4 << 20;
