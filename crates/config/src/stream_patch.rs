//! An owner's request to create or change a stream.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use model::point::{DEFAULT_LATENESS_S, MAX_PERIOD_S};
use model::retention::Retention;
use model::shards::{Layout, MAX_SHARDS};
use model::tier::Tier;

use super::accept::Accept;
use super::blocked::{Blocked, BlockedPatch, Writers, is_origin};
use super::carbon;
use super::carbon::CarbonPatch;
use super::forward::{ForwardPatch, Token};
use super::limits::Limits;
use super::retention;
use super::stream::{
    ConfigError, DEFAULT_MESSAGES_S, MAX_LATENESS_S, MAX_MESSAGES_S, MAX_ORIGINS, MAX_STREAM_NAME_BYTES,
    MIN_LATENESS_S, StreamConfig, check_distinct,
};
use model::time::parse_duration;

/// An owner's changes to a stream; what is absent stays.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct StreamPatch {
    name: Option<String>,
    public_read: Option<bool>,
    origins: Option<Vec<String>>,
    retention: Option<Value>,
    lateness: Option<Value>,
    distinct: Option<Vec<String>>,
    shards: Option<u64>,
    forward: Option<Forwarding>,
    /// Where buckets are pushed from now on.
    pub carbon: Option<CarbonPatch>,
    limits: Option<Value>,
    writers: Option<Writers>,
    blocked: Option<BlockedPatch>,
    accept: Option<Accept>,
}

/// An owner's change to forwarding.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Forwarding {
    End,
    To(ForwardPatch),
}

impl StreamPatch {
    /// Parses the changes in an owner's body.
    ///
    /// # Errors
    /// See [`ConfigError`].
    pub fn parse(body: &[u8]) -> Result<Self, ConfigError> {
        let mut value = json::value::parse(body).map_err(|error| ConfigError::Shape(error.to_string()))?;
        let mut taken = |name| value.as_object_mut().and_then(|fields| fields.remove(name));
        let (forward, carbon) = (taken("forward"), taken("carbon"));
        let (accept, blocked) = (taken("accept"), taken("blocked"));
        let mut patch: Self = serde_json::from_value(value).map_err(|error| ConfigError::Shape(error.to_string()))?;
        patch.blocked = match blocked {
            Some(Value::Null) => Some(BlockedPatch::nobody()),
            Some(blocked) => Some(BlockedPatch::parse(blocked)?),
            None => None,
        };
        patch.check()?;
        patch.forward = match forward {
            Some(Value::Null) => Some(Forwarding::End),
            Some(forward) => Some(Forwarding::To(ForwardPatch::parse(&forward)?)),
            None => None,
        };
        patch.carbon = carbon.map(|carbon| CarbonPatch::parse(&carbon)).transpose()?;
        patch.accept = accept.map(|accept| Accept::parse(&accept)).transpose()?;
        Ok(patch)
    }

    /// Where it wants to forward to, if it changes that.
    pub fn forward_mut(&mut self) -> Option<&mut ForwardPatch> {
        match &mut self.forward {
            Some(Forwarding::To(forward)) => Some(forward),
            Some(Forwarding::End) | None => None,
        }
    }

    /// The token to forward with: in plain text, or as [`Self::set_token`] set it.
    #[must_use]
    pub fn token(&self) -> Option<&Token> {
        match &self.forward {
            Some(Forwarding::To(forward)) => forward.token.as_ref(),
            Some(Forwarding::End) | None => None,
        }
    }

    /// Replaces the token.
    pub fn set_token(&mut self, token: Token) {
        if let Some(forward) = self.forward_mut() {
            forward.token = Some(token);
        }
    }

    fn check(&self) -> Result<(), ConfigError> {
        let is_name =
            |name: &String| (1..=MAX_STREAM_NAME_BYTES).contains(&name.len()) && !name.chars().any(char::is_control);
        if !self.name.as_ref().is_none_or(is_name) {
            return Err(ConfigError::Name);
        }
        let origins = self.origins.as_deref().unwrap_or_default();
        if origins.len() > MAX_ORIGINS {
            return Err(ConfigError::TooManyOrigins(origins.len()));
        }
        if let Some(origin) = origins.iter().find(|origin| !is_origin(origin)) {
            return Err(ConfigError::Origin(origin.clone()));
        }
        self.blocked.as_ref().map_or(Ok(()), BlockedPatch::check)?;
        if let Some(shards) = self.shards.filter(|shards| !(1..=u64::from(MAX_SHARDS)).contains(shards)) {
            return Err(ConfigError::Shards(shards));
        }
        check_distinct(self.distinct.as_deref().unwrap_or_default())
    }

