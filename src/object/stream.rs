//! The object's events: writes, commands and the alarm.
//!
//! Group commit: a write waits in the queue; one task at a time takes all that waits, appends it to the log as one
//! row, waits until the platform confirms that the row is durable, and answers them together. Idle streams
//! commit at once, busy ones in groups. Reads and retries need no waiting of their own: the platform's output
//! gate holds every answer until the writes before it are durable.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::Duration;

use futures_channel::oneshot::Receiver;
use subtle::ConstantTimeEq;
use worker::wasm_bindgen;
use worker::{DurableObject, Env, Method, Request, Response, Result, State, console_error, durable_object};

use crate::clock::now_ms;
use crate::domain::codec::Malformed;
use crate::random::hash_key;
use crate::store::sql::StoreError;
use crate::wire::command::{Command, Credential, Read, Refusal, parse_write_request};
use crate::wire::frame::{BatchKey, Frame};
use crate::wire::outcome::Outcome;
use crate::wire::partial;
use crate::wire::writes::{WriteAnswer, decode_writes, encode_answers};

use super::answers::KEY_WINDOW_MS;
use super::engine::{Engine, Limits, MAX_ROW_BYTES, QueryError, Record};
use super::queue::{Committed, Gathered, MAX_WAITING_BYTES, Queue};
use super::storage::ObjectSql;

/// How soon the alarm comes again after it failed.
const RETRY_MS: i64 = 60_000;
/// An alarm that is so late will not come.
const OVERDUE_MS: i64 = 120_000;

/// One stream. See the module's documentation.
#[durable_object(alarm)]
pub struct Stream {
    shared: Rc<Shared>,
}

/// What the events and the committing task share. No borrow is held across an await.
struct Shared {
    state: State,
    engine: RefCell<Slot>,
    queue: RefCell<Queue>,
    is_committing: Cell<bool>,
    is_alarm_set: Cell<bool>,
}

/// The engine, which is opened by the first event.
enum Slot {
    NotOpened,
    NoStream,
    Open(Box<Engine<ObjectSql>>),
}

/// A write that may be done.
struct Accepted {
    /// What it waits for, if anything.
    committed: Option<Receiver<Committed>>,
    /// What was answered if it was written before.
    earlier: Option<Outcome>,
}

impl Accepted {
    async fn answer(self) -> WriteAnswer {
        if let Some(committed) = self.committed {
            // A sender that is dropped means that the committing task died; nobody knows what became of the batch.
            committed.await.unwrap_or(Err(Refusal::Internal))?;
        }
        Ok(self.earlier.map_or_else(Vec::new, |earlier| earlier.to_json().into_bytes()))
    }
}

/// An answer's body, or why there is none.
type Answer = std::result::Result<Vec<u8>, Refusal>;

impl DurableObject for Stream {
    fn new(state: State, env: Env) -> Self {
        let kib = env.var("HEARTBEAT_PENDING_KIB").ok().and_then(|var| var.to_string().parse::<usize>().ok());
        let max_bytes = kib.map_or(MAX_WAITING_BYTES, |kib| kib << 10);
        let shared = Shared {
            state,
            engine: RefCell::new(Slot::NotOpened),
            queue: RefCell::new(Queue::new(max_bytes)),
            is_committing: Cell::new(false),
            is_alarm_set: Cell::new(false),
        };
        Self { shared: Rc::new(shared) }
    }

    async fn fetch(&self, mut request: Request) -> Result<Response> {
        let body = request.bytes().await?;
        if request.method() == Method::Post {
            let answers = self.write(&body).map_err(|error| internal(&error));
            drop(body);
            return match answers {
                Ok(answers) => Response::from_bytes(encode_answers(&answers.await)),
                Err(refusal) => refuse(&refusal),
            };
        }
        let answer = match serde_json::from_slice(&body) {
            Ok(Command::Delete) => self.delete().await,
            Ok(command) => self.shared.obey(command),
            Err(error) => Err(internal(&error)),
        };
        match answer {
            Ok(body) => Response::from_bytes(body),
            Err(refusal) => refuse(&refusal),
        }
    }

    async fn alarm(&self) -> Result<Response> {
        self.shared.is_alarm_set.set(false);
        let now = now_ms();
        let next_ms = self.shared.with_engine(|engine| engine.tidy(now)).unwrap_or_else(|refusal| match refusal {
            Refusal::NoSuchStream => None,
            _ => Some(now + RETRY_MS),
        });
        if let Some(next_ms) = next_ms {
            self.shared.set_alarm(next_ms - now).await;
        }
        Response::empty()
    }
}

