//! Calls to the objects of streams.

use std::cell::RefCell;
use std::rc::Rc;

use worker::js_sys::Uint8Array;
use worker::wasm_bindgen::JsValue;
use worker::{Env, Headers, Method, Request, RequestInit, console_error, web_sys};

use protocol::command::{Command, WriteAnswer};
use protocol::live_join::LiveJoin;
use protocol::refusal::Refusal;
use protocol::writes::{decode_answers, encode_writes};

use super::bell::Bell;
use super::fan_out::Call;
use super::gather::{Batch, Gathering, Role};
use super::in_flight::InFlight;
use super::known;
use super::problem::Problem;
use super::{Exchange, StreamId, other_version};

const BINDING: &str = "STREAMS";
/// Objects only see the method and the body.
const URL: &str = "http://stream/";
/// After this time, the writer learns that the outcome is unknown.
const DEADLINE_MS: u32 = 15_000;

thread_local! {
    static GATHERING: RefCell<Gathering<Write>> = RefCell::new(Gathering::default());
}

/// A write in progress, and where its answer goes.
struct Write {
    held: Rc<InFlight>,
    waiter: Rc<Waiter>,
}

/// Where a request waits for its answer.
struct Waiter {
    answer: RefCell<Option<Result<WriteAnswer, Problem>>>,
    bell: Bell,
}

/// The object's answer, or why there is none.
type Answer = Result<Vec<u8>, Problem>;

impl Exchange {
    /// Sends a command to the home shard and returns the body of its answer.
    pub(super) async fn command(&self, id: &StreamId, command: &Command) -> Answer {
        let Call { method, body, .. } = Call::of(command, false)?;
        self.call(id, 0, method, &body).await
    }

    /// Calls a shard with a command.
    pub(super) async fn call(&self, id: &StreamId, shard: u16, method: Method, body: &[u8]) -> Answer {
        call(&self.env, &id.object(shard), method, &Uint8Array::from(body)).await
    }

    /// Hands an upgrade to home and returns its answer, the socket.
    pub(super) async fn upgrade(&self, id: &StreamId, join: &LiveJoin) -> Result<web_sys::Response, Problem> {
        let url = format!("{URL}?{}", join.to_text());
        let called = async {
            let headers = Headers::new();
            headers.set("Upgrade", "websocket")?;
            let request = Request::new_with_init(&url, RequestInit::new().with_headers(headers))?;
            let home = self.env.durable_object(BINDING)?.get_by_name(&id.object(0))?;
            let mut response = home.fetch_with_request(request).await?;
            let refusal = if response.status_code() == 101 { None } else { Some(response.bytes().await?) };
            Ok::<_, worker::Error>((refusal, response))
        };
        match called.await {
            Ok((None, response)) => Ok(response.into()),
            Ok((Some(body), _)) => Err(refused(&body)),
            Err(error) => Err(unreachable(&error)),
        }
    }

    /// Sends a write to an object, possibly together with others.
    pub(super) async fn send_write(&self, name: String, held: &Rc<InFlight>) -> Result<WriteAnswer, Problem> {
        let waiter = Rc::new(Waiter { answer: RefCell::new(None), bell: Bell::new(DEADLINE_MS) });
        let bytes = held.request.borrow().len();
        let write = Write { held: Rc::clone(held), waiter: Rc::clone(&waiter) };
        match GATHERING.with_borrow_mut(|gathering| gathering.join(&name, write, bytes, self.now_ms)) {
            Role::Follow => (),
            Role::Leave(batch) => self.context.wait_until(send(self.env.clone(), name, batch)),
            Role::Lead(batch, timeout_ms) => {
                let env = self.env.clone();
                self.context.wait_until(async move {
                    batch.departure(timeout_ms).await;
                    send(env, name, batch).await;
                });
            }
        }
        waiter.bell.wait().await;
        waiter.answer.take().unwrap_or(Err(Problem::Unavailable))
    }
}

/// Makes the call of a batch, and hands each write its answer.
async fn send(env: Env, name: String, batch: Rc<Batch<Write>>) {
    let writes = GATHERING.with_borrow_mut(|gathering| gathering.leave(&name, &batch));
    let requests: Vec<_> = writes.iter().map(|write| write.held.request.borrow()).collect();
    // JavaScript gets the encoded bytes, so wasm's copy is freed before the call waits.
    let body = Uint8Array::from(encode_writes(requests.iter().map(|request| request.as_slice())).as_slice());
    drop(requests);
    let called = call(&env, &name, Method::Post, &body).await;
    GATHERING.with_borrow_mut(|gathering| gathering.done(&name, &batch));
    let answers = called.and_then(|body| decode_answers(&body).map_err(|error| other_version(&error)));
    let mut answers = answers.map(Vec::into_iter);
    for Write { held, waiter } in writes {
        let said = match &mut answers {
            Ok(answers) => answers.next().unwrap_or(Err(Refusal::OtherVersion)).map_err(Problem::from),
            Err(problem) => Err(problem.clone()),
        };
        let answer = said.and_then(|said| WriteAnswer::parse(&said).map_err(|error| other_version(&error)));
        match &answer {
            Ok(WriteAnswer::Stored { numbers, .. }) => known::learn(&name, &held.new_labels.borrow(), numbers),
            Ok(WriteAnswer::UnknownSeries) => known::forget(&name),
            _ => (),
        }
        if is_last(&answer, &name) {
            held.let_go();
        }
        waiter.answer.replace(Some(answer));
        waiter.bell.ring();
    }
}

/// Whether this answer of the object with this name is final, so the write is not sent again.
fn is_last(answer: &Result<WriteAnswer, Problem>, name: &str) -> bool {
    match answer {
        Ok(WriteAnswer::UnknownSeries) | Err(Problem::Moved) => false,
        // A shard that a raise has not reached yet is created, and a shard that does not know a key asks home. Home
        // does neither.
        Err(Problem::NotFound(_) | Problem::WRONG_WRITE_KEY) => name.ends_with("/0"),
        Ok(_) | Err(_) => true,
    }
}

async fn call(env: &Env, name: &str, method: Method, body: &Uint8Array) -> Answer {
    let mut init = RequestInit::new();
    init.with_method(method).with_body(Some(JsValue::from(body)));
    let called = async {
        let request = Request::new_with_init(URL, &init)?;
        let stub = env.durable_object(BINDING)?.get_by_name(name)?;
        let mut response = stub.fetch_with_request(request).await?;
        Ok::<_, worker::Error>((response.status_code(), response.bytes().await?))
    };
    match called.await {
        Ok((200, body)) => Ok(body),
        Ok((_, body)) => Err(refused(&body)),
        Err(error) => Err(unreachable(&error)),
    }
}

fn refused(body: &[u8]) -> Problem {
    serde_json::from_slice::<Refusal>(body).map_or_else(|error| other_version(&error), Problem::from)
}

/// The platform could not reach the object, or the object was reset in the meantime.
fn unreachable(error: &worker::Error) -> Problem {
    console_error!("edge: {error}");
    Problem::Unavailable
}
