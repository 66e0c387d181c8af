//! The object's events: writes, commands and the alarm.
//!
//! Group commit: a write waits in the queue. One task at a time takes everything that waits, appends it to the log
//! as one row, waits until the platform confirms that the row is durable, and answers all writes together. Idle
//! streams commit immediately, busy ones in groups. Reads and retries need no waiting of their own: the platform's
//! output gate holds every answer until the writes before it are durable.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use futures_channel::oneshot::Sender;
use worker::wasm_bindgen;
use worker::{DurableObject, Env, Method, Request, Response, Result, State, console_error, durable_object};

use crate::clock::now_ms;
use config::stream::ConfigError;
use config::stream_patch::StreamPatch;
use config::who::KeyHash;
use model::batch_key::BatchKey;
use model::shards::Fence;
use protocol::command::Command;
use protocol::refusal::Refusal;
use protocol::writes::encode_answers;
use store::sql::StoreError;

use super::alarm::Running;
use super::announce::Announcing;
use super::live::Live;
use super::queue::{Committed, Gathered, MAX_WAITING_BYTES, Queue};
use super::residents::{Residence, register};
use super::slot::Slot;
use super::storage::ObjectSql;
use super::top_writers::{KeyChange, TopWriters};
use engine::Untold;
use engine::admission::Charge;
use engine::{Ack, Engine, Limits, MAX_ROW_BYTES, Record, RecordError};

/// One stream. See the module's documentation.
#[durable_object(alarm)]
pub struct Stream {
    pub(super) shared: Rc<Shared>,
    pub(super) env: Env,
}

/// The state that events and the committing task share. No borrow is held across an await.
pub(super) struct Shared {
    pub(super) state: State,
    pub(super) limits: Limits,
    pub(super) engine: RefCell<Slot>,
    /// `None` until the first event needs it.
    pub(super) fence: Cell<Option<Fence>>,
    /// How often this shard was told to end in this life of the object.
    pub(super) life: Cell<u32>,
    pub(super) queue: RefCell<Queue>,
    pub(super) live: RefCell<Live>,
    pub(super) announcing: RefCell<Announcing>,
    pub(super) top_writers: RefCell<TopWriters>,
    /// For calls to other shards, and for the directory.
    pub(super) env: Env,
    pub(super) residence: Residence,
    pub(super) is_committing: Cell<bool>,
    /// Until when a task works in slices: see [`super::turns`].
    pub(super) lease_ms: Cell<i64>,
    /// When a request last waited for the end of a half consumed row.
    pub(super) waited_ms: Cell<i64>,
    /// Until when a long query reads chunks, and until when they are changed: see [`super::querying`].
    pub(super) querying_ms: Cell<i64>,
    pub(super) changing_ms: Cell<i64>,
    /// When the alarm fires, as far as is known.
    pub(super) alarm_ms: Cell<Option<i64>>,
    pub(super) running: Running,
}

/// The writers that wait for each batch of a commit...
type Writers = Vec<Vec<Sender<Committed>>>;
/// ...and their outcomes, or why these are unknown.
pub(super) type Results = std::result::Result<Vec<std::result::Result<Ack, StoreError>>, Refusal>;

/// An answer's body, or why there is none.
pub(super) type Answer = std::result::Result<Vec<u8>, Refusal>;

impl DurableObject for Stream {
    fn new(state: State, env: Env) -> Self {
        let kib = |name| env.var(name).ok().and_then(|var| var.to_string().parse::<usize>().ok());
        let max_bytes = kib("HEARTBEAT_PENDING_KIB").map_or(MAX_WAITING_BYTES, |kib| kib << 10);
        let removal_bytes = kib("HEARTBEAT_REMOVAL_KIB").and_then(|kib| i64::try_from(kib << 10).ok());
        let removal_bytes = removal_bytes.unwrap_or(Limits::DEFAULT.removal_bytes);
        let residence = Residence::new(state.id().to_string());
        let shared = Shared {
            state,
            limits: Limits { removal_bytes, ..Limits::DEFAULT },
            engine: RefCell::new(Slot::NotOpened),
            fence: Cell::new(None),
            life: Cell::new(0),
            queue: RefCell::new(Queue::new(max_bytes)),
            live: RefCell::default(),
            announcing: RefCell::default(),
            top_writers: RefCell::default(),
            env: env.clone(),
            residence,
            is_committing: Cell::new(false),
            lease_ms: Cell::new(0),
            waited_ms: Cell::new(0),
            querying_ms: Cell::new(0),
            changing_ms: Cell::new(0),
            alarm_ms: Cell::new(None),
            running: Running::default(),
        };
        let shared = Rc::new(shared);
        register(&shared);
        Self { shared, env }
    }

