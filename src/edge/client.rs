//! Where a request comes from and which address it was sent to, according to the platform or, on a self-hosted server,
//! its reverse proxies. A client can send any header, so a header counts only if a trusted party wrote it.

use std::cell::OnceCell;
use std::net::IpAddr;

use super::{Exchange, route};

/// The variable with which a self-hosted server says how many proxies each request passes; the platform has no such
/// variable.
const TRUSTED_PROXIES: &str = "TRUSTED_PROXIES";
/// The header in which the party in front of the deployment writes the client's address, if it is not the usual one.
const TRUSTED_HEADER: &str = "TRUSTED_HEADER";
/// Longer than any host name.
const MAX_HOST_BYTES: usize = 255;
/// Longer than any address with its port and brackets.
const MAX_ADDRESS_BYTES: usize = 64;

thread_local! {
    /// What stands in front of the deployment, the same for all requests of this isolate.
    static FRONT: OnceCell<Front> = const { OnceCell::new() };
    /// The name of the header that the operator trusts, the same for all requests too.
    static NAMED: OnceCell<Option<&'static str>> = const { OnceCell::new() };
}

/// What stands between a client and this Worker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Front {
    /// Cloudflare, which writes `CF-Connecting-IP` itself and knows the scheme.
    Platform,
    /// This many reverse proxies, each of which appends what it saw to every `X-Forwarded-*`.
    Proxies(usize),
}

impl Front {
    fn of(variable: Option<&str>) -> Self {
        // An unreadable count trusts no proxy.
        variable.map_or(Self::Platform, |count| Self::Proxies(count.trim().parse().unwrap_or(0)))
    }

    /// What the first trusted proxy saw; `None` if there is no proxy, or if it wrote nothing.
    fn seen(self, header: impl FnOnce() -> Option<String>) -> Option<String> {
        let Self::Proxies(count @ 1..) = self else { return None };
        let header = header()?;
        // A request from between the proxies has fewer entries.
        let entry = header.rsplit(',').take(count).last().unwrap_or_default().trim();
        (!entry.is_empty()).then(|| entry.to_owned())
    }
}

impl Exchange {
    /// The client's address; `None` if nothing that is trusted names it.
    pub(super) fn address(&self) -> Option<IpAddr> {
        // Behind a proxy that writes its own header, the socket's address is the proxy's. So if that header holds no
        // address, the client's stays unknown.
        let said = match (self.named_header(), self.front()) {
            (Some(name), _) => self.header(name),
            (None, Front::Platform) => self.header("CF-Connecting-IP"),
            (None, front @ Front::Proxies(_)) => {
                front.seen(|| self.header("X-Forwarded-For")).or_else(|| self.request.peer_address())
            }
        };
        address_of(&said?)
    }

    /// The scheme and host by which the client knows this deployment.
    pub(super) fn origin(&self) -> &str {
        self.origin.get_or_init(|| {
            let front = self.front();
            let proto = front.seen(|| self.header("X-Forwarded-Proto"));
            let host = front.seen(|| self.header("X-Forwarded-Host"));
            origin_of(&self.url, proto.as_deref(), host.as_deref())
        })
    }

    /// Whether only Cloudflare stands between a client and this Worker.
    pub(super) fn is_on_platform(&self) -> bool {
        self.front() == Front::Platform
    }

    fn front(&self) -> Front {
        let read = || Front::of(self.env.var(TRUSTED_PROXIES).ok().map(|var| var.to_string()).as_deref());
        FRONT.with(|front| *front.get_or_init(read))
    }

    fn named_header(&self) -> Option<&'static str> {
        let read = || {
            let name = self.env.var(TRUSTED_HEADER).ok()?.to_string();
            // Once per isolate.
            Some(name.trim()).filter(|name| !name.is_empty()).map(|name| &*Box::leak(Box::from(name)))
        };
        NAMED.with(|named| *named.get_or_init(read))
    }
}

/// The origin of a URL, with the scheme and host that proxies report if they are plausible.
fn origin_of(url: &str, proto: Option<&str>, host: Option<&str>) -> String {
    let origin = route::origin(url);
    let (scheme, own_host) = origin.split_once("://").unwrap_or(("http", origin));
    let scheme = match proto.map(str::to_ascii_lowercase).as_deref() {
        // Some proxies name the protocol that the connection is upgraded to.
        Some("https" | "wss") => "https",
        Some("http" | "ws") => "http",
        _ => scheme,
    };
    format!("{scheme}://{}", host.filter(|host| is_host(host)).unwrap_or(own_host))
}

/// Whether this is a host with or without a port, and nothing that could be mistaken for more.
fn is_host(text: &str) -> bool {
    let is_of_host = |byte: u8| byte.is_ascii_alphanumeric() || b".-_:[]".contains(&byte);
    (1..=MAX_HOST_BYTES).contains(&text.len()) && text.bytes().all(is_of_host)
}

