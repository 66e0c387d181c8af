//! Messages as an app.net client sees them. Points that were not posted as messages appear as machine-only ones.

use serde_json::value::RawValue;

use codec::Malformed;
use json::write::{push_formatted, push_text};
use model::time::date_text;

use super::channel_view::Content;
use super::envelope;
use super::object::{list, number, object, string};
use super::paging::MessageParts;
use super::user::User;

/// The content of a message's object.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct MessageView<'a> {
    /// The channel's id.
    pub channel: &'a str,
    /// The origin of this server: the message's source.
    pub origin: &'a str,
    /// Absent if the message is a repetition.
    pub id: Option<&'a str>,
    /// When it arrived, Unix seconds.
    pub at_s: i64,
    /// Its text, if it has one.
    pub text: Option<&'a str>,
    /// Whether it is for people.
    pub is_for_people: bool,
    /// Whether to leave out the HTML of its text.
    pub no_html: bool,
    /// As JSON, if requested.
    pub annotations: Option<&'a str>,
    /// Whether it is in a list.
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
        let Self { channel, origin, id, at_s, text, is_for_people, no_html, annotations, is_listed } = self;
        out.push('{');
        if let Some(id) = id {
            push_formatted(out, format_args!(r#""id":"{id}","thread_id":"{id}","#));
            if *is_listed {
                push_formatted(out, format_args!(r#""pagination_id":"{id}","#));
            }
        }
        let (date, is_machine_only) = (date_text(*at_s), !is_for_people);
        push_formatted(
            out,
            format_args!(
                r#""channel_id":"{channel}","created_at":"{date}","machine_only":{is_machine_only},"num_replies":0,"reply_to":null,"entities":{{"hashtags":[],"links":[],"mentions":[]}},"source":{{"client_id":"heartbeat","name":"Heartbeat","link":"#
            ),
        );
        push_text(out, origin);
        push_formatted(out, format_args!(r#"}},"user":{}"#, User::Anyone.to_json(origin)));
        if let Some(text) = text {
            out.push_str(",\"text\":");
            push_text(out, text);
            if !no_html {
                out.push_str(",\"html\":");
                push_text(out, &html(text));
            }
        }
        if let Some(annotations) = annotations {
            out.extend([",\"annotations\":", annotations]);
        }
        out.push('}');
    }
}

/// A message as an object returns it.
struct Stored<'a> {
    id: String,
    at: f64,
    text: Option<String>,
    is_for_people: bool,
    annotations: &'a RawValue,
}

impl<'a> Stored<'a> {
    fn of(message: &'a RawValue) -> Option<Self> {
        let message = object(message.get())?;
        let (id, at) = (string(message.get("id")?)?, number(message.get("at")?)?);
        let text = message.get("text").and_then(|text| string(text));
        let is_for_people = message.get("machine_only").is_some_and(|flag| flag.get() == "false");
        Some(Self { id, at, text, is_for_people, annotations: message.get("annotations")? })
    }
}

/// The messages in an object's answer, newest first, and whether there are more.
fn stored(answer: &[u8]) -> Option<(Vec<Stored<'_>>, bool)> {
    let page = object(std::str::from_utf8(answer).ok()?)?;
    let messages = list(page.get("messages")?.get().as_bytes())?.into_iter().map(Stored::of);
    Some((messages.collect::<Option<_>>()?, page.get("more")?.get() == "true"))
}

/// The response for one page of an object's answer to [`protocol::command::Read::Messages`].
///
/// # Errors
/// [`Malformed`] if it is not such an answer.
pub fn page(answer: &[u8], view: &MessageView<'_>, shown: MessageParts) -> Result<String, Malformed> {
    let (messages, has_more) = stored(answer).ok_or(Malformed(0))?;
    // An object of an earlier version returns all messages, which were machine-only.
    let (all, is_shown) = (messages.len(), |message: &Stored<'_>| shown.machine || message.is_for_people);
    let messages: Vec<_> = messages.into_iter().filter(is_shown).collect();
    let has_more = has_more && messages.len() == all;
    let mut list = String::from("[");
    for (index, message) in messages.iter().enumerate() {
        list.push_str(if index > 0 { "," } else { "" });
        push_stored(&mut list, message, &MessageView { is_listed: true, ..*view }, shown);
    }
    list.push(']');
    let mut meta = format!(r#","more":{has_more}"#);
    // The newest comes first.
    if let [newest, .., oldest] | [newest @ oldest] = &messages[..] {
        let (max_id, min_id) = (&newest.id, &oldest.id);
        push_formatted(&mut meta, format_args!(r#","max_id":"{max_id}","min_id":"{min_id}""#));
    }
    Ok(envelope::data(&list, &meta))
}

/// The only message in such an answer, if there is one.
///
/// # Errors
/// [`Malformed`] if it is not such an answer.
pub fn single(answer: &[u8], view: &MessageView<'_>, shown: MessageParts) -> Result<Option<String>, Malformed> {
    let (messages, _) = stored(answer).ok_or(Malformed(0))?;
    Ok(messages.first().map(|message| {
        let mut out = String::new();
        push_stored(&mut out, message, view, shown);
        envelope::data(&out, "")
    }))
}

fn push_stored(out: &mut String, message: &Stored<'_>, view: &MessageView<'_>, shown: MessageParts) {
    #[expect(clippy::cast_possible_truncation, reason = "a time")]
    let at_s = message.at.floor() as i64;
    let annotations = shown.annotations.then(|| message.annotations.get());
    let Stored { id, text, is_for_people, .. } = message;
    let text = text.as_deref();
    let view = MessageView { id: Some(id), at_s, text, is_for_people: *is_for_people, annotations, ..*view };
    MessageView { no_html: shown.no_html, ..view }.push(out);
}

/// What such an answer says about a channel: its number of points, and its newest message.
///
/// # Errors
/// [`Malformed`] if it is not such an answer.
pub fn content(answer: &[u8], view: &MessageView<'_>, shown: Option<MessageParts>) -> Result<Content, Malformed> {
    let (messages, _) = stored(answer).ok_or(Malformed(0))?;
    let accepted = std::str::from_utf8(answer).ok().and_then(object).and_then(|page| number(page.get("accepted")?));
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a count")]
    let points = accepted.unwrap_or_default() as u64;
    let recent = messages.first().zip(shown).and_then(|(message, shown)| {
        let mut out = String::new();
        push_stored(&mut out, message, view, shown);
        serde_json::from_str(&out).ok()
    });
    Ok(Content { points, recent_id: messages.into_iter().next().map(|message| message.id), recent })
}

/// Escapes a string so that no browser takes it for HTML.
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
        is_for_people: false,
        no_html: false,
        annotations: None,
        is_listed: false,
    };
    const ALL: MessageParts = MessageParts { machine: true, annotations: true, no_html: false };

    fn json(text: &str) -> Value {
        serde_json::from_str(text).expect("JSON")
    }

    #[test]
    fn a_message_has_a_source_and_a_time_and_is_machine_only() {
        let message = json(&MessageView { id: Some("41"), ..VIEW }.to_json());
        let source = json!({"client_id": "heartbeat", "name": "Heartbeat", "link": "https://h.example"});
        assert_eq!(
            message,
            json!({
                "id": "41", "thread_id": "41", "channel_id": "abc", "created_at": "2026-10-21T00:00:00Z",
                "machine_only": true, "num_replies": 0, "reply_to": null, "source": source,
                "entities": {"hashtags": [], "links": [], "mentions": []},
                "user": User::Anyone.to_json("https://h.example"),
            })
        );
        assert_eq!(json(&VIEW.to_json()).get("id"), None);
    }

    #[test]
    fn a_text_is_echoed_and_its_html_is_harmless() {
        let message = json(&MessageView { text: Some("<b>\"&'"), ..VIEW }.to_json());
        assert_eq!((&message["text"], &message["html"]), (&json!("<b>\"&'"), &json!("&lt;b&gt;&quot;&amp;&#39;")));
        let plain = json(&MessageView { text: Some("<b>"), no_html: true, is_for_people: true, ..VIEW }.to_json());
        assert_eq!((&plain["text"], plain.get("html"), &plain["machine_only"]), (&json!("<b>"), None, &json!(false)));
    }

    #[test]
    fn a_page_has_its_first_and_last_id_in_meta() {
        let message = |id: &str| json!({"id": id, "at": 1_792_540_800.75, "annotations": [{"type": "t", "value": {}}]});
        let answer = json!({"messages": [message("9"), message("7"), message("5")], "more": true}).to_string();
        let answer = answer.as_bytes();
        let shown = json(&page(answer, &VIEW, ALL).expect("a page"));
        assert_eq!(shown["meta"], json!({"code": 200, "more": true, "max_id": "9", "min_id": "5"}));
        assert_eq!((&shown["data"][1]["pagination_id"], &shown["data"][2]["id"]), (&json!("7"), &json!("5")));
        assert_eq!(shown["data"][0]["created_at"], "2026-10-21T00:00:00Z");
        assert_eq!(shown["data"][0]["annotations"], json!([{"type": "t", "value": {}}]));
        let bare = json(&page(answer, &VIEW, MessageParts { annotations: false, ..ALL }).expect("a page"));
        assert_eq!(bare["data"][0].get("annotations"), None);
        let without_machines = json(&page(answer, &VIEW, MessageParts { machine: false, ..ALL }).expect("a page"));
        assert_eq!(without_machines, json!({"data": [], "meta": {"code": 200, "more": false}}));
    }

    #[test]
    fn messages_for_people_are_shown_by_default() {
        let spoken = json!({"id": "9", "at": 0, "machine_only": false, "text": "hi", "annotations": []});
        let silent = json!({"id": "7", "at": 0, "machine_only": true, "annotations": []});
        let people = MessageParts { machine: false, annotations: false, no_html: true };
        let shown = |messages: Value| {
            let answer = json!({"messages": messages, "more": true}).to_string();
            json(&page(answer.as_bytes(), &VIEW, people).expect("a page"))
        };
        let one = shown(json!([spoken]));
        assert_eq!((&one["data"][0]["text"], one["data"][0].get("html")), (&json!("hi"), None));
        assert_eq!(one["meta"], json!({"code": 200, "more": true, "max_id": "9", "min_id": "9"}));
        assert_eq!(shown(json!([spoken, silent]))["meta"]["more"], false, "an earlier version's page is not one");
    }

    #[test]
    fn the_content_is_the_newest_message_and_the_point_count() {
        let message = json!({"id": "9", "at": 0, "annotations": [{"type": "t"}]});
        let answer = json!({"messages": [message], "more": false, "accepted": 12}).to_string();
        let told = |shown| content(answer.as_bytes(), &VIEW, shown).expect("an answer");
        let bare = told(None);
        assert_eq!((bare.points, bare.recent_id.as_deref(), bare.recent), (12, Some("9"), None));
        assert_eq!(told(Some(ALL)).recent.expect("is shown")["annotations"], json!([{"type": "t"}]));
        let none = content(br#"{"messages":[],"more":false}"#, &VIEW, Some(ALL)).expect("an answer");
        assert_eq!(none, Content::default());
    }

    #[test]
    fn pages_may_have_one_message_or_none() {
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
