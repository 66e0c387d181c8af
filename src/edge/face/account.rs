//! Accounts in the app.net API: the owner token, the two users that exist, and the limits.

use serde_json::{Value, json};

use crate::edge::Exchange;
use crate::edge::problem::Problem;
use crate::edge::reply::Reply;
use appnet::paging::param;
use appnet::user::User;
use appnet::{MAX_ANNOTATIONS_BYTES, MAX_TEXT_CHARS, envelope};

use super::answer;

/// Describes the token: always the owner's, as every other token belongs to one channel.
pub(in crate::edge) fn tell_token(exchange: &Exchange) -> Reply {
    let origin = exchange.origin();
    data(&json!({
        "app": { "client_id": "heartbeat", "link": origin, "name": "Heartbeat" },
        "client_id": "heartbeat",
        "scopes": ["basic", "messages", "public_messages"],
        "limits": { "following": 0, "max_file_size": 0 },
        "storage": { "available": 0, "used": 0 },
        "user": User::Owner.to_json(origin),
        "invite_link": format!("{origin}/"),
    }))
}

/// The user with an id, or the token's user.
pub(in crate::edge) fn tell_user(exchange: &Exchange, name: &str) -> Result<Reply, Problem> {
    let user = if name == "me" {
        exchange.check_owner()?;
        User::Owner
    } else {
        User::named(name).ok_or(Problem::NotFound("there is no such user: 1 is the owner, 2 is everyone who posts"))?
    };
    Ok(data(&user.to_json(exchange.origin())))
}

/// The users with some ids; unknown ids are left out.
pub(in crate::edge) fn tell_users(exchange: &Exchange) -> Reply {
    let ids = param(exchange.query_string(), "ids").unwrap_or_default();
    let users = ids.split(',').filter_map(|id| User::named(id.trim()));
    let mut found: Vec<User> = Vec::new();
    for user in users {
        if !found.contains(&user) {
            found.push(user);
        }
    }
    data(&found.into_iter().map(|user| user.to_json(exchange.origin())).collect())
}

/// The limits, in the form of `GET config`. Posts and files do not exist here, but clients read every field.
pub(in crate::edge) fn tell_config() -> Reply {
    let annotated = || json!({ "annotation_max_bytes": MAX_ANNOTATIONS_BYTES });
    let written = |chars: usize| json!({ "annotation_max_bytes": MAX_ANNOTATIONS_BYTES, "text_max_length": chars });
    data(&json!({
        "text": { "uri_template_length": { "post_id": 9, "message_id": 12 } },
        "user": written(256),
        "post": written(256),
        "message": written(MAX_TEXT_CHARS),
        "channel": annotated(),
        "file": annotated(),
    }))
}

fn data(data: &Value) -> Reply {
    answer(&envelope::data(&data.to_string(), ""))
}