/// Parses an entry as an address; `None` if it is not one.
fn address_of(entry: &str) -> Option<IpAddr> {
    let bare = bare_address(Some(entry.trim()).filter(|entry| entry.len() <= MAX_ADDRESS_BYTES)?);
    // Without the zone of a link-local address (RFC 4007), which only means something on one machine.
    bare.split('%').next()?.parse().ok()
}

/// An address without the port and the brackets that some proxies write: `192.0.2.1:4711`, `[2001:db8::1]:4711`.
fn bare_address(entry: &str) -> &str {
    if let Some((address, _)) = entry.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        return address;
    }
    match entry.split_once(':') {
        Some((address, port)) if !port.contains(':') => address,
        _ => entry,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(front: Front, header: &str) -> Option<String> {
        front.seen(|| Some(header.to_owned()))
    }

    #[test]
    fn only_what_trusted_proxies_added_counts() {
        let header = "203.0.113.66, 198.51.100.7, 192.0.2.1";
        assert_eq!(seen(Front::Proxies(1), header).as_deref(), Some("192.0.2.1"));
        assert_eq!(seen(Front::Proxies(2), header).as_deref(), Some("198.51.100.7"));
        assert_eq!(seen(Front::Proxies(2), "192.0.2.1").as_deref(), Some("192.0.2.1"));
        assert_eq!(seen(Front::Proxies(1), "192.0.2.1, "), None);
        assert_eq!((seen(Front::Proxies(0), header), seen(Front::Platform, header)), (None, None));
        assert_eq!(Front::Proxies(1).seen(|| None), None);
    }

    #[test]
    fn an_unreadable_proxy_count_trusts_no_proxy() {
        let cases = [(None, Front::Platform), (Some("2"), Front::Proxies(2)), (Some(" 1 "), Front::Proxies(1))];
        for (variable, front) in cases.into_iter().chain(["", "-1", "all"].map(|text| (Some(text), Front::Proxies(0))))
        {
            assert_eq!(Front::of(variable), front, "{variable:?}");
        }
    }

    #[test]
    fn an_address_is_separated_from_its_port() {
        for (entry, address) in [
            ("192.0.2.1", "192.0.2.1"),
            ("192.0.2.1:4711", "192.0.2.1"),
            ("2001:db8::1", "2001:db8::1"),
            ("[2001:db8::1]", "2001:db8::1"),
            ("[2001:db8::1]:4711", "2001:db8::1"),
            ("unknown", "unknown"),
        ] {
            assert_eq!(bare_address(entry), address);
        }
    }

    #[test]
    fn an_invalid_address_leaves_the_client_unknown() {
        for entry in ["192.0.2.1", " 192.0.2.1 ", "192.0.2.1:4711"] {
            assert_eq!(address_of(entry), "192.0.2.1".parse().ok(), "{entry}");
        }
        for entry in ["2001:db8::1", "[2001:db8::1]:4711", "2001:db8::1%eth0", "[2001:db8::1%2]:80"] {
            assert_eq!(address_of(entry), "2001:db8::1".parse().ok(), "{entry}");
        }
        let long = format!("192.0.2.1{}", " ".repeat(MAX_ADDRESS_BYTES));
        assert_eq!(address_of(&long), "192.0.2.1".parse().ok());
        let padded = format!("192.0.2.1%{}", "x".repeat(MAX_ADDRESS_BYTES));
        for entry in ["", "unknown", "_hidden", "192.0.2", "192.0.2.1.5", "1", "192.0.2.1, 192.0.2.2", &padded] {
            assert_eq!(address_of(entry), None, "{entry}");
        }
    }

    #[test]
    fn an_origin_is_what_the_client_typed() {
        let url = "http://127.0.0.1:8787/v1/streams?a=b";
        for (proto, host, origin) in [
            (None, None, "http://127.0.0.1:8787"),
            (Some("https"), None, "https://127.0.0.1:8787"),
            (Some("HTTPS"), Some("h.example"), "https://h.example"),
            (Some("wss"), Some("h.example:8443"), "https://h.example:8443"),
            (Some("http"), Some("[2001:db8::1]:80"), "http://[2001:db8::1]:80"),
            (Some("javascript"), Some("evil.example/a"), "http://127.0.0.1:8787"),
            (None, Some("a\"b"), "http://127.0.0.1:8787"),
            (None, Some("user@h.example"), "http://127.0.0.1:8787"),
        ] {
            assert_eq!(origin_of(url, proto, host), origin, "{proto:?} {host:?}");
        }
        assert_eq!(origin_of("https://h.example/", Some("http"), None), "http://h.example");
    }
}
