//! What readers may ask of the object, and its answers.

use subtle::ConstantTimeEq;

use crate::clock::now_ms;
use crate::wire::command::{Credential, Read, Refusal};
use crate::wire::partial;

use super::engine::{Engine, QueryError, Record};
use super::storage::ObjectSql;
use super::stream::{Answer, internal};

/// Whether what is asked for may be read with this credential.
pub(super) fn authorize(record: &Record, credential: &Credential, what: &Read) -> std::result::Result<(), Refusal> {
    let is_allowed = match credential {
        Credential::Owner => true,
        Credential::Key(hash) if bool::from(hash.ct_eq(&record.read_key_hash)) => true,
        Credential::Key(_) | Credential::Nobody => record.config.public_read && *what != Read::Status,
    };
    if is_allowed { Ok(()) } else { Err(Refusal::Unauthorized) }
}

/// The answer.
pub(super) fn read(engine: &Engine<ObjectSql>, what: &Read) -> Answer {
    match what {
        Read::Rollup(text) => {
            let labels = engine.distinct().numbers(text.distinct());
            let labels = labels.map_err(|error| Refusal::InvalidRequest(error.to_string()))?;
            let query = text.to_query(&labels).map_err(|error| internal(&error))?;
            // The edge knows a copy of the retention only.
            let kept = query.window.check_kept(&engine.record().config.retention, now_ms() / 1000);
            kept.map_err(|error| Refusal::QueryTooLarge(error.to_string()))?;
            let rows = engine.query(&query).map_err(|error| match error {
                QueryError::TooLarge(error) => Refusal::QueryTooLarge(error.to_string()),
                QueryError::Store(error) => internal(&error),
            })?;
            Ok(partial::encode(&rows, &labels))
        }
        Read::Labels => Ok(engine.labels_json().into_bytes()),
        Read::LabelValues { name, params } => Ok(engine.label_values_json(name, params).into_bytes()),
        Read::Messages(page) => {
            if engine.record().config.layout.shards() > 1 {
                // Each shard numbers its own points, so there is no order of all.
                let reason = "messages of a stream with several shards can't be read";
                return Err(Refusal::InvalidRequest(reason.into()));
            }
            Ok(engine.messages_json(page).map_err(|error| internal(&error))?.into_bytes())
        }
        Read::Status => Ok(engine.status_json().into_bytes()),
    }
}
