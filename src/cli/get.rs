//! `netmart get`: fetches a file from a web server, through a stack of our own.

use std::io::{self, IsTerminal, Write};
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow, bail};
use bytes::Bytes;
use clap::Args;
use http_body_util::{BodyExt, Empty};
use hyper::body::{Body, Incoming};
use hyper::client::conn::http1;
use hyper::header::{ACCEPT, CONNECTION, HOST, HeaderValue, LOCATION, USER_AGENT};
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use indicatif::{HumanBytes, ProgressBar, ProgressStyle};
use netmart::net::TcpStream;
use netmart::stack::Stack;
use tempfile::NamedTempFile;
use tokio::time::timeout;
use url::{Host, Url};

use super::device::Device;
use super::up::Signals;

/// Fetch a file from a web server, through a stack of our own on a TUN device
#[derive(Args, Debug)]
#[command(after_help = EXAMPLES)]
pub(super) struct Get {
    #[command(flatten)]
    device: Device,

    /// What to fetch; names are resolved by this machine's resolver
    #[arg(value_name = "URL")]
    url: String,

    /// Write to FILE, which appears when it is complete [default: standard output]
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
}

const EXAMPLES: &str = "\
Example (as root, or with CAP_NET_ADMIN):
  python3 -m http.server 8000 &
  netmart get --tun nm0 --address 10.7.0.2/24 http://10.7.0.1:8000/ -o listing.html

The kernel's side of the device has the first other address of the subnet, 10.7.0.1 here.
Servers beyond this machine are reached if the kernel forwards and translates for the subnet.";

/// Redirections that are followed.
const MOST_REDIRECTS: usize = 10;

/// How long a server may leave us without an answer or a further octet.
const PATIENCE: Duration = Duration::from_secs(30);

impl Get {
    pub(super) fn run(self) -> Result<()> {
        let url = parse(&self.url)?;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        runtime.block_on(self.fetch(url))
    }

    async fn fetch(self, url: Url) -> Result<()> {
        let mut signals = Signals::new()?;
        let mut sink = Sink::open(self.output.as_deref())?;
        let running = self.device.start()?;
        let fetched = tokio::select! {
            fetched = download(&running.stack, url, &mut sink) => fetched,
            () = signals.next() => Err(anyhow!("interrupted")),
        };
        let finished = running.finish().await;
        fetched?;
        sink.place()?;
        finished.map(|_| ())
    }
}

fn parse(text: &str) -> Result<Url> {
    let url = match Url::parse(text) {
        Ok(url) if url.has_host() || text.contains("://") => url,
        // `name:80/x` is read as a URL whose scheme is the name.
        Ok(_) | Err(url::ParseError::RelativeUrlWithoutBase) => {
            bail!("{text:?} is no URL; did you mean http://{text} ?")
        }
        Err(error) => bail!("{text:?} is no URL: {error}"),
    };
    check(&url)?;
    Ok(url)
}

/// Whether we can fetch that at all.
fn check(url: &Url) -> Result<()> {
    match url.scheme() {
        "http" if url.username().is_empty() && url.password().is_none() => Ok(()),
        "http" => bail!("{url}: user names and passwords are not supported"),
        "https" => bail!("{url}: TLS is not supported, only http"),
        scheme => bail!("{url}: {scheme} is not supported, only http"),
    }
}

/// Fetches `url`, or whatever it leads to.
async fn download(stack: &Stack, mut url: Url, sink: &mut Sink<'_>) -> Result<()> {
    for _ in 0..=MOST_REDIRECTS {
        let response = ask(stack, &url).await.with_context(|| format!("could not fetch {url}"))?;
        match next(&url, &response)? {
            Some(target) => url = target,
            None => return receive(response, sink).await.context("the download broke off"),
        }
    }
    bail!("gave up after {MOST_REDIRECTS} redirections, the last to {url}");
}

/// Where the response sends us, if it is not what we want already.
fn next(url: &Url, response: &Response<Incoming>) -> Result<Option<Url>> {
    use StatusCode as Is;
    match response.status() {
        Is::OK => Ok(None),
        Is::MOVED_PERMANENTLY
        | Is::FOUND
        | Is::SEE_OTHER
        | Is::TEMPORARY_REDIRECT
        | Is::PERMANENT_REDIRECT => {
            let location = response.headers().get(LOCATION).and_then(|value| value.to_str().ok());
            let location = location.with_context(|| format!("{url} leads nowhere"))?;
            let target = url.join(location).with_context(|| format!("{url} leads to nonsense"))?;
            check(&target)?;
            Ok(Some(target))
        }
        status => bail!("could not fetch {url}: the server answered {status}"),
    }
}

async fn ask(stack: &Stack, url: &Url) -> Result<Response<Incoming>> {
    let stream = connect(stack, url).await?;
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
    tokio::spawn(async move {
        // The response tells whoever waits for it.
        if let Err(error) = connection.await {
            tracing::debug!(%error, "connection");
        }
    });
    let authority = url.authority();
    let target = &url[url::Position::BeforePath..url::Position::AfterQuery];
    let request = Request::get(target)
        .header(HOST, HeaderValue::from_str(authority)?)
        .header(USER_AGENT, concat!("netmart/", env!("CARGO_PKG_VERSION")))
        .header(ACCEPT, "*/*")
        .header(CONNECTION, "close")
        .body(Empty::<Bytes>::new())?;
    Ok(in_time(sender.send_request(request)).await??)
}

