//! The faces that follow the originals: their names, their errors, and what their calls give.

mod cs488;
mod faketcp;
mod quiq;
mod sockettcp;

use std::net::SocketAddr;
use std::time::Duration;

use actix_rt::System;
use netmart::net::WireOptions;
use netmart::proto::wires::Config;
use netmart::stack::Stack;

/// Runs `body` with a stack whose clock stands still until nobody has anything to do.
fn with_a_stack<F: Future>(body: impl FnOnce(Stack) -> F) -> F::Output {
    let runtime = || {
        let mut builder = tokio::runtime::Builder::new_current_thread();
        builder.enable_all().start_paused(true).build().unwrap()
    };
    System::with_tokio_rt(runtime)
        .block_on(async { body(Stack::builder().seed(1).start().unwrap()).await })
}

const HOME: &str = "127.0.0.1";

fn at(port: u16) -> SocketAddr {
    ([127, 0, 0, 1], port).into()
}

/// A configuration that loses patience soon.
fn hasty() -> WireOptions {
    let config = Config {
        connect_tries: 3,
        data_tries: 3,
        patience: Duration::from_secs(5),
        ..Config::default()
    };
    WireOptions { config, ..WireOptions::default() }
}
