//! What makes an object one shard of many: the fence against writers that know fewer shards, the record that is
//! fetched from home, and the end of a stream shard by shard.
//!
//! Home ends last and is closed first. A shard is created only if home's command for that arrives before the shard
//! is told to end. So no shard is left, or created again, when a stream has ended.

use std::num::ParseIntError;

use worker::js_sys::Uint8Array;
use worker::wasm_bindgen::JsValue;
use worker::{Env, Method, Request, RequestInit};

use crate::clock::now_ms;
use crate::random;
use model::shards::Fence;
use protocol::command::SEND_RECORD;
use protocol::refusal::Refusal;
use store::meta;
use store::sql::{Sql, StoreError};

use super::live::STREAM_GONE;
use super::slot::Slot;
use super::storage::ObjectSql;
use super::stream::{Answer, Shared, Stream, internal, other_version, set_record, to_json};
use engine::Untold;
use engine::{Engine, Record};

const BINDING: &str = "STREAMS";
/// The key in `meta` of the largest number of shards that this one was told.
const TOLD: &str = "told_shards";

impl Stream {
    /// Fetches home's record, and adopts it if it is newer than the one here.
    pub(super) async fn adopt(&self) -> Answer {
        let (stream, shard) = self.shared.place()?;
        let life = self.shared.life.get();
        let record = record_of_home(&self.env, &stream).await?;
        if self.shared.life.get() != life {
            // The stream ended while home's answer was on its way.
            return Err(Refusal::NoSuchStream);
        }
        let taken = self.shared.take(record, shard)?;
        // As with a patch: the retention may be shorter now.
        self.shared.set_alarm(1).await;
        Ok(taken)
    }

    /// Closes the stream; it ends with the next announcement.
    pub(super) async fn delete(&self) -> Answer {
        let sql = self.shared.sql();
        // Without opening the engine, so that a stream that can't be opened can still be deleted.
        let record = Engine::peek_record(&sql).map_err(|error| internal(&error))?.ok_or(Refusal::NoSuchStream)?;
        if record.is_closed && record.untold.directory {
            // It is already ending.
            return Err(Refusal::NoSuchStream);
        }
        let shards = record.config.layout.shards();
        self.shared.close_all(STREAM_GONE);
        let closed = Record { is_closed: true, untold: Untold::EVERYONE, ..record };
        Engine::put_record(&sql, &closed).map_err(|error| internal(&error))?;
        self.shared.set_slot(Slot::NoStream);
        self.shared.announce_soon().await;
        Ok(to_json(&shards))
    }
}

impl Shared {
    /// Deletes everything that this shard has.
    pub(super) async fn forget(&self) -> Answer {
        self.life.update(|life| life + 1);
        self.close_all(STREAM_GONE);
        self.top_writers.take();
        if Engine::peek_record(&self.sql()) == Ok(None) {
            return Ok(Vec::new());
        }
        self.set_slot(Slot::NoStream);
        let deleted = self.state.storage().delete_all().await;
        self.fence.set(None);
        deleted.map_err(|error| {
            self.set_slot(Slot::NotOpened);
            internal(&error)
        })?;
        Ok(Vec::new())
    }

    /// This object's name: the stream, and the index of the shard.
    pub(super) fn name(&self) -> String {
        self.state.id().name().unwrap_or_default()
    }

    /// The stream, and the index of this shard.
    pub(super) fn place(&self) -> Result<(String, u16), Refusal> {
        let name = self.name();
        let (stream, shard) = name.split_once('/').ok_or_else(|| internal(&"an object without a name"))?;
        let shard = shard.parse().map_err(|error: ParseIntError| internal(&error))?;
        Ok((stream.to_owned(), shard))
    }

    /// Home's record, for another shard.
    pub(super) fn send_record(&self) -> Answer {
        self.try_with_engine(|engine| self.renew_salt(engine, now_ms()))?;
        self.record().map(|record| to_json(&record))
    }

    fn take(&self, record: Record, shard: u16) -> Answer {
        match self.record() {
            Ok(own) if own.version >= record.version => {}
            Ok(_) => self.try_with_engine(|engine| set_record(engine, record))?,
            Err(Refusal::NoSuchStream) if record.config.layout.may_be_new(shard) => {
                let engine = Engine::create(self.sql(), self.limits, random::for_engines(), &record);
                let engine = engine.map_err(|error| internal(&error))?;
                self.set_slot(Slot::Open(Box::new(engine)));
            }
            Err(refusal) => return Err(refusal),
        }
        Ok(Vec::new())
    }

    /// The number of shards that this shard was told, including this one: durable before the answer to this event
    /// is sent.
    pub(super) fn hear(&self, engine: &Engine<ObjectSql>, shards: u16) -> Result<Fence, StoreError> {
        let mut fence = match self.fence.get() {
            Some(fence) => fence,
            None => told(&self.sql())?,
        };
        // The record contains it too, and is durable.
        fence = fence.raised(engine.record().config.layout.shards()).unwrap_or(fence);
        if let Some(raised) = fence.raised(shards) {
            meta::put(&self.sql(), TOLD, &raised.shards().to_string())?;
            fence = raised;
        }
        self.fence.set(Some(fence));
        Ok(fence)
    }
}

fn told(sql: &impl Sql) -> Result<Fence, StoreError> {
    let Some(told) = meta::get(sql, TOLD)? else { return Ok(Fence::default()) };
    told.parse().map(Fence::at).map_err(|_| StoreError::Column("number of shards"))
}

/// Home's record.
async fn record_of_home(env: &Env, stream: &str) -> Result<Record, Refusal> {
    let answer = call(env, &format!("{stream}/0"), SEND_RECORD).await?;
    let record: Record = serde_json::from_slice(&answer).map_err(|error| other_version(&error))?;
    // Only home needs to know who was told.
    Ok(Record { untold: Untold::default(), ..record })
}

/// Sends a command to another shard; returns its answer.
pub(super) async fn call(env: &Env, name: &str, command: &[u8]) -> Answer {
    let mut init = RequestInit::new();
    init.with_method(Method::Put).with_body(Some(JsValue::from(Uint8Array::from(command))));
    let called = async {
        let request = Request::new_with_init("http://stream/", &init)?;
        let shard = env.durable_object(BINDING)?.get_by_name(name)?;
        let mut response = shard.fetch_with_request(request).await?;
        Ok::<_, worker::Error>((response.status_code(), response.bytes().await?))
    };
    match called.await.map_err(|error| internal(&error))? {
        (200, body) => Ok(body),
        (_, body) => Err(serde_json::from_slice(&body).unwrap_or_else(|error| other_version(&error))),
    }
}
