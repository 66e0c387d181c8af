//! The directory of streams in KV: each one's public configuration, for every edge location without waking an object.
//!
//! Copies are up to a minute old, so nothing depends on them: the object has the last word, a miss asks it, and so
//! does an origin that a copy would turn away, and a window that is not kept by it. Home writes its stream's entry itself;
//! who finds that it lacks something says so to home.

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
/// How often this isolate asks the object again on behalf of origins that its copy turns away, and of windows that its
/// copy says are not kept.
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
    /// Public configuration only, the same for all requests.
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

    /// A stream's configuration as the object has it, in place of a copy that refuses what the object may allow.
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
            // KV missed a change, or has not heard of it yet.
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

    /// Lets home bring what it has to its other shards and to the directory; what it has. What home can't do now, it does
    /// later by itself.
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

    /// Says to home that the directory lacks what home has; in the background, as it helps others only.
    fn announce_again(&self, id: &StreamId) {
        let (exchange, id) = (self.again(), id.clone());
        self.context.wait_until(async move {
            exchange.command(&id, &Command::Announce { again: true }).await.ok();
        });
    }

    /// Writes the entry of a stream whose home is of an earlier version, which leaves that to the edge.
    pub(super) async fn publish(&self, id: &StreamId, config: &StreamConfig) -> Result<(), Problem> {
        let entry = listing::entry(config);
        let directory = self.directory()?;
        let put = directory.put(&listing::key(id.as_str()), entry.value).and_then(|put| put.metadata(entry.listing));
        put.map_err(|error| unreachable(&error))?.execute().await.map_err(|error| unreachable(&error))?;
        self.keep_copy(id, Some(Rc::new(config.clone())));
        Ok(())
    }

    /// Removes the entry of a stream that is gone, which an earlier version may have left.
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

    /// A line of the list, with what this isolate has done or seen since it was written; `None` of a stream that is gone.
    fn as_known_here(&self, id: &str, listing: Listing) -> Option<Listing> {
        COPIES.with_borrow(|copies| match copies.get(id) {
            // Ids are not used again.
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

/// How many shards a stream has at least, as far as this isolate knows without asking.
pub(super) fn believed_shards(id: &StreamId) -> u16 {
    let of = |copy: &Copy| copy.config.as_ref().map(|config| config.layout.shards());
    COPIES.with_borrow(|copies| copies.get(id).and_then(of)).unwrap_or(1)
}

/// The platform limits how often an entry is written, and may fail in other ways.
fn unreachable(error: &KvError) -> Problem {
    console_error!("edge: directory: {error}");
    Problem::NoDirectory
}
