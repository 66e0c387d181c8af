//! Writing: open to every origin, no credential.

use std::cell::OnceCell;
use std::rc::Rc;

use sha2::{Digest, Sha256};
use worker::RateLimiter;

use crate::domain::point::Field;
use crate::random::hash_key;
use crate::wire::command::write_request;
use crate::wire::frame::{BatchKey, FrameBuilder};
use crate::wire::pixel;
use crate::wire::points::{BodyForm, MAX_BODY_BYTES, each_point};
use crate::wire::rejection::Reason;

use super::cors::Cors;
use super::problem::Problem;
use super::reply::Reply;
use super::{Exchange, StreamId};

/// An idempotency key has 1 to this many bytes.
const MAX_KEY_BYTES: usize = 200;
/// A transparent GIF of 1x1.
const PIXEL: &[u8] =
    b"GIF89a\x01\0\x01\0\x80\0\0\0\0\0\xff\xff\xff!\xf9\x04\x01\0\0\0\0,\0\0\0\0\x01\0\x01\0\0\x02\x02D\x01\0;";

thread_local! {
    /// The deployment's limiter, the same for all requests of this isolate; `None` where there is none.
    static LIMITER: OnceCell<Option<Rc<RateLimiter>>> = const { OnceCell::new() };
}

impl Exchange {
    pub(super) async fn write_points(&mut self, id: &StreamId, cors: &mut Cors) -> Result<Reply, Problem> {
        let origin = self.admit(id, cors).await?;
        let key = self.batch_key()?;
        let media_type = self.header("Content-Type").unwrap_or_default();
        let body = self.body(MAX_BODY_BYTES).await?;
        let form = body_form(&media_type, &body)?;
        let mut builder = FrameBuilder::new(self.arrived_ms(), hash_key());
        let now = builder.now();
        each_point(&body, form, now, |index, point| builder.push(index, point))
            .map_err(|error| Problem::TooLarge(error.to_string()))?;
        drop(body);
        let answer = self.store(id, origin.as_deref(), builder, key.as_ref()).await?;
        Ok(Reply::json(202, answer))
    }

    pub(super) async fn write_pixel(&mut self, id: &StreamId, cors: &mut Cors) -> Result<Reply, Problem> {
        let origin = self.admit(id, cors).await?;
        let key = self.batch_key()?;
        let mut builder = FrameBuilder::new(self.arrived_ms(), hash_key());
        let point = pixel::parse(self.query_string(), builder.now());
        builder.push(0, point.as_ref().map(|(point, labels)| (*point, labels.as_str())).map_err(Clone::clone));
        self.store(id, origin.as_deref(), builder, key.as_ref()).await?;
        Ok(Reply::new(200, "image/gif", PIXEL.to_vec()).with("Cache-Control", "no-store"))
    }

    /// Sends what was accepted to the stream; what the writer is told.
    async fn store(
        &self,
        id: &StreamId,
        origin: Option<&str>,
        builder: FrameBuilder,
        key: Option<&BatchKey>,
    ) -> Result<Vec<u8>, Problem> {
        let outcome = builder.outcome();
        let errors = builder.errors().to_vec();
        // Of a repeated batch all points may be too old by now; what it was answered is asked for all the same.
        let may_be_retry = key.is_some() && builder.has_rejected(Reason::Field(Field::T));
        let mut earlier = Vec::new();
        if outcome.accepted > 0 || may_be_retry {
            self.check_rate(id).await?;
            earlier = self.send_batch(id, write_request(origin, &builder.finish(key))).await?;
        }
        if !earlier.is_empty() {
            return Ok(earlier);
        }
        if outcome.accepted == 0 {
            let detail = if errors.is_empty() { "the body has no points" } else { "every point was rejected" };
            return Err(Problem::InvalidPoints(detail.to_owned(), errors));
        }
        Ok(outcome.to_json().into_bytes())
    }

