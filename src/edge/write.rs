//! Writing: open to every origin, without a credential.

use std::cell::OnceCell;
use std::rc::Rc;

use worker::RateLimiter;

use crate::random::hash_key;
use config::accept::Binding;
use config::who::Who;
use ingest::format::{BodyError, Format};
use ingest::frame::{FrameBuilder, FramedBatch};
use ingest::outcome::ErrorEntry;
use ingest::points::{BodyForm, MAX_BODY_BYTES};
use ingest::rejection::Reason;
use ingest::statsd::{Lines, SignedGauges};
use model::point::{Arrival, Field};
use protocol::command::WriteAnswer;

use super::cors::Admitted;
use super::identity::Identity;
use super::in_flight::InFlight;
use super::known;
use super::problem::Problem;
use super::reply::Reply;
use super::room::Body;
use super::{Exchange, StreamId, other_version, proven, refused};

/// A batch is resent when a shard knows of more shards, at most as often as their number can be raised in ten minutes,
/// and when it does not know the series numbers.
const MAX_ROUNDS: usize = 8;

thread_local! {
    /// The deployment's limiter, the same for all requests of this isolate; `None` if it has none.
    static LIMITER: OnceCell<Option<Rc<RateLimiter>>> = const { OnceCell::new() };
}

/// The result of a batch.
pub(super) struct Stored {
    /// The JSON for the writer; for a batch that was stored before, the first answer.
    pub(super) outcome: Vec<u8>,
    /// The number of its first point in the stream; `None` for a repeated batch, and if each shard counts on its own.
    pub(super) first: Option<u64>,
}

pub(super) async fn write_points(exchange: &mut Exchange, id: &StreamId) -> Result<Reply, Problem> {
    let admitted = exchange.admit(id).await?;
    let media_type = exchange.header("Content-Type").unwrap_or_default();
    let body = exchange.body(MAX_BODY_BYTES).await?;
    let Some(form) = body_form(&media_type, &body)? else { return exchange.write_form(id, admitted, body).await };
    let identity = exchange.identity(&[], &body)?;
    Ok(Reply::json(202, exchange.store(id, admitted, identity, body, &form).await?.outcome))
}

/// A body of statsd lines, whatever its type says.
pub(super) fn statsd(exchange: &Exchange) -> Result<Box<dyn Format>, Problem> {
    let signed_gauges = SignedGauges::of_query(exchange.query_string());
    let signed_gauges = signed_gauges.map_err(|error| Problem::InvalidRequest(error.to_string()))?;
    Ok(Box::new(Lines { signed_gauges, key: hash_key() }))
}

/// Writes a body whose format follows from the address.
pub(super) async fn write_body(
    exchange: &mut Exchange,
    id: &StreamId,
    format: fn(&Exchange) -> Result<Box<dyn Format>, Problem>,
) -> Result<Reply, Problem> {
    let admitted = exchange.admit(id).await?;
    let format = format(exchange)?;
    let body = exchange.body(MAX_BODY_BYTES).await?;
    let identity = exchange.identity(&[], &body)?;
    Ok(Reply::json(202, exchange.store(id, admitted, identity, body, &*format).await?.outcome))
}

