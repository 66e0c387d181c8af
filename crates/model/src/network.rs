//! Networks of the Internet: an address, or all that begin alike (CIDR, RFC 4632).

use std::net::{IpAddr, Ipv6Addr};
use std::str::FromStr;

const IPV4_BITS: u8 = 32;
/// What one writer has of IPv6 for itself, so the longest prefix of one that anybody can be told by.
pub const IPV6_WRITER_BITS: u8 = 64;

/// Addresses that begin alike.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Network {
    /// Without what is behind the prefix.
    first: IpAddr,
    bits: u8,
}

/// Why a text is no network.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NetworkError {
    /// Not the text of an address.
    #[error("is no address such as 192.0.2.1 or 2001:db8::1, and no network such as 192.0.2.0/24 or 2001:db8::/48")]
    Address,
    /// A prefix that is no number, or more than the address has.
    #[error("must have a whole number from 0 to {0} behind the slash")]
    Bits(u8),
    /// An address that has more than its prefix.
    #[error("has an address that is not the first of its network, which is {0}")]
    Behind(IpAddr),
}

impl Network {
    /// What one writer at this address has for itself: all of an IPv4 address, 64 bits of an IPv6 one. An IPv4 address that is
    /// written as an IPv6 one (RFC 4291, section 2.5.5.2) is the IPv4 address.
    #[must_use]
    pub fn of(address: IpAddr) -> Self {
        let address = address.to_canonical();
        let bits = if address.is_ipv4() { IPV4_BITS } else { IPV6_WRITER_BITS };
        Self { first: first(address, bits), bits }
    }

    /// Whether all of another network is in this one.
    #[must_use]
    pub fn contains(&self, other: &Self) -> bool {
        self.bits <= other.bits && first(other.first, self.bits) == self.first
    }
}

impl FromStr for Network {
    type Err = NetworkError;

    /// An address, which stands for what one writer has of it, or `address/bits`. The address must be the first of the network,
    /// so that no typing error blocks others than it seems to.
    fn from_str(text: &str) -> Result<Self, NetworkError> {
        let (address, behind) = match text.split_once('/') {
            Some((address, behind)) => (address, Some(behind)),
            None => (text, None),
        };
        let address = address.parse::<IpAddr>().map_err(|_| NetworkError::Address)?.to_canonical();
        let Some(behind) = behind else { return Ok(Self::of(address)) };
        let most = Self::of(address).bits;
        // Digits as they are usually written: neither `+8` nor `08`.
        let bits = behind.parse().ok().filter(|bits: &u8| *bits <= most && bits.to_string() == behind);
        let bits = bits.ok_or(NetworkError::Bits(most))?;
        let first = first(address, bits);
        if first == address { Ok(Self { first, bits }) } else { Err(NetworkError::Behind(first)) }
    }
}

/// As a writer is told of: `192.0.2.1`, `2001:db8:1:2::/64`.
impl std::fmt::Display for Network {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match (self.first, self.bits) {
            (IpAddr::V4(address), IPV4_BITS) => write!(formatter, "{address}"),
            (first, bits) => write!(formatter, "{first}/{bits}"),
        }
    }
}

/// The first address that begins like this one.
fn first(address: IpAddr, bits: u8) -> IpAddr {
    match address {
        IpAddr::V4(address) => {
            let behind = u32::MAX.checked_shr(bits.into()).unwrap_or(0);
            IpAddr::V4((address.to_bits() & !behind).into())
        }
        IpAddr::V6(address) => {
            let behind = u128::MAX.checked_shr(bits.into()).unwrap_or(0);
            IpAddr::V6(Ipv6Addr::from_bits(address.to_bits() & !behind))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn network(text: &str) -> Network {
        text.parse().unwrap_or_else(|error| panic!("{text} {error}"))
    }

    #[test]
    fn a_network_contains_what_begins_like_it() {
        for (whole, parts, others) in [
            ("192.0.2.0/24", &["192.0.2.0", "192.0.2.255", "192.0.2.128/25"][..], &["192.0.3.0", "192.0.0.0/16"][..]),
            ("192.0.2.1", &["192.0.2.1", "192.0.2.1/32", "::ffff:192.0.2.1"], &["192.0.2.2", "::192.0.2.1"]),
            ("0.0.0.0/0", &["255.255.255.255", "0.0.0.0/0"], &["::", "::/0"]),
            ("::/0", &["2001:db8::1"], &["192.0.2.1"]),
            ("2001:db8::/48", &["2001:db8:0:ffff::9"], &["2001:db8:1::"]),
            ("2001:db8::1", &["2001:db8::2", "2001:db8::/64"], &["2001:db8:0:1::1", "2001:db8::/63"]),
        ] {
            assert!(parts.iter().all(|part| network(whole).contains(&network(part))), "{whole}");
            assert!(others.iter().all(|other| !network(whole).contains(&network(other))), "{whole}");
        }
    }

    #[test]
    fn a_writer_is_its_network() {
        let of = |text: &str| Network::of(text.parse().expect("an address")).to_string();
        assert_eq!(of("2001:db8:1:2:3:4:5:6"), "2001:db8:1:2::/64");
        assert_eq!(of("2001:db8:1:2::9"), of("2001:db8:1:2:3:4:5:6"));
        assert_ne!(of("2001:db8:1:2::9"), of("2001:db8:1:3::9"));
        assert_eq!((&*of("192.0.2.1"), &*of("::ffff:192.0.2.1")), ("192.0.2.1", "192.0.2.1"));
        assert_eq!(network("192.0.2.0/24").to_string(), "192.0.2.0/24");
    }

    #[test]
    fn what_is_no_network_is_refused_and_told_why() {
        let error = |text: &str| text.parse::<Network>().expect_err(text);
        for text in
            ["", "localhost", "192.0.2", "192.0.2.01", "192.0.2.1/", "/24", "192.0.2.0/24/24", " 192.0.2.0", "1"]
        {
            assert!(matches!(error(text), NetworkError::Address | NetworkError::Bits(_)), "{text}");
        }
        for (text, most) in [("192.0.2.0/33", 32), ("192.0.2.0/+8", 32), ("192.0.2.0/08", 32), ("192.0.2.0/-1", 32)] {
            assert_eq!(error(text), NetworkError::Bits(most), "{text}");
        }
        for text in ["2001:db8::/65", "2001:db8::/128", "2001:db8::/x"] {
            assert_eq!(error(text), NetworkError::Bits(64), "{text}");
        }
        let told = error("192.0.2.1/24").to_string();
        assert!(told.ends_with("which is 192.0.2.0"), "{told}");
        assert!(matches!(error("2001:db8::1/48"), NetworkError::Behind(_)));
    }
}
