//! The TUN device that a stack of the command line stands on, and who has which address on it.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use clap::Args;
use ipnet::IpNet;
use netmart::actors::message::{Impair, LinkId};
use netmart::bus::Dataspace;
use netmart::link::tun::TunConfig;
use netmart::stack::{Builder, Capture, Link, Stack};
use netmart::trace::LiveTrace;
use tokio::sync::oneshot;

use crate::serve::sentinel::Sentinel;

/// What `up` and `get` have in common.
#[derive(Args, Debug)]
pub(super) struct Device {
    /// Name of the TUN device to create; it goes when netmart ends
    #[arg(long, value_name = "NAME")]
    tun: String,

    /// An address of the stack and its subnet, as 10.7.0.2/24; repeat it for more, of IPv4 and IPv6
    #[arg(long, value_name = "CIDR", required = true)]
    address: Vec<String>,

    /// The kernel's address on the device and its subnet [default: the first other one of each subnet]
    #[arg(long, value_name = "CIDR")]
    host_address: Vec<String>,

    /// The largest IP packet, in octets
    #[arg(long, value_name = "N", default_value_t = TunConfig::default().mtu,
          value_parser = clap::value_parser!(u16).range(68..))]
    mtu: u16,

    /// How many packets the kernel keeps for us before it drops some
    #[arg(long, value_name = "N", default_value_t = TunConfig::default().tx_queue_len)]
    txqueuelen: u32,

    /// Exchange plain packets with the kernel: no super-segments, and every checksum computed
    #[arg(long)]
    no_offload: bool,

    /// Record every event on the bus in FILE, for `netmart trace show`
    #[arg(long, value_name = "FILE")]
    trace: Option<PathBuf>,

    /// Capture every packet in FILE, for Wireshark
    #[arg(long, value_name = "FILE")]
    pcap: Option<PathBuf>,

    /// What the network does to what the stack sends.
    #[arg(skip)]
    impair: Option<Impair>,
}

/// A running stack on its device, and what is written about it.
pub(super) struct Running {
    pub(super) stack: Stack,
    pub(super) plan: Plan,
    trace: Option<(LiveTrace, PathBuf)>,
    capture: Option<(Capture, PathBuf)>,
}

/// A file about what happens cannot be written.
#[derive(Debug, thiserror::Error)]
#[error("could not write {}", path.display())]
pub(super) struct Unwritable {
    path: PathBuf,
    source: io::Error,
}

impl Unwritable {
    fn new(path: &Path, source: io::Error) -> Self {
        Self { path: path.to_owned(), source }
    }
}

/// What the command line says about addresses, once it makes sense.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Plan {
    /// The stack's.
    pub(super) own: Vec<IpNet>,
    /// The kernel's.
    pub(super) host: Vec<IpNet>,
}

impl Device {
    /// A device with nothing special about it.
    pub(super) fn plain(tun: String, address: Vec<String>, host_address: Vec<String>) -> Self {
        let TunConfig { mtu, tx_queue_len, .. } = TunConfig::default();
        Self {
            tun,
            address,
            host_address,
            mtu,
            txqueuelen: tx_queue_len,
            no_offload: false,
            trace: None,
            pcap: None,
            impair: None,
        }
    }

    /// Puts a bad network behind the device, if one is wanted.
    pub(super) fn impaired(self, impair: Option<Impair>) -> Self {
        Self { impair, ..self }
    }

    /// Records every event in a file, if there is one.
    pub(super) fn recorded(self, trace: Option<PathBuf>) -> Self {
        Self { trace, ..self }
    }

