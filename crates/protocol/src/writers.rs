//! The heaviest writers: what a shard keeps and reports, and what the owner sees.
//!
//! A list consists of its counters, `[key, label, cost, error, points, new_series, rejected]`. For a network the
//! key is its pseudonym, 0 if it is unknown, and the label its location; for an origin a hash and the origin; for a
//! write key its id and its name.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};

use model::pseudonym::Pseudonym;
use model::recent::{Back, Kind, Period, Recent, Tops, merge};
use model::top::{Counter, Tally, Top};

use super::params::ParamError;
use config::write_keys::KeyId;

/// How many of each kind are shown.
const MAX_SHOWN: usize = 50;
/// The key of unknown networks.
pub const UNKNOWN_NETWORK: u64 = 0;

type Row = (u64, String, u64, u64, u64, u64, u64);
type Rows = [Vec<Row>; 3];

/// What a shard keeps over a restart, including when write keys were last used: ids, and hours since 1970.
#[derive(Serialize, Deserialize, Default)]
#[serde(default)]
struct Persisted {
    hours: Vec<(i64, Rows)>,
    blocks: Vec<(i64, Rows)>,
    used: Vec<(u64, u32)>,
}

/// The key of an origin.
#[must_use]
pub fn origin_key(origin: &str) -> u64 {
    Sha256::digest(origin.as_bytes())[..size_of::<u64>()].iter().fold(0, |bits, byte| bits << 8 | u64::from(*byte))
}

/// How far back to report: `window=1h` or `1d`.
///
/// # Errors
/// [`ParamError`]
pub fn parse_back(query_string: &str) -> Result<Back, ParamError> {
    let mut back = Back::Hour;
    for (name, value) in form_urlencoded::parse(query_string.as_bytes()) {
        back = match (&*name, &*value) {
            ("window", "1h") => Back::Hour,
            ("window", "1d") => Back::Day,
            ("window", _) => return Err(ParamError::Choice("window", value.into_owned(), "1h or 1d")),
            _ => return Err(ParamError::Unknown(name.into_owned(), "window")),
        };
    }
    Ok(back)
}

/// A shard's report: the JSON of the lists, in the order of [`Kind`].
///
/// # Panics
/// Never: strings, numbers and lists always serialise.
#[must_use]
pub fn encode(tops: &Tops) -> Vec<u8> {
    serde_json::to_vec(&rows(tops)).expect("strings, numbers and lists always serialise")
}

/// Adds a shard's report.
///
/// # Errors
/// If it is not JSON of this form.
pub fn decode(part: &[u8], tops: &mut Tops) -> serde_json::Result<()> {
    merge(tops, &tops_of(serde_json::from_slice(part)?));
    Ok(())
}

/// What is kept over a restart.
///
/// # Panics
/// Never: strings, numbers and lists always serialise.
#[must_use]
pub fn to_kept(recent: &Recent, used: impl Iterator<Item = (KeyId, u32)>) -> String {
    let periods = |periods: &std::collections::VecDeque<Period>| {
        periods.iter().map(|period| (period.start_s, rows(&period.tops))).collect()
    };
    let used = used.map(|(id, hour)| (id.bits(), hour)).collect();
    let kept = Persisted { hours: periods(&recent.hours), blocks: periods(&recent.blocks), used };
    serde_json::to_string(&kept).expect("strings, numbers and lists always serialise")
}

/// Decodes what [`to_kept`] wrote; nothing if it has another form.
#[must_use]
pub fn of_kept(text: &str) -> (Recent, Vec<(KeyId, u32)>) {
    let kept: Persisted = serde_json::from_slice(text.as_bytes()).unwrap_or_default();
    let periods = |periods: Vec<(i64, Rows)>| {
        periods.into_iter().map(|(start_s, rows)| Period { start_s, tops: tops_of(rows) }).collect()
    };
    let used = kept.used.into_iter().map(|(id, hour)| (KeyId::from_bits(id), hour)).collect();
    (Recent { hours: periods(kept.hours), blocks: periods(kept.blocks) }, used)
}

/// The JSON that the owner sees.
#[must_use]
pub fn to_json(tops: Tops, back: Back, now_s: i64) -> String {
    let [networks, origins, keys] = tops.map(Top::into_sorted);
    let window = match back {
        Back::Hour => "1h",
        Back::Day => "1d",
    };
    json!({
        "since": back.since_s(now_s),
        "window": window,
        "networks": views(Kind::Network, networks),
        "origins": views(Kind::Origin, origins),
        "keys": views(Kind::Key, keys),
    })
    .to_string()
}

fn views(kind: Kind, counters: Vec<Counter>) -> Vec<Value> {
    counters.into_iter().take(MAX_SHOWN).map(|counter| view(kind, counter).into()).collect()
}

