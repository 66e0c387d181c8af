//! The directory of streams in KV: each one's public configuration, for every edge location, without waking an object.
//!
//! Copies are up to a minute old, so nothing depends on them. The object has the last word. The edge asks it when a
//! copy is missing, when a copy would turn an origin away, and when a copy says that a window is not kept. Home writes
//! its stream's entry itself; an edge that finds the entry outdated reports that to home.

use std::cell::RefCell;
use std::rc::Rc;

use rustc_hash::FxHashMap;
use worker::{KvError, KvStore, console_error};

use config::listing;
use config::listing::{BINDING, Listing, PREFIX};
use config::stream::StreamConfig;
use protocol::command::Command;

use super::problem::Problem;
use super::{Exchange, StreamId, internal, other_version};

/// How long this isolate trusts its copy.
const FRESH_MS: i64 = 30_000;
/// How often this isolate asks the object again for origins that its copy turns away, and for windows that its copy
/// says are not kept.
const RECHECK_MS: i64 = 5_000;
/// Copies of at most this many streams, some 300 bytes each.
const MAX_COPIES: usize = 4_096;

/// A page of the directory.
pub(super) struct Page {
    pub(super) streams: Vec<(String, Listing)>,
    pub(super) cursor: Option<String>,
}

#[derive(Clone)]
struct Copy {
    config: Option<Rc<StreamConfig>>,
    at_ms: i64,
}

thread_local! {
    /// Only public configuration, the same for all requests.
    static COPIES: RefCell<FxHashMap<StreamId, Copy>> = RefCell::new(FxHashMap::default());
}

impl Exchange {
    /// A stream's configuration, up to a minute old.
    pub(super) async fn config(&self, id: &StreamId) -> Result<Rc<StreamConfig>, Problem> {
        self.copy(id).await?.config.ok_or(Problem::NO_SUCH_STREAM)
    }

    /// A stream's configuration as it is now.
    pub(super) async fn config_of_home(&self, id: &StreamId) -> Result<Rc<StreamConfig>, Problem> {
        self.ask_object(id).await?.ok_or(Problem::NO_SUCH_STREAM)
    }

    /// A stream's configuration from its object, to replace a copy that refuses what the object may allow.
    pub(super) async fn newer_config(
        &self,
        id: &StreamId,
        copy: Rc<StreamConfig>,
    ) -> Result<Rc<StreamConfig>, Problem> {
        let is_new = |copies: &FxHashMap<StreamId, Copy>| {
            copies.get(id).is_some_and(|copy| self.now_ms - copy.at_ms < RECHECK_MS)
        };
        if COPIES.with_borrow(is_new) {
            return Ok(copy);
        }
        let config = self.ask_object(id).await?.ok_or(Problem::NO_SUCH_STREAM)?;
        if copy != config {
            // KV missed a change, or has not received it yet.
            self.announce_again(id);
        }
        Ok(config)
    }

    async fn copy(&self, id: &StreamId) -> Result<Copy, Problem> {
        let copy = COPIES.with_borrow(|copies| copies.get(id).cloned());
        if let Some(copy) = copy.filter(|copy| self.now_ms - copy.at_ms < FRESH_MS) {
            return Ok(copy);
        }
        let in_kv = self.directory()?.get(&listing::key(id.as_str())).text().await;
        let is_missing = matches!(in_kv, Ok(None));
        if let Some(config) = in_kv.ok().flatten().and_then(|text| serde_json::from_slice(text.as_bytes()).ok()) {
            return Ok(self.keep_copy(id, Some(Rc::new(config))));
        }
        let config = self.ask_object(id).await?;
        if is_missing && config.is_some() {
            self.announce_again(id);
        }
        Ok(self.keep_copy(id, config))
    }

    async fn ask_object(&self, id: &StreamId) -> Result<Option<Rc<StreamConfig>>, Problem> {
        let config = match self.command(id, &Command::Describe).await {
            Ok(body) => Some(Rc::new(serde_json::from_slice(&body).map_err(|error| other_version(&error))?)),
            Err(Problem::NotFound(_)) => None,
            Err(problem) => return Err(problem),
        };
        Ok(self.keep_copy(id, config).config)
    }