    async fn fetch(&self, mut request: Request) -> Result<Response> {
        let _event = self.shared.residence.enter(now_ms());
        self.shared.resume();
        if request.method() == Method::Get {
            self.shared.settled().await;
            return self.shared.join(&request).await.or_else(|refusal| refuse(&refusal));
        }
        let body = request.bytes().await?;
        if request.method() == Method::Post {
            let answers = self.write(&body).map_err(|error| other_version(&error));
            drop(body);
            return match answers {
                Ok(answers) => Response::from_bytes(encode_answers(&answers.await)),
                Err(refusal) => refuse(&refusal),
            };
        }
        self.shared.settled().await;
        let answer = match Command::parse(&body) {
            Ok(command) => self.obey(command).await,
            Err(refusal) => Err(refusal),
        };
        match answer {
            Ok(body) => Response::from_bytes(body),
            Err(refusal) => refuse(&refusal),
        }
    }

    async fn alarm(&self) -> Result<Response> {
        let _event = self.shared.residence.enter(now_ms());
        self.keep_up().await;
        Response::empty()
    }
}

impl Stream {
    /// Starts the committing task unless it runs. It is not part of any request, so that no client that disconnects
    /// can stop it.
    pub(super) fn commit(&self) {
        if !self.shared.is_committing.replace(true) {
            let shared = Rc::clone(&self.shared);
            self.shared.state.wait_until(async move { shared.commit_all().await });
        }
    }

    /// Does what a command asks. Each command has its line, so one that is not handled does not compile.
    async fn obey(&self, command: Command) -> Answer {
        match command {
            Command::Create { config, read_key_hash, forward_token } => {
                self.create(*config, read_key_hash, forward_token).await
            }
            Command::RetryForward => self.retry_forward().await,
            Command::Describe => self.shared.with_engine(|engine| Ok(to_json(&engine.record().config))),
            Command::Patch(patch) => self.patch(*patch).await,
            Command::Rekey { read_key_hash } => self.rekey(read_key_hash).await,
            Command::AddWriteKey(key) => self.shared.change_keys(KeyChange::Add(key)).await,
            Command::EndWriteKey(id) => self.shared.change_keys(KeyChange::End(id)).await,
            Command::SendRecord => self.shared.send_record(),
            Command::Adopt => self.adopt().await,
            Command::Settle(shards) => self.shared.settle(shards),
            Command::Announce { again } => self.shared.announce(again).await,
            Command::Delete => self.delete().await,
            Command::Forget => self.shared.forget().await,
            Command::Remove(ask) => self.shared.remove(ask).await,
            Command::Read { credential, what } => self.shared.read(&credential, &what).await,
        }
    }

    /// The alarm comes at once: the new retention may keep less, and an idle stream has no other event.
    async fn patch(&self, patch: StreamPatch) -> Answer {
        // Most of what a change of `distinct` seals; the alarm seals the rest.
        self.shared.seal_in_turns().await;
        let patch = self.sealed(patch).await?;
        let answer = self.shared.apply(patch)?;
        self.shared.set_alarm(1).await;
        self.shared.announce_soon().await;
        Ok(answer)
    }

    /// Only the other shards need to know the key, and home admits readers.
    async fn rekey(&self, read_key_hash: KeyHash) -> Answer {
        let answer = self.shared.change(|record| {
            record.read_key_hash = read_key_hash;
            record.untold.shards |= record.config.layout.shards() > 1;
            Ok(())
        })?;
        if self.shared.announce_due().is_some() {
            self.shared.announce_soon().await;
        }
        Ok(answer)
    }
}

impl Shared {
    async fn commit_all(self: &Rc<Self>) {
        loop {
            // A statement of its own: the borrow must end before the await.
            let gathered = self.queue.borrow_mut().take(MAX_ROW_BYTES);
            let Some(gathered) = gathered else { break };
            self.watch();
            self.commit_group(gathered).await;
            self.stir();
        }
        self.is_committing.set(false);
    }