    /// Opens the device and starts a stack on it, on a thread of its own.
    pub(super) fn start(self) -> Result<Running> {
        let plan = Plan::make(&self.address, &self.host_address)?;
        let config = TunConfig {
            name: self.tun,
            host_addresses: plan.host.clone(),
            mtu: self.mtu,
            tx_queue_len: self.txqueuelen,
            offload: !self.no_offload,
        };
        let name = config.name.clone();
        let mut link = Link::tun(config);
        for address in &plan.own {
            link = link.address(*address);
        }
        for route in plan.default_routes() {
            link = link.route(route);
        }
        if let Some(Impair { weather, seed, .. }) = self.impair {
            link = link.impaired(weather, seed);
        }
        let builder = Stack::builder();
        let mut capture = None;
        if let Some(path) = self.pcap {
            let file = Capture::create(&path).map_err(|error| Unwritable::new(&path, error))?;
            link = link.tap(file.interface(&name));
            capture = Some((file, path));
        }
        let (builder, trace) = recorded(builder, self.trace.as_deref(), &name)?;
        let stack = builder.link(link).start_on_own_thread();
        let stack = stack.with_context(|| format!("could not set up {name}"))?;
        Ok(Running { stack, plan, trace, capture })
    }

    /// One line about the device.
    pub(super) fn describe(&self) -> String {
        let offload = if self.no_offload { "off" } else { "on" };
        format!("{}: MTU {}, offload {offload}", self.tun, self.mtu)
    }
}

/// Has every event recorded in the file at `path`, if there is one, as those of `place`.
pub(super) fn recorded(
    builder: Builder,
    path: Option<&Path>,
    place: &str,
) -> Result<(Builder, Option<(LiveTrace, PathBuf)>)> {
    let Some(path) = path else { return Ok((builder, None)) };
    let file = LiveTrace::create(path).map_err(|error| Unwritable::new(path, error))?;
    let recorder = file.recorder(place);
    let builder = builder.setup(|dataspace| dataspace.set_recorder(Some(Box::new(recorder))));
    Ok((builder, Some((file, path.to_owned()))))
}

impl Running {
    /// A stack that needs no device.
    pub(super) fn bare(stack: Stack, trace: Option<(LiveTrace, PathBuf)>) -> Self {
        Self { stack, plan: Plan { own: Vec::new(), host: Vec::new() }, trace, capture: None }
    }

    /// Waits until the device is gone, taken away by somebody else, or the stack is.
    pub(super) async fn lost(&self) {
        let (gone, is_gone) = oneshot::channel();
        // The only device has the number 1.
        let watch = |dataspace: &mut Dataspace| dataspace.spawn(Sentinel::spawn(LinkId(1), gone));
        if self.stack.with(watch).await.is_ok() {
            // An error means that the sentinel has ended with its stack.
            let _ = is_gone.await;
        }
    }

    /// Shuts the stack down and completes what is written about it; tells of each file.
    pub(super) async fn finish(self) -> Result<Vec<String>> {
        self.stack.shutdown().await;
        self.complete()
    }

    /// Like [`finish`](Self::finish), with another time for connections to end in order.
    pub(super) async fn finish_within(self, grace: Duration) -> Result<Vec<String>> {
        self.stack.shutdown_within(grace).await;
        self.complete()
    }

    fn complete(self) -> Result<Vec<String>> {
        let mut told = Vec::new();
        if let Some((capture, path)) = self.capture {
            let counted = capture.finish().map_err(|error| Unwritable::new(&path, error))?;
            let path = path.display();
            told.push(
                format!("{path}: {} packets", counted.written) + &left_out(counted.over_limit),
            );
        }
        if let Some((trace, path)) = self.trace {
            let counted = trace.finish().map_err(|error| Unwritable::new(&path, error))?;
            let path = path.display();
            told.push(format!("{path}: {} events", counted.events) + &left_out(counted.lost));
        }
        Ok(told)
    }
}

fn left_out(count: u64) -> String {
    if count == 0 { String::new() } else { format!(", {count} left out") }
}

