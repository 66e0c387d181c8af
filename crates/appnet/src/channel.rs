//! Channels of an upstream: how to create one, and whether it can be written to.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use config::forward::dialect::{Dialect, channel_id};

/// Whether an upstream allows us to write to a channel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Writable {
    /// We may write.
    Yes,
    /// We may not, or nobody may any more.
    No,
    /// The upstream does not say.
    Unknown,
}

/// The path for creating channels, relative to the root.
#[must_use]
pub fn channels_path() -> &'static str {
    "/channels"
}

/// The path of a channel's description, relative to the root.
#[must_use]
pub fn channel_path(id: &str) -> String {
    format!("/channels/{id}")
}

/// The path for posting a channel's messages, relative to the root.
#[must_use]
pub fn messages_path(id: &str) -> String {
    format!("/channels/{id}/messages")
}

/// Who besides its owner can read a channel, as far as its upstream says. Persisted by name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Audience {
    /// Nobody.
    Nobody,
    /// Users that the owner has listed.
    Listed,
    /// All of the upstream's users.
    Users,
    /// Everyone, even without a token.
    Everyone,
    /// The upstream does not say.
    Unknown,
}

impl Audience {
    /// What the stream's owner should know about who can read the channel.
    #[must_use]
    pub fn warning(self) -> Option<&'static str> {
        match self {
            Self::Nobody | Self::Unknown => None,
            Self::Listed => Some("users other than the token's can read the channel: the upstream lists them"),
            Self::Users => {
                Some("every user of the upstream can read the channel: its readers or its writers are `any_user`")
            }
            Self::Everyone => Some("everyone can read the channel: its readers are `public`"),
        }
    }
}

/// The body that creates a channel of points that only the owner can write to and read: on both upstreams, writers
/// may also read. The access can be changed later.
#[must_use]
pub fn create_body(dialect: Dialect) -> &'static str {
    match dialect {
        Dialect::AppNet => {
            r#"{"type":"net.app.contrib.timeseries","readers":{"any_user":false,"public":false,"immutable":false},"writers":{"any_user":false,"immutable":false},"editors":{"any_user":false,"immutable":false}}"#
        }
        Dialect::Pnut => {
            r#"{"type":"net.app.contrib.timeseries","acl":{"full":{"immutable":false},"write":{"any_user":false,"immutable":false},"read":{"any_user":false,"public":false,"immutable":false}}}"#
        }
    }
}

/// The id of the channel that an upstream has created.
#[must_use]
pub fn created_id(body: &[u8]) -> Option<String> {
    let answer = json::value::parse(body).ok()?;
    channel_id(answer.pointer("/data/id")?)
}

/// Whether we may write to the channel that an upstream describes. Editors may write.
#[must_use]
pub fn writable(dialect: Dialect, body: &[u8]) -> Writable {
    let answer = json::value::parse(body).unwrap_or_default();
    let says = |path: &str| answer.pointer(path).and_then(Value::as_bool);
    if says("/data/is_inactive") == Some(true) {
        return Writable::No;
    }
    let rights = match dialect {
        Dialect::AppNet => ["/data/writers/you", "/data/writers/any_user", "/data/editors/you"],
        Dialect::Pnut => ["/data/acl/write/you", "/data/acl/write/any_user", "/data/acl/full/you"],
    };
    let rights = rights.map(says);
    if rights.contains(&Some(true)) {
        Writable::Yes
    } else if rights.contains(&None) {
        Writable::Unknown
    } else {
        Writable::No
    }
}

