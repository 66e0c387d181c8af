//! The directory of streams in KV: each one's public configuration, for every edge location without waking an object.
//!
//! Copies are up to a minute old, so nothing depends on them: the object has the last word, a miss asks it, and so
//! does an origin that a copy would turn away, and a window that is not kept by it.

use std::cell::RefCell;
use std::rc::Rc;

use rustc_hash::FxHashMap;
use serde::{Deserialize, Serialize};
use worker::KvStore;

use crate::wire::command::Command;
use crate::wire::stream::StreamConfig;

use super::problem::Problem;
use super::{Exchange, StreamId, internal};

const BINDING: &str = "DIRECTORY";
const PREFIX: &str = "stream/";
/// How long this isolate trusts its copy.
const FRESH_MS: i64 = 30_000;
/// How often this isolate asks the object again on behalf of origins that its copy turns away, and of windows that its
/// copy says are not kept.
const RECHECK_MS: i64 = 5_000;
/// Copies of at most this many streams, some 300 bytes each.
const MAX_COPIES: usize = 4_096;

/// A stream as the directory lists it.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Listing {
    pub(super) name: String,
    pub(super) created_ms: u64,
    /// Whether everyone may read it; earlier versions did not list that.
    #[serde(default)]
    pub(super) public: Option<bool>,
}

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
            // KV missed a change, or has not heard of it yet. If it can't be told now, the next one tries again.
            self.publish(id, &config).await.ok();
        }
        Ok(config)
    }

    async fn copy(&self, id: &StreamId) -> Result<Copy, Problem> {
        let copy = COPIES.with_borrow(|copies| copies.get(id).cloned());
        if let Some(copy) = copy.filter(|copy| self.now_ms - copy.at_ms < FRESH_MS) {
            return Ok(copy);
        }
        let in_kv = self.directory()?.get(&key(id)).text().await.ok().flatten();
        let config = match in_kv.and_then(|text| serde_json::from_slice(text.as_bytes()).ok()) {
            Some(config) => Some(Rc::new(config)),
            None => self.ask_object(id).await?,
        };
        Ok(self.keep_copy(id, config))
    }

    async fn ask_object(&self, id: &StreamId) -> Result<Option<Rc<StreamConfig>>, Problem> {
        let config = match self.command(id, &Command::Describe).await {
            Ok(body) => Some(Rc::new(serde_json::from_slice(&body).map_err(|error| internal(&error))?)),
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

    /// Puts a stream's configuration where every edge location finds it.
    pub(super) async fn publish(&self, id: &StreamId, config: &StreamConfig) -> Result<(), Problem> {
        let text = serde_json::to_string(config).map_err(|error| internal(&error))?;
        let listing =
            Listing { name: config.name.clone(), created_ms: config.created_ms, public: Some(config.public_read) };
        let put = self.directory()?.put(&key(id), text).and_then(|put| put.metadata(listing));
        put.map_err(|error| internal(&error))?.execute().await.map_err(|error| internal(&error))?;
        self.keep_copy(id, Some(Rc::new(config.clone())));
        Ok(())
    }

    pub(super) async fn unpublish(&self, id: &StreamId) -> Result<(), Problem> {
        self.directory()?.delete(&key(id)).await.map_err(|error| internal(&error))?;
        self.keep_copy(id, None);
        Ok(())
    }

    pub(super) async fn page(&self, limit: usize, cursor: Option<String>) -> Result<Page, Problem> {
        let mut list = self.directory()?.list().prefix(PREFIX.to_owned()).limit(limit as u64);
        if let Some(cursor) = cursor {
            list = list.cursor(cursor);
        }
        let page = list.execute().await.map_err(|error| internal(&error))?;
        let listing = |metadata| serde_json::from_value(metadata).ok();
        let stream = |key: worker::kv::Key| {
            let id = key.name.strip_prefix(PREFIX)?.to_owned();
            Some((id, key.metadata.and_then(listing)?))
        };
        Ok(Page {
            streams: page.keys.into_iter().filter_map(stream).collect(),
            cursor: page.cursor.filter(|_| !page.list_complete),
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

fn key(id: &StreamId) -> String {
    format!("{PREFIX}{}", id.as_str())
}
