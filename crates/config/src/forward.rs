//! An owner's configuration for forwarding, and its persisted form. The token is never shown, not even in errors.

pub mod dialect;
mod root;
mod token;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use crate::forward::dialect::Dialect;
use crate::forward::dialect::{MAX_CHANNEL_BYTES, channel_id};
use model::time::{duration_text, parse_duration};

pub use root::{DEFAULT_ROOTS, MAX_ROOT_BYTES, RootError, allowed_root};
pub use token::Token;

/// The longest token, in bytes. A token has at least one.
pub const MAX_TOKEN_BYTES: usize = 1_024;
/// The shortest `max_delay`: points wait for a while to be packed together.
pub const MIN_DELAY_S: i64 = 10;
/// The longest `max_delay`, a day: points must arrive while somebody still asks for them.
pub const MAX_DELAY_S: i64 = 86_400;
/// The documented limit of app.net and pnut.io per token, which they enforce.
pub const DOCUMENTED_WRITES: u16 = 20;
/// The limit for any other upstream, such as a Heartbeat of the owner's own.
pub const MAX_WRITES: u16 = 6_000;

/// An owner's configuration as sent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ForwardPatch {
    /// What the upstream speaks.
    pub dialect: Dialect,
    /// As written; see [`allowed_root`].
    pub api_root: String,
    /// The channel to write to; `None` to create one.
    pub channel: Option<String>,
    /// `None` keeps the current token.
    pub token: Option<Token>,
    /// How fast and how late.
    pub policy: Policy,
}

/// The configuration as kept and shown.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ForwardConfig {
    /// What the upstream speaks.
    pub dialect: Dialect,
    /// As [`allowed_root`] made it.
    pub api_root: String,
    /// The channel that the owner gave.
    pub channel: Option<String>,
    /// How fast and how late.
    pub policy: Policy,
}

/// The rate and the delay of writes to the upstream.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Policy {
    /// A backlog that would take longer is coarsened; from [`MIN_DELAY_S`] to [`MAX_DELAY_S`].
    pub max_delay_s: i64,
    /// Writes with the token in any minute, 1 to [`MAX_WRITES`].
    pub writes_per_minute: u16,
}

impl Default for Policy {
    fn default() -> Self {
        Self { max_delay_s: 60, writes_per_minute: DOCUMENTED_WRITES }
    }
}

/// Why a configuration of forwarding is rejected. No message quotes anything that may be a token.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ForwardError {
    /// Not an object.
    #[error("`{0}` must be an object")]
    Shape(&'static str),
    /// An unknown field.
    #[error("unknown field {1:?} in `{0}`; it can have {2}")]
    Unknown(&'static str, String, String),
    /// Neither of the two.
    #[error("`forward.dialect` must be \"app.net\" or \"pnut\"")]
    Dialect,
    /// Not a string.
    #[error("`forward.api_root` must be a string such as \"https://api.pnut.io/v1\"")]
    ApiRoot,
    /// Not an id.
    #[error(
        "`forward.channel` must be an id of 1 to {MAX_CHANNEL_BYTES} letters, digits, `_`, `-` and `.` that does not start with `.`"
    )]
    Channel,
    /// Not a valid header value.
    #[error("`forward.token` must be a string of 1 to {MAX_TOKEN_BYTES} visible ASCII characters")]
    Token,
    /// Outside [`MIN_DELAY_S`] to [`MAX_DELAY_S`].
    #[error("`forward.policy.max_delay` must be a string from \"10s\" to \"1d\" such as \"1m\"")]
    MaxDelay,
    /// Outside 1 to [`MAX_WRITES`].
    #[error("`forward.policy.writes_per_minute` must be a whole number from 1 to {MAX_WRITES}")]
    Writes,
    /// More than this upstream accepts.
    #[error("`forward.policy.writes_per_minute` must be at most {DOCUMENTED_WRITES} for app.net and pnut.io, not {0}")]
    TooFast(u16),
}

impl ForwardPatch {
    /// Parses an owner's `forward`. An optional field may be null.
    ///
    /// # Errors
    /// See [`ForwardError`]. [`allowed_root`] checks whether the root is allowed.
    pub fn parse(owners: &Value) -> Result<Self, ForwardError> {
        let fields = known(owners, "forward", &["dialect", "api_root", "channel", "token", "policy"])?;
        let given = |name: &str| fields.get(name).filter(|value| !value.is_null());
        let api_root = given("api_root").and_then(Value::as_str).ok_or(ForwardError::ApiRoot)?.to_owned();
        let dialect = given("dialect").and_then(Value::as_str).and_then(Dialect::named);
        let policy = given("policy").map(Policy::parse).transpose()?.unwrap_or_default();
        if policy.writes_per_minute > DOCUMENTED_WRITES && root::has_documented_limit(&api_root) {
            return Err(ForwardError::TooFast(policy.writes_per_minute));
        }
        Ok(Self {
            dialect: dialect.ok_or(ForwardError::Dialect)?,
            api_root,
            channel: given("channel").map(|id| channel_id(id).ok_or(ForwardError::Channel)).transpose()?,
            token: given("token").map(token).transpose()?,
            policy,
        })
    }
}

