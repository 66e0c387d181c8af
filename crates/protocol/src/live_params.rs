//! The parameters of live reads: a query whose window moves with the clock.

use model::aggregate::Aggregate;
use model::point::MAX_AHEAD_S;
use model::retention::Retention;
use model::tier::floor_to;
use model::window::{MAX_STEPS, Window, WindowError};

use super::params::{MAX_MATCHERS, ParamError, QueryText, pairs, parse_by, set_once};
use model::aggregate_list::parse_aggregates;
use model::time::parse_duration;

/// The longest live query in bytes: it is attached to each socket, which may have 16 KiB.
pub(super) const MAX_QUERY_BYTES: usize = 8 << 10;
/// The longest cursor in bytes: that of 64 shards with 10^15 points each.
pub const MAX_CURSOR_BYTES: usize = 1_100;
/// How far points can reach into the future.
#[expect(clippy::cast_possible_truncation, reason = "a minute")]
const AHEAD_S: i64 = MAX_AHEAD_S as i64;

/// The query of a live reader. Readers with equal queries share their answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LiveQuery {
    step_s: i64,
    window_s: i64,
    matchers: Vec<String>,
    by: Option<Vec<String>>,
    agg: String,
}

/// The position up to which a reader has seen each shard.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LiveCursor(pub Vec<i64>);

impl LiveCursor {
    /// Parses the cursor that a reader sends back; a cursor of another version counts as none.
    ///
    /// # Errors
    /// [`ParamError::Cursor`] if it can't be a cursor of any version.
    pub fn parse(text: &str) -> Result<Self, ParamError> {
        let is_char = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
        if text.is_empty() || text.len() > MAX_CURSOR_BYTES || !text.bytes().all(is_char) {
            return Err(ParamError::Cursor);
        }
        let position = |text: &str| text.parse().ok().filter(|position| *position >= 0);
        Ok(Self(text.split('.').map(position).collect::<Option<_>>().unwrap_or_default()))
    }

    /// The form that readers get.
    #[must_use]
    pub fn text(&self) -> String {
        self.0.iter().map(i64::to_string).collect::<Vec<_>>().join(".")
    }
}

impl LiveQuery {
    /// Parses the parameters of `live` and `deltas`, at `now_ms`, of a stream with this retention; the cursor is
    /// empty if there is none.
    ///
    /// # Errors
    /// The first invalid parameter.
    pub fn parse(query_string: &str, now_ms: i64, retention: &Retention) -> Result<(Self, LiveCursor), ParamError> {
        let (query, after) = Self::from_text(query_string)?;
        let (step_s, window_s) = (query.step_s, query.window_s);
        Window::new(now_ms - window_s * 1000, now_ms, Some(step_s), now_ms, retention)?;
        query.text(&query.shown(now_ms)?).to_query(&[])?;
        if query.to_text().len() > MAX_QUERY_BYTES {
            return Err(ParamError::TooLong);
        }
        Ok((query, after))
    }

    /// Parses the parameters without checking time and retention.
    ///
    /// # Errors
    /// The first invalid parameter.
    pub fn from_text(query_string: &str) -> Result<(Self, LiveCursor), ParamError> {
        const KNOWN: &str = "by, where, agg, step, window and after";
        let [mut step, mut window, mut by, mut agg, mut after] = [const { None }; 5];
        let mut matchers = Vec::new();
        for (name, value) in pairs(query_string) {
            match name.as_str() {
                "step" => set_once(&mut step, "step", value)?,
                "window" => set_once(&mut window, "window", value)?,
                "by" => set_once(&mut by, "by", value)?,
                "agg" => set_once(&mut agg, "agg", value)?,
                "after" => set_once(&mut after, "after", value)?,
                "where" => matchers.push(value),
                _ => return Err(ParamError::Unknown(name, KNOWN)),
            }
        }
        if matchers.len() > MAX_MATCHERS {
            return Err(ParamError::TooManyMatchers);
        }
        let seconds = |name, text: Option<String>, default: &str| {
            parse_duration(text.as_deref().unwrap_or(default)).map_err(|error| ParamError::Time(name, error))
        };
        let (step_s, window_s) = (seconds("step", step, "10s")?, seconds("window", window, "1h")?);
        let agg = agg.unwrap_or_else(|| "sum".to_owned());
        parse_aggregates(&agg)?;
        let query = Self { step_s, window_s, matchers, by: parse_by(by.as_deref().unwrap_or_default())?, agg };
        Ok((query, after.map(|text| LiveCursor::parse(&text)).transpose()?.unwrap_or_default()))
    }

    /// The canonical query string: equal for equal queries.
    #[must_use]
    pub fn to_text(&self) -> String {
        let mut text = format!("step={}&window={}", self.step_s, self.window_s);
        let by = self.by.as_ref().map_or_else(|| "*".to_owned(), |names| names.join(","));
        let pairs = [("by", &by), ("agg", &self.agg)].into_iter();
        for (name, value) in pairs.chain(self.matchers.iter().map(|matcher| ("where", matcher))) {
            text.push('&');
            text.push_str(name);
            text.push('=');
            text.extend(form_urlencoded::byte_serialize(value.as_bytes()));
        }
        text
    }

    /// The requested aggregates.
    #[must_use]
    pub fn aggregates(&self) -> Vec<Aggregate> {
        parse_aggregates(&self.agg).unwrap_or_default()
    }