    /// The limit per address and stream, where the deployment has one; the platform counts per location.
    async fn check_rate(&self, id: &StreamId) -> Result<(), Problem> {
        let Some(limiter) = LIMITER.with(|limiter| limiter.get_or_init(|| self.limiter()).clone()) else {
            return Ok(());
        };
        let address = self.header("CF-Connecting-IP").unwrap_or_default();
        match limiter.limit(format!("{}/{}", id.as_str(), network(&address))).await {
            Ok(outcome) if !outcome.success => Err(Problem::RateLimited),
            // A limiter that fails must not lose writes.
            Ok(_) | Err(_) => Ok(()),
        }
    }

    fn limiter(&self) -> Option<Rc<RateLimiter>> {
        self.env.rate_limiter("WRITES").ok().map(Rc::new)
    }

    /// The hash of `Idempotency-Key`, or of `?batch=` for writers that can't set headers.
    fn batch_key(&self) -> Result<Option<BatchKey>, Problem> {
        let in_url = || {
            let mut pairs = form_urlencoded::parse(self.query_string().as_bytes());
            pairs.find(|(name, _)| name == "batch").map(|(_, key)| key.into_owned())
        };
        let Some(key) = self.header("Idempotency-Key").or_else(in_url) else { return Ok(None) };
        if key.is_empty() || key.len() > MAX_KEY_BYTES {
            let detail = format!("an idempotency key has 1 to {MAX_KEY_BYTES} bytes, this one has {}", key.len());
            return Err(Problem::InvalidRequest(detail));
        }
        let hash = Sha256::digest(key.as_bytes());
        Ok(Some(std::array::from_fn(|index| hash[index])))
    }

    fn arrived_ms(&self) -> u64 {
        u64::try_from(self.now_ms).unwrap_or_default()
    }
}

/// The part of an address that one writer has for itself: all of an IPv4 address, 64 bits of an IPv6 one.
fn network(address: &str) -> String {
    const NETWORK_GROUPS: usize = 4;
    match address.parse::<std::net::Ipv6Addr>() {
        Ok(address) => format!("{:x?}", &address.segments()[..NETWORK_GROUPS]),
        Err(_) => address.to_owned(),
    }
}

fn body_form(media_type: &str, body: &[u8]) -> Result<BodyForm, Problem> {
    let essence = media_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    match essence.as_str() {
        "application/json" => Ok(BodyForm::Json),
        "application/x-ndjson" | "application/ndjson" => Ok(BodyForm::Lines),
        "text/plain" => Ok(BodyForm::Either),
        _ if matches!(body.trim_ascii_start().first(), Some(b'{' | b'[')) => Ok(BodyForm::Either),
        _ => Err(Problem::UnsupportedMediaType(format!(
            "the body is no JSON and its Content-Type is {essence:?}; use application/json, application/x-ndjson or text/plain"
        ))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_type_decides_and_else_the_body() {
        assert_eq!(body_form("application/json; charset=utf-8", b""), Ok(BodyForm::Json));
        assert_eq!(body_form("Application/X-NDJSON", b""), Ok(BodyForm::Lines));
        assert_eq!(body_form("text/plain;charset=UTF-8", b"x"), Ok(BodyForm::Either));
        assert_eq!(body_form("application/x-www-form-urlencoded", b" \n{\"n\":1}"), Ok(BodyForm::Either));
        assert_eq!(body_form("", b"[]"), Ok(BodyForm::Either));
        assert!(body_form("", b"n=1").is_err() && body_form("image/png", b"").is_err());
    }

    #[test]
    fn a_writer_with_ipv6_is_its_network() {
        assert_eq!(network("2001:db8:1:2:3:4:5:6"), network("2001:db8:1:2::9"));
        assert_ne!(network("2001:db8:1:2::9"), network("2001:db8:1:3::9"));
        assert_eq!(network("192.0.2.1"), "192.0.2.1");
    }
}
