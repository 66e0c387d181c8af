//! Calls to the objects of streams.

use std::cell::RefCell;
use std::rc::Rc;

use worker::js_sys::Uint8Array;
use worker::wasm_bindgen::JsValue;
use worker::{Env, Method, Request, RequestInit, console_error};

use crate::wire::command::{Command, Refusal};
use crate::wire::writes::{decode_answers, encode_writes};

use super::bell::Bell;
use super::gather::{Batch, Gathering, Role};
use super::problem::Problem;
use super::{Exchange, StreamId, internal};

const BINDING: &str = "STREAMS";
/// Objects see the method and the body only.
const URL: &str = "http://stream/";
/// After this a writer is told that nobody knows.
const DEADLINE_MS: u32 = 15_000;

thread_local! {
    static GATHERING: RefCell<Gathering<Write>> = RefCell::new(Gathering::default());
}

/// A write on its way, and where its answer goes.
struct Write {
    request: Vec<u8>,
    seat: Rc<Seat>,
}

/// Where a request waits for its answer.
struct Seat {
    answer: RefCell<Option<Answer>>,
    bell: Bell,
}

/// What the object says, or why it says nothing.
type Answer = Result<Vec<u8>, Problem>;

impl Exchange {
    /// Sends a command; the answer's body.
    pub(super) async fn command(&self, id: &StreamId, command: &Command) -> Answer {
        let body = serde_json::to_vec(command).map_err(|error| internal(&error))?;
        call(&self.env, &object_name(id), Method::Put, &body).await
    }

    /// Sends a batch; empty when it is durable now, else what was answered when it was.
    pub(super) async fn send_batch(&self, id: &StreamId, request: Vec<u8>) -> Answer {
        let (name, seat) =
            (object_name(id), Rc::new(Seat { answer: RefCell::new(None), bell: Bell::new(DEADLINE_MS) }));
        let (bytes, write) = (request.len(), Write { request, seat: Rc::clone(&seat) });
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
        seat.bell.wait().await;
        seat.answer.take().unwrap_or(Err(Problem::Unavailable))
    }
}

/// Makes the call of a batch and hands each write its answer.
async fn send(env: Env, name: String, batch: Rc<Batch<Write>>) {
    let writes = GATHERING.with_borrow_mut(|gathering| gathering.leave(&name, &batch));
    let body = encode_writes(writes.iter().map(|write| write.request.as_slice()));
    let called = call(&env, &name, Method::Post, &body).await;
    GATHERING.with_borrow_mut(|gathering| gathering.done(&name, &batch));
    let answers = called.and_then(|body| decode_answers(&body).map_err(|error| internal(&error)));
    let mut answers = answers.map(Vec::into_iter);
    for Write { seat, .. } in writes {
        let answer = match &mut answers {
            Ok(answers) => answers.next().unwrap_or(Err(Refusal::Internal)).map_err(Problem::from),
            Err(problem) => Err(problem.clone()),
        };
        seat.answer.replace(Some(answer));
        seat.bell.ring();
    }
}

/// The name ends in the number of the shard.
fn object_name(id: &StreamId) -> String {
    format!("{}/0", id.as_str())
}

async fn call(env: &Env, name: &str, method: Method, body: &[u8]) -> Answer {
    let mut init = RequestInit::new();
    init.with_method(method).with_body(Some(JsValue::from(Uint8Array::from(body))));
    let called = async {
        let request = Request::new_with_init(URL, &init)?;
        let stub = env.durable_object(BINDING)?.get_by_name(name)?;
        let mut response = stub.fetch_with_request(request).await?;
        Ok::<_, worker::Error>((response.status_code(), response.bytes().await?))
    };
    match called.await {
        Ok((200, body)) => Ok(body),
        Ok((_, body)) => {
            Err(serde_json::from_slice::<Refusal>(&body).map_or_else(|error| internal(&error), Problem::from))
        }
        Err(error) => {
            // The platform could not reach the object, or the object was reset meanwhile.
            console_error!("edge: {error}");
            Err(Problem::Unavailable)
        }
    }
}
