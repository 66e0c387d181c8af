//! Which origins may read an answer, and preflights.

use std::borrow::Cow;
use std::rc::Rc;

use worker::Method;

use config::stream::{MAX_ORIGIN_BYTES, StreamConfig};

use super::author::Author;
use super::endpoint::Dialect;
use super::face;
use super::problem::Problem;
use super::reply::Reply;
use super::route;
use super::route::Route;
use super::uploads::Sender;
use super::{Exchange, StreamId, proven, refused, wasted};

/// A page's tracing adds a few short names; a longer list has no honest sender.
const MAX_ASKED_BYTES: usize = 1_024;
/// Chromium's upper bound: two hours.
const MAX_AGE_S: &str = "7200";
const REQUEST_HEADERS: &str =
    "Authorization, Content-Type, Content-Encoding, Idempotency-Key, If-None-Match, Last-Event-ID";
const ASKED_HEADERS: &str = "Access-Control-Request-Headers";
/// The origin that browsers send for a page that hides its own: for local files and in sandboxes. No allow-list can
/// contain it.
const HIDDEN: &str = "null";
const RESPONSE_HEADERS: &str = "ETag, Location, Retry-After, Heartbeat-Limits";

/// Which pages may read the answer, as browsers see it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) enum Cors {
    /// Every page.
    #[default]
    Any,
    /// Every page, with the headers of the app.net face.
    Face,
    /// Pages of this origin: the stream has an allow-list that contains it.
    Only(String),
    /// No page: the stream has an allow-list without this origin.
    Nobody,
}

/// A writer that nothing known at this location keeps out.
pub(super) struct Admitted {
    pub(super) config: Rc<StreamConfig>,
    pub(super) author: Author,
}

impl Cors {
    /// The headers that express this.
    pub(super) fn headers(self) -> Vec<(&'static str, Cow<'static, str>)> {
        let vary = ("Vary", "Origin, Access-Control-Request-Headers".into());
        let allow = |origin| ("Access-Control-Allow-Origin", origin);
        let expose = ("Access-Control-Expose-Headers", RESPONSE_HEADERS.into());
        match self {
            Self::Any => vec![allow("*".into()), expose],
            Self::Face => {
                vec![allow("*".into()), ("Access-Control-Expose-Headers", face::RESPONSE_HEADERS.into())]
            }
            Self::Only(origin) => vec![vary, allow(origin.into()), expose],
            Self::Nobody => vec![vary],
        }
    }
}

impl Exchange {
    pub(super) async fn preflight(&mut self, route: &Route<'_>) -> Result<Reply, Problem> {
        if let Some(id) = route.written_by_pages() {
            // A preflight has no credential, so only the write itself can check the writer.
            let id = self.stream(id)?;
            self.admit_page(&id).await?;
        }
        let ours = if self.dialect == Dialect::AppNet { face::REQUEST_HEADERS } else { REQUEST_HEADERS };
        let asked = self.header(ASKED_HEADERS).unwrap_or_default();
        let mut reply = Reply::empty(204)
            .with("Access-Control-Allow-Methods", route.methods().listed())
            .with("Access-Control-Allow-Headers", allowed_headers(ours, &asked))
            .with("Access-Control-Max-Age", MAX_AGE_S);
        // A public page that writes to a server in a private network. Anybody who knows the id may do so, as anywhere
        // else.
        let is_private = self.header("Access-Control-Request-Private-Network").is_some_and(|asked| asked == "true");
        if is_private {
            reply = reply.with("Access-Control-Allow-Private-Network", "true");
        }
        // Where the list of origins matters, the answer already varies by origin.
        Ok(if self.cors == Cors::Any { reply.with("Vary", ASKED_HEADERS) } else { reply })
    }

    /// The configuration of a stream and the writer, if it may write; also decides which pages may read the answer.
    pub(super) async fn admit(&mut self, id: &StreamId) -> Result<Admitted, Problem> {
        self.wait_for_turn(id).await;
        let (config, origin) = self.admit_page(id).await?;
        let author = self.author(origin);
        let config = self.check_author(id, config, &author).await?;
        if config.layout.shards() == 1 && self.request.method() != Method::Options {
            refused::check(&id.object(0), &author.writer(), self.now_ms)?;
        }
        let is_trusted = proven::is_trusted(id.as_str(), &author.who);
        let stranger = || Sender::Stranger(wasted::networks("", &author.network));
        self.sender.set(Some(if is_trusted { Sender::Trusted } else { stranger() }));
        self.payer.set(wasted::check(id.as_str(), &author.writer(), self.now_ms)?);
        Ok(Admitted { config, author })
    }

    /// The configuration of a stream and the origin of the writing page, if it may write there. A request that does not
    /// come from a page may write, and none of our headers matter to it.
    async fn admit_page(&mut self, id: &StreamId) -> Result<(Rc<StreamConfig>, Option<String>), Problem> {
        let (mut config, header) = (self.config(id).await?, self.header("Origin"));
        let is_named = header.is_some();
        let origin = header.or_else(|| {
            let site = self.header("Sec-Fetch-Site");
            page(site.as_deref(), self.header("Referer").as_deref(), || self.origin().to_owned())
        });
        if !config.admits(origin.as_deref()) {
            config = self.newer_config(id, config).await?;
        }
        if !config.admits(origin.as_deref()) {
            return Err(Problem::OriginNotAllowed);
        }
        if let Some(origin) = origin.as_ref().filter(|_| is_named)
            && !config.origins.is_empty()
        {
            self.cors = Cors::Only(origin.clone());
        }
        Ok((config, origin))
    }
}

