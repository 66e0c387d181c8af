//! What readers may request of a stream, and its answers.

use model::query::Query;
use protocol::command::{Credential, Read};
use protocol::live_part::LivePart;
use protocol::params::{ParamError, QueryText};
use protocol::refusal::Refusal;
use protocol::{partial, series_totals};
use store::sql::{Sql, StoreError};

use crate::engine::{Engine, QueryError, Record, Seen};

/// Why a read has no answer.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// An error that the reader should see.
    #[error("{0}")]
    Refused(#[from] Refusal),
    /// The SQL failed, which is only logged.
    #[error("{0}")]
    Store(#[from] StoreError),
    /// The edge is of another version, and requests something that this one does not understand.
    #[error("of another version: {0}")]
    OtherVersion(#[from] ParamError),
}

impl From<QueryError> for ReadError {
    fn from(error: QueryError) -> Self {
        match error {
            QueryError::TooLarge(error) => Refusal::QueryTooLarge(error.to_string()).into(),
            QueryError::TooManySteps(error) => Refusal::QueryTooLarge(error.to_string()).into(),
            QueryError::Store(error) => error.into(),
        }
    }
}

/// Whether a read is allowed with this credential.
pub fn authorize(record: &Record, credential: &Credential, what: &Read) -> Result<(), Refusal> {
    let is_owners = matches!(what, Read::WriteKeys | Read::Writers { .. });
    let is_allowed = match credential {
        Credential::Owner => true,
        _ if is_owners => false,
        Credential::Key(hash) if *hash == record.read_key_hash => true,
        Credential::Key(_) | Credential::Nobody => record.config.public_read && *what != Read::Status,
    };
    if is_allowed { Ok(()) } else { Err(Refusal::Unauthorized) }
}

/// Whether the reader is neither the owner nor a holder of the read key.
pub fn is_stranger(record: &Record, credential: &Credential) -> bool {
    match credential {
        Credential::Owner => false,
        Credential::Key(hash) => *hash != record.read_key_hash,
        Credential::Nobody => true,
    }
}

/// What a live reader sees of this shard.
pub fn look<S: Sql>(
    engine: &mut Engine<S>,
    ask: &QueryText,
    shard: u16,
    now_ms: i64,
) -> Result<LivePart<Vec<u8>>, ReadError> {
    let (query, labels) = query(engine, ask)?;
    let seen = if let Some(after) = ask.after(shard) {
        engine.look_since(&query, after, now_ms)
    } else {
        if ask.only().is_empty() {
            check_kept(engine, &query, now_ms)?;
        }
        engine.look(&query, ask.only(), now_ms)
    };
    let Seen { position, rows } = seen?;
    Ok(LivePart { shard, position, cells: rows.map(|rows| partial::encode(&rows, &labels)) })
}

/// The query, and the numbers of the labels whose values it counts.
pub fn query<S: Sql>(engine: &Engine<S>, text: &QueryText) -> Result<(Query, Vec<u8>), ReadError> {
    let labels = engine.distinct().numbers(text.distinct());
    let labels = labels.map_err(|error| Refusal::InvalidRequest(error.to_string()))?;
    let query = text.to_query(&labels)?;
    Ok((query, labels))
}

/// The edge only knows a copy of the retention.
pub fn check_kept<S: Sql>(engine: &Engine<S>, query: &Query, now_ms: i64) -> Result<(), ReadError> {
    let kept = query.window.check_kept(&engine.record().config.retention, now_ms / 1000);
    Ok(kept.map_err(|error| Refusal::QueryTooLarge(error.to_string()))?)
}

/// The answer.
pub fn read<S: Sql>(engine: &mut Engine<S>, what: &Read) -> Result<Vec<u8>, ReadError> {
    match what {
        Read::Totals(text) => {
            let (query, _) = query(engine, text)?;
            Ok(series_totals::encode(&engine.shown(&query)?))
        }
        Read::Labels => Ok(engine.labels_json().into_bytes()),
        Read::LabelValues { name, params } => Ok(engine.label_values_json(name, params).into_bytes()),
        Read::Messages(page) => {
            if engine.record().config.layout.shards() > 1 {
                // Each shard numbers its own points, so there is no common order.
                let reason = "messages of a stream with several shards can't be read";
                return Err(Refusal::InvalidRequest(reason.into()).into());
            }
            Ok(engine.messages_json(page)?.into_bytes())
        }
        Read::Status => Ok(engine.status_json().into_bytes()),
        // Rollups and live readers are answered in turns; the engine does not know writers.
        Read::Rollup(_) | Read::Live(_) | Read::WriteKeys | Read::Writers { .. } => Err(Refusal::Internal.into()),
    }
}