impl Plan {
    /// Reads the addresses, and chooses those of the kernel where none of a family was given.
    fn make(own: &[String], host: &[String]) -> Result<Self> {
        let own = own.iter().map(|text| parse(text)).collect::<Result<Vec<_>>>()?;
        let given = host.iter().map(|text| parse(text)).collect::<Result<Vec<_>>>()?;
        let mut host = given.clone();
        for net in &own {
            let is_given = given.iter().any(|given| same_family(given, net));
            if is_given || host.iter().any(|host| net.contains(&host.addr())) {
                continue;
            }
            let taken = |ip| own.iter().any(|own| own.addr() == ip);
            let neighbour = neighbour(net, taken);
            host.push(neighbour.with_context(|| {
                format!(
                    "{net} has no neighbour for the kernel to be: say who it is with --host-address"
                )
            })?);
        }
        let plan = Self { own, host };
        plan.refuse_twins()?;
        Ok(plan)
    }

    fn refuse_twins(&self) -> Result<()> {
        let mut seen = Vec::new();
        for net in self.own.iter().chain(&self.host) {
            if seen.contains(&net.addr()) {
                bail!("the address {} is given twice", net.addr());
            }
            seen.push(net.addr());
        }
        Ok(())
    }

    /// Whatever is not in a subnet of ours lies behind the kernel.
    fn default_routes(&self) -> impl Iterator<Item = IpNet> {
        let v4 = IpNet::new_assert(IpAddr::V4(Ipv4Addr::UNSPECIFIED), 0);
        let v6 = IpNet::new_assert(IpAddr::V6(Ipv6Addr::UNSPECIFIED), 0);
        let has = |family: IpNet| self.own.iter().any(|net| same_family(net, &family));
        [(v4, has(v4)), (v6, has(v6))].into_iter().filter_map(|(net, has)| has.then_some(net))
    }

    /// Addresses of ours that the kernel does not find by this device, for none of its own subnets there
    /// has them.
    pub(super) fn unreachable(&self) -> impl Iterator<Item = IpAddr> {
        let is_found = |ip: &IpAddr| self.host.iter().any(|net| net.contains(ip));
        self.own.iter().map(IpNet::addr).filter(move |ip| !is_found(ip))
    }
}

fn parse(text: &str) -> Result<IpNet> {
    let net: IpNet = match text.parse() {
        Ok(net) => net,
        Err(_) if text.parse::<IpAddr>().is_ok() => {
            bail!("{text} lacks the length of its prefix: write {text}/{}", usual_prefix(text))
        }
        Err(_) => bail!("{text:?} is no address with a prefix, such as 10.7.0.2/24 or fd00::2/64"),
    };
    let ip = net.addr();
    if ip.is_unspecified() || ip.is_multicast() || ip.is_loopback() || !is_of_a_host(&net, ip) {
        bail!("{text} is not the address of a host");
    }
    Ok(net)
}

fn usual_prefix(ip: &str) -> u8 {
    if ip.contains(':') { 64 } else { 24 }
}

const fn same_family(one: &IpNet, other: &IpNet) -> bool {
    matches!((one, other), (IpNet::V4(_), IpNet::V4(_)) | (IpNet::V6(_), IpNet::V6(_)))
}

/// The first address of the subnet that a host can have and nobody has.
fn neighbour(net: &IpNet, taken: impl Fn(IpAddr) -> bool) -> Option<IpNet> {
    let free = net.hosts().find(|ip| is_of_a_host(net, *ip) && !taken(*ip))?;
    IpNet::new(free, net.prefix_len()).ok()
}