    /// The requested number of shards; [`Self::parse`] has checked its range.
    fn shards(&self) -> Option<u16> {
        self.shards.and_then(|shards| u16::try_from(shards).ok())
    }

    /// Takes the retention of messages out of the tiers of the retention.
    fn take_messages(&mut self) -> Result<Option<i64>, ConfigError> {
        let messages =
            self.retention.as_mut().and_then(Value::as_object_mut).and_then(|tiers| tiers.remove("messages"));
        let Some(messages) = messages else { return Ok(None) };
        let seconds = messages.as_str().and_then(|text| parse_duration(text).ok());
        seconds.filter(|seconds| (0..=MAX_MESSAGES_S).contains(seconds)).map(Some).ok_or(ConfigError::Messages)
    }

    /// The configuration of a new stream.
    ///
    /// # Errors
    /// [`ConfigError::Name`] if there is none, and errors of the retention.
    pub fn into_config(mut self, created_ms: u64) -> Result<StreamConfig, ConfigError> {
        let layout = Layout::new(self.shards().unwrap_or(1));
        let name = self.name.take().ok_or(ConfigError::Name)?;
        let messages_s = self.take_messages()?.unwrap_or(DEFAULT_MESSAGES_S);
        let changes = self.retention.take().map(|changes| retention::changes(&changes)).transpose()?;
        let retention = Retention::new(&changes.unwrap_or_default())?;
        let (origins, distinct, lateness_s) = (Vec::new(), Vec::new(), DEFAULT_LATENESS_S);
        let (public_read, forward, carbon, limits, accept) = (false, None, None, Limits::default(), Accept::default());
        let config = StreamConfig {
            name,
            public_read,
            origins,
            distinct,
            created_ms,
            retention,
            lateness_s,
            layout,
            messages_s,
            forward,
            carbon,
            limits,
            writers: Writers::Open,
            blocked: Blocked::default(),
            accept,
        };
        self.applied(config, created_ms)
    }

