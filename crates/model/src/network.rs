//! Internet networks: an address, or all addresses with a common prefix (CIDR, RFC 4632).

use std::net::{IpAddr, Ipv6Addr};
use std::str::FromStr;

const IPV4_BITS: u8 = 32;
/// The prefix that one IPv6 writer usually has for itself, so the longest prefix that identifies a writer.
pub const IPV6_WRITER_BITS: u8 = 64;

/// Addresses with a common prefix.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Network {
    /// The first address; all bits after the prefix are zero.
    first: IpAddr,
    bits: u8,
}

/// Why a string is not a network.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NetworkError {
    /// Not an address.
    #[error("must be an address such as 192.0.2.1 or 2001:db8::1, or a network such as 192.0.2.0/24 or 2001:db8::/48")]
    Address,
    /// A prefix length that is not a number, or longer than the address.
    #[error("must have a whole number from 0 to {0} after the slash")]
    Bits(u8),
    /// An address with bits after its prefix.
    #[error("must start with the first address of its network, which is {0}")]
    Behind(IpAddr),
}

impl Network {
    /// The network of one writer at this address: the whole IPv4 address, or 64 bits of an IPv6 address. An IPv4
    /// address written as IPv6 (RFC 4291, section 2.5.5.2) counts as the IPv4 address.
    #[must_use]
    pub fn of(address: IpAddr) -> Self {
        let address = address.to_canonical();
        let bits = if address.is_ipv4() { IPV4_BITS } else { IPV6_WRITER_BITS };
        Self { first: first(address, bits), bits }
    }

    /// Whether this network contains all of another one.
    #[must_use]
    pub fn contains(&self, other: &Self) -> bool {
        self.bits <= other.bits && first(other.first, self.bits) == self.first
    }
}

impl FromStr for Network {
    type Err = NetworkError;

    /// Parses an address, which stands for its writer's network, or `address/bits`. The address must be the first
    /// of the network, so that a typing error does not block others than it seems to.
    fn from_str(text: &str) -> Result<Self, NetworkError> {
        let (address, behind) = match text.split_once('/') {
            Some((address, behind)) => (address, Some(behind)),
            None => (text, None),
        };
        let address = address.parse::<IpAddr>().map_err(|_| NetworkError::Address)?.to_canonical();
        let Some(behind) = behind else { return Ok(Self::of(address)) };
        let most = Self::of(address).bits;
        // Digits in their usual form: neither `+8` nor `08`.
        let bits = behind.parse().ok().filter(|bits: &u8| *bits <= most && bits.to_string() == behind);
        let bits = bits.ok_or(NetworkError::Bits(most))?;
        let first = first(address, bits);
        if first == address { Ok(Self { first, bits }) } else { Err(NetworkError::Behind(first)) }
    }
}

/// The form shown for a writer: `192.0.2.1`, `2001:db8:1:2::/64`.
impl std::fmt::Display for Network {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match (self.first, self.bits) {
            (IpAddr::V4(address), IPV4_BITS) => write!(formatter, "{address}"),
            (first, bits) => write!(formatter, "{first}/{bits}"),
        }
    }
}

/// The first address with the same prefix.
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
    fn a_network_contains_addresses_with_its_prefix() {
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
    fn an_invalid_network_is_rejected_with_a_reason() {
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
