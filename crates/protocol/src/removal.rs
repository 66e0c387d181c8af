//! Removing points: the owner's request, what shards receive, and their answers.

use serde::{Deserialize, Serialize};

use model::matcher::Matcher;
use model::removal::Span;
use model::tier::{Tier, floor_to};

use super::params::{MAX_MATCHERS, ParamError, pairs, set_once, switch};
use model::time::parse_time_ms;

/// What to remove.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
// An unknown field may change what is removed.
#[serde(deny_unknown_fields)]
pub struct Remove {
    /// Only series that match all of these, in the syntax of `where`.
    pub matchers: Vec<String>,
    /// From this Unix second on; absent means from the beginning.
    pub from_s: Option<i64>,
    /// Before this Unix second; absent means until the end.
    pub to_s: Option<i64>,
    /// Whether to only count.
    pub dry_run: bool,
    /// The number that home gave the removal; absent in the first request to home.
    pub call: Option<u64>,
    /// Whether the request continues a removal that has already begun; it never begins one.
    pub resumes: bool,
}

/// The progress of a shard.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Removed {
    /// The number that home gave the removal.
    pub call: u64,
    /// How many points are removed.
    pub points: u64,
    /// The number of series they belong to.
    pub series: u64,
    /// The bytes that their buckets took, so far.
    pub bytes: u64,
    /// Whether nothing is left to do.
    pub is_done: bool,
    /// The number of shards.
    pub shards: u16,
}

impl Remove {
    /// Parses the parameters, at `now_ms`. A time relative to now is widened to whole buckets of the finest tier.
    ///
    /// # Errors
    /// The first invalid parameter.
    pub fn parse(query_string: &str, now_ms: i64) -> Result<Self, RemoveError> {
        const KNOWN: &str = "where, from, to, dry_run and after";
        let [mut from, mut to, mut dry_run, mut after] = [const { None }; 4];
        let mut matchers = Vec::new();
        for (name, value) in pairs(query_string) {
            match name.as_str() {
                "from" => set_once(&mut from, "from", value)?,
                "to" => set_once(&mut to, "to", value)?,
                "dry_run" => set_once(&mut dry_run, "dry_run", value)?,
                "after" => set_once(&mut after, "after", value)?,
                "where" => matchers.push(value),
                _ => return Err(ParamError::Unknown(name, KNOWN).into()),
            }
        }
        if matchers.len() > MAX_MATCHERS {
            return Err(ParamError::TooManyMatchers.into());
        }
        if matchers.is_empty() && from.is_none() && to.is_none() {
            return Err(RemoveError::Everything);
        }
        for text in &matchers {
            Matcher::parse(text).map_err(ParamError::from)?;
        }
        let width_s = Tier::FINEST.width_s();
        let from_s = from.map(|text| time_s("from", &text, now_ms, |at_s| floor_to(at_s, width_s))).transpose()?;
        let to_s = to.map(|text| time_s("to", &text, now_ms, |at_s| -floor_to(-at_s, width_s))).transpose()?;
        if Span::new(from_s, to_s).is_none() {
            return Err(RemoveError::Empty);
        }
        let call =
            after.map(|text| text.strip_prefix('r').and_then(|text| text.parse().ok()).ok_or(RemoveError::Cursor));
        let call = call.transpose()?;
        Ok(Self { matchers, from_s, to_s, dry_run: switch("dry_run", dry_run)?, resumes: call.is_some(), call })
    }

    /// The span to remove; `None` means the whole series.
    #[must_use]
    pub fn span(&self) -> Option<Span> {
        if self.from_s.is_none() && self.to_s.is_none() { None } else { Span::new(self.from_s, self.to_s) }
    }
}

fn time_s(name: &'static str, text: &str, now_ms: i64, widened: impl Fn(i64) -> i64) -> Result<i64, RemoveError> {
    let parse = |now_ms| parse_time_ms(text, now_ms).map_err(|error| ParamError::Time(name, error));
    let at_ms = parse(now_ms)?;
    if at_ms != parse(now_ms + 10_000)? {
        return Ok(widened(at_ms.div_euclid(1000)));
    }
    if at_ms % 1000 == 0 { Ok(at_ms / 1000) } else { Err(RemoveError::Fraction(name)) }
}