impl Stream {
    /// Lets all writes of a call wait for the next commit; what they are answered then.
    fn write(&self, body: &[u8]) -> std::result::Result<impl Future<Output = Vec<WriteAnswer>> + use<>, Malformed> {
        let now = now_ms();
        let writes: Vec<_> = decode_writes(body)?.into_iter().map(|write| self.accept(write, now)).collect();
        if writes.iter().any(|write| matches!(write, Ok(Accepted { committed: Some(_), .. }))) {
            self.commit();
        }
        Ok(async move {
            let mut answers = Vec::with_capacity(writes.len());
            for write in writes {
                answers.push(match write {
                    Ok(accepted) => accepted.answer().await,
                    Err(refusal) => Err(refusal),
                });
            }
            answers
        })
    }

    /// Lets a batch wait for the next commit, if it may be written and was not before. A batch without points only asks
    /// for that.
    fn accept(&self, write: &[u8], now_ms: i64) -> std::result::Result<Accepted, Refusal> {
        let (origin, bytes) = parse_write_request(write).map_err(|error| internal(&error))?;
        let Frame { key, outcome, .. } = whole_frame(bytes).map_err(|error| internal(&error))?;
        let earlier = self.shared.try_with_engine(|engine| earlier(engine, origin, key.as_ref(), now_ms))?;
        if earlier.is_some() {
            return Ok(Accepted { committed: None, earlier });
        }
        let mut queue = self.shared.queue.borrow_mut();
        if let Some((committed, outcome)) = key.and_then(|key| queue.join(&key)) {
            return Ok(Accepted { committed: Some(committed), earlier: Some(outcome) });
        }
        if outcome.accepted == 0 {
            return Ok(Accepted { committed: None, earlier: None });
        }
        let committed = queue.push(bytes.to_vec(), key, outcome).ok_or(Refusal::Overloaded)?;
        Ok(Accepted { committed: Some(committed), earlier: None })
    }

    /// Starts the committing task unless it runs. Not part of any request, so that no client that goes away can
    /// stop it.
    fn commit(&self) {
        if !self.shared.is_committing.replace(true) {
            let shared = Rc::clone(&self.shared);
            self.shared.state.wait_until(async move { shared.commit_all().await });
        }
    }

    /// Deletes without opening the engine, so that also a stream that can't be opened can be deleted.
    async fn delete(&self) -> Answer {
        self.shared.record()?;
        *self.shared.engine.borrow_mut() = Slot::NoStream;
        let deleted = self.shared.state.storage().delete_all().await;
        deleted.map_err(|error| {
            *self.shared.engine.borrow_mut() = Slot::NotOpened;
            internal(&error)
        })?;
        Ok(Vec::new())
    }
}

impl Shared {
    fn with_engine<T>(
        &self,
        work: impl FnOnce(&mut Engine<ObjectSql>) -> std::result::Result<T, StoreError>,
    ) -> std::result::Result<T, Refusal> {
        self.try_with_engine(|engine| work(engine).map_err(|error| internal(&error)))
    }

    fn try_with_engine<T>(
        &self,
        work: impl FnOnce(&mut Engine<ObjectSql>) -> std::result::Result<T, Refusal>,
    ) -> std::result::Result<T, Refusal> {
        let mut slot = self.engine.borrow_mut();
        if matches!(*slot, Slot::NotOpened) {
            let engine = Engine::open(self.sql(), Limits::DEFAULT, hash_key()).map_err(|error| internal(&error))?;
            *slot = engine.map_or(Slot::NoStream, |engine| Slot::Open(Box::new(engine)));
        }
        match &mut *slot {
            Slot::Open(engine) => work(engine),
            Slot::NotOpened | Slot::NoStream => Err(Refusal::NoSuchStream),
        }
    }

    /// What the owner wants, without opening the engine.
    fn record(&self) -> std::result::Result<Record, Refusal> {
        let record = match &*self.engine.borrow() {
            Slot::Open(engine) => Some(engine.record().clone()),
            Slot::NoStream => None,
            Slot::NotOpened => Engine::peek_record(&self.sql()).map_err(|error| internal(&error))?,
        };
        record.ok_or(Refusal::NoSuchStream)
    }

    fn sql(&self) -> ObjectSql {
        ObjectSql::new(&self.state.storage())
    }

    async fn commit_all(&self) {
        loop {
            // A statement of its own: the borrow must end before the await.
            let gathered = self.queue.borrow_mut().take(MAX_ROW_BYTES);
            let Some(gathered) = gathered else { break };
            self.commit_group(gathered).await;
        }
        self.is_committing.set(false);
    }

    async fn commit_group(&self, Gathered { frames, writers }: Gathered) {
        let now = now_ms();
        let results = self.with_engine(|engine| Ok(engine.commit(&frames, now)));
        if results.is_ok() {
            self.expect_alarm(now).await;
        }
        let synced = self.state.storage().sync().await.map_err(|error| internal(&error));
        for (index, writers) in writers.into_iter().enumerate() {
            let result = results
                .as_ref()
                .map_err(Refusal::clone)
                .and_then(|results| results[index].as_ref().map_err(|error| internal(error)).copied());
            let answer = result.and(synced.clone());
            for writer in writers {
                // A writer that went away does not hear that its batch was kept.
                writer.send(answer.clone()).ok();
            }
        }
    }

