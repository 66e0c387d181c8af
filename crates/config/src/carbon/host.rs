//! Decides which hosts this deployment may connect to: the owner of a stream does not own the network around the
//! Worker.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::CarbonConfig;

/// Why a host is rejected.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HostError {
    /// Neither a host name nor an address.
    #[error("`carbon.host` must be the DNS name of a host, or an IPv4 or IPv6 address")]
    Form,
    /// A host that is not in a public network.
    #[error("`carbon.host` must not be in a loopback, private, link-local or other special network")]
    Special,
    /// A host that the deployment does not allow.
    #[error("`carbon.host` and `carbon.port` must be among those that this deployment allows (`CARBON_HOSTS`): {0}")]
    NotListed(String),
}

/// The host in lower case, and without brackets around an address, if this deployment allows it. `allow_list`
/// contains `host` or `host:port`, separated by commas; without a list, or with an empty one, nothing is allowed. A
/// deployment for development also allows this machine itself, and listed hosts of private networks.
///
/// # Errors
/// See [`HostError`].
pub fn allowed_host(config: &CarbonConfig, allow_list: Option<&str>, dev: bool) -> Result<String, HostError> {
    let host = bare(&config.host).to_ascii_lowercase();
    let place = Place::of(&host).ok_or(HostError::Form)?;
    if dev && place.is_loopback() {
        return Ok(host);
    }
    if !dev && place.is_special() {
        return Err(HostError::Special);
    }
    let allow_list = allow_list.unwrap_or_default();
    let is_it = |listed: &str| {
        let (listed, port) = with_port(listed.trim());
        let is_port = port.is_none_or(|port| port.parse() == Ok(config.port));
        is_port && Place::of(&listed.to_ascii_lowercase()).is_some_and(|listed| listed == place)
    };
    if allow_list.split(',').any(is_it) { Ok(host) } else { Err(HostError::NotListed(allow_list.to_owned())) }
}

/// A host in normal form.
#[derive(PartialEq, Eq)]
enum Place<'a> {
    Name(&'a str),
    Address(IpAddr),
}

impl<'a> Place<'a> {
    /// Parses a host in lower case.
    fn of(host: &'a str) -> Option<Self> {
        host.parse().map(Self::Address).ok().or_else(|| is_name(host).then_some(Self::Name(host)))
    }

    fn is_loopback(&self) -> bool {
        match self {
            Self::Name(name) => *name == "localhost",
            Self::Address(address) => address.is_loopback(),
        }
    }

    fn is_special(&self) -> bool {
        match self {
            Self::Name(name) => {
                let last = name.rsplit('.').next().unwrap_or_default();
                ["localhost", "local", "internal", "localdomain"].contains(&last)
            }
            Self::Address(IpAddr::V4(address)) => is_special_v4(*address),
            Self::Address(IpAddr::V6(address)) => is_special_v6(*address),
        }
    }
}

/// Whether an address is reserved, by IANA's registry.
fn is_special_v4(address: Ipv4Addr) -> bool {
    let [a, b, c, _] = address.octets();
    matches!(
        (a, b, c),
        (0 | 10 | 127 | 224.., ..)
            | (100, 64..=127, _)
            | (169, 254, _)
            | (172, 16..=31, _)
            | (192, 168, _)
            | (192, 0, 0 | 2)
            | (192, 88, 99)
            | (198, 18 | 19, _)
            | (198, 51, 100)
            | (203, 0, 113)
    )
}

/// Everything except global unicast, and within it the ranges that stand for IPv4 addresses or for documentation.
fn is_special_v6(address: Ipv6Addr) -> bool {
    let [a, b, ..] = address.segments();
    a & 0xe000 != 0x2000 || a == 0x2002 || (a == 0x2001 && (b < 0x0200 || b == 0x0db8)) || a == 0x3fff
}

/// Whether it is a host name. If the last label starts with a digit, some parsers take it for an address, whatever
/// its form: `127.1`.
fn is_name(host: &str) -> bool {
    const MAX_PART_BYTES: usize = 63;
    let is_part = |part: &str| {
        (1..=MAX_PART_BYTES).contains(&part.len())
            && !part.starts_with('-')
            && !part.ends_with('-')
            && part.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_')
    };
    let last = host.rsplit('.').next().unwrap_or_default();
    host.split('.').all(is_part) && last.starts_with(|char: char| char.is_ascii_alphabetic())
}

