//! The shapes of requests and answers of app.net and pnut.

use serde_json::{Map, Value, json};

use super::channels::{Access, Channel, Content, Group, Message};

/// The annotations of a message have at most this many bytes as compact JSON.
const MAX_ANNOTATIONS_BYTES: usize = 8_192;
const MAX_TEXT_CHARS: usize = 2_048;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Dialect {
    AppNet,
    Pnut,
}

/// The form of ids.
#[derive(Clone, Copy)]
pub(super) struct Ids {
    pub(super) are_numbers: bool,
}

impl Ids {
    pub(super) fn id(self, id: u64) -> Value {
        if self.are_numbers { json!(id) } else { json!(id.to_string()) }
    }
}

impl Dialect {
    /// The product's name for the dialect.
    pub(crate) fn name(self) -> &'static str {
        if self == Self::AppNet { "app.net" } else { "pnut" }
    }

    /// The path prefix of the API.
    pub(super) fn root(self) -> &'static str {
        if self == Self::AppNet { "/stream/0" } else { "/v1" }
    }

    /// The status of a creation.
    pub(super) fn created(self) -> u16 {
        if self == Self::AppNet { 200 } else { 201 }
    }

    /// The parameters that ask for annotations.
    pub(super) fn wants_annotations(self) -> [&'static str; 2] {
        if self == Self::AppNet {
            ["include_annotations", "include_message_annotations"]
        } else {
            ["include_raw", "include_message_raw"]
        }
    }

    pub(super) fn error(self, status: u16, message: &str) -> Value {
        let mut meta = json!({ "code": status, "error_message": message });
        if self == Self::AppNet && status == 401 {
            meta["error_slug"] = json!("invalid-token");
        }
        json!({ "meta": meta })
    }

    pub(super) fn new_channel(self, body: &Value) -> Result<Access, String> {
        let kind = body["type"].as_str().ok_or("Bad Request: 'type' is required")?;
        let is_kind_char = |char: char| char.is_ascii_alphanumeric() || "_.-".contains(char);
        if kind.is_empty() || kind.len() > 128 || !kind.chars().all(is_kind_char) {
            return Err("Bad Request: 'type' is no type".to_owned());
        }
        let (readers, writers) = match self {
            Self::AppNet => (&body["readers"], &body["writers"]),
            Self::Pnut => (&body["acl"]["read"], &body["acl"]["write"]),
        };
        if writers["public"] == true {
            return Err("Bad Request: writers can't be public".to_owned());
        }
        Ok(Access { kind: kind.to_owned(), readers: group(readers)?, writers: group(writers)?, is_inactive: false })
    }

    pub(super) fn new_message(self, body: &Value) -> Result<Content, String> {
        let text = match &body["text"] {
            Value::Null => None,
            Value::String(text) if text.chars().count() <= MAX_TEXT_CHARS => Some(text.clone()),
            _ => return Err("Bad Request: 'text' is no text or too long".to_owned()),
        };
        let is_machine_only = self == Self::AppNet && body["machine_only"] == true;
        if text.is_none() && !is_machine_only {
            return Err("Call requires text to be defined in JSON body".to_owned());
        }
        let field = if self == Self::AppNet { &body["annotations"] } else { &body["raw"] };
        let bytes = if field.is_null() { 0 } else { field.to_string().len() };
        if bytes > MAX_ANNOTATIONS_BYTES {
            return Err(format!("Bad Request: annotations of {bytes} bytes are too large"));
        }
        let annotations = if self == Self::AppNet { listed(field)? } else { mapped(field)? };
        Ok(Content { text, is_machine_only, annotations })
    }

    pub(super) fn channel(self, id: u64, channel: &Channel, user: u64, ids: Ids) -> Value {
        let is_owner = channel.owner == user;
        let Access { kind, readers, writers, is_inactive } = &channel.access;
        let may_write = channel.may_write(user);
        let (may_read, owner) = (channel.may_read(user), json!({ "id": ids.id(channel.owner), "username": "shim" }));
        let mut view = json!({ "id": ids.id(id), "type": kind, "has_unread": false, "you_subscribed": is_owner,
            "you_muted": false, "counts": { "messages": channel.messages, "subscribers": 1 } });
        let acl = |group: &Group, you: bool| json!({ "any_user": group.any_user, "immutable": false, "user_ids": group.user_ids, "you": you });
        let mut read = acl(readers, may_read);
        read["public"] = json!(readers.public);
        let mut write = acl(writers, may_write);
        let edit = json!({ "immutable": false, "user_ids": [], "you": is_owner });
        if self == Self::AppNet {
            write["public"] = json!(false);
            let mut edit = edit;
            (edit["any_user"], edit["public"]) = (json!(false), json!(false));
            (view["readers"], view["writers"], view["editors"]) = (read, write, edit);
            (view["owner"], view["is_inactive"], view["you_can_edit"]) = (owner, json!(is_inactive), json!(is_owner));
        } else {
            (view["acl"], view["user"]) = (json!({ "full": edit, "write": write, "read": read }), owner);
            view["is_active"] = json!(!is_inactive);
        }
        view
    }

    pub(super) fn message(self, message: &Message, with_annotations: bool, ids: Ids) -> Value {
        let text = message.content.text.as_deref();
        let mut view = json!({ "id": ids.id(message.id), "channel_id": ids.id(message.channel),
            "created_at": message.created_at, "thread_id": ids.id(message.id), "pagination_id": ids.id(message.id),
            "user": { "id": ids.id(message.user), "username": "shim" },
            "source": { "name": "shim", "link": "https://shim.example" } });
        if self == Self::AppNet {
            (view["machine_only"], view["num_replies"]) = (json!(message.content.is_machine_only), json!(0));
            if let Some(text) = text {
                view["text"] = json!(text);
                (view["html"], view["entities"]) = (json!(text), json!({"hashtags":[],"links":[],"mentions":[]}));
            }
        } else {
            view["content"] = json!({ "text": text, "html": text, "entities": {"tags":[],"links":[],"mentions":[]} });
            (view["counts"], view["is_sticky"]) = (json!({ "replies": 0 }), json!(false));
        }
        let annotations = &message.content.annotations;
        if with_annotations && self == Self::AppNet {
            view["annotations"] =
                annotations.iter().map(|(kind, value)| json!({ "type": kind, "value": value })).collect();
        } else if with_annotations {
            view["raw"] = json!({});
            for (kind, value) in annotations {
                let list = &mut view["raw"][kind];
                *list = list.as_array().into_iter().flatten().chain([value]).cloned().collect();
            }
        }
        view
    }
}