/// Who can read the channel that an upstream describes. Writing and editing imply reading, except for a Heartbeat,
/// where everyone may write: its ids are not numbers, unlike those of app.net and pnut.
#[must_use]
pub fn audience(dialect: Dialect, body: &[u8]) -> Audience {
    let answer = json::value::parse(body).unwrap_or_default();
    let id = answer.pointer("/data/id").and_then(channel_id).unwrap_or_default();
    let [readers, others @ ..] = match dialect {
        Dialect::AppNet => ["/data/readers", "/data/writers", "/data/editors"],
        Dialect::Pnut => ["/data/acl/read", "/data/acl/write", "/data/acl/full"],
    };
    let Some(readers) = answer.pointer(readers) else { return Audience::Unknown };
    let others = others.iter().filter_map(|list| answer.pointer(list));
    let lists = others.filter(|_| id.bytes().all(|byte| byte.is_ascii_digit())).chain([readers]);
    let lists: Vec<&Value> = lists.collect();
    let is = |name: &str| lists.iter().any(|list| list.get(name) == Some(&Value::Bool(true)));
    let has_listed = |list: &&Value| list.get("user_ids").and_then(Value::as_array).is_some_and(|ids| !ids.is_empty());
    match () {
        () if is("public") => Audience::Everyone,
        () if is("any_user") => Audience::Users,
        () if lists.iter().any(has_listed) => Audience::Listed,
        () => Audience::Nobody,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::TIMESERIES;

    #[test]
    fn only_the_owner_can_read_and_write_a_created_channel() {
        let body = |dialect| serde_json::from_str::<Value>(create_body(dialect)).expect("JSON");
        let (app_net, pnut) = (body(Dialect::AppNet), body(Dialect::Pnut));
        assert_eq!((&app_net["type"], &pnut["type"]), (&TIMESERIES.into(), &TIMESERIES.into()));
        for (write, read) in [("/writers", "/readers"), ("/acl/write", "/acl/read")] {
            let channel = if write == "/writers" { &app_net } else { &pnut };
            let says = |group: &str, name: &str| channel.pointer(&format!("{group}/{name}")).and_then(Value::as_bool);
            assert_eq!((says(write, "any_user"), says(write, "immutable")), (Some(false), Some(false)));
            assert_eq!((says(read, "any_user"), says(read, "public")), (Some(false), Some(false)));
            assert_eq!(says(read, "immutable"), Some(false));
        }
        for (dialect, channel) in [(Dialect::AppNet, &app_net), (Dialect::Pnut, &pnut)] {
            let described = serde_json::json!({ "data": channel }).to_string();
            assert_eq!(audience(dialect, described.as_bytes()), Audience::Nobody);
        }
    }

    #[test]
    fn the_audience_follows_from_all_lists_of_a_channel() {
        use Audience::{Everyone, Listed, Nobody, Unknown, Users};
        let closed = serde_json::json!({"any_user": false, "public": false, "user_ids": [], "you": true});
        let opened = |name: &str, value: Value| {
            let mut list = closed.clone();
            list[name] = value;
            list
        };
        for (list, wanted) in [
            (closed.clone(), [Nobody; 3]),
            (opened("public", true.into()), [Everyone; 3]),
            (opened("any_user", true.into()), [Users; 3]),
            (opened("user_ids", serde_json::json!(["7"])), [Listed; 3]),
        ] {
            for (place, wanted) in wanted.into_iter().enumerate() {
                let lists = [0, 1, 2].map(|at| if at == place { list.clone() } else { closed.clone() });
                let [read, write, full] = lists;
                let app_net =
                    serde_json::json!({"data": {"id": "7", "readers": read, "writers": write, "editors": full}});
                let pnut =
                    serde_json::json!({"data": {"id": "7", "acl": {"read": read, "write": write, "full": full}}});
                for (dialect, body) in [(Dialect::AppNet, app_net), (Dialect::Pnut, pnut)] {
                    assert_eq!(audience(dialect, body.to_string().as_bytes()), wanted, "{body}");
                }
            }
        }
        for body in ["", "<html>", "{}", r#"{"data":{"id":"7"}}"#, r#"{"data":[]}"#] {
            assert_eq!(audience(Dialect::AppNet, body.as_bytes()), Unknown, "{body}");
        }
        assert!(Nobody.warning().is_none() && Unknown.warning().is_none());
        assert!([Listed, Users, Everyone].into_iter().all(|audience| audience.warning().is_some()));
    }

    #[test]
    fn a_channel_id_is_a_number_or_string_and_never_a_path() {
        let id = |id: &str| created_id(format!(r#"{{"data":{{"id":{id}}},"meta":{{"code":200}}}}"#).as_bytes());
        assert_eq!(id("12").as_deref(), Some("12"));
        assert_eq!(id(r#""12""#).as_deref(), Some("12"));
        for hostile in [r#""..""#, r#""a/b""#, r#""a?b""#, r#""a%2fb""#, r#""""#, "null", "-1", "1.5", "{}", r#""ü""#]
        {
            assert_eq!(id(hostile), None, "{hostile}");
        }
        for body in ["", "<html>", "{}", "[]", r#"{"data":[]}"#, r#"{"data":{"id":"1"#] {
            assert_eq!(created_id(body.as_bytes()), None, "{body}");
        }
    }

    #[test]
    fn the_channel_determines_who_may_write() {
        use Writable::{No, Unknown, Yes};
        let app_net = |writers: &str, rest: &str| {
            writable(Dialect::AppNet, format!(r#"{{"data":{{"writers":{writers}{rest}}}}}"#).as_bytes())
        };
        let editor = |you: bool| format!(r#","editors":{{"any_user":false,"you":{you}}}"#);
        assert_eq!(app_net(r#"{"you":true,"any_user":false}"#, ""), Yes);
        assert_eq!(app_net(r#"{"you":false,"any_user":true}"#, &editor(false)), Yes);
        assert_eq!(app_net(r#"{"you":false,"any_user":false}"#, &editor(true)), Yes);
        assert_eq!(app_net(r#"{"you":false,"any_user":false}"#, &editor(false)), No);
        assert_eq!(app_net(r#"{"you":false,"any_user":false}"#, ""), Unknown);
        assert_eq!(app_net(r#"{"any_user":false}"#, &editor(false)), Unknown);
        assert_eq!(app_net(r#"{"you":"true"}"#, &editor(false)), Unknown);
        assert_eq!(app_net("{}", ""), Unknown);
        assert_eq!(app_net(r#"{"you":true}"#, r#","is_inactive":true"#), No);
        let pnut = |acl: &str| writable(Dialect::Pnut, format!(r#"{{"data":{{"acl":{acl}}}}}"#).as_bytes());
        let acl = |full: bool, you: bool, any: bool| {
            format!(
                r#"{{"full":{{"you":{full}}},"write":{{"you":{you},"any_user":{any}}},"read":{{"any_user":true}}}}"#
            )
        };
        for rights in [(true, false, false), (false, true, false), (false, false, true)] {
            assert_eq!(pnut(&acl(rights.0, rights.1, rights.2)), Yes, "{rights:?}");
        }
        assert_eq!(pnut(&acl(false, false, false)), No);
        assert_eq!(pnut(r#"{"write":{"you":false}}"#), Unknown);
        for body in ["", "<html>", "[]", "{}", r#"{"data":7}"#] {
            assert_eq!(writable(Dialect::Pnut, body.as_bytes()), Unknown, "{body}");
        }
    }

    #[test]
    fn paths_are_relative_to_the_root() {
        assert_eq!((channels_path(), channel_path("12").as_str()), ("/channels", "/channels/12"));
        assert_eq!(messages_path("12"), "/channels/12/messages");
    }
}