    /// The changed configuration, from now on.
    ///
    /// # Errors
    /// Why the configuration can't be changed this way.
    pub fn applied(mut self, mut config: StreamConfig, now_ms: u64) -> Result<StreamConfig, ConfigError> {
        let now_ms = i64::try_from(now_ms).unwrap_or_default();
        config.layout.raise(self.shards().unwrap_or(config.layout.shards()), now_ms)?;
        config.messages_s = self.take_messages()?.unwrap_or(config.messages_s);
        config.writers = self.writers.unwrap_or(config.writers);
        config.blocked = self.blocked.take().unwrap_or_default().applied(config.blocked);
        let Self { name, public_read, origins, distinct, retention, lateness, forward, carbon, limits, accept, .. } =
            self;
        match forward {
            Some(Forwarding::To(forward)) => config.forward = Some(forward.applied(config.forward)),
            Some(Forwarding::End) => config.forward = None,
            None => (),
        }
        config.carbon = carbon.map_or(config.carbon, |CarbonPatch(carbon)| carbon);
        config.limits = limits.map_or(Ok(config.limits), |changes| config.limits.changed(&changes))?;
        config.accept = accept.unwrap_or(config.accept);
        config.name = name.unwrap_or(config.name);
        config.public_read = public_read.unwrap_or(config.public_read);
        config.origins = origins.unwrap_or(config.origins);
        config.distinct = distinct.unwrap_or(config.distinct);
        if let Some(retention) = retention {
            config.retention = config.retention.changed(&retention::changes(&retention)?, now_ms / 1000)?;
        }
        if let Some(lateness) = lateness {
            config.lateness_s = retention::duration("lateness", &lateness)?;
        }
        if !(MIN_LATENESS_S..=MAX_LATENESS_S).contains(&config.lateness_s) {
            return Err(ConfigError::Lateness);
        }
        carbon::check(&config)?;
        #[expect(clippy::cast_possible_truncation, reason = "a day")]
        let least_s = config.lateness_s + MAX_PERIOD_S as i64;
        match config.retention.kept_s(Tier::D1) {
            Some(kept_s) if kept_s < least_s => Err(ConfigError::KeptTooShort),
            _ => Ok(config),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::labels::MAX_NAME_BYTES;

    fn create(body: &str) -> Result<StreamConfig, ConfigError> {
        StreamPatch::parse(body.as_bytes()).and_then(|patch| patch.into_config(7))
    }

    fn changed(config: StreamConfig, body: &str, now_s: u64) -> Result<StreamConfig, ConfigError> {
        StreamPatch::parse(body.as_bytes()).and_then(|patch| patch.applied(config, now_s * 1000))
    }

    #[test]
    fn a_name_is_all_that_a_stream_needs() {
        let config = create(r#"{"name":"visits"}"#).expect("valid");
        let plain = StreamConfig {
            name: "visits".into(),
            public_read: false,
            origins: Vec::new(),
            distinct: Vec::new(),
            created_ms: 7,
            retention: Retention::default(),
            lateness_s: 86_400,
            layout: Layout::new(1),
            messages_s: 86_400,
            forward: None,
            carbon: None,
            limits: Limits::default(),
            writers: Writers::Open,
            blocked: Blocked::default(),
            accept: Accept::default(),
        };
        assert_eq!(config, plain);
    }
    #[test]
    fn a_stream_has_1_to_64_shards_and_never_fewer_than_before() {
        for shards in [1, 2, 64] {
            let config = create(&format!(r#"{{"name":"a","shards":{shards}}}"#)).expect("valid");
            assert_eq!(config.layout, Layout::new(shards));
        }
        for shards in [0, 65, 65_537] {
            assert_eq!(create(&format!(r#"{{"name":"a","shards":{shards}}}"#)), Err(ConfigError::Shards(shards)));
        }
        let config = create(r#"{"name":"a","shards":4}"#).expect("valid");
        let fewer = changed(config.clone(), r#"{"name":"b","shards":3}"#, 0);
        assert!(matches!(fewer, Err(ConfigError::Layout(_))));
        for same in [r#"{"shards":4}"#, "{}"] {
            assert_eq!(changed(config.clone(), same, 0), Ok(config.clone()));
        }
        assert_eq!(changed(config, r#"{"shards":5}"#, 0).expect("more").layout.shards(), 5);
    }

    #[test]
    fn a_patch_changes_only_what_it_names() {
        let config = create(r#"{"name":"visits","public_read":true}"#).expect("valid");
        let config = changed(config, r#"{"origins":["https://a.example"]}"#, 8).expect("valid");
        assert_eq!((config.name.as_str(), config.public_read), ("visits", true));
        assert!(
            config.admits(Some("https://a.example"))
                && config.admits(None)
                && !config.admits(Some("https://b.example"))
        );
    }

    #[test]
    fn a_configuration_never_contains_the_token_of_forwarding() {
        let forward = r#"{"forward":{"dialect":"pnut","api_root":"https://api.pnut.io/v1","token":"geheim"}}"#;
        let config = changed(create(r#"{"name":"a"}"#).expect("valid"), forward, 0).expect("valid");
        assert!(config.forward.is_some() && !serde_json::to_string(&config).expect("serialises").contains("geheim"));
        assert_eq!(changed(config.clone(), r#"{"name":"a"}"#, 0), Ok(config.clone()));
        assert_eq!(changed(config.clone(), r#"{"forward":null}"#, 0).expect("valid").forward, None);
        let channel = |config: &StreamConfig| config.forward.as_ref().and_then(|forward| forward.channel.clone());
        let mut made = config;
        made.forward.as_mut().expect("is there").channel = Some("7".into());
        assert_eq!(
            channel(&changed(made.clone(), forward, 0).expect("valid")),
            Some("7".into()),
            "it is still the one"
        );
        let other = forward.replace("pnut.io", "pnut-api-1.org");
        assert_eq!(channel(&changed(made.clone(), &other, 0).expect("valid")), None, "it is elsewhere");
        let named = forward.replace(r#""token""#, r#""channel":"8","token""#);
        assert_eq!(channel(&changed(made, &named, 0).expect("valid")), Some("8".into()));
        for body in [forward, r#"{"forward":null}"#, "{}"] {
            let patch = StreamPatch::parse(body.as_bytes()).expect("valid");
            let sent = serde_json::to_string(&patch).expect("serialises");
            assert_eq!(serde_json::from_str::<StreamPatch>(&sent).expect("reads"), patch, "{sent}");
        }
    }

    #[test]
    fn messages_are_kept_as_long_as_the_owner_says() {
        let config = create(r#"{"name":"a","retention":{"messages":"0s","10s":"36h"}}"#).expect("valid");
        assert_eq!(config.messages_s, 0);
        assert_eq!(changed(config.clone(), r#"{"retention":{"10s":"2d"}}"#, 0).expect("valid").messages_s, 0);
        assert_eq!(changed(config, r#"{"retention":{"messages":"30d"}}"#, 0).expect("valid").messages_s, 30 * 86_400);
    }

    #[test]
    fn tiers_that_are_not_named_keep_their_retention() {
        const DAY: i64 = 86_400;
        let config = create(r#"{"name":"a","retention":{"10s":"36h","1h":null}}"#).expect("valid");
        let kept = |config: &StreamConfig| Tier::ALL.map(|tier| config.retention.kept_s(tier));
        let days = |days: i64| Some(days * DAY);
        assert_eq!(kept(&config), [Some(36 * 3600), days(14), days(60), None, None]);
        assert_eq!(config.retention.start_s(Tier::H1, 0), None, "a new stream has lost nothing");
        let config = changed(config, r#"{"retention":{"1h":"1000d","1m":"20d"}}"#, 9_999_999).expect("valid");
        assert_eq!(kept(&config), [Some(36 * 3600), days(20), days(60), days(1000), None]);
        assert_eq!(config.retention.start_s(Tier::M1, 9_999_999), Some(9_999_999 - 14 * DAY));
        let view = serde_json::Value::from(retention::view(&config.retention));
        assert_eq!(view.to_string(), r#"{"10m":"60d","10s":"36h","1d":null,"1h":"1000d","1m":"20d"}"#);
    }

    #[test]
    fn the_form_is_pinned_and_the_first_one_is_still_read() {
        let config = changed(create(r#"{"name":"a"}"#).expect("valid"), r#"{"retention":{"10s":"3d"}}"#, 200_000);
        let config = config.expect("valid");
        let pinned = r#"{"name":"a","public_read":false,"origins":[],"distinct":[],"created_ms":7,"retention":[259200,27200,1209600,null,5184000,null,63072000,null,null,null],"lateness_s":86400,"layout":"1","messages_s":86400,"forward":null,"carbon":null}"#;
        assert_eq!(serde_json::to_string(&config).expect("serialises"), pinned);
        assert_eq!(serde_json::from_str::<StreamConfig>(pinned).expect("reads"), config);
        let first = r#"{"name":"a","public_read":false,"origins":[],"created_ms":7}"#;
        assert_eq!(
            serde_json::from_str::<StreamConfig>(first).expect("reads"),
            create(r#"{"name":"a"}"#).expect("valid")
        );
    }

    #[test]
    fn every_accepted_point_is_kept_by_a_tier() {
        let tiers = |last: &str| format!(r#"{{"10s":"1h","1m":"1h","10m":"1h","1h":"1h","1d":{last}}}"#);
        let with = |lateness: &str, last: &str| {
            create(&format!(r#"{{"name":"a","lateness":"{lateness}","retention":{}}}"#, tiers(last)))
        };
        assert_eq!(with("7d", "\"8d\"").expect("valid").lateness_s, MAX_LATENESS_S);
        assert_eq!(with("7d", "\"191h\""), Err(ConfigError::KeptTooShort));
        assert_eq!(with("1m", "\"1d\""), Err(ConfigError::KeptTooShort));
        assert!(with("1m", "null").is_ok());
        for lateness in ["59s", "8d", "604801s"] {
            assert_eq!(with(lateness, "null"), Err(ConfigError::Lateness), "{lateness}");
        }
        let short = with("1h", "\"2d\"").expect("valid");
        assert_eq!(changed(short, r#"{"lateness":"25h"}"#, 9), Err(ConfigError::KeptTooShort));
    }

    #[test]
    fn an_error_names_what_is_wrong() {
        let message = |body: &str| create(body).expect_err("invalid").to_string();
        assert!(message("{").starts_with("the body is not a valid configuration"));
        assert!(message(r#"{"name":"a","nmae":"b"}"#).contains("unknown field `nmae`"));
        assert!(message(r#"{"name":1}"#).contains("expected a string"));
        assert!(message("{}").starts_with("`name` must have"));
        assert!(message(r#"{"name":""}"#).starts_with("`name` must have"));
        assert!(message("{\"name\":\"a\\u0007\"}").starts_with("`name` must have"));
        assert!(create(&format!("{{\"name\":\"{}\"}}", "x".repeat(100))).is_ok());
        assert!(create(&format!("{{\"name\":\"{}\"}}", "x".repeat(101))).is_err());
        assert!(message(r#"{"name":"a","carbon":{}}"#).starts_with("`carbon.host` must be"));
        assert!(message(r#"{"name":"a","forward":{}}"#).starts_with("`forward.api_root` must be"));
        for messages in ["null", "86400", "\"31d\"", "\"-1s\""] {
            let body = format!(r#"{{"name":"a","retention":{{"messages":{messages}}}}}"#);
            assert_eq!(create(&body), Err(ConfigError::Messages), "{messages}");
        }
        let retention = |tiers: &str| message(&format!(r#"{{"name":"a","retention":{tiers}}}"#));
        assert_eq!(retention(r#"{"5m":"1d"}"#), "unknown step \"5m\" in `retention`; use 10s, 1m, 10m, 1h or 1d");
        assert!(retention(r#"{"10s":86400}"#).starts_with("`10s` must be a string with a number and a unit"));
        assert!(retention(r#"{"10s":"-1d"}"#).ends_with(r#"not "-1d""#));
        assert_eq!(retention(r#"{"10s":"59m"}"#), "`retention`: `10s` must be kept for 1h to 36500d, or null for ever");
        assert!(retention(r#"{"10s":"99d"}"#).starts_with("`retention`: `1m` must be kept at least as long as `10s`"));
        assert!(retention("[]").starts_with("`retention` must be an object"));
        assert!(message(r#"{"name":"a","lateness":60}"#).starts_with("`lateness` must be a string"));
        for origin in ["example.com", "https://", "https://a.example/", "https://A.example", "*", ""] {
            assert!(create(&format!("{{\"name\":\"a\",\"origins\":[\"{origin}\"]}}")).is_err(), "{origin}");
        }
        let origins =
            |count: usize| format!("{{\"name\":\"a\",\"origins\":[{}]}}", vec!["\"http://[::1]:80\""; count].join(","));
        assert!(create(&origins(MAX_ORIGINS)).is_ok());
        assert_eq!(create(&origins(MAX_ORIGINS + 1)), Err(ConfigError::TooManyOrigins(51)));
        let distinct = |list: &str| create(&format!("{{\"name\":\"a\",\"distinct\":{list}}}"));
        assert_eq!(distinct(r#"["a","b b","ü","d"]"#).expect("valid").distinct, ["a", "b b", "ü", "d"]);
        assert_eq!(distinct(r#"["a","b","c","d","e"]"#), Err(ConfigError::TooManyDistinct(5)));
        for (list, wrong) in
            [(r#"["a","a"]"#, "a"), (r#"[""]"#, ""), (r#"["a,b"]"#, "a,b"), (r#"["a\u0007"]"#, "a\u{7}")]
        {
            assert_eq!(distinct(list), Err(ConfigError::Distinct(wrong.into())));
        }
        assert!(distinct(r#""a""#).is_err() && distinct(&format!("[{:?}]", "x".repeat(MAX_NAME_BYTES + 1))).is_err());
    }
}