/// Who has access, according to the body.
fn group(body: &Value) -> Result<Group, String> {
    let is = |name: &str| body[name] == true;
    let user_ids: Vec<String> =
        body["user_ids"].as_array().into_iter().flatten().filter_map(Value::as_str).map(str::to_owned).collect();
    if [is("any_user"), is("public"), !user_ids.is_empty()].into_iter().filter(|is| *is).count() > 1 {
        return Err("Bad Request: any_user, public and user_ids are mutually exclusive".to_owned());
    }
    Ok(Group { any_user: is("any_user"), public: is("public"), user_ids })
}

/// app.net's list of types and values.
fn listed(field: &Value) -> Result<Vec<(String, Value)>, String> {
    if field.is_null() {
        return Ok(Vec::new());
    }
    let pair = |annotation: &Value| {
        let kind = annotation["type"].as_str().ok_or("Bad Request: an annotation has no type")?;
        let is_object = annotation["value"].is_object();
        let value = is_object.then(|| annotation["value"].clone()).ok_or("Bad Request: a value must be an object")?;
        Ok((kind.to_owned(), value))
    };
    field.as_array().ok_or("Bad Request: annotations must be a list")?.iter().map(pair).collect()
}

/// pnut's map of lists.
fn mapped(field: &Value) -> Result<Vec<(String, Value)>, String> {
    let none = Map::new();
    let map = if field.is_null() { &none } else { field.as_object().ok_or("Wrong type")? };
    let mut pairs = Vec::new();
    for (kind, values) in map {
        for value in values.as_array().ok_or("Wrong type")? {
            pairs.push((kind.clone(), value.is_object().then(|| value.clone()).ok_or("Wrong type")?));
        }
    }
    Ok(pairs)
}
