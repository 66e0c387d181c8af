//! OTLP/HTTP: OpenTelemetry metrics, answered as its exporters expect.

use ingest::otlp;
use ingest::otlp::Encoding;
use ingest::points::MAX_BODY_BYTES;

use super::problem::Problem;
use super::reply::Reply;
use super::{Exchange, StreamId, internal};

/// Codes of gRPC.
const INVALID_ARGUMENT: u8 = 3;
const NOT_FOUND: u8 = 5;
const PERMISSION_DENIED: u8 = 7;
const RESOURCE_EXHAUSTED: u8 = 8;
const INTERNAL: u8 = 13;
const UNAVAILABLE: u8 = 14;
const UNAUTHENTICATED: u8 = 16;

pub(super) async fn write_otlp(exchange: &mut Exchange, id: &StreamId) -> Result<Reply, Problem> {
    let admitted = exchange.admit(id).await?;
    let encoding = exchange.encoding().ok_or_else(|| {
        let detail = "the Content-Type must be application/x-protobuf or application/json";
        Problem::UnsupportedMediaType(detail.to_owned())
    })?;
    let body = exchange.body(MAX_BODY_BYTES).await?;
    // Exporters have no idempotency keys, but they resend the same bytes, in which each point has its time in
    // nanoseconds.
    let identity = exchange.identity(&[], &body)?.unwrap_or_else(|| exchange.identity_of(&body));
    let answer = match exchange.store(id, admitted, Some(identity), body, &encoding).await {
        Ok(stored) => otlp::export_response(encoding, &stored.outcome).map_err(|error| internal(&error))?,
        // A request without data points succeeds.
        Err(Problem::InvalidPoints(_, errors)) if errors.is_empty() => {
            exchange.charge_wasted();
            otlp::nothing(encoding)
        }
        Err(problem) => return Err(problem),
    };
    Ok(Reply::new(200, encoding.media_type(), answer))
}

impl Exchange {
    fn encoding(&self) -> Option<Encoding> {
        Encoding::of(&self.header("Content-Type").unwrap_or_default())
    }

    /// A problem as `google.rpc.Status`, in JSON if the request's encoding is not one of OTLP's.
    pub(super) fn otlp_refusal(&self, problem: &Problem) -> Reply {
        let encoding = self.encoding().unwrap_or(Encoding::Json);
        let message = match problem {
            Problem::InvalidPoints(_, errors) => &otlp::none_good(errors),
            _ => problem.detail(),
        };
        let status = otlp::status(encoding, code(problem.status()), message);
        let reply = Reply::new(problem.status(), encoding.media_type(), status).with("Cache-Control", "no-store");
        problem.with_headers(reply)
    }
}

/// The gRPC code for an HTTP status; exporters act on the latter.
fn code(status: u16) -> u8 {
    match status {
        401 => UNAUTHENTICATED,
        403 => PERMISSION_DENIED,
        404 => NOT_FOUND,
        413 | 429 => RESOURCE_EXHAUSTED,
        400..=499 => INVALID_ARGUMENT,
        503 => UNAVAILABLE,
        _ => INTERNAL,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_status_has_a_grpc_code_and_retries_say_when() {
        let codes = [400, 401, 403, 404, 405, 413, 415, 429, 500, 503].map(code);
        assert_eq!(codes, [3, 16, 7, 5, 3, 8, 3, 8, 13, 14]);
        for problem in [Problem::RateLimited, Problem::Overloaded, Problem::Unavailable, Problem::Moved] {
            assert!(matches!(problem.header(), Some(("Retry-After", _))), "{problem:?}");
        }
    }
}
