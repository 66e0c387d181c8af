//! What the owner wants of forwarding: the token comes in plain, and is kept encrypted.

use worker::console_error;

use crate::clock::now_ms;
use crate::random::hash_key;
use crate::wire::command::{KeyHash, Refusal};
use crate::wire::forward::{ForwardConfig, Token};
use crate::wire::stream::StreamConfig;
use crate::wire::stream_patch::StreamPatch;

use super::announce::Untold;
use super::engine::{Engine, Record, Writing};
use super::forward::signing_key;
use super::secret::seal;
use super::slot::Slot;
use super::stream::{Answer, Stream, internal};
use super::top_writers::new_salt;

impl Stream {
    /// Makes the stream.
    pub(super) async fn create(&self, config: StreamConfig, read_key_hash: KeyHash, token: Option<Token>) -> Answer {
        let untold = Untold { shards: config.layout.shards() > 1, directory: true };
        let writing = Writing::default();
        let mut record =
            Record { config, read_key_hash, version: 1, is_closed: false, forward_token: None, writing, untold };
        record.writing.set_salt(new_salt(now_ms())?);
        let token = match token {
            Some(token) => Some(self.seal(&token).await?),
            None => None,
        };
        record.set_token(None, token)?;
        let engine = Engine::create(self.shared.sql(), self.shared.limits, hash_key(), &record);
        self.shared.set_slot(Slot::Open(Box::new(engine.map_err(|error| internal(&error))?)));
        if record.config.forward.is_some() {
            self.shared.set_alarm(1).await;
        }
        self.shared.announce_soon().await;
        Ok(Vec::new())
    }

    /// The patch with its token encrypted.
    pub(super) async fn sealed(&self, mut patch: StreamPatch) -> Result<StreamPatch, Refusal> {
        if let Some(token) = patch.token() {
            let sealed = self.seal(token).await?;
            patch.set_token(sealed);
        }
        Ok(patch)
    }

    async fn seal(&self, token: &Token) -> Result<Token, Refusal> {
        let secret = signing_key(&self.env).ok_or(Refusal::Internal)?;
        let (stream, _) = self.shared.place()?;
        seal(&secret, &stream, &token.0).await.map(Token).map_err(|error| {
            console_error!("stream: {error}");
            Refusal::Internal
        })
    }
}

impl Record {
    /// Keeps a new encrypted token, or the one that is there if it goes to the same place as before.
    pub(super) fn set_token(&mut self, before: Option<&ForwardConfig>, sealed: Option<Token>) -> Result<(), Refusal> {
        let Some(after) = &self.config.forward else {
            self.forward_token = None;
            return Ok(());
        };
        let is_same = before.is_some_and(|before| before.is_same_place(after));
        if sealed.is_none() && !(is_same && self.forward_token.is_some()) {
            let reason = "`forward.token` is required where `dialect` or `api_root` is new";
            return Err(Refusal::InvalidRequest(reason.into()));
        }
        self.forward_token = sealed.or_else(|| self.forward_token.take());
        Ok(())
    }
}
