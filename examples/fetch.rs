//! A URL fetcher: hyper, which knows nothing of netmart, on netmart's streams at both ends.
//!
//! Two stacks run on threads of their own, with a wire between them that loses every fiftieth packet.
//!
//! Run with: `cargo run --example fetch [URL]`; the server is at `http://10.0.0.2/`.

use std::convert::Infallible;
use std::error::Error;
use std::time::{Duration, Instant};

use http_body_util::{BodyExt, Empty, Full};
use hyper::body::{Bytes, Incoming};
use hyper::header::HOST;
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode, client, server};
use hyper_util::rt::TokioIo;
use netmart::net::{TcpListener, TcpStream};
use netmart::proto::netem::{Config, Loss};
use netmart::sim::WireConfig;
use netmart::stack::{Link, Stack, wire};
use url::Url;

/// Half a megabyte of text.
fn book() -> String {
    (1..=10_000)
        .map(|line| format!("{line:5}: All work and no play makes Jack a dull boy.\n"))
        .collect()
}

async fn answer(request: Request<Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
    let (status, body) = match request.uri().path() {
        "/" => (StatusCode::OK, "Try /book.\n".to_owned()),
        "/book" => (StatusCode::OK, book()),
        _ => (StatusCode::NOT_FOUND, "There is no such page.\n".to_owned()),
    };
    let mut response = Response::new(Full::from(body));
    *response.status_mut() = status;
    Ok(response)
}

async fn serve(listener: TcpListener) {
    while let Ok((stream, _peer)) = listener.accept().await {
        let connection = server::conn::http1::Builder::new()
            .serve_connection(TokioIo::new(stream), service_fn(answer));
        tokio::spawn(connection);
    }
}

/// The status and the body of the page at `url`.
async fn fetch(stack: &Stack, url: &Url) -> Result<(StatusCode, Bytes), Box<dyn Error>> {
    let host = url.host_str().ok_or("the URL names no host")?;
    let port = url.port_or_known_default().ok_or("the URL names no port")?;
    let stream = TcpStream::connect(stack, (host, port)).await?;
    let (mut sender, connection) = client::conn::http1::handshake(TokioIo::new(stream)).await?;
    tokio::spawn(connection);
    let request =
        Request::get(url.path()).header(HOST, url.authority()).body(Empty::<Bytes>::new())?;
    let response = sender.send_request(request).await?;
    let status = response.status();
    Ok((status, response.into_body().collect().await?.to_bytes()))
}

/// Two stacks and the bad wire between them.
fn stacks() -> Result<(Stack, Stack), Box<dyn Error>> {
    let (near, far) = wire(
        WireConfig::new(Config {
            delay: Duration::from_millis(1),
            loss: Loss::Independent(0.02),
            ..Config::default()
        }),
        1,
    );
    let near = Link::wire(near).address("10.0.0.1/24".parse()?);
    let far = Link::wire(far).address("10.0.0.2/24".parse()?);
    Ok((
        Stack::builder().link(near).start_on_own_thread()?,
        Stack::builder().link(far).start_on_own_thread()?,
    ))
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let url = std::env::args().nth(1).unwrap_or_else(|| "http://10.0.0.2/book".to_owned());
    let url: Url = url.parse()?;
    let (client, server) = stacks()?;
    tokio::spawn(serve(TcpListener::bind(&server, "0.0.0.0:80").await?));

    let began = Instant::now();
    let most = Duration::from_secs(60);
    let (status, page) = tokio::time::timeout(most, fetch(&client, &url)).await??;
    println!("{url}: {status}, {} octets in {:.0?}", page.len(), began.elapsed());
    if url.path() == "/book" {
        assert!(page == book(), "the book has arrived word for word");
    } else {
        print!("{}", String::from_utf8_lossy(&page));
    }
    let links = client.report().await?.links;
    for (id, link) in links.iter().filter(|(id, _)| id.0 != 0) {
        let (sent, received) = (link.sent.packets, link.received.packets);
        println!("link {}: {sent} packets sent, {received} received", id.0);
    }
    client.shutdown().await;
    server.shutdown().await;
    if status.is_success() { Ok(()) } else { Err(status.to_string().into()) }
}
