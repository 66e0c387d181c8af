//! Requests in the form that reads best in tests.

use std::time::Duration;

use serde_json::Value;
use ureq::http::request::Builder;
use ureq::http::{HeaderMap, Request, Response};
use ureq::{Agent, SendBody};

use crate::peer;

/// Longer answers are not searched for tokens; no answer that could contain one is longer.
const MAX_SEARCHED_BYTES: usize = 1 << 20;

/// A request under construction.
pub(crate) struct Call {
    method: &'static str,
    url: String,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
}

/// A received answer.
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Vec<u8>,
}

/// A connection pool; threads that must not share one make their own client.
pub(crate) fn agent() -> Agent {
    Agent::config_builder()
        .http_status_as_error(false)
        .max_redirects(0)
        .allow_non_standard_methods(true)
        .timeout_global(Some(Duration::from_mins(5)))
        .build()
        .into()
}

pub(crate) fn call(method: &'static str, url: impl Into<String>) -> Call {
    Call { method, url: url.into(), headers: Vec::new(), body: Vec::new() }
}

/// A string as encoded in a query string.
pub(crate) fn encoded(text: &str) -> String {
    form_urlencoded::byte_serialize(text.as_bytes()).collect()
}

impl Call {
    pub(crate) fn header(mut self, name: &str, value: impl Into<String>) -> Self {
        self.headers.push((name.to_owned(), value.into()));
        self
    }

    pub(crate) fn bearer(self, token: &str) -> Self {
        self.header("Authorization", format!("Bearer {token}"))
    }

    pub(crate) fn body(mut self, body: impl Into<Vec<u8>>) -> Self {
        self.body = body.into();
        self
    }

    /// The answer; panics if there is none.
    pub(crate) fn send(self) -> Answer {
        let what = format!("{} {}", self.method, self.url);
        self.send_over(&agent()).unwrap_or_else(|error| panic!("{what}: {error}"))
    }

    /// The answer to a body whose length is not announced.
    pub(crate) fn send_chunked(self) -> Answer {
        let (what, mut body) = (format!("{} {}", self.method, self.url), &self.body[..]);
        let request = self.head().body(SendBody::from_reader(&mut body)).expect("a request");
        let response = agent().run(request).unwrap_or_else(|error| panic!("{what}: {error}"));
        Answer::of(response).unwrap_or_else(|error| panic!("{what}: {error}"))
    }

    /// The answer, or why there is none.
    pub(crate) fn send_over(self, agent: &Agent) -> Result<Answer, ureq::Error> {
        let request = self.head();
        let has_body = !self.body.is_empty() || matches!(self.method, "POST" | "PATCH" | "PUT");
        Answer::of(if has_body { agent.run(request.body(&self.body[..])?)? } else { agent.run(request.body(())?)? })
    }

    /// Method, URL and headers.
    fn head(&self) -> Builder {
        let request = Request::builder().method(self.method).uri(&self.url);
        self.headers.iter().fold(request, |request, (name, value)| request.header(name, value))
    }
}

impl Answer {
    fn of(mut response: Response<ureq::Body>) -> Result<Self, ureq::Error> {
        let body = response.body_mut().with_config().limit(64 << 20).read_to_vec()?;
        let answer = Self { status: response.status().as_u16(), headers: response.headers().clone(), body };
        let is_telling = answer.body.len() <= MAX_SEARCHED_BYTES && {
            let text = format!("{:?}{}", answer.headers, String::from_utf8_lossy(&answer.body));
            text.contains(peer::TOKENS_BEGIN)
        };
        assert!(!is_telling, "an answer shows an upstream's token");
        Ok(answer)
    }

    pub(crate) fn text(&self) -> &str {
        std::str::from_utf8(&self.body).expect("the body is UTF-8")
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {}", self.text()))
    }

    /// A header's value, empty if it is absent.
    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().expect("headers are ASCII here"))
    }

    /// This answer, if it has the status; panics otherwise.
    #[track_caller]
    pub(crate) fn expect(self, status: u16) -> Self {
        assert_eq!(self.status, status, "{}", String::from_utf8_lossy(&self.body));
        self
    }

    /// The last part of the problem's type; checks that the problem is complete.
    #[track_caller]
    pub(crate) fn problem(&self, status: u16) -> String {
        assert_eq!(self.status, status, "{}", String::from_utf8_lossy(&self.body));
        assert_eq!(self.header("Content-Type"), "application/problem+json");
        let problem = self.json();
        assert_eq!(problem["status"], status);
        for field in ["title", "detail"] {
            assert!(problem[field].as_str().is_some_and(|text| !text.is_empty()), "{problem}");
        }
        let (_, slug) = problem["type"].as_str().and_then(|text| text.split_once('#')).expect("a type with a fragment");
        slug.to_owned()
    }
}
