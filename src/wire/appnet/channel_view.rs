//! A stream as the channel that a client of the app.net face sees.

use super::TIMESERIES;

/// What a channel's object says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ChannelView<'a> {
    /// The stream's.
    pub id: &'a str,
    /// Whether everyone may read.
    pub is_public: bool,
    /// Whether the one who asks may read.
    pub you_read: bool,
    /// Whether the one who asks is the owner.
    pub you_own: bool,
}

impl ChannelView<'_> {
    /// The channel as JSON. Its annotations are JSON too; a channel without any has no list of them.
    #[must_use]
    pub fn to_json(&self, annotations: Option<&str>) -> String {
        let Self { id, is_public, you_read, you_own } = self;
        let acl = |name: &str, first: &str, you: &bool| {
            format!(r#""{name}":{{{first},"immutable":true,"user_ids":[],"you":{you}}}"#)
        };
        let readers = acl("readers", &format!(r#""any_user":false,"public":{is_public}"#), you_read);
        let writers = acl("writers", r#""any_user":true,"public":false"#, &true);
        let editors = acl("editors", r#""any_user":false,"public":false"#, you_own);
        let annotations = annotations.map(|list| format!(r#","annotations":{list}"#)).unwrap_or_default();
        format!(
            r#"{{"id":"{id}","type":"{TIMESERIES}","counts":{{"subscribers":0}},"has_unread":false,"is_inactive":false,{readers},{writers},{editors},"you_can_edit":{you_own},"you_subscribed":{you_own},"you_muted":false{annotations}}}"#
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::appnet::channel::{Writable, created_id, writable};
    use crate::wire::appnet::dialect::Dialect;
    use crate::wire::appnet::envelope;
    use serde_json::{Value, json};

    #[test]
    fn a_channel_says_who_may_and_whether_you_may() {
        let view = ChannelView { id: "abc", is_public: false, you_read: true, you_own: false };
        let channel: Value = serde_json::from_str(&view.to_json(None)).expect("JSON");
        let acl = |any_user: bool, you: bool| json!({"any_user": any_user, "immutable": true, "public": false, "user_ids": [], "you": you});
        assert_eq!(
            [&channel["readers"], &channel["writers"], &channel["editors"]],
            [&acl(false, true), &acl(true, true), &acl(false, false)]
        );
        assert_eq!((&channel["id"], &channel["type"]), (&json!("abc"), &json!("net.app.contrib.timeseries")));
        assert_eq!(channel.get("annotations"), None);
        let annotated: Value = serde_json::from_str(&view.to_json(Some("[1]"))).expect("JSON");
        assert_eq!(annotated["annotations"], json!([1]));
    }

    #[test]
    fn what_forwards_to_app_net_can_forward_to_this() {
        let view = ChannelView { id: "abc", is_public: false, you_read: true, you_own: true };
        let body = envelope::data(&view.to_json(None), "");
        assert_eq!(created_id(body.as_bytes()).as_deref(), Some("abc"));
        assert_eq!(writable(Dialect::AppNet, body.as_bytes()), Writable::Yes);
    }
}
