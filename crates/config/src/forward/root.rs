//! Decides which upstreams this deployment may write to: the owner of a stream does not own the network around the
//! Worker. Roots are parsed by hand, and anything that a URL parser could read in two ways is rejected.

/// The longest root in bytes.
pub const MAX_ROOT_BYTES: usize = 200;
/// The default allow-list of a deployment: the roots of app.net and pnut.io.
pub const DEFAULT_ROOTS: &str =
    "https://alpha-api.app.net/stream/0,https://api.app.net,https://api.pnut.io/v1,https://api.pnut-api-1.org/v1";

/// Hosts of services that document a limit on writes per token.
const DOCUMENTED: [&str; 3] = ["app.net", "pnut.io", "pnut-api-1.org"];
const LOOPBACK: [&str; 3] = ["127.0.0.1", "localhost", "[::1]"];
const MAX_LABEL_BYTES: usize = 63;
const HTTPS_PORT: u16 = 443;

/// Why a root is rejected. No message quotes it, as it may contain a password.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RootError {
    /// Over [`MAX_ROOT_BYTES`].
    #[error("`forward.api_root` has {0} bytes, more than the {MAX_ROOT_BYTES} allowed")]
    TooLong(usize),
    /// A scheme other than https.
    #[error("`forward.api_root` must start with https://")]
    Scheme,
    /// A user or password before the host.
    #[error("`forward.api_root` must not contain a user name or password")]
    UserInfo,
    /// A query or a fragment.
    #[error("`forward.api_root` must not contain a query or a fragment")]
    Query,
    /// A path that another path could stand for.
    #[error(
        "`forward.api_root` must have a path of letters, digits and `-._~` between single slashes, without `.` and `..`"
    )]
    Path,
    /// A port other than that of https.
    #[error("`forward.api_root` must not have a port other than 443")]
    Port,
    /// An address, or not the full name of a host.
    #[error("`forward.api_root` must have the full DNS name of a host, not an address")]
    Host,
    /// A root that the deployment does not allow.
    #[error("`forward.api_root` must be one of the roots that this deployment allows (`FORWARD_ROOTS`): {0}")]
    NotListed(String),
}

/// The root without a trailing slash and with its host in lower case, if this deployment allows it. `allow_list`
/// contains roots, separated by commas; without a list [`DEFAULT_ROOTS`] applies, and an empty one allows nothing.
/// A deployment for development also allows this machine itself, without TLS.
///
/// # Errors
/// See [`RootError`].
pub fn allowed_root(root: &str, allow_list: Option<&str>, dev: bool) -> Result<String, RootError> {
    let parts = Parts::of(root)?;
    if dev && parts.is_loopback() {
        return parts.local();
    }
    let root = parts.public()?;
    let allow_list = allow_list.unwrap_or(DEFAULT_ROOTS);
    let mut allowed = allow_list.split(',').filter_map(|root| Parts::of(root.trim()).and_then(Parts::public).ok());
    if allowed.any(|allowed| allowed == root) { Ok(root) } else { Err(RootError::NotListed(allow_list.to_owned())) }
}

/// Whether a root belongs to a service that documents a limit on writes per token.
pub(super) fn has_documented_limit(root: &str) -> bool {
    let host = Parts::of(root).map(|parts| parts.host.to_ascii_lowercase()).unwrap_or_default();
    DOCUMENTED.iter().any(|domain| host.strip_suffix(domain).is_some_and(|sub| sub.is_empty() || sub.ends_with('.')))
}

/// A root, split into its parts. The path is checked and has no trailing slash; the rest is not checked yet.
struct Parts<'a> {
    is_https: bool,
    host: &'a str,
    port: Option<&'a str>,
    path: &'a str,
}

impl<'a> Parts<'a> {
    fn of(root: &'a str) -> Result<Self, RootError> {
        if root.len() > MAX_ROOT_BYTES {
            return Err(RootError::TooLong(root.len()));
        }
        let https = root.strip_prefix("https://");
        let rest = https.or_else(|| root.strip_prefix("http://")).ok_or(RootError::Scheme)?;
        if rest.contains(['?', '#']) {
            return Err(RootError::Query);
        }
        let (authority, path) = rest.split_at(rest.find(['/', '\\']).unwrap_or(rest.len()));
        if authority.contains('@') {
            return Err(RootError::UserInfo);
        }
        let path = path.strip_suffix('/').unwrap_or(path);
        let is_segment = |segment: &str| {
            let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
            !matches!(segment, "" | "." | "..") && segment.bytes().all(is_plain)
        };
        if !path.is_empty() && !path.strip_prefix('/').is_some_and(|path| path.split('/').all(is_segment)) {
            return Err(RootError::Path);
        }
        // Within brackets, colons belong to an address.
        let behind_host = authority.find(']').unwrap_or(0);
        let port_at = authority[behind_host..].find(':').map(|at| behind_host + at);
        let (host, port) = match port_at {
            Some(at) => (&authority[..at], Some(&authority[at + 1..])),
            None => (authority, None),
        };
        Ok(Self { is_https: https.is_some(), host, port, path })
    }

