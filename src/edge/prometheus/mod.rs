//! Prometheus reads a stream: it scrapes its metrics. See docs/prometheus.md.

use crate::domain::total::Shown;
use crate::prometheus::exposition::{Exposition, MAX_ROWS};
use crate::wire::command::Read;
use crate::wire::params::QueryText;
use crate::wire::totals;

use super::problem::Problem;
use super::reply::Reply;
use super::{Exchange, StreamId, internal};

impl Exchange {
    pub(super) async fn read_metrics(&self, id: &StreamId) -> Result<Reply, Problem> {
        let text = totals::parse(self.query_string())?;
        let shown = self.read_totals(id, text).await?;
        let exposition = Exposition::accepted(&self.header("Accept").unwrap_or_default());
        let reply = Reply::new(200, exposition.media_type(), exposition.render(&shown).into_bytes());
        Ok(reply.with("Cache-Control", "no-store").with("Vary", "Accept"))
    }

    /// What series have had since the stream began, of all shards.
    async fn read_totals(&self, id: &StreamId, text: QueryText) -> Result<Shown, Problem> {
        let mut shown = Shown::default();
        let mut merge = |part: &[u8]| {
            totals::merge(part, &mut shown).map_err(|error| internal(&error))?;
            if shown.rows.len() <= MAX_ROWS {
                return Ok(());
            }
            let detail = format!("there are more than {MAX_ROWS} series: ask for fewer by `where` and `by`");
            Err(Problem::QueryTooLarge(detail))
        };
        self.read_all(id, Read::Totals(text), &mut merge).await?;
        Ok(shown)
    }
}
