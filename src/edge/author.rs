//! Who sends a write: what of it the object is told.

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
    /// Why an open writer may not write by this configuration. Which keys there are and what networks are called is not in it.
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

    /// As the object is told of it.
    pub(super) fn writer(&self) -> Writer<'_> {
        Writer { who: self.who, network: &self.network, place: &self.place, origin: self.origin.as_deref() }
    }
}

impl Exchange {
    /// Who sends this request, from a page of this origin or from none.
    pub(super) fn author(&self, origin: Option<String>) -> Author {
        // Only the platform knows places, and asking costs each write some microseconds.
        let place = if self.is_on_platform() { self.request.place() } else { String::new() };
        Author { who: self.who_writes(), network: self.network(), place, origin }
    }

    /// Goes on only for a writer that the stream takes, as far as it is known here.
    pub(super) async fn check_author(
        &self,
        id: &StreamId,
        mut config: Rc<StreamConfig>,
        author: &Author,
    ) -> Result<Rc<StreamConfig>, Problem> {
        if author.refused_by(&config).is_some() {
            // The copy may be from before the owner allowed it.
            config = self.newer_config(id, config).await?;
        }
        author.refused_by(&config).map_or(Ok(config), Err)
    }

    /// The network that the request comes from; empty where nobody who is trusted says it.
    pub(super) fn network(&self) -> String {
        self.address().map_or_else(String::new, |address| Network::of(address).to_string())
    }
}