    fn is_loopback(&self) -> bool {
        !self.is_https && LOOPBACK.contains(&self.host)
    }

    /// The root on this machine.
    fn local(self) -> Result<String, RootError> {
        let port = self.port()?.map(|port| format!(":{port}")).unwrap_or_default();
        Ok(format!("http://{}{port}{}", self.host, self.path))
    }

    /// The root, with a host that is found by name.
    fn public(self) -> Result<String, RootError> {
        if !self.is_https {
            return Err(RootError::Scheme);
        }
        let host = self.host.to_ascii_lowercase();
        if !is_dns_name(&host) {
            return Err(RootError::Host);
        }
        match self.port()? {
            None | Some(HTTPS_PORT) => Ok(format!("https://{host}{}", self.path)),
            Some(_) => Err(RootError::Port),
        }
    }

    fn port(&self) -> Result<Option<u16>, RootError> {
        let Some(port) = self.port else { return Ok(None) };
        let is_plain = port.bytes().all(|byte| byte.is_ascii_digit()) && !port.starts_with('0');
        port.parse().ok().filter(|_| is_plain).map(Some).ok_or(RootError::Port)
    }
}

/// Whether it is the full name of a host, in lower case. If the last label starts with a digit, a URL parser takes
/// it for an address, whatever its form: `1.2.3.4`, `0x7f.1`, `127.1`.
fn is_dns_name(host: &str) -> bool {
    let is_label = |label: &str| {
        (1..=MAX_LABEL_BYTES).contains(&label.len())
            && !label.starts_with('-')
            && !label.ends_with('-')
            && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
    };
    let is_name = |last: &str| last.starts_with(|char: char| char.is_ascii_alphabetic());
    host.split('.').all(is_label) && host.rsplit_once('.').is_some_and(|(_, last)| is_name(last))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_root_of_the_default_list_is_allowed() {
        for root in DEFAULT_ROOTS.split(',') {
            assert_eq!(allowed_root(root, None, false).as_deref(), Ok(root));
        }
        assert!(include_str!("../../../../wrangler.toml").contains(&format!("FORWARD_ROOTS = \"{DEFAULT_ROOTS}\"")));
    }

    #[test]
    fn a_root_has_one_normal_form() {
        let list = Some("https://b.example , https://A.example:443/stream/0/,");
        for root in [
            "https://a.example/stream/0",
            "https://a.example/stream/0/",
            "https://A.EXAMPLE/stream/0",
            "https://a.example:443/stream/0",
        ] {
            assert_eq!(allowed_root(root, list, false).as_deref(), Ok("https://a.example/stream/0"), "{root}");
        }
        assert_eq!(allowed_root("https://b.example/", list, false).as_deref(), Ok("https://b.example"));
    }

    #[test]
    fn only_listed_entries_are_allowed() {
        let list = "https://a.example/stream/0";
        for root in [
            "https://a.example",
            "https://a.example/stream",
            "https://a.example/stream/0/x",
            "https://a.example/Stream/0",
            "https://b.a.example/stream/0",
            "https://a.example.evil.example/stream/0",
            "https://evila.example/stream/0",
            "https://api.pnut.io/v1",
        ] {
            let refused = Err(RootError::NotListed(list.into()));
            assert_eq!(allowed_root(root, Some(list), false), refused, "{root}");
            assert!(allowed_root(root, Some(""), false).is_err());
        }
        assert_eq!(allowed_root(list, None, false), Err(RootError::NotListed(DEFAULT_ROOTS.into())));
    }

    #[test]
    fn hostile_roots_are_rejected_even_if_listed() {
        use RootError::{Host, Path, Port, Query, Scheme, TooLong, UserInfo};
        let long = format!("https://a.example/{}", "x".repeat(MAX_ROOT_BYTES));
        let label = format!("https://{}.example", "x".repeat(MAX_LABEL_BYTES + 1));
        let table: &[(&str, RootError)] = &[
            ("", Scheme),
            ("a.example", Scheme),
            ("//a.example", Scheme),
            ("http://a.example", Scheme),
            ("HTTPS://a.example", Scheme),
            (" https://a.example/ x", Scheme),
            ("ftp://a.example", Scheme),
            ("javascript:alert(1)", Scheme),
            ("https:/a.example", Scheme),
            ("https:a.example", Scheme),
            ("http://127.0.0.1:8787", Scheme),
            ("http://localhost/stream/0", Scheme),
            ("https://user:secret@a.example", UserInfo),
            ("https://@a.example", UserInfo),
            ("https://a.example@evil.example/v1", UserInfo),
            ("https://a.example:443@evil.example", UserInfo),
            ("https://a.example?x=1", Query),
            ("https://a.example/v1?", Query),
            ("https://a.example/v1#x", Query),
            ("https://evil.example#@a.example", Query),
            ("https://a.example//v1", Path),
            ("https://a.example/v1//", Path),
            ("https://a.example//", Path),
            ("https://a.example/../v1", Path),
            ("https://a.example/v1/..", Path),
            ("https://a.example/./v1", Path),
            ("https://a.example/%2e%2e/v1", Path),
            ("https://a.example/v1%00", Path),
            ("https://a.example/v 1", Path),
            ("https://a.example/v1\t", Path),
            ("https://a.example/v1\r\nHost: evil.example", Path),
            ("https://a.example/ü", Path),
            ("https://a.example/v1;x", Path),
            ("https://a.example\\@evil.example", Path),
            ("https://a.example\\v1", Path),
            ("https://a.example/v1\\..", Path),
            ("https://a.example:80", Port),
            ("https://a.example:8443/v1", Port),
            ("https://a.example:", Port),
            ("https://a.example:0443", Port),
            ("https://a.example:+443", Port),
            ("https://a.example:443:443", Port),
            ("https://a.example:65979", Port),
            ("https://", Host),
            ("https:///v1", Host),
            ("https://:443", Host),
            ("https://localhost", Host),
            ("https://example", Host),
            ("https://127.0.0.1", Host),
            ("https://127.1", Host),
            ("https://127.0.0.1.", Host),
            ("https://2130706433", Host),
            ("https://0x7f000001", Host),
            ("https://0x7f.1", Host),
            ("https://0x7f.0x1", Host),
            ("https://0177.0.0.01", Host),
            ("https://a.0x7f", Host),
            ("https://169.254.169.254/latest", Host),
            ("https://[::1]", Host),
            ("https://[::1]:443/v1", Host),
            ("https://[::ffff:127.0.0.1]", Host),
            ("https://::1", Host),
            ("https://a.example.", Host),
            ("https://.a.example", Host),
            ("https://a..example", Host),
            ("https://-a.example", Host),
            ("https://a-.example", Host),
            ("https://a_b.example", Host),
            ("https://a.example\t", Host),
            ("https://a .example", Host),
            ("https://a%2eexample", Host),
            ("https://a。example", Host),
            ("https://аpp.example", Host),
            ("https://a.example,b.example", Host),
            ("https://a.example:443]", Host),
            ("https://a*.example", Host),
            (&label, Host),
            (&long, TooLong(long.len())),
        ];
        for (root, error) in table {
            for list in [None, Some(*root), Some("https://a.example,https://a.example/v1,https://127.0.0.1")] {
                assert_eq!(allowed_root(root, list, false).as_ref(), Err(error), "{root}");
            }
            let shown = error.to_string();
            assert!(shown.starts_with("`forward.api_root` ") && !shown.contains("secret"), "{shown}");
        }
    }

    #[test]
    fn this_machine_is_allowed_for_development_only() {
        for root in
            ["http://127.0.0.1", "http://127.0.0.1:8787/stream/0", "http://localhost:1/v1", "http://[::1]:65535"]
        {
            assert_eq!(allowed_root(root, None, true).as_deref(), Ok(root));
            assert_eq!(allowed_root(&format!("{root}/"), None, true).as_deref(), Ok(root));
            assert_eq!(allowed_root(root, Some(root), false), Err(RootError::Scheme), "{root}");
        }
        for (root, error) in [
            ("http://127.0.0.2", RootError::Scheme),
            ("http://127.1", RootError::Scheme),
            ("http://0.0.0.0", RootError::Scheme),
            ("http://LOCALHOST", RootError::Scheme),
            ("http://localhost.", RootError::Scheme),
            ("http://localhost.evil.example", RootError::Scheme),
            ("http://127.0.0.1.evil.example", RootError::Scheme),
            ("http://[::1].evil.example", RootError::Scheme),
            ("http://[::ffff:127.0.0.1]", RootError::Scheme),
            ("http://127.0.0.1@evil.example", RootError::UserInfo),
            ("http://evil.example#@127.0.0.1", RootError::Query),
            ("http://127.0.0.1:8787@evil.example", RootError::UserInfo),
            ("http://127.0.0.1\\@evil.example", RootError::Path),
            ("http://127.0.0.1:0", RootError::Port),
            ("http://127.0.0.1:65536", RootError::Port),
            ("http://127.0.0.1:", RootError::Port),
            ("http://[::1]x:80", RootError::Scheme),
            ("http://127.0.0.1/%2e", RootError::Path),
            ("https://127.0.0.1", RootError::Host),
        ] {
            assert_eq!(allowed_root(root, None, true), Err(error), "{root}");
        }
        assert!(allowed_root("https://api.pnut.io/v1", None, true).is_ok());
    }
}
