//! What readers may ask of the object, and its answers.

use subtle::ConstantTimeEq;

use crate::domain::query::Query;
use crate::store::sql::Sql;
use crate::wire::command::{Credential, Read, Refusal};
use crate::wire::live_part::LivePart;
use crate::wire::params::QueryText;
use crate::wire::{partial, totals};

use super::engine::{Engine, QueryError, Record, Seen};
use super::storage::ObjectSql;
use super::stream::{Answer, internal, other_version};

/// Whether what is asked for may be read with this credential.
pub(super) fn authorize(record: &Record, credential: &Credential, what: &Read) -> std::result::Result<(), Refusal> {
    let is_owners = matches!(what, Read::WriteKeys | Read::Writers { .. });
    let is_allowed = match credential {
        Credential::Owner => true,
        _ if is_owners => false,
        Credential::Key(hash) if bool::from(hash.ct_eq(&record.read_key_hash)) => true,
        Credential::Key(_) | Credential::Nobody => record.config.public_read && *what != Read::Status,
    };
    if is_allowed { Ok(()) } else { Err(Refusal::Unauthorized) }
}

/// Whether who reads is neither the owner nor has the read key.
pub(super) fn is_stranger(record: &Record, credential: &Credential) -> bool {
    match credential {
        Credential::Owner => false,
        Credential::Key(hash) => !bool::from(hash.ct_eq(&record.read_key_hash)),
        Credential::Nobody => true,
    }
}

/// What a live reader sees of this shard.
pub(super) fn look<S: Sql>(
    engine: &mut Engine<S>,
    ask: &QueryText,
    shard: u16,
    now_ms: i64,
) -> std::result::Result<LivePart<Vec<u8>>, Refusal> {
    let (query, labels) = query(engine, ask)?;
    let seen = if let Some(after) = ask.after(shard) {
        engine.look_since(&query, after, now_ms)
    } else {
        if ask.only().is_empty() {
            check_kept(engine, &query, now_ms)?;
        }
        engine.look(&query, ask.only(), now_ms)
    };
    let Seen { position, rows } = seen.map_err(refusal)?;
    Ok(LivePart { shard, position, cells: rows.map(|rows| partial::encode(&rows, &labels)) })
}

/// The query, and the numbers of the labels whose values it counts.
pub(super) fn query<S: Sql>(engine: &Engine<S>, text: &QueryText) -> std::result::Result<(Query, Vec<u8>), Refusal> {
    let labels = engine.distinct().numbers(text.distinct());
    let labels = labels.map_err(|error| Refusal::InvalidRequest(error.to_string()))?;
    let query = text.to_query(&labels).map_err(|error| other_version(&error))?;
    Ok((query, labels))
}

/// The edge knows a copy of the retention only.
pub(super) fn check_kept<S: Sql>(engine: &Engine<S>, query: &Query, now_ms: i64) -> std::result::Result<(), Refusal> {
    let kept = query.window.check_kept(&engine.record().config.retention, now_ms / 1000);
    kept.map_err(|error| Refusal::QueryTooLarge(error.to_string()))
}

pub(super) fn refusal(error: QueryError) -> Refusal {
    match error {
        QueryError::TooLarge(error) => Refusal::QueryTooLarge(error.to_string()),
        QueryError::TooManySteps(error) => Refusal::QueryTooLarge(error.to_string()),
        QueryError::Store(error) => internal(&error),
    }
}

/// The answer.
pub(super) fn read(engine: &mut Engine<ObjectSql>, what: &Read) -> Answer {
    match what {
        Read::Totals(text) => {
            let (query, _) = query(engine, text)?;
            Ok(totals::encode(&engine.shown(&query).map_err(refusal)?))
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
        // These are read in turns, and what is known of writers is beside the engine.
        Read::Rollup(_) | Read::Live(_) | Read::WriteKeys | Read::Writers { .. } => Err(Refusal::Internal),
    }
}
