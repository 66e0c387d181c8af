//! Lists of channels: all of the owner's, those that match a search, and those with given ids.
//!
//! The owner's are those in the directory, which may learn of a new one up to a minute later.

use futures_util::{StreamExt, stream};

use crate::edge::problem::Problem;
use crate::edge::reply::Reply;
use crate::edge::{Exchange, StreamId};
use appnet::paging::{MAX_COUNT, param, part};
use appnet::search::Search;
use appnet::{TIMESERIES, envelope};
use config::listing::Listing;
use protocol::command::Credential;

use super::channels::Public;
use super::{answer, invalid};

/// The number of entries that KV lists at once, and the most such pages that are read: 10,000 streams.
const DIRECTORY_PAGE: usize = 1_000;
const MAX_DIRECTORY_PAGES: usize = 10;
/// The number of objects that are asked concurrently for the content of their channels.
const CALLS_AT_ONCE: usize = 6;

/// The channels with these ids that the caller may read, or all of the owner's.
pub(in crate::edge) async fn list_channels(exchange: &Exchange) -> Result<Reply, Problem> {
    if let Some(ids) = param(exchange.query_string(), "ids") {
        return exchange.look_up_channels(&ids).await;
    }
    let types = param(exchange.query_string(), "channel_types");
    let is_wanted = types.is_none_or(|types| types.split(',').any(|kind| kind.trim() == TIMESERIES));
    exchange.owned_channels(&|_, _| is_wanted).await
}

pub(in crate::edge) async fn search_channels(exchange: &Exchange) -> Result<Reply, Problem> {
    let search = Search::of(exchange.query_string());
    exchange.owned_channels(&|name, is_public| search.finds(name, is_public)).await
}

impl Exchange {
    /// A page of the owner's channels, newest first, filtered by their names and by whether they are public.
    async fn owned_channels(&self, is_wanted: &dyn Fn(&str, bool) -> bool) -> Result<Reply, Problem> {
        self.check_owner()?;
        let mut found = Vec::new();
        for (id, Listing { name, created_ms, public }) in self.all_listings().await? {
            let Some(id) = self.keys.verify(&id)? else { continue };
            let is_public = match public {
                Some(is_public) => is_public,
                // An earlier version wrote this entry.
                None => self.config(&id).await?.public_read,
            };
            if is_wanted(&name, is_public) {
                found.push((id, Public { is_public, created_ms }));
            }
        }
        found.sort_by(|(id, one), (other_id, other)| {
            (other.created_ms, other_id.as_str()).cmp(&(one.created_ms, id.as_str()))
        });
        let ids: Vec<&str> = found.iter().map(|(id, _)| id.as_str()).collect();
        let (range, has_more) = part(self.query_string(), &ids).map_err(|error| invalid(&error))?;
        let mut meta = format!(r#","more":{has_more}"#);
        if let [newest, .., oldest] | [newest @ oldest] = &ids[range.clone()] {
            meta.extend([",\"max_id\":\"", *newest, "\",\"min_id\":\"", *oldest, "\""]);
        }
        self.channels(&found[range], Credential::Owner, &meta).await
    }

    async fn look_up_channels(&self, ids: &str) -> Result<Reply, Problem> {
        let ids: Vec<&str> = ids.split(',').map(str::trim).filter(|id| !id.is_empty()).collect();
        if ids.len() > MAX_COUNT.unsigned_abs().into() {
            return Err(Problem::InvalidRequest(format!("`ids` can have at most {MAX_COUNT} ids, not {}", ids.len())));
        }
        let mut found: Vec<(StreamId, Public)> = Vec::new();
        for id in ids {
            let Some(id) = self.keys.verify(id)? else { continue };
            match self.config(&id).await {
                Ok(config) if !found.iter().any(|(other, _)| *other == id) => {
                    let public = Public { is_public: config.public_read, created_ms: config.created_ms };
                    found.push((id, public));
                }
                Ok(_) | Err(Problem::NotFound(_)) => (),
                Err(problem) => return Err(problem),
            }
        }
        self.channels(&found, self.face_credential(), "").await
    }

    /// Those of these channels that the caller may read, in the given order.
    async fn channels(
        &self,
        found: &[(StreamId, Public)],
        credential: Credential,
        meta: &str,
    ) -> Result<Reply, Problem> {
        let view = async |(id, public)| self.channel_view(id, public, credential).await;
        let mut views = stream::iter(found.iter().map(|(id, public)| view((id, public)))).buffered(CALLS_AT_ONCE);
        let mut list = Vec::new();
        while let Some(view) = views.next().await {
            match view {
                Ok(view) if view.you_read => {
                    let mut channel = view.to_json();
                    channel["pagination_id"] = view.id.into();
                    list.push(channel);
                }
                Ok(_) | Err(Problem::NotFound(_)) => (),
                Err(problem) => return Err(problem),
            }
        }
        Ok(answer(&envelope::data(&serde_json::Value::from(list).to_string(), meta)))
    }

    async fn all_listings(&self) -> Result<Vec<(String, Listing)>, Problem> {
        let (mut all, mut cursor) = (Vec::new(), None);
        for _ in 0..MAX_DIRECTORY_PAGES {
            let page = self.page(DIRECTORY_PAGE, cursor).await?;
            all.extend(page.streams);
            cursor = page.cursor;
            if cursor.is_none() {
                break;
            }
        }
        Ok(all)
    }
}
