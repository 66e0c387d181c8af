//! An answer before it is the platform's.

use worker::{Headers, Response, ResponseBuilder, Result};

use super::cors::Cors;

/// Status, body and headers.
#[derive(Debug)]
pub(super) struct Reply {
    status: u16,
    content_type: &'static str,
    body: Vec<u8>,
    headers: Vec<(&'static str, String)>,
}

impl Reply {
    pub(super) fn new(status: u16, content_type: &'static str, body: Vec<u8>) -> Self {
        Self { status, content_type, body, headers: Vec::new() }
    }

    pub(super) fn json(status: u16, body: impl Into<Vec<u8>>) -> Self {
        Self::new(status, "application/json", body.into())
    }

    pub(super) fn empty(status: u16) -> Self {
        Self::new(status, "", Vec::new())
    }

    pub(super) fn with_body(mut self, body: Vec<u8>) -> Self {
        self.body = body;
        self
    }

    pub(super) fn with(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }

    pub(super) fn into_response(self, cors: &Cors) -> Result<Response> {
        let headers = Headers::new();
        if !self.content_type.is_empty() {
            headers.set("Content-Type", self.content_type)?;
            headers.set("X-Content-Type-Options", "nosniff")?;
        }
        for (name, value) in &self.headers {
            headers.set(name, value)?;
        }
        cors.set(&headers)?;
        let builder = ResponseBuilder::new().with_status(self.status).with_headers(headers);
        Ok(if self.content_type.is_empty() { builder.empty() } else { builder.fixed(self.body) })
    }
}