impl ForwardPatch {
    /// The configuration after this change: with the same upstream, the channel stays unless another is named.
    #[must_use]
    pub fn applied(self, before: Option<ForwardConfig>) -> ForwardConfig {
        let mut after = ForwardConfig::from(self);
        let same = before.filter(|before| before.is_same_place(&after));
        after.channel = after.channel.or(same.and_then(|before| before.channel));
        after
    }
}

impl From<ForwardPatch> for ForwardConfig {
    fn from(ForwardPatch { dialect, api_root, channel, token: _, policy }: ForwardPatch) -> Self {
        Self { dialect, api_root, channel, policy }
    }
}

impl ForwardConfig {
    /// Whether both write to the same upstream, where tokens and channels are the same.
    #[must_use]
    pub fn is_same_place(&self, other: &Self) -> bool {
        (self.dialect, &self.api_root) == (other.dialect, &other.api_root)
    }

    /// The JSON that the owner sees.
    #[must_use]
    pub fn view(&self) -> Value {
        let Self { dialect, api_root, channel, policy } = self;
        let policy = json!({
            "max_delay": duration_text(policy.max_delay_s),
            "writes_per_minute": policy.writes_per_minute,
        });
        json!({ "dialect": dialect.name(), "api_root": api_root, "channel": channel, "policy": policy })
    }
}

impl Policy {
    fn parse(owners: &Value) -> Result<Self, ForwardError> {
        let fields = known(owners, "forward.policy", &["max_delay", "writes_per_minute"])?;
        let given = |name: &str| fields.get(name).filter(|value| !value.is_null());
        let mut policy = Self::default();
        if let Some(max_delay) = given("max_delay") {
            let seconds = max_delay.as_str().and_then(|text| parse_duration(text).ok());
            let seconds = seconds.filter(|seconds| (MIN_DELAY_S..=MAX_DELAY_S).contains(seconds));
            policy.max_delay_s = seconds.ok_or(ForwardError::MaxDelay)?;
        }
        if let Some(writes) = given("writes_per_minute") {
            let writes = writes.as_u64().and_then(|writes| u16::try_from(writes).ok());
            policy.writes_per_minute = writes.filter(|w| (1..=MAX_WRITES).contains(w)).ok_or(ForwardError::Writes)?;
        }
        Ok(policy)
    }
}

/// The fields of an object that may have only these.
fn known<'a>(owners: &'a Value, path: &'static str, names: &[&str]) -> Result<&'a Map<String, Value>, ForwardError> {
    let fields = owners.as_object().ok_or(ForwardError::Shape(path))?;
    match fields.keys().find(|key| !names.contains(&key.as_str())) {
        Some(unknown) => Err(ForwardError::Unknown(path, unknown.clone(), names.join(", "))),
        None => Ok(fields),
    }
}

