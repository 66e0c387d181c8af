//! Who sends a write: what of it the object is told.

use crate::wire::writer::{Who, Writer};

use super::Exchange;

/// A writer, as the request shows it.
pub(super) struct Author {
    pub(super) who: Who,
    /// See [`Exchange::network`].
    pub(super) network: String,
    pub(super) origin: Option<String>,
}

impl Author {
    /// As the object is told of it.
    pub(super) fn writer(&self) -> Writer<'_> {
        Writer { who: self.who, network: &self.network, origin: self.origin.as_deref() }
    }
}

impl Exchange {
    /// The network that the request comes from; empty where nobody who is trusted says it.
    pub(super) fn network(&self) -> String {
        network(&self.address())
    }
}

/// The part of an address that one writer has for itself: all of an IPv4 address, 64 bits of an IPv6 one. An IPv4 address that is
/// written as an IPv6 one (RFC 4291, section 2.5.5.2) is the IPv4 address.
fn network(address: &str) -> String {
    const NETWORK_BITS: u32 = 64;
    let Ok(address) = address.parse::<std::net::Ipv6Addr>() else { return address.to_owned() };
    if let Some(address) = address.to_ipv4_mapped() {
        return address.to_string();
    }
    let network = std::net::Ipv6Addr::from_bits(address.to_bits() & !(u128::MAX >> NETWORK_BITS));
    format!("{network}/{NETWORK_BITS}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_writer_with_ipv6_is_its_network() {
        assert_eq!(network("2001:db8:1:2:3:4:5:6"), "2001:db8:1:2::/64");
        assert_eq!(network("2001:db8:1:2::9"), network("2001:db8:1:2:3:4:5:6"));
        assert_ne!(network("2001:db8:1:2::9"), network("2001:db8:1:3::9"));
        assert_eq!((&*network("192.0.2.1"), &*network("::ffff:192.0.2.1")), ("192.0.2.1", "192.0.2.1"));
        assert_eq!(network(""), "");
    }
}
