//! The owner's changes to forwarding: the token arrives in plain text, and is kept encrypted.

use worker::console_error;

use crate::clock::now_ms;
use crate::random;
use config::forward::Token;
use config::stream::StreamConfig;
use config::stream_patch::StreamPatch;
use config::who::KeyHash;
use protocol::refusal::Refusal;

use super::forward::signing_key;
use super::secret::seal;
use super::slot::Slot;
use super::stream::{Answer, Stream, internal};
use super::top_writers::new_salt;
use engine::Untold;
use engine::{Engine, Record, Writing};

impl Stream {
    /// Creates the stream.
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
        let engine = Engine::create(self.shared.sql(), self.shared.limits, random::for_engines(), &record);
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