impl Exchange {
    /// Sends the accepted points of a body to the stream, in a frame that refers to known series by their numbers. Every
    /// point that the Worker accepts comes this way.
    pub(super) async fn store(
        &self,
        id: &StreamId,
        Admitted { mut config, author }: Admitted,
        identity: Option<Identity>,
        body: Body,
        format: &dyn Format,
    ) -> Result<Stored, Problem> {
        let writer = author.writer();
        self.check_rate(id, writer.network).await?;
        let held = Rc::new(InFlight::of(body)?);
        for _ in 0..MAX_ROUNDS {
            let plan = self.plan(&config.layout, identity.as_ref());
            let binding = Binding::of(&config.accept, author.who).map_err(|error| other_version(&error))?;
            let batch = known::with(&id.object(plan.write), binding.id(), |known| {
                let mut builder = FrameBuilder::new(self.arrived_ms(), hash_key(), known).bound(binding);
                let arrival = Arrival { at: builder.now(), lateness_s: config.lateness_s };
                format
                    .read(&held.body.borrow(), arrival, &mut builder)
                    .map(|()| builder.finish(identity.as_ref().map(|identity| &identity.batch)))
            });
            let FramedBatch { frame, outcome, errors, new_labels } = batch.map_err(rejected)?;
            // All points of a repeated batch may be too old by now, or a rule may be new; the shard is still asked for
            // its earlier answer.
            let may_be_retry = identity.is_some()
                && [Reason::Field(Field::T), Reason::Rule].iter().any(|why| outcome.has_rejected(*why));
            // A writer with a wrong key must not learn anything about its body either.
            let is_to_be_checked = matches!(author.who, Who::Keyed(_));
            if outcome.accepted == 0 && !may_be_retry && !is_to_be_checked {
                return Err(none_good(errors));
            }
            held.set_batch(config.layout.shards(), (identity, &writer), &frame, new_labels)?;
            drop(frame);
            let object = id.object(plan.write);
            // For a stream with one shard, this was checked before the body was read.
            refused::check(&object, &writer, self.now_ms)?;
            let answer = self.send_to_shard(id, &config.layout, plan, (identity, &writer), &held).await;
            match &answer {
                Ok(_) => proven::learn(id.as_str(), &author.who, true),
                Err(Problem::WRONG_WRITE_KEY) => proven::learn(id.as_str(), &author.who, false),
                Err(_) => (),
            }
            match answer {
                Ok(WriteAnswer::Stored { .. }) if outcome.accepted == 0 => return Err(none_good(errors)),
                Ok(WriteAnswer::Stored { first, overflow, .. }) => {
                    let first = (config.layout.shards() == 1).then_some(first);
                    return Ok(Stored { outcome: outcome.to_json_with(overflow).into_bytes(), first });
                }
                Ok(WriteAnswer::Earlier(outcome)) => {
                    self.charge_wasted();
                    return Ok(Stored { outcome, first: None });
                }
                Ok(WriteAnswer::UnknownSeries) => (),
                Err(Problem::Moved) => config = self.config_of_home(id).await?,
                Err(problem) => {
                    if let Problem::Limited(limited) = &problem {
                        refused::remember(&object, &writer, limited, self.now_ms);
                    }
                    return Err(problem);
                }
            }
        }
        Err(Problem::Moved)
    }

    /// The limit per address and stream, if the deployment has one; the platform counts per location.
    async fn check_rate(&self, id: &StreamId, network: &str) -> Result<(), Problem> {
        let Some(limiter) = LIMITER.with(|limiter| limiter.get_or_init(|| self.limiter()).clone()) else {
            return Ok(());
        };
        match limiter.limit(format!("{}/{}", id.as_str(), network)).await {
            Ok(outcome) if !outcome.success => Err(Problem::RateLimited),
            // A limiter that fails must not lose writes.
            Ok(_) | Err(_) => Ok(()),
        }
    }

    fn limiter(&self) -> Option<Rc<RateLimiter>> {
        self.env.rate_limiter("WRITES").ok().map(Rc::new)
    }

    fn arrived_ms(&self) -> u64 {
        u64::try_from(self.now_ms).unwrap_or_default()
    }
}

fn rejected(error: BodyError) -> Problem {
    match error {
        BodyError::TooLarge(detail) => Problem::TooLarge(detail),
        BodyError::Invalid(detail) => Problem::InvalidRequest(detail),
    }
}

fn none_good(errors: Vec<ErrorEntry>) -> Problem {
    let detail = if errors.is_empty() { "the body has no points" } else { "every point was rejected" };
    Problem::InvalidPoints(detail.to_owned(), errors)
}

/// The form of a body, by its type and how it begins; `None` means a form.
fn body_form(media_type: &str, body: &[u8]) -> Result<Option<BodyForm>, Problem> {
    let essence = media_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    match essence.as_str() {
        "application/json" => Ok(Some(BodyForm::Json)),
        "application/x-ndjson" | "application/ndjson" => Ok(Some(BodyForm::Lines)),
        "text/plain" => Ok(Some(BodyForm::Either)),
        // Even if it claims to be a form, as with `curl -d`.
        _ if matches!(body.trim_ascii_start().first(), Some(b'{' | b'[')) => Ok(Some(BodyForm::Either)),
        "application/x-www-form-urlencoded" => Ok(None),
        _ => Err(Problem::UnsupportedMediaType(format!(
            "the body is not JSON, and its Content-Type {essence:?} is not supported; use application/json, application/x-ndjson, text/plain or application/x-www-form-urlencoded"
        ))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_media_type_decides_or_else_the_body() {
        assert_eq!(body_form("application/json; charset=utf-8", b""), Ok(Some(BodyForm::Json)));
        assert_eq!(body_form("Application/X-NDJSON", b""), Ok(Some(BodyForm::Lines)));
        assert_eq!(body_form("text/plain;charset=UTF-8", b"x"), Ok(Some(BodyForm::Either)));
        assert_eq!(body_form("application/x-www-form-urlencoded", b" \n{\"n\":1}"), Ok(Some(BodyForm::Either)));
        assert_eq!(body_form("Application/X-WWW-Form-Urlencoded; charset=UTF-8", b"n=1"), Ok(None));
        assert_eq!(body_form("", b"[]"), Ok(Some(BodyForm::Either)));
        assert!(body_form("", b"n=1").is_err() && body_form("image/png", b"").is_err());
    }
}
