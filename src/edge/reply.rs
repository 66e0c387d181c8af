//! An answer, before it becomes the platform's response.

use std::borrow::Cow;
use std::cell::RefCell;

use worker::js_sys::Uint8Array;
use worker::web_sys::{Headers, ReadableStream, Response, ResponseInit};
use worker::{Context, Result};

use model::pieces::Pieces;

use super::cors::Cors;
use super::read_memory::ReadMemory;
use super::sending::send;

/// The most heads that are kept: in a flood, stored writes and two or three kinds of refusals alternate.
const KEPT_HEADS: usize = 4;

thread_local! {
    /// The last heads and the objects made from them, latest first. Most answers have the same few, and making one
    /// costs more than everything else.
    static LAST: RefCell<Vec<(Head, ResponseInit)>> = const { RefCell::new(Vec::new()) };
}

/// Status and headers, in the form that JavaScript expects.
#[derive(PartialEq)]
struct Head {
    status: u16,
    headers: Vec<(&'static str, Cow<'static, str>)>,
}

impl Head {
    fn into_init(self) -> Result<ResponseInit> {
        LAST.with_borrow_mut(|last| {
            if let Some(index) = last.iter().position(|(head, _)| *head == self) {
                last[..=index].rotate_right(1);
                return Ok(last[0].1.clone());
            }
            let headers = Headers::new()?;
            for (name, value) in &self.headers {
                headers.append(name, value)?;
            }
            let init = ResponseInit::new();
            init.set_status(self.status);
            init.set_headers(&headers);
            last.truncate(KEPT_HEADS - 1);
            last.insert(0, (self, init.clone()));
            Ok(init)
        })
    }
}

/// Status, body and headers.
#[derive(Debug)]
pub(super) struct Reply {
    status: u16,
    content_type: &'static str,
    body: Body,
    headers: Vec<(&'static str, Cow<'static, str>)>,
}

#[derive(Debug)]
enum Body {
    Bytes(Vec<u8>),
    /// A body that arrives in pieces.
    Stream(ReadableStream),
    /// An upgrade, as the object answered it.
    Upgrade(Response),
}

impl Reply {
    pub(super) fn new(status: u16, content_type: &'static str, body: Vec<u8>) -> Self {
        Self { status, content_type, body: Body::Bytes(body), headers: Vec::new() }
    }

    pub(super) fn stream(content_type: &'static str, body: ReadableStream) -> Self {
        Self { status: 200, content_type, body: Body::Stream(body), headers: Vec::new() }
    }

    /// A body made in pieces: at once if it is small, otherwise as its reader takes them.
    pub(super) fn pieces(content_type: &'static str, mut pieces: Pieces, kept: ReadMemory, context: &Context) -> Self {
        let (first, is_whole) = pieces.piece();
        if is_whole {
            return Self::new(200, content_type, first);
        }
        Self::stream(content_type, send(first, pieces, kept, context))
    }

    pub(super) fn upgrade(response: Response) -> Self {
        Self { status: 101, content_type: "", body: Body::Upgrade(response), headers: Vec::new() }
    }

    pub(super) fn json(status: u16, body: impl Into<Vec<u8>>) -> Self {
        Self::new(status, "application/json", body.into())
    }

    pub(super) fn empty(status: u16) -> Self {
        Self::new(status, "", Vec::new())
    }

    pub(super) fn with(mut self, name: &'static str, value: impl Into<Cow<'static, str>>) -> Self {
        self.headers.push((name, value.into()));
        self
    }

    pub(super) fn into_response(mut self, cors: Cors) -> Result<Response> {
        let has_body = !self.content_type.is_empty();
        if has_body {
            self.headers.push(("Content-Type", self.content_type.into()));
            self.headers.push(("X-Content-Type-Options", "nosniff".into()));
        }
        self.headers.extend(cors.headers());
        let head = Head { status: self.status, headers: self.headers }.into_init()?;
        Ok(match self.body {
            Body::Bytes(bytes) => {
                let body = has_body.then(|| Uint8Array::from(bytes.as_slice()));
                Response::new_with_opt_js_u8_array_and_init(body.as_ref(), &head)?
            }
            Body::Stream(stream) => Response::new_with_opt_readable_stream_and_init(Some(&stream), &head)?,
            Body::Upgrade(response) => response,
        })
    }
}