    /// The steps that a snapshot always has, up to the one under way.
    ///
    /// # Errors
    /// [`WindowError`] if the clock is later than any window can be.
    pub fn shown(&self, now_ms: i64) -> Result<Window, WindowError> {
        let (now_s, step_s) = (now_ms.div_euclid(1000), self.step_s);
        Window::aligned(floor_to(now_s - self.window_s, step_s), floor_to(now_s, step_s) + step_s, step_s)
    }

    /// The window of a snapshot, including what clocks that run ahead have already written.
    ///
    /// # Errors
    /// [`WindowError`] if the clock is later than any window can be.
    pub fn snapshot(&self, now_ms: i64) -> Result<Window, WindowError> {
        let shown = self.shown(now_ms)?;
        Window::aligned(shown.from_s(), self.end_s(now_ms), self.step_s).or(Ok(shown))
    }

    /// The window of changes: as far back as a window can reach, whatever the reader has.
    ///
    /// # Errors
    /// [`WindowError`] if the clock is later than any window can be.
    pub fn changes(&self, now_ms: i64) -> Result<Window, WindowError> {
        let to_s = self.end_s(now_ms);
        Window::aligned(to_s - MAX_STEPS * self.step_s, to_s, self.step_s)
    }

    /// The end of the last step that a point can reach.
    fn end_s(&self, now_ms: i64) -> i64 {
        floor_to(now_ms.div_euclid(1000) + AHEAD_S, self.step_s) + self.step_s
    }

    /// The query for a window, with the sketches that the aggregates need.
    pub fn text(&self, window: &Window) -> QueryText {
        let aggregates = self.aggregates();
        QueryText {
            quantiles: Aggregate::sketches(&aggregates).quantiles,
            distinct: aggregates.iter().filter_map(Aggregate::label).map(str::to_owned).collect(),
            ..self.plain_text(window)
        }
    }

    /// The query for a window, without sketches.
    #[must_use]
    pub fn plain_text(&self, window: &Window) -> QueryText {
        QueryText {
            from_s: window.from_s(),
            to_s: window.to_s(),
            step_s: self.step_s,
            matchers: self.matchers.clone(),
            by: self.by.clone(),
            quantiles: false,
            distinct: Vec::new(),
            only: Vec::new(),
            after: Vec::new(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW_MS: i64 = 1_792_540_801_500;

    fn parse(text: &str) -> Result<(LiveQuery, LiveCursor), ParamError> {
        LiveQuery::parse(text, NOW_MS, &Retention::default())
    }

    #[test]
    fn defaults_are_the_last_hour_in_steps_of_10_seconds() {
        let (query, after) = parse("key=rk").expect("valid");
        let shown = query.shown(NOW_MS).expect("valid");
        assert_eq!((shown.from_s(), shown.to_s(), shown.step_s()), (1_792_537_200, 1_792_540_810, 10));
        assert_eq!(query.snapshot(NOW_MS).expect("valid").to_s(), 1_792_540_870);
        let changes = query.changes(NOW_MS).expect("valid");
        assert_eq!((changes.to_s(), changes.steps()), (1_792_540_870, MAX_STEPS));
        assert_eq!((query.agg.as_str(), after), ("sum", LiveCursor::default()));
    }

    #[test]
    fn each_invalid_parameter_of_a_live_read_is_named() {
        let message = |text: &str| parse(text).expect_err("invalid").to_string();
        assert!(message("from=-1h").starts_with("unknown parameter `from`; this path accepts by, where, agg, step"));
        assert_eq!(message("step=15s"), "`step` must be a multiple of 10 seconds, not 15 seconds");
        assert!(message("window=x").starts_with("`window`: \"x\" is not a duration"));
        assert_eq!(message("window=0s"), "`from` must be before `to`");
        assert!(message("window=7d").starts_with("the window has 60481 steps"));
        assert!(message("agg=median").starts_with("`agg`: unknown aggregate"));
        for cursor in ["", "a b", "1;2", &"1.".repeat(600)] {
            assert_eq!(message(&format!("after={cursor}")), "`after` must be a cursor from a live answer");
        }
        assert!(message(&format!("where=a%3D{}&", "x".repeat(256)).repeat(32)).contains("too long"));
    }

    #[test]
    fn the_form_of_a_cursor_is_pinned_and_others_count_as_none() {
        let cursor = LiveCursor(vec![12, 0, 1 << 53]);
        assert_eq!(cursor.text(), "12.0.9007199254740992");
        assert_eq!(LiveCursor::parse(&cursor.text()), Ok(cursor));
        for foreign in ["v2-12", "12..3", "1.-2", "99999999999999999999", "-1"] {
            assert_eq!(LiveCursor::parse(foreign), Ok(LiveCursor::default()), "{foreign}");
        }
    }

    #[test]
    fn the_form_of_a_live_query_is_pinned() {
        let pinned = "step=60&window=7200&by=b%2Fc%2Cd&agg=sum%2Cp50&where=a%3Db&where=e%3D%7E.*";
        let (query, _) =
            parse("by=d,b/c&where=a%3Db&where=e%3D~.*&agg=sum,p50&step=1m&window=2h&after=1").expect("valid");
        assert_eq!(query.to_text(), pinned);
        assert_eq!(LiveQuery::from_text(pinned), Ok((query, LiveCursor::default())));
        let all = LiveQuery::from_text("by=*").expect("valid").0;
        assert_eq!((all.by.as_ref(), LiveQuery::from_text(&all.to_text()).expect("valid").0), (None, all.clone()));
    }
}
