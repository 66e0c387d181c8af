//! Messages as a client of the app.net face sees them. They carry points only, so all of them are machine-only.

use serde_json::value::RawValue;

use crate::domain::codec::Malformed;
use crate::wire::json::{push_formatted, push_text};
use crate::wire::time::date_text;

use super::envelope;
use super::object::{list, number, object, string};
use super::paging::Shown;

/// What a message's object says.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct MessageView<'a> {
    /// The channel's id.
    pub channel: &'a str,
    /// Where this server is: the message's source.
    pub origin: &'a str,
    /// Absent when the message is a repetition.
    pub id: Option<&'a str>,
    /// When it came, Unix seconds.
    pub at_s: i64,
    /// For people, if there was one.
    pub text: Option<&'a str>,
    /// As JSON, if they are asked for.
    pub annotations: Option<&'a str>,
    /// Whether it is one of a list.
    pub is_listed: bool,
}

impl MessageView<'_> {
    /// The message as JSON.
    #[must_use]
    pub fn to_json(&self) -> String {
        let mut out = String::new();
        self.push(&mut out);
        out
    }

    fn push(&self, out: &mut String) {
        let Self { channel, origin, id, at_s, text, annotations, is_listed } = self;
        out.push('{');
        if let Some(id) = id {
            push_formatted(out, format_args!(r#""id":"{id}","thread_id":"{id}","#));
            if *is_listed {
                push_formatted(out, format_args!(r#""pagination_id":"{id}","#));
            }
        }
        let date = date_text(*at_s);
        push_formatted(
            out,
            format_args!(
                r#""channel_id":"{channel}","created_at":"{date}","machine_only":true,"num_replies":0,"source":{{"client_id":"heartbeat","name":"Heartbeat","link":"#
            ),
        );
        push_text(out, origin);
        out.push('}');
        if let Some(text) = text {
            for (name, text) in [(",\"text\":", (*text).to_owned()), (",\"html\":", html(text))] {
                out.push_str(name);
                push_text(out, &text);
            }
            out.push_str(r#","entities":{"hashtags":[],"links":[],"mentions":[]}"#);
        }
        if let Some(annotations) = annotations {
            out.extend([",\"annotations\":", annotations]);
        }
        out.push('}');
    }
}

/// A message as an object tells it.
struct Stored<'a> {
    id: String,
    at: f64,
    annotations: &'a RawValue,
}

impl<'a> Stored<'a> {
    fn of(message: &'a RawValue) -> Option<Self> {
        let message = object(message.get())?;
        let (id, at) = (string(message.get("id")?)?, number(message.get("at")?)?);
        Some(Self { id, at, annotations: message.get("annotations")? })
    }
}

/// The messages of an object's answer, newest first, and whether there are more.
fn stored(answer: &[u8]) -> Option<(Vec<Stored<'_>>, bool)> {
    let page = object(std::str::from_utf8(answer).ok()?)?;
    let messages = list(page.get("messages")?.get().as_bytes())?.into_iter().map(Stored::of);
    Some((messages.collect::<Option<_>>()?, page.get("more")?.get() == "true"))
}

/// One page of what a stream's object answers to [`crate::wire::command::Read::Messages`], as the face answers it.
///
/// # Errors
/// [`Malformed`]: it is not what an object answers.
pub fn page(answer: &[u8], view: &MessageView<'_>, shown: Shown) -> Result<String, Malformed> {
    let (messages, has_more) = stored(answer).ok_or(Malformed(0))?;
    // None of a server that has only machine-only messages.
    let messages = if shown.machine { &messages[..] } else { &[] };
    let mut list = String::from("[");
    for (index, message) in messages.iter().enumerate() {
        list.push_str(if index > 0 { "," } else { "" });
        push_stored(&mut list, message, &MessageView { is_listed: true, ..*view }, shown);
    }
    list.push(']');
    let has_more = shown.machine && has_more;
    let mut meta = format!(r#","more":{has_more}"#);
    // The newest comes first.
    if let [newest, .., oldest] | [newest @ oldest] = messages {
        let (max_id, min_id) = (&newest.id, &oldest.id);
        push_formatted(&mut meta, format_args!(r#","max_id":"{max_id}","min_id":"{min_id}""#));
    }
    Ok(envelope::data(&list, &meta))
}

/// The one message of such an answer, if it is there.
///
/// # Errors
/// [`Malformed`]: it is not what an object answers.
pub fn single(answer: &[u8], view: &MessageView<'_>, shown: Shown) -> Result<Option<String>, Malformed> {
    let (messages, _) = stored(answer).ok_or(Malformed(0))?;
    Ok(messages.first().map(|message| {
        let mut out = String::new();
        push_stored(&mut out, message, view, shown);
        envelope::data(&out, "")
    }))
}

fn push_stored(out: &mut String, message: &Stored<'_>, view: &MessageView<'_>, shown: Shown) {
    #[expect(clippy::cast_possible_truncation, reason = "a time")]
    let at_s = message.at.floor() as i64;
    let annotations = shown.annotations.then(|| message.annotations.get());
    MessageView { id: Some(&message.id), at_s, annotations, ..*view }.push(out);
}

/// A text that no browser takes for more.
fn html(text: &str) -> String {
    let mut out = String::new();
    for char in text.chars() {
        match char {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            other => out.push(other),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    const VIEW: MessageView<'_> = MessageView {
        channel: "abc",
        origin: "https://h.example",
        id: None,
        at_s: 1_792_540_800,
        text: None,
        annotations: None,
        is_listed: false,
    };
    const ALL: Shown = Shown { machine: true, annotations: true };

    fn json(text: &str) -> Value {
        serde_json::from_str(text).expect("JSON")
    }

    #[test]
    fn a_message_says_where_and_when_and_is_machine_only() {
        let message = json(&MessageView { id: Some("41"), ..VIEW }.to_json());
        let source = json!({"client_id": "heartbeat", "name": "Heartbeat", "link": "https://h.example"});
        assert_eq!(
            message,
            json!({
                "id": "41", "thread_id": "41", "channel_id": "abc", "created_at": "2026-10-21T00:00:00Z",
                "machine_only": true, "num_replies": 0, "source": source,
            })
        );
        assert_eq!(json(&VIEW.to_json()).get("id"), None);
    }

    #[test]
    fn a_text_is_echoed_and_its_html_is_harmless() {
        let message = json(&MessageView { text: Some("<b>\"&'"), ..VIEW }.to_json());
        assert_eq!((&message["text"], &message["html"]), (&json!("<b>\"&'"), &json!("&lt;b&gt;&quot;&amp;&#39;")));
        assert_eq!(message["entities"]["links"], json!([]));
    }

    #[test]
    fn a_page_has_its_ends_in_meta() {
        let message = |id: &str| json!({"id": id, "at": 1_792_540_800.75, "annotations": [{"type": "t", "value": {}}]});
        let answer = json!({"messages": [message("9"), message("7"), message("5")], "more": true}).to_string();
        let answer = answer.as_bytes();
        let shown = json(&page(answer, &VIEW, ALL).expect("a page"));
        assert_eq!(shown["meta"], json!({"code": 200, "more": true, "max_id": "9", "min_id": "5"}));
        assert_eq!((&shown["data"][1]["pagination_id"], &shown["data"][2]["id"]), (&json!("7"), &json!("5")));
        assert_eq!(shown["data"][0]["created_at"], "2026-10-21T00:00:00Z");
        assert_eq!(shown["data"][0]["annotations"], json!([{"type": "t", "value": {}}]));
        let bare = json(&page(answer, &VIEW, Shown { annotations: false, ..ALL }).expect("a page"));
        assert_eq!(bare["data"][0].get("annotations"), None);
        let without_machines = json(&page(answer, &VIEW, Shown { machine: false, ..ALL }).expect("a page"));
        assert_eq!(without_machines, json!({"data": [], "meta": {"code": 200, "more": false}}));
    }

    #[test]
    fn a_page_of_one_and_of_none_and_one_message_alone() {
        let one = json!({"messages": [{"id": "3", "at": 0, "annotations": []}], "more": false}).to_string();
        let none = json!({"messages": [], "more": false}).to_string();
        let meta = |answer: &str| json(&page(answer.as_bytes(), &VIEW, ALL).expect("a page"))["meta"].clone();
        assert_eq!(meta(&one), json!({"code": 200, "more": false, "max_id": "3", "min_id": "3"}));
        assert_eq!(meta(&none), json!({"code": 200, "more": false}));
        let alone = |answer: &str| single(answer.as_bytes(), &VIEW, ALL).expect("an answer");
        assert_eq!(json(&alone(&one).expect("is there"))["data"]["id"], "3");
        assert_eq!(alone(&none), None);
        assert!(page(b"{", &VIEW, ALL).is_err() && single(b"", &VIEW, ALL).is_err());
    }
}