/// Without the brackets of an IPv6 address.
fn bare(host: &str) -> &str {
    host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host)
}

/// Splits an entry of the list into host and port. An IPv6 address has a port only after brackets.
fn with_port(listed: &str) -> (&str, Option<&str>) {
    match listed.rsplit_once(':') {
        Some((host, port)) if !host.contains(':') || host.ends_with(']') => (bare(host), Some(port)),
        _ => (bare(listed), None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn allowed(host: &str, list: Option<&str>, dev: bool) -> Result<String, HostError> {
        let (prefix, aggregates) = (String::new(), Vec::new());
        let config = CarbonConfig { host: host.into(), port: 2003, prefix, interval_s: 60, aggregates };
        allowed_host(&config, list, dev)
    }

    #[test]
    fn only_listed_entries_are_allowed() {
        let list = "carbon.example, B.example:2003 ,c.example:2004,8.8.4.4,[2606:4700::1]:2003,2606:4700::2";
        for (host, form) in [
            ("carbon.example", "carbon.example"),
            ("CARBON.example", "carbon.example"),
            ("b.example", "b.example"),
            ("8.8.4.4", "8.8.4.4"),
            ("[2606:4700::1]", "2606:4700::1"),
            ("2606:4700:0:0:0:0:0:1", "2606:4700:0:0:0:0:0:1"),
            ("2606:4700::2", "2606:4700::2"),
        ] {
            assert_eq!(allowed(host, Some(list), false).as_deref(), Ok(form));
        }
        for host in
            ["c.example", "example", "x.carbon.example", "carbon.example.evil.example", "8.8.4.5", "2606:4700::3"]
        {
            assert_eq!(allowed(host, Some(list), false), Err(HostError::NotListed(list.into())), "{host}");
        }
        for list in [None, Some(""), Some(","), Some("*")] {
            assert!(allowed("carbon.example", list, false).is_err());
        }
    }

    #[test]
    fn hostile_hosts_are_rejected_even_if_listed() {
        let special = [
            "localhost",
            "LOCALHOST",
            "a.localhost",
            "printer.local",
            "metadata.google.internal",
            "127.0.0.1",
            "127.9.9.9",
            "0.0.0.0",
            "10.1.2.3",
            "100.64.0.1",
            "169.254.169.254",
            "172.16.0.1",
            "172.31.255.255",
            "192.168.1.1",
            "192.0.0.1",
            "192.0.2.1",
            "198.18.0.1",
            "224.0.0.1",
            "255.255.255.255",
            "::",
            "::1",
            "[::1]",
            "fc00::1",
            "fd12::1",
            "fe80::1",
            "ff02::1",
            "::ffff:127.0.0.1",
            "::ffff:8.8.8.8",
            "::127.0.0.1",
            "64:ff9b::7f00:1",
            "2002:7f00:1::",
            "2001:db8::1",
            "2001::1",
            "100::1",
        ];
        for host in special {
            assert_eq!(allowed(host, Some(host), false), Err(HostError::Special), "{host}");
        }
        let forms = [
            "127.1",
            "2130706433",
            "0x7f000001",
            "0x7f.1",
            "0177.0.0.1",
            "127.0.0.1.",
            "1.2.3",
            "1.2.3.4.5",
            "localhost.",
            "a.example.",
            ".a",
            "a..b",
            "-a.example",
            "a-.example",
            "a b",
            "a.example:2003",
            "http://a.example",
            "a.example/x",
            "a@b.example",
            "a%2eb",
            "аpp.example",
            "a。b",
            "[::1",
            "::1]",
            "[a.example]]",
            "fe80::1%eth0",
            "*",
            "a,b",
            "",
        ];
        for host in forms {
            for dev in [false, true] {
                assert_eq!(allowed(host, Some(host), dev), Err(HostError::Form), "{host}");
            }
        }
    }

    #[test]
    fn this_machine_is_allowed_for_development_only() {
        for host in ["127.0.0.1", "localhost", "::1", "[::1]"] {
            assert!(allowed(host, None, true).is_ok() && allowed(host, Some(host), false).is_err(), "{host}");
        }
        assert!(allowed("10.0.0.1", Some("10.0.0.1"), true).is_ok());
        assert!(allowed("10.0.0.1", None, true).is_err() && allowed("carbon.example", None, true).is_err());
    }
}