async fn connect(stack: &Stack, url: &Url) -> Result<TcpStream> {
    let port = url.port_or_known_default().unwrap_or(80);
    let addresses: Vec<SocketAddr> = match url.host().context("the URL names no host")? {
        Host::Ipv4(ip) => vec![(ip, port).into()],
        Host::Ipv6(ip) => vec![(ip, port).into()],
        Host::Domain(name) => {
            let found = tokio::net::lookup_host((name, port)).await;
            found.with_context(|| format!("could not resolve {name}"))?.collect()
        }
    };
    let mut last = anyhow!("the host has no address");
    for address in addresses {
        match in_time(TcpStream::connect(stack, address)).await {
            Ok(Ok(stream)) => return Ok(stream),
            // What kind it is says more here than its own words, "reset by the peer" and such.
            Ok(Err(error)) => last = anyhow!("no connection to {address}: {}", error.kind()),
            Err(error) => last = error.context(format!("no connection to {address}")),
        }
    }
    Err(last)
}

async fn in_time<T>(future: impl Future<Output = T>) -> Result<T> {
    let result = timeout(PATIENCE, future).await;
    result.map_err(|_| anyhow!("no answer for {} seconds", PATIENCE.as_secs()))
}

async fn receive(response: Response<Incoming>, sink: &mut Sink<'_>) -> Result<()> {
    let mut body = response.into_body();
    let bar = sink.progress(body.size_hint().exact());
    let (begin, mut octets) = (Instant::now(), 0);
    while let Some(frame) = in_time(body.frame()).await? {
        if let Ok(data) = frame?.into_data() {
            sink.write(&data)?;
            octets += data.len() as u64;
            bar.inc(data.len() as u64);
        }
    }
    bar.finish_and_clear();
    let took = begin.elapsed().as_secs_f64();
    sink.say(&format!(
        "{octets} octets in {took:.2} s ({}/s)",
        HumanBytes((octets as f64 / took) as u64)
    ));
    Ok(())
}

/// Where the octets go.
enum Sink<'a> {
    Output,
    File { partial: NamedTempFile, path: &'a Path },
}

impl<'a> Sink<'a> {
    /// A file that becomes `path` when it is complete; standard output without one.
    fn open(path: Option<&'a Path>) -> Result<Self> {
        let Some(path) = path else { return Ok(Self::Output) };
        let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty());
        // As open(2) would: what the umask leaves of it.
        let mode = std::fs::Permissions::from_mode(0o666);
        let partial = tempfile::Builder::new()
            .prefix(".netmart-get-")
            .permissions(mode)
            .tempfile_in(parent.unwrap_or(Path::new(".")))
            .with_context(|| format!("could not write {}", path.display()))?;
        Ok(Self::File { partial, path })
    }

    fn write(&mut self, octets: &[u8]) -> io::Result<()> {
        match self {
            Self::Output => io::stdout().lock().write_all(octets),
            Self::File { partial, .. } => partial.write_all(octets),
        }
    }

    fn place(self) -> Result<()> {
        match self {
            Self::Output => Ok(io::stdout().lock().flush()?),
            Self::File { partial, path } => {
                let placed = partial.persist(path);
                placed.with_context(|| format!("could not write {}", path.display()))?;
                Ok(())
            }
        }
    }

    /// A bar on a terminal, unless the octets themselves go there.
    fn progress(&self, len: Option<u64>) -> ProgressBar {
        if matches!(self, Self::Output) && io::stdout().is_terminal() {
            return ProgressBar::hidden();
        }
        let (bar, template) = match len {
            Some(len) => (ProgressBar::new(len), BAR),
            None => (ProgressBar::no_length(), COUNT),
        };
        match ProgressStyle::with_template(template) {
            Ok(style) => bar.with_style(style),
            Err(_) => bar,
        }
    }

    /// A line for somebody who is not reading the octets.
    fn say(&self, line: &str) {
        if matches!(self, Self::File { .. }) {
            eprintln!("{line}");
        }
    }
}

const BAR: &str = "{bar:40} {bytes}/{total_bytes} {binary_bytes_per_sec} {eta}";
const COUNT: &str = "{spinner} {bytes} {binary_bytes_per_sec}";

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(text: &str) -> String {
        parse(text).expect_err("it cannot be fetched").to_string()
    }

    #[test]
    fn urls() {
        for url in ["http://10.7.0.1/", "http://[fd00::1]:8000/x?y", "HTTP://example.com"] {
            assert!(parse(url).is_ok(), "{url}");
        }
        assert!(refusal("https://example.com/").contains("TLS is not supported"));
        assert!(refusal("ftp://example.com/").contains("only http"));
        assert!(refusal("http://me:secret@example.com/").contains("passwords"));
        assert!(refusal("http://").contains("is no URL"));
        for text in ["example.com/x", "10.7.0.1:80/x", "example.com:80"] {
            assert!(refusal(text).ends_with(&format!("did you mean http://{text} ?")), "{text}");
        }
    }
}
