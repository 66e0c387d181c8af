//! Sends one request to an upstream: bounded in time and size, without following redirects, and with errors that
//! reveal nothing of what was sent.

use futures_util::StreamExt;
use worker::{AbortSignal, Fetch, Headers, Method, Request, RequestInit, RequestRedirect, Response, web_sys};

use appnet::answer::Received;

/// Less than the lease of a grant, so that no write arrives after its place was given away.
const TIMEOUT_MS: u32 = 20_000;
/// An envelope has a few hundred bytes; of a larger response the rest is not read.
const MAX_ANSWER_BYTES: usize = 64 << 10;
const USER_AGENT: &str = concat!("heartbeat/", env!("CARGO_PKG_VERSION"));

/// A request.
pub(super) struct Outgoing<'a> {
    pub(super) method: Method,
    pub(super) url: String,
    pub(super) token: &'a str,
    /// The JSON body.
    pub(super) body: Option<String>,
}

/// Sends it and reads the response, or the beginning of a long one.
///
/// # Errors
/// A message for the owner if there was no complete response; the upstream may have accepted the request anyway.
pub(super) async fn send(outgoing: Outgoing<'_>) -> Result<Received, String> {
    let signal: AbortSignal = web_sys::AbortSignal::timeout_with_u32(TIMEOUT_MS).into();
    let request = request(outgoing).map_err(|_| "the request could not be created".to_owned())?;
    let answered = async { received(Fetch::Request(request).send_with_signal(&signal).await?).await };
    answered.await.map_err(|_| {
        // The platform's message may contain the URL.
        if signal.aborted() {
            format!("no answer within {} s", TIMEOUT_MS / 1000)
        } else {
            "the connection could not be opened, or it broke".to_owned()
        }
    })
}

fn request(Outgoing { method, url, token, body }: Outgoing<'_>) -> worker::Result<Request> {
    let headers = Headers::new();
    headers.set("Authorization", &format!("Bearer {token}"))?;
    headers.set("Accept", "application/json")?;
    headers.set("User-Agent", USER_AGENT)?;
    if body.is_some() {
        headers.set("Content-Type", "application/json")?;
    }
    let mut init = RequestInit::new();
    init.with_method(method).with_headers(headers).with_redirect(RequestRedirect::Manual);
    init.with_body(body.map(Into::into));
    Request::new_with_init(&url, &init)
}

async fn received(mut response: Response) -> worker::Result<Received> {
    let header = |name| response.headers().get(name).ok().flatten();
    let mut received = Received {
        status: response.status_code(),
        retry_after: header("Retry-After"),
        remaining: header("X-RateLimit-Remaining"),
        reset: header("X-RateLimit-Reset"),
        body: Vec::new(),
    };
    // A response without a body has no stream.
    let Ok(mut stream) = response.stream() else { return Ok(received) };
    while let Some(piece) = stream.next().await {
        received.body.extend_from_slice(&piece?);
        if received.body.len() > MAX_ANSWER_BYTES {
            received.body.truncate(MAX_ANSWER_BYTES);
            break;
        }
    }
    Ok(received)
}
