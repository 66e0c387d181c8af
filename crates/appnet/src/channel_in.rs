//! A request of an app.net client to create a channel.

use serde_json::Value;

use super::TIMESERIES;

/// A request to create a channel. It can't say who may write: everyone with the id may, as with every stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChannelIn {
    /// Whether everyone may read: `readers.public` or `readers.any_user`, as there are no users here.
    pub is_public: bool,
    /// The token, for clients that can't set the header.
    pub access_token: Option<String>,
}

/// Why a channel is not created.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ChannelError {
    /// Not JSON, or not an object.
    #[error("the body must be a JSON object such as {{\"type\":\"{TIMESERIES}\"}}")]
    Shape,
    /// Not a channel of points.
    #[error("type must be {TIMESERIES}, the only type that this server supports")]
    Type,
    /// Not an access list.
    #[error("readers must be an object such as {{\"public\":false}}")]
    Readers,
}

impl ChannelIn {
    /// Parses the request in a body; an empty body requests the defaults.
    ///
    /// # Errors
    /// [`ChannelError`]
    pub fn parse(body: &[u8]) -> Result<Self, ChannelError> {
        let body = if body.trim_ascii().is_empty() { b"{}" } else { body };
        let channel = json::value::parse(body).map_err(|_| ChannelError::Shape)?;
        if !channel.is_object() {
            return Err(ChannelError::Shape);
        }
        if channel.get("type").is_some_and(|kind| kind != TIMESERIES) {
            return Err(ChannelError::Type);
        }
        let readers = channel.get("readers");
        if readers.is_some_and(|readers| !readers.is_object()) {
            return Err(ChannelError::Readers);
        }
        let is_public = match readers {
            Some(readers) => ["public", "any_user"].iter().any(|who| readers.get(who) == Some(&Value::Bool(true))),
            None => false,
        };
        Ok(Self { is_public, access_token: channel.get("access_token").and_then(Value::as_str).map(str::to_owned) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::channel::create_body;
    use config::forward::dialect::Dialect;

    #[test]
    fn a_channel_is_of_points_and_private_by_default() {
        let of = |body: &str| ChannelIn::parse(body.as_bytes());
        let is_public = |body| of(body).expect("valid").is_public;
        for body in ["", " ", "{}", r#"{"readers":{}}"#, r#"{"readers":{"public":1}}"#, create_body(Dialect::AppNet)] {
            assert!(!is_public(body), "{body}");
        }
        assert!(is_public(r#"{"readers":{"public":true}}"#));
        assert!(is_public(r#"{"type":"net.app.contrib.timeseries","readers":{"any_user":true},"x":1}"#));
        let channel = of(r#"{"access_token":"t"}"#).expect("valid");
        assert_eq!(channel.access_token.as_deref(), Some("t"));
        for kind in [r#""net.app.core.pm""#, "1", "null", r#""""#] {
            assert_eq!(of(&format!(r#"{{"type":{kind}}}"#)), Err(ChannelError::Type));
        }
        assert_eq!(of(r#"{"readers":true}"#), Err(ChannelError::Readers));
        for body in ["[]", "1", "{", "\u{ff}", "type=net.app.contrib.timeseries"] {
            assert_eq!(of(body), Err(ChannelError::Shape), "{body}");
        }
    }
}