fn view(kind: Kind, Counter { key, label, cost, error, tally }: Counter) -> Map<String, Value> {
    let mut view = Map::new();
    let mut put = |name: &str, value: Value| drop(view.insert(name.to_owned(), value));
    let numbers = [("points", tally.points), ("new_series", tally.new_series), ("rejected", tally.rejected)];
    for (name, number) in numbers.into_iter().chain([("cost", cost), ("error", error)]) {
        put(name, number.into());
    }
    match kind {
        Kind::Network if key == UNKNOWN_NETWORK => put("network", "unknown".into()),
        Kind::Network => {
            put("network", Pseudonym::of(key).to_string().into());
            let (country, asn) = label.split_once(' ').unwrap_or_default();
            if !country.is_empty() {
                put("country", country.into());
            }
            if let Some(asn) = asn.parse::<u32>().ok().filter(|asn| *asn > 0) {
                put("asn", asn.into());
            }
        }
        Kind::Origin => put("origin", label.into_string().into()),
        Kind::Key => {
            put("id", KeyId::from_bits(key).to_string().into());
            put("name", label.into_string().into());
        }
    }
    view
}

fn rows(tops: &Tops) -> Rows {
    let row = |Counter { key, label, cost, error, tally }: &Counter| {
        (*key, label.to_string(), *cost, *error, tally.points, tally.new_series, tally.rejected)
    };
    tops.each_ref().map(|top| top.counters().iter().map(row).collect())
}

fn tops_of(rows: Rows) -> Tops {
    let counter = |(key, label, cost, error, points, new_series, rejected): Row| {
        let tally = Tally { points, new_series, rejected };
        Counter { key, label: label.into(), cost, error, tally }
    };
    rows.map(|rows| Top::of(rows.into_iter().map(counter).collect()))
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: i64 = 1_792_540_800;

    fn recent() -> Recent {
        let mut recent = Recent::default();
        let tally = Tally { points: 3, new_series: 2, rejected: 1 };
        recent.add(NOW - 7_200, Kind::Network, (0xff, "US 13335"), 20, tally);
        recent.add(NOW, Kind::Network, (0xff, "US 13335"), 12, tally);
        recent.add(NOW, Kind::Origin, (origin_key("https://a.example"), "https://a.example"), 12, tally);
        recent.add(NOW, Kind::Key, (7, "ci"), 10, Tally::default());
        recent
    }

    #[test]
    fn the_persisted_form_of_writers_is_pinned() {
        let kept = to_kept(&recent(), [(KeyId::from_bits(7), 497_928)].into_iter());
        let pinned = r#"{"hours":[[1792540800,[[[255,"US 13335",12,0,3,2,1]],[[4062577363141807157,"https://a.example",12,0,3,2,1]],[[7,"ci",10,0,0,0,0]]]]],"blocks":[[1792519200,[[[255,"US 13335",20,0,3,2,1]],[],[]]]],"used":[[7,497928]]}"#;
        assert_eq!(kept, pinned);
        assert_eq!(of_kept(pinned), (recent(), vec![(KeyId::from_bits(7), 497_928)]));
        assert_eq!(of_kept("x"), (Recent::default(), Vec::new()));
    }

    #[test]
    fn reports_of_shards_are_merged_and_shown_heaviest_first() {
        let mut tops = Tops::default();
        for _ in 0..2 {
            decode(&encode(&recent().tops(Back::Hour, NOW)), &mut tops).expect("reads");
        }
        let mut other = Recent::default();
        other.add(NOW, Kind::Network, (UNKNOWN_NETWORK, ""), 99, Tally::default());
        other.add(NOW, Kind::Network, (1, " 64496"), 1, Tally::default());
        decode(&encode(&other.tops(Back::Hour, NOW)), &mut tops).expect("reads");
        let shown = to_json(tops, Back::Hour, NOW);
        let pinned = concat!(
            r#"{"keys":[{"cost":20,"error":0,"id":"0000000000000007","name":"ci","new_series":0,"points":0,"rejected":0}],"#,
            r#""networks":[{"cost":99,"error":0,"network":"unknown","new_series":0,"points":0,"rejected":0},"#,
            r#"{"asn":13335,"cost":24,"country":"US","error":0,"network":"n_00000000ff","new_series":4,"points":6,"rejected":2},"#,
            r#"{"asn":64496,"cost":1,"error":0,"network":"n_0000000001","new_series":0,"points":0,"rejected":0}],"#,
            r#""origins":[{"cost":24,"error":0,"new_series":4,"origin":"https://a.example","points":6,"rejected":2}],"#,
            r#""since":1792537200,"window":"1h"}"#
        );
        assert_eq!(shown, pinned);
        assert!(decode(b"[]", &mut Tops::default()).is_err());
    }

    #[test]
    fn a_window_is_an_hour_or_a_day() {
        assert_eq!(
            (parse_back(""), parse_back("window=1h"), parse_back("window=1d")),
            (Ok(Back::Hour), Ok(Back::Hour), Ok(Back::Day))
        );
        for bad in ["window=2h", "window=", "by=country"] {
            assert!(parse_back(bad).is_err(), "{bad}");
        }
    }
}
