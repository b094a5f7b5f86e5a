//! Where to: `HOST:PORT` as people write it, and the addresses it stands for.

use std::fmt;
use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::str::FromStr;

use netmart::actors::address::Transport;

use super::over::default_port;
use super::status::{Failure, Result, Status};

/// A host by name or address, and perhaps a port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Place {
    host: String,
    port: Option<u16>,
}

impl FromStr for Place {
    type Err = String;

    /// Reads `localhost:80`, `10.0.0.1:80`, `[::1]:80`, or any of them without a port.
    fn from_str(text: &str) -> std::result::Result<Self, String> {
        if let Ok(ip) = text.parse::<Ipv6Addr>() {
            return Ok(Self { host: ip.to_string(), port: None });
        }
        let (host, port) = match text.rsplit_once(':') {
            Some((host, port)) => (host, Some(port)),
            None => (text, None),
        };
        // A bracket that is not closed by then belongs to an address without a port.
        let (host, port) = if text.ends_with(']') { (text, None) } else { (host, port) };
        let port = port.map(|port| {
            port.parse().map_err(|_| format!("{port:?} is no port; write HOST:PORT or [IPV6]:PORT"))
        });
        let inner = host.strip_prefix('[').map(|rest| rest.strip_suffix(']').unwrap_or(""));
        match inner {
            Some(ip) if ip.parse::<Ipv6Addr>().is_err() => {
                return Err(format!("{host:?} is no IPv6 address in brackets"));
            }
            None if host.contains(':') => {
                return Err(format!("{text:?}: write an IPv6 address in brackets, as [::1]:80"));
            }
            _ => {}
        }
        let host = inner.unwrap_or(host).to_owned();
        if host.is_empty() {
            return Err(format!("{text:?} names no host; write HOST:PORT"));
        }
        Ok(Self { host, port: port.transpose()? })
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let is_v6 = self.host.contains(':');
        match self.port {
            Some(port) if is_v6 => write!(f, "[{}]:{port}", self.host),
            Some(port) => write!(f, "{}:{port}", self.host),
            None => f.write_str(&self.host),
        }
    }
}

impl Place {
    /// All addresses of this machine, and a free port if the wire has no usual one.
    pub(super) fn anywhere(over: Transport) -> Self {
        let port = if default_port(over).is_some() { None } else { Some(0) };
        Self { host: Ipv6Addr::UNSPECIFIED.to_string(), port }
    }

    /// Every address of the place, on the port given or the wire's usual one. Those of IPv4 come first: the
    /// originals speak nothing else.
    pub(super) async fn addresses(&self, over: Transport) -> Result<Vec<SocketAddr>> {
        let port = self.port.or(default_port(over));
        let port = port.ok_or_else(|| {
            Failure::usage(format_args!("{over} has no usual port: write {}:PORT", self.host))
        })?;
        if let Ok(ip) = self.host.parse::<IpAddr>() {
            return Ok(vec![(ip, port).into()]);
        }
        let found = tokio::net::lookup_host((self.host.as_str(), port)).await;
        let found = found.map_err(|error| {
            Failure::new(Status::Refused, format_args!("could not resolve {}: {error}", self.host))
        })?;
        let mut addresses: Vec<_> = found.collect();
        addresses.sort_by_key(SocketAddr::is_ipv6);
        addresses.dedup();
        Ok(addresses)
    }

    /// The first of them.
    pub(super) async fn address(&self, over: Transport) -> Result<SocketAddr> {
        let addresses = self.addresses(over).await?;
        addresses.first().copied().ok_or_else(|| {
            Failure::new(Status::Refused, format_args!("{} has no address", self.host))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Option<(String, Option<u16>)> {
        text.parse().ok().map(|Place { host, port }| (host, port))
    }

    #[test]
    fn places() {
        for (text, host, port) in [
            ("localhost:80", "localhost", Some(80)),
            ("10.0.0.1:0", "10.0.0.1", Some(0)),
            ("[::1]:65535", "::1", Some(65535)),
            ("example.com", "example.com", None),
            ("::1", "::1", None),
            ("[fd00::2]", "fd00::2", None),
        ] {
            assert_eq!(read(text), Some((host.to_owned(), port)), "{text}");
        }
        for text in ["", ":80", "x:", "x:y", "x:65536", "x:-1", "[::1:80", "[x]:80", "fd00::zz:80"]
        {
            assert_eq!(read(text), None, "{text}");
        }
    }

    #[test]
    fn a_place_is_shown_as_it_is_written() {
        for text in ["localhost:80", "[::1]:80", "10.0.0.1"] {
            assert_eq!(text.parse::<Place>().map(|place| place.to_string()), Ok(text.to_owned()));
        }
    }
}