fn token(owners: &Value) -> Result<Token, ForwardError> {
    let token = owners.as_str().filter(|token| (1..=MAX_TOKEN_BYTES).contains(&token.len()));
    let token = token.filter(|token| token.bytes().all(|byte| byte.is_ascii_graphic()));
    token.map(|token| Token(token.to_owned())).ok_or(ForwardError::Token)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<ForwardPatch, ForwardError> {
        ForwardPatch::parse(&serde_json::from_str(text).expect("JSON"))
    }

    /// Parses a configuration with these additional fields.
    fn with(fields: &str) -> Result<ForwardPatch, ForwardError> {
        parse(&format!(r#"{{"dialect":"app.net","api_root":"https://a.example/stream/0",{fields}}}"#))
    }

    #[test]
    fn a_dialect_and_a_root_are_all_that_is_needed() {
        let plain = ForwardPatch {
            dialect: Dialect::Pnut,
            api_root: "https://api.pnut.io/v1".into(),
            channel: None,
            token: None,
            policy: Policy { max_delay_s: 60, writes_per_minute: 20 },
        };
        let nulls = r#","channel":null,"token":null,"policy":null"#;
        let empty_policy = r#","policy":{"max_delay":null}"#;
        for rest in ["", nulls, empty_policy] {
            let text = format!(r#"{{"dialect":"pnut","api_root":"https://api.pnut.io/v1"{rest}}}"#);
            assert_eq!(parse(&text).as_ref(), Ok(&plain));
        }
    }

    #[test]
    fn an_error_names_what_is_wrong() {
        let named = |text: &str, start: &str| {
            let message = parse(text).expect_err(text).to_string();
            assert!(message.starts_with(start), "{text}: {message}");
        };
        named("[]", "`forward` must be an object");
        named(r#"{"api_rot":1}"#, "unknown field \"api_rot\" in `forward`; it can have ");
        named("{}", "`forward.api_root` must be");
        named(r#"{"api_root":7}"#, "`forward.api_root` must be");
        for dialect in ["null", "1", r#""adn""#, r#""App.net""#] {
            named(&format!(r#"{{"api_root":"https://a.example","dialect":{dialect}}}"#), "`forward.dialect` must be");
        }
        let named = |fields: &str, start: &str| {
            let message = with(fields).expect_err(fields).to_string();
            assert!(message.starts_with(start), "{fields}: {message}");
        };
        named(r#""policy":7"#, "`forward.policy` must be an object");
        named(
            r#""policy":{"max":1}"#,
            "unknown field \"max\" in `forward.policy`; it can have max_delay, writes_per_minute",
        );
        for max_delay in [r#""9s""#, r#""86401s""#, r#""-1m""#, "60", r#""soon""#] {
            named(&format!(r#""policy":{{"max_delay":{max_delay}}}"#), "`forward.policy.max_delay`");
        }
        for writes in ["0", "6001", "65556", "-1", "2.5", r#""20""#] {
            named(&format!(r#""policy":{{"writes_per_minute":{writes}}}"#), "`forward.policy.writes_per_minute`");
        }
        let long = format!("\"{}\"", "1".repeat(65));
        for channel in [r#""""#, "-1", "1.5", r#""a/b""#, r#""..""#, r#"".""#, r#""a b""#, r#""ü""#, "true", &long] {
            named(&format!(r#""channel":{channel}"#), "`forward.channel`");
        }
    }

    #[test]
    fn limits_are_accepted_and_nothing_beyond() {
        let policy = |text: &str| with(&format!(r#""policy":{text}"#)).expect(text).policy;
        let bounds = |max_delay_s, writes_per_minute| Policy { max_delay_s, writes_per_minute };
        assert_eq!(policy(r#"{"max_delay":"10s","writes_per_minute":1}"#), bounds(10, 1));
        assert_eq!(policy(r#"{"max_delay":"1d","writes_per_minute":6000}"#), bounds(86_400, 6_000));
        let channel = |text: &str| with(&format!(r#""channel":{text}"#)).expect(text).channel;
        assert_eq!(channel("12").as_deref(), Some("12"));
        assert_eq!(channel("18446744073709551615").as_deref(), Some("18446744073709551615"));
        assert_eq!(channel(r#""A-z_0.9""#).as_deref(), Some("A-z_0.9"));
        assert!(channel(&format!("\"{}\"", "1".repeat(64))).is_some());
    }

    #[test]
    fn a_token_fits_a_header_and_is_never_shown() {
        for token in ["AQ~secret+/=", &"s".repeat(MAX_TOKEN_BYTES)] {
            let patch = with(&format!(r#""token":"{token}""#)).expect("valid");
            assert_eq!(patch.token, Some(Token(token.to_owned())));
            let debug = format!("{patch:?}");
            assert!(!debug.contains(token) && debug.contains("***"), "{debug}");
        }
        for token in ["", "secret\\n", "secret x", "sécret", "secret\\u0000", &"s".repeat(MAX_TOKEN_BYTES + 1)] {
            let error = with(&format!(r#""token":"{token}""#)).expect_err("invalid");
            assert_eq!(error, ForwardError::Token);
            assert!(!error.to_string().contains("secret"));
        }
        assert_eq!(with(r#""token":12345"#), Err(ForwardError::Token));
    }

    #[test]
    fn app_net_and_pnut_get_at_most_their_documented_limit() {
        let policy = |root: &str, writes: u16| {
            parse(&format!(r#"{{"dialect":"pnut","api_root":"{root}","policy":{{"writes_per_minute":{writes}}}}}"#))
        };
        for root in [
            "https://alpha-api.app.net/stream/0",
            "https://app.net",
            "https://API.PNUT.io:443/v1",
            "https://api.pnut-api-1.org/v1",
        ] {
            assert!(policy(root, 20).is_ok());
            assert_eq!(policy(root, 21), Err(ForwardError::TooFast(21)), "{root}");
        }
        for root in ["https://notapp.net/v1", "https://pnut.io.example/v1", "http://127.0.0.1:8787/app.net"] {
            assert!(policy(root, 21).is_ok(), "{root}");
        }
    }

    #[test]
    fn the_persisted_form_is_pinned() {
        let policy = Policy { max_delay_s: 600, writes_per_minute: 20 };
        let api_root = "https://api.pnut.io/v1".to_owned();
        let config = ForwardConfig { dialect: Dialect::Pnut, api_root, channel: Some("12".into()), policy };
        let pinned = r#"{"dialect":"pnut","api_root":"https://api.pnut.io/v1","channel":"12","policy":{"max_delay_s":600,"writes_per_minute":20}}"#;
        assert_eq!(serde_json::to_string(&config).expect("serialises"), pinned);
        assert_eq!(serde_json::from_str::<ForwardConfig>(pinned).expect("reads"), config);
        let shown = r#"{"api_root":"https://api.pnut.io/v1","channel":"12","dialect":"pnut","policy":{"max_delay":"10m","writes_per_minute":20}}"#;
        assert_eq!(config.view().to_string(), shown);
    }
}
