//! Who may write, and who writes most: write keys and blocks are finally checked here, and what each writer did is
//! counted in lists of bounded size.
//!
//! The lists are in memory and are stored with each alarm that tidies, every ten minutes while there are writes: a
//! crash forgets what came since. The same applies to the last use of a write key, to the hour, so that no write
//! costs a row for it.

use std::cell::RefMut;
use std::collections::BTreeMap;
use std::rc::Rc;

use serde_json::Value;

use crate::clock::now_ms;
use crate::random;
use config::write_keys::{KeyId, WriteKey};
use model::class::Class;
use model::pseudonym::{Pseudonym, Salt};
use model::recent::{Back, HOUR_S, Kind, Recent};
use model::top::Tally;
use protocol::command::Read;
use protocol::refusal::Refusal;
use protocol::writer::Writer;
use protocol::writers;
use protocol::writers::{UNKNOWN_NETWORK, origin_key};
use store::meta;

use super::storage::ObjectSql;
use super::stream::{Answer, Shared, internal, to_json};
use engine::{Engine, Known, Record};

/// The key in `meta` of the lists and the last use of keys.
const TOP: &str = "top_writers";

/// What this object knows about writers.
#[derive(Default)]
pub(super) struct TopWriters {
    recent: Recent,
    /// Hours since 1970. Includes revoked keys, until the lists are stored.
    used: BTreeMap<KeyId, u32>,
    is_loaded: bool,
    is_changed: bool,
}

impl Shared {
    /// Adds or revokes a write key, at home; the other shards learn of it like of a new read key.
    pub(super) async fn change_keys(self: &Rc<Self>, change: KeyChange) -> Answer {
        let answer = self.change(|record| {
            record.untold.shards |= record.config.layout.shards() > 1;
            match change {
                KeyChange::Add(key) => record.add_key(key),
                KeyChange::End(id) => record.end_key(&id),
            }
        })?;
        if self.announce_due().is_some() {
            self.announce_soon().await;
        }
        Ok(answer)
    }

    /// Creates the salt of today. Home creates the first one; for a stream that an earlier version created, at its
    /// next event. Other shards learn of it.
    pub(super) fn renew_salt(&self, engine: &mut Engine<ObjectSql>, now_ms: i64) -> Result<(), Refusal> {
        let before = engine.record().writing.salt();
        let renewed = match before {
            Some(salt) => salt.at(now_ms / 1000),
            None if self.place()?.1 == 0 => new_salt(now_ms)?,
            None => return Ok(()),
        };
        if before == Some(renewed) {
            return Ok(());
        }
        let mut record = engine.record().clone();
        record.writing.set_salt(renewed);
        if before.is_none() {
            record.version += 1;
            record.untold.shards |= record.config.layout.shards() > 1;
        }
        engine.note(record).map_err(|error| internal(&error))
    }

    /// Counts what an admitted writer did. Earlier rejections cost nothing.
    pub(super) fn count(&self, writer: &Writer<'_>, known: &Known, cost: u64, tally: Tally) {
        let now_s = now_ms() / 1000;
        let mut top = self.top();
        top.is_changed = true;
        match known.class {
            Class::Owner => (),
            Class::Keyed => {
                let Some(id) = known.key else { return };
                let name = |engine: &mut Engine<ObjectSql>| Ok(engine.record().writing.name(id));
                let name = self.amid_engine(name).unwrap_or_default();
                top.used.insert(id, u32::try_from(now_s / HOUR_S).unwrap_or_default());
                top.recent.add(now_s, Kind::Key, (id.bits(), &name), cost, tally);
            }
            Class::Open => {
                let network = known.pseudonym.map_or(UNKNOWN_NETWORK, Pseudonym::bits);
                top.recent.add(now_s, Kind::Network, (network, writer.place), cost, tally);
                if let Some(origin) = writer.origin {
                    top.recent.add(now_s, Kind::Origin, (origin_key(origin), origin), cost, tally);
                }
            }
        }
    }

    /// This shard's answer to a read about writers; `None` for other reads.
    pub(super) fn read_writers(&self, record: &Record, what: &Read) -> Option<Vec<u8>> {
        let tops = |back| writers::encode(&self.top().recent.tops(back, now_ms() / 1000));
        match what {
            Read::WriteKeys => Some(self.write_keys(record)),
            Read::Writers { is_day } => Some(tops(if *is_day { Back::Day } else { Back::Hour })),
            _ => None,
        }
    }

    /// The write keys as this shard knows them.
    fn write_keys(&self, record: &Record) -> Vec<u8> {
        let top = self.top();
        let view = |key: &WriteKey| {
            let mut view = key.view();
            let used_s = top.used.get(&KeyId::of(&key.hash)).map(|hour| i64::from(*hour) * HOUR_S);
            view["last_used"] = used_s.into();
            view
        };
        to_json(&record.writing.keys.iter().map(view).collect::<Vec<Value>>())
    }

    /// Adds what an earlier life of this object has stored.
    fn top(&self) -> RefMut<'_, TopWriters> {
        let mut top = self.top_writers.borrow_mut();
        if !std::mem::replace(&mut top.is_loaded, true)
            && let Ok(Some(kept)) = meta::get(&self.sql(), TOP)
        {
            let (recent, used) = writers::of_kept(&kept);
            (top.recent, top.used) = (recent, used.into_iter().collect());
        }
        top
    }

    /// Stores what was seen since the last time, in one row, and forgets the salts of earlier days.
    pub(super) fn keep_writers(&self) -> Result<(), Refusal> {
        let mut top = self.top();
        self.try_with_engine(|engine| {
            self.renew_salt(engine, now_ms())?;
            if !top.is_changed {
                return Ok(());
            }
            let keys = &engine.record().writing.keys;
            top.used.retain(|id, _| keys.iter().any(|key| KeyId::of(&key.hash) == *id));
            let kept = writers::to_kept(&top.recent, top.used.iter().map(|(id, hour)| (*id, *hour)));
            meta::put(&self.sql(), TOP, &kept).map_err(|error| internal(&error))?;
            top.is_changed = false;
            Ok(())
        })
    }
}

/// A change of a write key.
pub(super) enum KeyChange {
    Add(WriteKey),
    End(String),
}

/// A new random salt.
pub(super) fn new_salt(now_ms: i64) -> Result<Salt, Refusal> {
    let secret = random::bytes().map_err(|error| internal(&error))?;
    Ok(Salt::first(secret, now_ms / 1000))
}
