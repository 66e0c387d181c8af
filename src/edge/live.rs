//! Reading live: the one answer of `deltas`.

use crate::wire::command::{Read, Refusal};
use crate::wire::live::Message;
use crate::wire::live_params::{LiveCursor, LiveQuery};
use crate::wire::live_part::split;
use crate::wire::look::Look;

use super::problem::Problem;
use super::read::fresh;
use super::reply::Reply;
use super::{Exchange, StreamId, internal};

impl Exchange {
    pub(super) async fn read_deltas(&self, id: &StreamId) -> Result<Reply, Problem> {
        let (query, after) = self.live_params(id).await?;
        Ok(fresh(self.look(id, &query, after.unwrap_or_default(), self.now_ms).await?.json))
    }

    pub(super) async fn read_live(&self, _id: &StreamId) -> Result<Reply, Problem> {
        Err(Problem::NotImplemented("reading live"))
    }

    async fn live_params(&self, id: &StreamId) -> Result<(LiveQuery, Option<LiveCursor>), Problem> {
        let parse = |text: &str, retention: &_| LiveQuery::parse(text, self.now_ms, retention);
        Ok(self.params(id, parse).await?.1)
    }

    /// What a reader sees who has seen the stream up to a cursor.
    async fn look(&self, id: &StreamId, query: &LiveQuery, after: LiveCursor, now_ms: i64) -> Result<Message, Problem> {
        let mut look = Look::new(query, after, now_ms)?;
        while let Some(ask) = look.ask() {
            let mut take = |parts: &[u8]| {
                let parts = split(parts).map_err(|error| internal(&error))?;
                let part = parts.first().ok_or(Problem::Internal)?;
                Ok(look.take(part)?)
            };
            self.read_all(id, Read::Live(vec![ask]), &mut take).await?;
            look.end_round()?;
        }
        look.message().ok_or_else(|| Problem::from(Refusal::Internal))
    }
}