    /// Sets the alarm if none is set. One from before this object lost its memory is left as it is, or it would be put
    /// off with each write to a quiet stream; one that is long overdue is taken for lost.
    async fn expect_alarm(&self, now_ms: i64) {
        if self.is_alarm_set.get() {
            return;
        }
        match self.state.storage().get_alarm().await {
            Ok(Some(at_ms)) if at_ms > now_ms - OVERDUE_MS => self.is_alarm_set.set(true),
            _ => self.set_alarm(KEY_WINDOW_MS).await,
        }
    }

    async fn set_alarm(&self, in_ms: i64) {
        let delay = Duration::from_millis(u64::try_from(in_ms.max(1)).unwrap_or(1));
        match self.state.storage().set_alarm(delay).await {
            Ok(()) => self.is_alarm_set.set(true),
            Err(error) => console_error!("alarm not set, the next write tries again: {error}"),
        }
    }

    fn obey(&self, command: Command) -> Answer {
        match command {
            Command::Create { config, read_key_hash } => self.create(&Record { config, read_key_hash }),
            Command::Describe => self.with_engine(|engine| Ok(to_json(&engine.record().config))),
            Command::Patch(patch) => self.with_engine(|engine| {
                let mut record = engine.record().clone();
                patch.apply(&mut record.config);
                engine.set_record(record)?;
                Ok(to_json(&engine.record().config))
            }),
            Command::Rekey { read_key_hash } => self.with_engine(|engine| {
                let record = Record { read_key_hash, ..engine.record().clone() };
                engine.set_record(record).map(|()| Vec::new())
            }),
            Command::Read { credential, what } => {
                authorize(&self.record()?, &credential, &what)?;
                self.try_with_engine(|engine| read(engine, &what))
            }
            Command::Delete => Err(Refusal::Internal),
        }
    }

    fn create(&self, record: &Record) -> Answer {
        let engine =
            Engine::create(self.sql(), Limits::DEFAULT, hash_key(), record).map_err(|error| internal(&error))?;
        *self.engine.borrow_mut() = Slot::Open(Box::new(engine));
        Ok(Vec::new())
    }
}

/// Whether the write may be done, and what was answered if it was done before.
fn earlier(
    engine: &mut Engine<ObjectSql>,
    origin: Option<&str>,
    key: Option<&BatchKey>,
    now_ms: i64,
) -> std::result::Result<Option<Outcome>, Refusal> {
    if !engine.record().config.admits(origin) {
        return Err(Refusal::OriginNotAllowed);
    }
    if engine.is_behind() {
        return Err(Refusal::Overloaded);
    }
    let Some(key) = key else { return Ok(None) };
    let earlier = engine.answered(key, now_ms).map_err(|error| internal(&error))?;
    if earlier.is_none() && !engine.takes_keys() {
        return Err(Refusal::Overloaded);
    }
    Ok(earlier)
}

/// A frame that is sound to its last point, as what is in the log must be.
fn whole_frame(bytes: &[u8]) -> std::result::Result<Frame<'_>, Malformed> {
    let frame = Frame::parse(bytes)?;
    frame.each_point(|_, _| ())?;
    Ok(frame)
}

fn authorize(record: &Record, credential: &Credential, what: &Read) -> std::result::Result<(), Refusal> {
    let is_allowed = match credential {
        Credential::Owner => true,
        Credential::Key(hash) if bool::from(hash.ct_eq(&record.read_key_hash)) => true,
        Credential::Key(_) | Credential::Nobody => record.config.public_read && *what != Read::Status,
    };
    if is_allowed { Ok(()) } else { Err(Refusal::Unauthorized) }
}

fn read(engine: &Engine<ObjectSql>, what: &Read) -> Answer {
    match what {
        Read::Rollup(query) => {
            let query = query.to_query().map_err(|error| internal(&error))?;
            let rows = engine.query(&query).map_err(|error| match error {
                QueryError::TooManyCells(error) => Refusal::QueryTooLarge(error.to_string()),
                QueryError::Store(error) => internal(&error),
            })?;
            Ok(partial::encode(&rows))
        }
        Read::Labels => Ok(engine.labels_json().into_bytes()),
        Read::LabelValues { name, params } => Ok(engine.label_values_json(name, params).into_bytes()),
        Read::Status => Ok(engine.status_json().into_bytes()),
    }
}

fn to_json(value: &impl serde::Serialize) -> Vec<u8> {
    serde_json::to_vec(value).expect("texts, numbers and lists always serialise")
}

/// Tells the log what went wrong, and the other side only that something did.
fn internal(error: &dyn std::fmt::Display) -> Refusal {
    console_error!("stream: {error}");
    Refusal::Internal
}

fn refuse(refusal: &Refusal) -> Result<Response> {
    const CONFLICT: u16 = 409;
    Ok(Response::from_bytes(to_json(refusal))?.with_status(CONFLICT))
}