/// Why a request to remove points is rejected.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RemoveError {
    /// An error that other parameters have too.
    #[error(transparent)]
    Param(#[from] ParamError),
    /// Neither series nor a span.
    #[error("`where`, `from` or `to` must say what to remove; to remove everything, delete the stream")]
    Everything,
    /// An empty span.
    #[error("`from` must be before `to`, and `to` after 1970")]
    Empty,
    /// A fraction of a second.
    #[error("`{0}` must be a multiple of 10 seconds, the width of the finest buckets, not a fraction of a second")]
    Fraction(&'static str),
    /// Not a cursor.
    #[error("`after` must be a cursor from a removal")]
    Cursor,
}

impl Removed {
    /// Adds what another shard has removed. A series may be in several shards, so the largest number stands for "at
    /// least".
    pub fn merge(&mut self, other: &Self) {
        self.points += other.points;
        self.series = self.series.max(other.series);
        self.bytes += other.bytes;
        self.is_done &= other.is_done;
    }

    /// The body of the response: `{"points":9,"series":1,"bytes":120}`, and a cursor if there is more to do.
    #[must_use]
    pub fn to_json(&self) -> String {
        let Self { call, points, series, bytes, is_done, .. } = self;
        let cursor = if *is_done { String::new() } else { format!(",\"cursor\":\"r{call}\"") };
        format!("{{\"points\":{points},\"series\":{series},\"bytes\":{bytes}{cursor}}}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: i64 = 1_792_540_805_300;

    #[test]
    fn parameters_select_series_and_time() {
        let parse = |text: &str| Remove::parse(text, NOW);
        let one = parse("where=user%3D42&key=k").expect("valid");
        assert_eq!(one, Remove { matchers: vec!["user=42".into()], ..Remove::default() });
        assert_eq!(one.span(), None);
        let two = parse("from=1792540800&to=1792540860&dry_run=1").expect("valid");
        assert_eq!((two.from_s, two.to_s, two.dry_run), (Some(1_792_540_800), Some(1_792_540_860), true));
        let relative = parse("from=-1h&to=now").expect("valid");
        assert_eq!((relative.from_s, relative.to_s), (Some(1_792_537_200), Some(1_792_540_810)), "widened");
        let unaligned = parse("from=1792540801").expect("left for the stream to reject");
        assert_eq!(unaligned.from_s, Some(1_792_540_801));
        let resumed = parse("where=a%3Db&after=r17").expect("valid");
        assert_eq!((resumed.call, resumed.resumes), (Some(17), true));
        for (text, wanted) in [
            ("", RemoveError::Everything),
            ("dry_run=1", RemoveError::Everything),
            ("from=1792540860&to=1792540860", RemoveError::Empty),
            ("from=1792540800.5", RemoveError::Fraction("from")),
            ("where=a%3Db&after=17", RemoveError::Cursor),
            ("where=a%3Db&from=1&from=2", ParamError::Twice("from").into()),
            ("where=a%3Db&dry_run=yes", ParamError::Switch("dry_run", "yes".into()).into()),
        ] {
            assert_eq!(parse(text), Err(wanted), "{text}");
        }
        assert!(parse("where=a").is_err() && parse("where=a%3D~(").is_err() && parse("step=10&where=a%3Db").is_err());
        assert!(parse(&"where=a%3Db&".repeat(33)).is_err());
    }

    #[test]
    fn removals_of_shards_are_added_up() {
        let mut all = Removed { call: 7, points: 3, series: 2, bytes: 100, is_done: true, shards: 2 };
        assert_eq!(all.to_json(), r#"{"points":3,"series":2,"bytes":100}"#);
        all.merge(&Removed { call: 7, points: 4, series: 1, bytes: 50, is_done: false, shards: 0 });
        assert_eq!(all.to_json(), r#"{"points":7,"series":2,"bytes":150,"cursor":"r7"}"#);
    }

    #[test]
    fn the_form_of_a_removal_between_shards_is_pinned() {
        let remove = Remove { matchers: vec!["a=b".into()], from_s: Some(10), call: Some(7), ..Remove::default() };
        let json = r#"{"matchers":["a=b"],"from_s":10,"to_s":null,"dry_run":false,"call":7,"resumes":false}"#;
        assert_eq!(serde_json::to_string(&remove).expect("serialises"), json);
        assert!(serde_json::from_str::<Remove>(&json.replace("resumes", "colour")).is_err());
    }
}