/// The origin of the page that makes a request without `Origin`, as browsers do for images and links. It is that of
/// `Referer` or, if the page hides it, one that no list can contain. `None` if no page made the request: a server, a
/// mail client, or somebody who typed the address. Browsers send `Sec-Fetch-Site` to servers with TLS and to localhost;
/// no page can forge or hide it.
fn page(site: Option<&str>, referer: Option<&str>, own: impl FnOnce() -> String) -> Option<String> {
    match (site, referer) {
        (Some("none"), _) | (None, None) => None,
        (_, Some(referer)) => Some(origin_of(referer).unwrap_or_else(|| HIDDEN.to_owned())),
        (Some("same-origin"), None) => Some(own()),
        (Some(_), None) => Some(HIDDEN.to_owned()),
    }
}

/// The origin of an address, as a browser writes it in `Origin`.
fn origin_of(url: &str) -> Option<String> {
    let is_web = |scheme: &str| scheme.eq_ignore_ascii_case("http") || scheme.eq_ignore_ascii_case("https");
    let host = url.split_once("://").filter(|(scheme, _)| is_web(scheme))?.1;
    // No browser sends a user name or a password.
    let (has_host, origin) = (!host.is_empty() && !host.starts_with(['/', '?', '#']), route::origin(url));
    (has_host && origin.len() <= MAX_ORIGIN_BYTES && !origin.contains(['@', '\\'])).then(|| origin.to_ascii_lowercase())
}

/// The headers that requests may have: ours, and whatever else is requested. Tools that trace a page's requests add
/// headers (`traceparent`, `sentry-trace`), which mean nothing here and must not keep a point out. A wildcard would
/// also do, except for `Authorization`.
fn allowed_headers(ours: &'static str, asked: &str) -> Cow<'static, str> {
    let names = || asked.split(',').map(|name| name.trim_matches([' ', '\t'])).filter(|name| !name.is_empty());
    if asked.len() > MAX_ASKED_BYTES || !names().all(is_token) {
        return ours.into();
    }
    let is_ours = |name: &&str| ours.split(", ").any(|our| our.eq_ignore_ascii_case(name));
    let others: Vec<&str> = names().filter(|name| !is_ours(name)).collect();
    if others.is_empty() { ours.into() } else { format!("{ours}, {}", others.join(", ")).into() }
}

/// Whether this is the name of a header (RFC 9110, section 5.6.2).
fn is_token(name: &str) -> bool {
    // An asterisk is a token as well, but on its own it means all headers.
    name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"!#$%&'+-.^_`|~".contains(&byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_origin_the_referer_names_the_page() {
        let page = |site: Option<&str>, referer: Option<&str>| page(site, referer, || "https://own.example".to_owned());
        let shop = Some("https://shop.example:8443/cart?x=1#y");
        for (site, referer, wanted) in [
            (None, None, None),
            (Some("none"), None, None),
            (Some("none"), shop, None),
            (None, shop, Some("https://shop.example:8443")),
            (Some("cross-site"), shop, Some("https://shop.example:8443")),
            (Some("same-site"), Some("HTTPS://Shop.Example"), Some("https://shop.example")),
            (Some("cross-site"), None, Some("null")),
            (Some("same-site"), None, Some("null")),
            (Some("something-new"), None, Some("null")),
            (Some(""), None, Some("null")),
            (Some("same-origin"), None, Some("https://own.example")),
            (Some("same-origin"), Some("https://own.example/demo"), Some("https://own.example")),
            (None, Some("android-app://com.example/"), Some("null")),
            (None, Some(""), Some("null")),
            (None, Some("https://"), Some("null")),
            (None, Some("https:///shop.example"), Some("null")),
            (None, Some(&format!("https://{}.example/", "x".repeat(300))), Some("null")),
            (None, Some("https://shop.example@evil.example/"), Some("null")),
            (None, Some("https://shop.example\\@evil.example/"), Some("null")),
            (None, Some("https://evil.example/https://shop.example"), Some("https://evil.example")),
        ] {
            assert_eq!(page(site, referer).as_deref(), wanted, "{site:?} {referer:?}");
        }
    }

    #[test]
    fn requested_headers_are_allowed_and_only_names_are_echoed() {
        let allowed = |asked: &str| allowed_headers("Authorization, Content-Type", asked).into_owned();
        for (asked, more) in [
            ("", ""),
            ("traceparent", ", traceparent"),
            ("content-type,traceparent,tracestate", ", traceparent, tracestate"),
            ("sentry-trace , ,\tbaggage", ", sentry-trace, baggage"),
            ("AUTHORIZATION", ""),
            ("x-b3-traceid, x-b3-spanid,b3", ", x-b3-traceid, x-b3-spanid, b3"),
            ("*", ""),
            ("traceparent, *", ""),
            ("a b", ""),
            ("x: y", ""),
            ("<script>", ""),
            ("über", ""),
            ("a\r\nSet-Cookie", ""),
        ] {
            assert_eq!(allowed(asked), format!("Authorization, Content-Type{more}"), "{asked:?}");
        }
        let longest = "x".repeat(MAX_ASKED_BYTES);
        assert!(allowed(&longest).ends_with(&longest));
        assert_eq!(allowed(&format!("{longest}x")), "Authorization, Content-Type");
    }
}
