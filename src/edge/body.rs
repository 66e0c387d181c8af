//! Reading a request's body within limits.

use futures_util::StreamExt;
use worker::ByteStream;

use super::gunzip::gunzip;
use super::problem::Problem;
use super::{Exchange, internal};

/// What is read and thrown away of a request that is refused, so that a client that sends before it listens gets to
/// hear why; beyond, the connection may break.
const MAX_DRAINED_BYTES: usize = 8 << 20;
/// How a gzip file begins, without which nothing is unpacked.
const GZIP: &[u8] = &[0x1f, 0x8b];
/// A byte of it becomes at most so many.
const MAX_RATIO: usize = 1_032;

impl Exchange {
    /// The body, gunzipped if the headers say so; neither form may be larger than `max_bytes`.
    pub(super) async fn body(&mut self, max_bytes: usize) -> Result<Vec<u8>, Problem> {
        let encoding = self.header("Content-Encoding").unwrap_or_default().trim().to_ascii_lowercase();
        let read = self.read_body(&encoding, max_bytes).await;
        match &read {
            Ok(body) => self.body_bytes.set(body.len()),
            Err(Problem::TooLarge(_)) => self.body_bytes.set(max_bytes),
            Err(_) => (),
        }
        read
    }

    async fn read_body(&mut self, encoding: &str, max_bytes: usize) -> Result<Vec<u8>, Problem> {
        let body = self.raw_body(max_bytes).await?;
        self.body_bytes.set(body.len());
        match encoding {
            "" | "identity" => Ok(body),
            "gzip" | "x-gzip" => {
                if body.starts_with(GZIP) {
                    // If it is not whole, nobody knows how much of it was unpacked.
                    self.body_bytes.set(max_bytes.min(body.len() * MAX_RATIO));
                }
                unpacked(&body, max_bytes).await
            }
            other => {
                Err(Problem::UnsupportedMediaType(format!("Content-Encoding {other:?} is not supported; gzip is")))
            }
        }
    }

    async fn raw_body(&mut self, max_bytes: usize) -> Result<Vec<u8>, Problem> {
        let length = self.header("Content-Length").and_then(|length| length.parse::<usize>().ok());
        if length.is_some_and(|length| length <= max_bytes) {
            return self.request.bytes().await.map_err(|error| internal(&error));
        }
        let mut body = Vec::new();
        // Larger than allowed, or of unknown length. A request without a body has no stream.
        let Some(mut stream) = self.request.stream() else { return Ok(body) };
        while let Some(piece) = stream.next().await {
            body.extend_from_slice(&piece.map_err(|error| internal(&error))?);
            if body.len() > max_bytes {
                drain(stream).await;
                return Err(too_large(max_bytes));
            }
        }
        Ok(body)
    }

    /// Reads the body if nobody has.
    pub(super) async fn drain(&mut self) {
        if let Some(stream) = self.request.stream() {
            drain(stream).await;
        }
    }
}

async fn drain(mut stream: ByteStream) {
    let mut drained_bytes = 0;
    while let Some(Ok(piece)) = stream.next().await {
        drained_bytes += piece.len();
        if drained_bytes > MAX_DRAINED_BYTES {
            return;
        }
    }
}

async fn unpacked(bytes: &[u8], max_bytes: usize) -> Result<Vec<u8>, Problem> {
    let not_gzip = |error: worker::Error| Problem::InvalidRequest(format!("the body is not valid gzip: {error}"));
    let enough_bytes = u32::try_from(max_bytes + 1).map_err(|error| internal(&error))?;
    let body = gunzip(bytes, enough_bytes).await.map_err(not_gzip)?;
    if body.len() > max_bytes { Err(too_large(max_bytes)) } else { Ok(body) }
}

fn too_large(max_bytes: usize) -> Problem {
    Problem::TooLarge(format!("the body may have at most {max_bytes} bytes, also after gunzip"))
}
