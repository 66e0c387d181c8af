//! Calls to the objects of streams.

use worker::js_sys::Uint8Array;
use worker::wasm_bindgen::JsValue;
use worker::{Method, Request, RequestInit, console_error};

use crate::wire::command::{Command, Refusal};

use super::fan_out::Call;
use super::problem::Problem;
use super::{Exchange, StreamId, internal};

const BINDING: &str = "STREAMS";
/// Objects see the method and the body only.
const URL: &str = "http://stream/";

impl Exchange {
    /// Sends a command to home; the answer's body.
    pub(super) async fn command(&self, id: &StreamId, command: &Command) -> Result<Vec<u8>, Problem> {
        let Call { method, body, .. } = Call::of(command, false)?;
        self.call(id, 0, method, &body).await
    }

    /// Calls a shard: with a command, or with a batch; that is answered nothing when it is durable now, else what was
    /// answered when it was.
    pub(super) async fn call(
        &self,
        id: &StreamId,
        shard: u16,
        method: Method,
        body: &[u8],
    ) -> Result<Vec<u8>, Problem> {
        let mut init = RequestInit::new();
        init.with_method(method).with_body(Some(JsValue::from(Uint8Array::from(body))));
        let called = async {
            let request = Request::new_with_init(URL, &init)?;
            let stub = self.env.durable_object(BINDING)?.get_by_name(&id.object(shard))?;
            let mut response = stub.fetch_with_request(request).await?;
            let status = response.status_code();
            let body = if status == 204 { Vec::new() } else { response.bytes().await? };
            Ok::<_, worker::Error>((status, body))
        };
        match called.await {
            Ok((200 | 204, body)) => Ok(body),
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
}