    fn keep_copy(&self, id: &StreamId, config: Option<Rc<StreamConfig>>) -> Copy {
        let copy = Copy { config, at_ms: self.now_ms };
        COPIES.with_borrow_mut(|copies| {
            if copies.len() >= MAX_COPIES {
                copies.clear();
            }
            copies.insert(id.clone(), copy.clone());
        });
        copy
    }

    /// Makes home bring its state to its other shards and to the directory; returns that state. Home retries on its own
    /// whatever fails now.
    pub(super) async fn announce(&self, id: &StreamId) -> Result<StreamConfig, Problem> {
        let body = self.command(id, &Command::Announce { again: false }).await?;
        if body.is_empty() {
            // The stream has ended.
            self.keep_copy(id, None);
            return Err(Problem::NO_SUCH_STREAM);
        }
        let config: StreamConfig = serde_json::from_slice(&body).map_err(|error| other_version(&error))?;
        self.keep_copy(id, Some(Rc::new(config.clone())));
        Ok(config)
    }

    /// Reports to home that the directory is outdated; in the background, as this only helps others.
    fn announce_again(&self, id: &StreamId) {
        let (exchange, id) = (self.again(), id.clone());
        self.context.wait_until(async move {
            exchange.command(&id, &Command::Announce { again: true }).await.ok();
        });
    }

    /// Writes the entry of a stream whose home is of an earlier version, which leaves this to the edge.
    pub(super) async fn publish(&self, id: &StreamId, config: &StreamConfig) -> Result<(), Problem> {
        let entry = listing::entry(config);
        let directory = self.directory()?;
        let put = directory.put(&listing::key(id.as_str()), entry.value).and_then(|put| put.metadata(entry.listing));
        put.map_err(|error| unreachable(&error))?.execute().await.map_err(|error| unreachable(&error))?;
        self.keep_copy(id, Some(Rc::new(config.clone())));
        Ok(())
    }

    /// Removes the entry of a deleted stream, which an earlier version may have left.
    pub(super) async fn unpublish(&self, id: &StreamId) -> Result<(), Problem> {
        self.keep_copy(id, None);
        self.directory()?.delete(&listing::key(id.as_str())).await.map_err(|error| unreachable(&error))
    }

    pub(super) async fn page(&self, limit: usize, cursor: Option<String>) -> Result<Page, Problem> {
        let mut list = self.directory()?.list().prefix(PREFIX.to_owned()).limit(limit as u64);
        if let Some(cursor) = cursor {
            list = list.cursor(cursor);
        }
        let page = list.execute().await.map_err(|error| unreachable(&error))?;
        let listing = |metadata| serde_json::from_value(metadata).ok();
        let stream = |key: worker::kv::Key| {
            let id = key.name.strip_prefix(PREFIX)?.to_owned();
            let listing = self.as_known_here(&id, key.metadata.and_then(listing)?)?;
            Some((id, listing))
        };
        Ok(Page {
            streams: page.keys.into_iter().filter_map(stream).collect(),
            cursor: page.cursor.filter(|_| !page.list_complete),
        })
    }

    /// An entry of the list, updated with what this isolate has done or seen since it was written; `None` if the stream
    /// is gone.
    fn as_known_here(&self, id: &str, listing: Listing) -> Option<Listing> {
        COPIES.with_borrow(|copies| match copies.get(id) {
            // Ids are never reused.
            Some(Copy { config: None, .. }) => None,
            Some(Copy { config: Some(config), at_ms }) if self.now_ms - at_ms < FRESH_MS => {
                Some(Listing { name: config.name.clone(), ..listing })
            }
            _ => Some(listing),
        })
    }

    fn directory(&self) -> Result<KvStore, Problem> {
        self.env.kv(BINDING).map_err(|error| internal(&error))
    }
}

/// The smallest number of shards that a stream has, as far as this isolate knows without asking.
pub(super) fn believed_shards(id: &StreamId) -> u16 {
    let of = |copy: &Copy| copy.config.as_ref().map(|config| config.layout.shards());
    COPIES.with_borrow(|copies| copies.get(id).and_then(of)).unwrap_or(1)
}

/// The platform limits how often an entry is written, and may fail in other ways.
fn unreachable(error: &KvError) -> Problem {
    console_error!("edge: directory: {error}");
    Problem::NoDirectory
}
