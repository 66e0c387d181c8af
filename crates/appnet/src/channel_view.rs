//! A stream as the channel that an app.net client sees.

use serde_json::{Value, json};

use model::time::date_text;

use super::TIMESERIES;
use super::user::User;

/// The content of a channel's object.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ChannelView<'a> {
    /// The stream's id.
    pub id: &'a str,
    /// The origin of this server.
    pub origin: &'a str,
    /// When it was created, Unix milliseconds.
    pub created_ms: u64,
    /// Whether everyone may read.
    pub is_public: bool,
    /// Whether the requester may read.
    pub you_read: bool,
    /// Whether the requester is the owner.
    pub you_own: bool,
    /// The channel's content, if the requester may read it.
    pub content: Content,
    /// The id within a list, if it is in one.
    pub annotations: Option<Value>,
}

/// The content of a channel.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Content {
    /// The number of points; a message has at least one.
    pub points: u64,
    /// The id of the newest message.
    pub recent_id: Option<String>,
    /// That message, if requested.
    pub recent: Option<Value>,
}

impl ChannelView<'_> {
    /// The channel's object with every field that app.net gives one; `pagination_id` occurs only in lists.
    #[must_use]
    pub fn to_json(&self) -> Value {
        let Self { id, origin, created_ms, is_public, you_read, you_own, content, annotations } = self;
        let acl = |any_user: bool, public: bool, you: bool| json!({ "any_user": any_user, "public": public, "immutable": true, "user_ids": [], "you": you });
        let created_s = i64::try_from(created_ms / 1_000).unwrap_or_default();
        let mut view = json!({
            "id": id, "type": TIMESERIES, "created_at": date_text(created_s), "owner": User::Owner.to_json(origin),
            "counts": { "messages": content.points, "subscribers": 1 },
            "has_unread": false, "is_inactive": false,
            "readers": acl(false, *is_public, *you_read),
            "writers": acl(true, false, true),
            "editors": acl(false, false, *you_own),
            "you_can_edit": you_own, "you_subscribed": you_own, "you_muted": false,
        });
        let some = [
            ("recent_message_id", content.recent_id.clone().map(Value::from)),
            ("recent_message", content.recent.clone()),
            ("annotations", annotations.clone()),
        ];
        for (name, value) in some {
            if let Some(value) = value {
                view[name] = value;
            }
        }
        view
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::channel::{Audience, Writable, audience, created_id, writable};
    use crate::envelope;
    use config::forward::dialect::Dialect;

    fn view() -> ChannelView<'static> {
        ChannelView { id: "abc", origin: "https://h.example", created_ms: 1_792_540_800_250, ..ChannelView::default() }
    }

    #[test]
    fn a_channel_says_who_may_use_it_and_whether_you_may() {
        let channel = ChannelView { you_read: true, ..view() }.to_json();
        let acl = |any_user: bool, you: bool| json!({"any_user": any_user, "immutable": true, "public": false, "user_ids": [], "you": you});
        assert_eq!(
            [&channel["readers"], &channel["writers"], &channel["editors"]],
            [&acl(false, true), &acl(true, true), &acl(false, false)]
        );
        assert_eq!((&channel["id"], &channel["type"]), (&json!("abc"), &json!("net.app.contrib.timeseries")));
        assert_eq!((&channel["created_at"], &channel["owner"]["id"]), (&json!("2026-10-21T00:00:00Z"), &json!("1")));
        for name in ["annotations", "recent_message", "recent_message_id"] {
            assert_eq!(channel.get(name), None);
        }
        let content = Content { points: 7, recent_id: Some("5".into()), recent: Some(json!({"id": "5"})) };
        let full = ChannelView { content, annotations: Some(json!([1])), ..view() }.to_json();
        assert_eq!((&full["annotations"], &full["recent_message_id"]), (&json!([1]), &json!("5")));
        assert_eq!((&full["counts"]["messages"], &full["recent_message"]["id"]), (&json!(7), &json!("5")));
    }

    #[test]
    fn a_forwarder_to_app_net_can_forward_to_this_server() {
        let view = ChannelView { you_read: true, you_own: true, ..view() };
        let body = envelope::data(&view.to_json().to_string(), "");
        assert_eq!(created_id(body.as_bytes()).as_deref(), Some("abc"));
        assert_eq!(writable(Dialect::AppNet, body.as_bytes()), Writable::Yes);
        assert_eq!(audience(Dialect::AppNet, body.as_bytes()), Audience::Nobody, "here who may write may not read");
        let public = ChannelView { is_public: true, ..view };
        let body = envelope::data(&public.to_json().to_string(), "");
        assert_eq!(audience(Dialect::AppNet, body.as_bytes()), Audience::Everyone);
    }
}
