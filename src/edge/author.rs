//! Who sends a write, and what the object learns about the writer.

use std::rc::Rc;

use config::blocked::Writers;
use config::stream::StreamConfig;
use config::who::Who;
use model::network::Network;
use protocol::writer::Writer;

use super::problem::Problem;
use super::{Exchange, StreamId};

/// A writer, as the request shows it.
pub(super) struct Author {
    pub(super) who: Who,
    /// See [`Exchange::network`].
    pub(super) network: String,
    /// See [`super::request::Request::place`].
    pub(super) place: String,
    pub(super) origin: Option<String>,
}

impl Author {
    /// Why this configuration refuses an open writer. It shows neither which keys exist nor the names of blocked
    /// networks.
    fn refused_by(&self, config: &StreamConfig) -> Option<Problem> {
        match self.who {
            Who::Keyed(_) | Who::Owner => None,
            Who::Open if config.writers == Writers::Keyed => Some(Problem::WRITE_KEY_NEEDED),
            Who::Open => {
                let is_blocked = config.blocked.has(&self.network, self.origin.as_deref(), None);
                is_blocked.then_some(Problem::Blocked)
            }
        }
    }

    /// The writer in the form that the object receives.
    pub(super) fn writer(&self) -> Writer<'_> {
        Writer { who: self.who, network: &self.network, place: &self.place, origin: self.origin.as_deref() }
    }
}

impl Exchange {
    /// The writer of this request, which a page of this origin sent; `None` if no page did.
    pub(super) fn author(&self, origin: Option<String>) -> Author {
        // Only the platform knows places, and looking one up costs each write some microseconds.
        let place = if self.is_on_platform() { self.request.place() } else { String::new() };
        Author { who: self.who_writes(), network: self.network(), place, origin }
    }

    /// Continues only for a writer that the stream accepts, as far as this location knows.
    pub(super) async fn check_author(
        &self,
        id: &StreamId,
        mut config: Rc<StreamConfig>,
        author: &Author,
    ) -> Result<Rc<StreamConfig>, Problem> {
        if author.refused_by(&config).is_some() {
            // The copy may be older than the owner's permission.
            config = self.newer_config(id, config).await?;
        }
        author.refused_by(&config).map_or(Ok(config), Err)
    }

    /// The network that the request comes from; empty if nothing that is trusted names it.
    pub(super) fn network(&self) -> String {
        self.address().map_or_else(String::new, |address| Network::of(address).to_string())
    }
}