/// Whether `ip` is not one that means the whole subnet or, with IPv6, any of its routers (RFC 4291 section
/// 2.6.1). Subnets of two addresses have no such (RFC 3021, RFC 6164).
fn is_of_a_host(net: &IpNet, ip: IpAddr) -> bool {
    if net.max_prefix_len() - net.prefix_len() <= 1 {
        return true;
    }
    ip != net.network() && (ip.is_ipv6() || ip != net.broadcast())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plan(own: &[&str], host: &[&str]) -> Result<String, String> {
        let strings =
            |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>();
        let plan = Plan::make(&strings(own), &strings(host)).map_err(|error| error.to_string())?;
        let host: Vec<_> = plan.host.iter().map(ToString::to_string).collect();
        Ok(host.join(" "))
    }

    fn refusal(own: &[&str], host: &[&str]) -> String {
        plan(own, host).expect_err("it makes no sense")
    }

    #[test]
    fn the_kernel_gets_the_first_other_address() {
        assert_eq!(plan(&["10.7.0.2/24"], &[]), Ok("10.7.0.1/24".into()));
        assert_eq!(plan(&["10.7.0.1/24"], &[]), Ok("10.7.0.2/24".into()));
        assert_eq!(plan(&["10.7.0.0/31"], &[]), Ok("10.7.0.1/31".into()));
        assert_eq!(plan(&["fd00::2/64"], &[]), Ok("fd00::1/64".into()));
        assert_eq!(plan(&["fd00::1/64"], &[]), Ok("fd00::2/64".into()));
        assert_eq!(plan(&["fd00::1/127"], &[]), Ok("fd00::/127".into()));
        let both = plan(&["10.7.0.2/24", "fd00::2/64"], &[]);
        assert_eq!(both, Ok("10.7.0.1/24 fd00::1/64".into()));
        let subnets = plan(&["10.7.0.2/24", "10.8.0.2/24"], &[]);
        assert_eq!(subnets, Ok("10.7.0.1/24 10.8.0.1/24".into()));
        let neighbours = plan(&["10.7.0.1/24", "10.7.0.2/24"], &[]);
        assert_eq!(neighbours, Ok("10.7.0.3/24".into()), "one address of the subnet is enough");
    }

    #[test]
    fn an_address_that_is_given_is_used() {
        assert_eq!(plan(&["10.7.0.2/24"], &["10.7.0.9/24"]), Ok("10.7.0.9/24".into()));
        assert_eq!(plan(&["10.7.0.2/32"], &["10.7.0.1/24"]), Ok("10.7.0.1/24".into()));
        assert_eq!(plan(&["10.7.0.2/24"], &["10.8.0.1/24"]), Ok("10.8.0.1/24".into()));
        let mixed = plan(&["10.7.0.2/32", "fd00::2/64"], &["10.7.0.1/32"]);
        assert_eq!(mixed, Ok("10.7.0.1/32 fd00::1/64".into()));
    }

    #[test]
    fn a_single_address_has_no_neighbour() {
        assert!(refusal(&["10.7.0.2/32"], &[]).contains("--host-address"));
        assert!(refusal(&["fd00::2/128"], &["10.7.0.1/24"]).contains("--host-address"));
    }

    #[test]
    fn what_is_no_address_of_a_host() {
        assert_eq!(
            refusal(&["10.7.0.2"], &[]),
            "10.7.0.2 lacks the length of its prefix: write 10.7.0.2/24"
        );
        assert!(refusal(&["fd00::2"], &[]).ends_with("fd00::2/64"));
        for text in ["", "x/24", "10.7.0.2/33", "10.7.0.256/24", "10.7.0.2/", "fd00::2/129"] {
            assert!(refusal(&[text], &[]).contains("is no address"), "{text}");
        }
        for text in
            ["10.7.0.0/24", "10.7.0.255/24", "fd00::/64", "0.0.0.0/0", "224.0.0.1/4", "127.0.0.1/8"]
        {
            assert!(refusal(&[text], &[]).contains("not the address of a host"), "{text}");
        }
    }

    #[test]
    fn nothing_is_given_twice() {
        assert!(refusal(&["10.7.0.2/24", "10.7.0.2/16"], &[]).contains("twice"));
        assert!(refusal(&["10.7.0.2/24"], &["10.7.0.2/24"]).contains("twice"));
    }

    #[test]
    fn addresses_that_need_a_route_are_known() {
        let plan =
            Plan::make(&["10.7.0.2/32".into()], &["10.8.0.1/32".into()]).expect("it makes sense");
        assert_eq!(plan.unreachable().collect::<Vec<_>>(), [IpAddr::from([10, 7, 0, 2])]);
    }
}
