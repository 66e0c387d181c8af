//! The users that app.net clients see. There are none here: one stands for the owner, and one for everyone who
//! posts.

use serde_json::{Value, json};

/// A user in a response.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum User {
    /// The holder of the deployment's `OWNER_TOKEN`.
    Owner,
    /// Everyone with a channel's id.
    Anyone,
}

impl User {
    /// The user with an id or a name, as in `/users/{..}`.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        let is = |user: &Self| user.id() == name || name.strip_prefix('@') == Some(user.username());
        [Self::Owner, Self::Anyone].into_iter().find(is)
    }

    /// Its id.
    #[must_use]
    pub fn id(self) -> &'static str {
        match self {
            Self::Owner => "1",
            Self::Anyone => "2",
        }
    }

    fn username(self) -> &'static str {
        match self {
            Self::Owner => "owner",
            Self::Anyone => "anyone",
        }
    }

    /// The user's object with every field that app.net gives one, for a server with this origin.
    #[must_use]
    pub fn to_json(self, origin: &str) -> Value {
        let text = match self {
            Self::Owner => "The owner of this server's channels",
            Self::Anyone => "Everyone who posts: anybody who has a channel's id can",
        };
        let image = |width: u32, height: u32| json!({ "width": width, "height": height, "is_default": true, "url": format!("{origin}/favicon.svg") });
        json!({
            "id": self.id(),
            "username": self.username(),
            "name": self.username(),
            "type": if self == Self::Owner { "human" } else { "bot" },
            "description": {
                "text": text, "html": text.replace('\'', "&#39;"),
                "entities": { "hashtags": [], "links": [], "mentions": [] },
            },
            // Unknown, but clients parse a date.
            "created_at": "1970-01-01T00:00:00Z",
            "timezone": "UTC",
            "locale": "en_US",
            "avatar_image": image(200, 200),
            "cover_image": image(960, 260),
            "counts": { "following": 0, "followers": 0, "posts": 0, "stars": 0 },
            "follows_you": false, "you_follow": false, "you_muted": false, "you_blocked": false,
            "you_can_subscribe": false, "you_can_follow": false,
            "canonical_url": format!("{origin}/"),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_user_is_found_by_id_and_by_name() {
        for user in [User::Owner, User::Anyone] {
            let view = user.to_json("https://h.example");
            assert_eq!((view["id"].as_str().and_then(User::named), view["username"].is_string()), (Some(user), true));
            let name = format!("@{}", view["username"].as_str().expect("a text"));
            assert_eq!(User::named(&name), Some(user));
        }
        assert_ne!(User::Owner.id(), User::Anyone.id());
        for nobody in ["", "me", "3", "owner", "@", "@nobody"] {
            assert_eq!(User::named(nobody), None, "{nobody}");
        }
    }
}