    async fn commit_group(&self, Gathered { batches, charges, writers, .. }: Gathered) {
        let results = self.commit_in_turns(&batches).await;
        drop(batches);
        self.note_commit(&results, &charges);
        if results.is_ok() {
            let now = now_ms();
            self.expect_alarm(now, self.soon_due(now)).await;
        }
        self.confirm(results, writers).await;
    }

    /// Commits batches in one turn; returns who must be told when that is durable.
    pub(super) fn commit_now(&self, Gathered { batches, charges, writers, .. }: Gathered) -> (Results, Writers) {
        let now = now_ms();
        let results = self.with_engine(|engine| Ok(engine.commit(&batches, now)));
        self.note_commit(&results, &charges);
        (results, writers)
    }

    /// Refunds what was charged for points that are not stored.
    fn note_commit(&self, results: &Results, charges: &[(Option<BatchKey>, Charge)]) {
        self.note_kept();
        let is_stored = |index: usize| results.as_ref().is_ok_and(|results| results[index].is_ok());
        charges.iter().enumerate().filter(|(index, _)| !is_stored(*index)).for_each(|(_, charge)| self.refund(charge));
    }

    pub(super) async fn confirm(&self, results: Results, writers: Writers) {
        let synced = self.state.storage().sync().await.map_err(|error| internal(&error));
        for (index, writers) in writers.into_iter().enumerate() {
            let result = results
                .as_ref()
                .map_err(Refusal::clone)
                .and_then(|results| results[index].as_ref().map_err(|error| internal(error)).cloned());
            let answer = synced.clone().and(result);
            for writer in writers {
                // A writer that disconnected does not learn that its batch was stored.
                writer.send(answer.clone()).ok();
            }
        }
    }

    /// Changes the configuration.
    fn apply(self: &Rc<Self>, patch: StreamPatch) -> Answer {
        self.change(|record| {
            let now = u64::try_from(now_ms()).unwrap_or_default();
            let token = patch.token().cloned();
            record.untold = Untold::EVERYONE;
            let before = record.config.forward.take();
            record.config.forward.clone_from(&before);
            record.config = patch.applied(record.config.clone(), now).map_err(|error| match error {
                ConfigError::Layout(error) => Refusal::Conflict(error.to_string()),
                error => Refusal::InvalidRequest(error.to_string()),
            })?;
            record.set_token(before.as_ref(), token)
        })
    }

    /// All shards have adopted a configuration with this many shards.
    fn settle(self: &Rc<Self>, shards: u16) -> Answer {
        self.change(|record| {
            record.config.layout.settle(shards, now_ms());
            Ok(())
        })
    }

    /// Changes the record; answers the configuration.
    pub(super) fn change(
        self: &Rc<Self>,
        change: impl FnOnce(&mut Record) -> std::result::Result<(), Refusal>,
    ) -> Answer {
        self.try_with_engine(|engine| {
            let mut record = engine.record().clone();
            change(&mut record)?;
            record.version += 1;
            set_record(engine, record)?;
            Ok(to_json(&engine.record().config))
        })
        .inspect(|_| self.check_readers())
    }
}

pub(super) fn set_record(engine: &mut Engine<ObjectSql>, record: Record) -> std::result::Result<(), Refusal> {
    engine.set_record(record, now_ms()).map_err(|error| match error {
        RecordError::TooManyNames(error) => Refusal::InvalidRequest(error.to_string()),
        RecordError::Store(error) => internal(&error),
    })
}

pub(super) fn to_json(value: &impl serde::Serialize) -> Vec<u8> {
    serde_json::to_vec(value).expect("strings, numbers and lists always serialise")
}

/// Logs the error, and only reports that something failed.
pub(super) fn internal(error: &dyn std::fmt::Display) -> Refusal {
    console_error!("stream: {error}");
    Refusal::Internal
}

/// Logs what this version does not understand, and reports that this is the reason.
pub(super) fn other_version(error: &dyn std::fmt::Display) -> Refusal {
    console_error!("stream: request of another version: {error}");
    Refusal::OtherVersion
}

fn refuse(refusal: &Refusal) -> Result<Response> {
    const CONFLICT: u16 = 409;
    Ok(Response::from_bytes(to_json(refusal))?.with_status(CONFLICT))
}
