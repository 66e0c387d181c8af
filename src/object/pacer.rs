//! The Durable Object `Pacer`: one per upstream token; all streams that write with the token ask it before each
//! write.
//!
//! Its grants are durable before anybody learns of them: the platform's output gate holds the answer until the row
//! is durable.

use std::cell::RefCell;
use std::time::Duration;

use worker::js_sys::Uint8Array;
use worker::wasm_bindgen::{self, JsValue};
use worker::{
    DurableObject, Env, Error, Method, Request, RequestInit, Response, Result, State, console_error, durable_object,
};

use crate::clock::now_ms;
use model::pace::{Pace, Permit};
use protocol::pacing::{PaceAnswer, PaceRequest};
use store::pace;
use store::sql::StoreError;

use super::storage::ObjectSql;

const BINDING: &str = "PACERS";
/// How often to check whether there is anything left to remember.
const TIDY_AFTER: Duration = Duration::from_hours(1);

/// Asks the pacer with this name.
///
/// # Errors
/// If it can't be reached or can't answer: nothing was granted that anybody knows of.
pub(super) async fn pace(env: &Env, name: &str, request: &PaceRequest) -> Result<PaceAnswer> {
    let mut init = RequestInit::new();
    let body = Uint8Array::from(request.to_bytes().as_slice());
    init.with_method(Method::Post).with_body(Some(JsValue::from(body)));
    let request = Request::new_with_init("http://pacer/", &init)?;
    let mut response = env.durable_object(BINDING)?.get_by_name(name)?.fetch_with_request(request).await?;
    match response.status_code() {
        200 => PaceAnswer::parse(&response.bytes().await?).map_err(|error| Error::RustError(error.to_string())),
        status => Err(Error::RustError(format!("the pacer answered {status}"))),
    }
}

/// See the module's documentation.
#[durable_object(alarm)]
pub struct Pacer {
    state: State,
    /// `None` until the first request.
    pace: RefCell<Option<Pace>>,
}

impl DurableObject for Pacer {
    fn new(state: State, _env: Env) -> Self {
        Self { state, pace: RefCell::new(None) }
    }

    async fn fetch(&self, mut request: Request) -> Result<Response> {
        let body = request.bytes().await?;
        let was_open = self.pace.borrow().is_some();
        match self.answer(&body, now_ms()) {
            Ok(answer) => {
                if !was_open {
                    self.expect_alarm().await;
                }
                Response::from_bytes(answer.to_bytes())
            }
            Err(error) => {
                // What is in memory may be ahead of what is kept.
                *self.pace.borrow_mut() = None;
                console_error!("pacer: {error}");
                Response::error("the pacer can't answer", 500)
            }
        }
    }

    async fn alarm(&self) -> Result<Response> {
        let now = now_ms();
        let is_idle = self.with_pace(|pace| pace.is_idle(now)).unwrap_or(false);
        if is_idle {
            *self.pace.borrow_mut() = None;
            self.state.storage().delete_all().await?;
        } else {
            self.state.storage().set_alarm(TIDY_AFTER).await?;
        }
        Response::empty()
    }
}

impl Pacer {
    fn answer(&self, request: &[u8], now_ms: i64) -> std::result::Result<PaceAnswer, StoreError> {
        let PaceRequest { lift, done, ask } = PaceRequest::parse(request)?;
        self.with_pace(|pace| {
            if lift {
                pace.lift(now_ms);
            }
            if let Some(done) = done {
                pace.done(done.ticket, done.hold_ms, now_ms);
            }
            match ask.map(|ask| pace.ask(&ask.who, ask.limit, now_ms)) {
                Some(Permit::Granted { ticket }) => PaceAnswer::Granted(ticket),
                Some(Permit::Wait { until_ms }) => PaceAnswer::WaitUntil(until_ms),
                None => PaceAnswer::Noted,
            }
        })
    }

    /// Changes the state, and stores it.
    fn with_pace<T>(&self, work: impl FnOnce(&mut Pace) -> T) -> std::result::Result<T, StoreError> {
        let sql = ObjectSql::new(&self.state.storage());
        let mut slot = self.pace.borrow_mut();
        let pace = match &mut *slot {
            Some(pace) => pace,
            None => slot.insert(pace::open(&sql)?),
        };
        let done = work(pace);
        pace::put(&sql, pace)?;
        Ok(done)
    }

    /// The first request sets the alarm that ends the object when nobody asks any more.
    async fn expect_alarm(&self) {
        let storage = self.state.storage();
        let set = async {
            match storage.get_alarm().await? {
                Some(_) => Ok(()),
                None => storage.set_alarm(TIDY_AFTER).await,
            }
        };
        if let Err(error) = set.await {
            console_error!("pacer: alarm not set: {error}");
        }
    }
}
