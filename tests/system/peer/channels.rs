//! Channels and messages: their properties, who may do what, and which messages a page has.

use serde_json::Value;

/// The number of messages of a page by default.
const DEFAULT_COUNT: i64 = 20;
const MAX_COUNT: i64 = 200;

/// The members of one of a channel's lists.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Group {
    pub(crate) any_user: bool,
    pub(crate) public: bool,
    pub(crate) user_ids: Vec<String>,
}

impl Group {
    fn has(&self, user: u64) -> bool {
        self.any_user || self.public || self.user_ids.contains(&user.to_string())
    }
}

/// A channel as it was asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Access {
    pub(crate) kind: String,
    pub(crate) readers: Group,
    pub(crate) writers: Group,
    pub(crate) is_inactive: bool,
}

pub(super) struct Channel {
    pub(super) owner: u64,
    pub(super) access: Access,
    pub(super) messages: u64,
}

impl Channel {
    pub(super) fn may_write(&self, user: u64) -> bool {
        self.owner == user || self.access.writers.has(user)
    }

    pub(super) fn may_read(&self, user: u64) -> bool {
        self.may_write(user) || self.access.readers.has(user)
    }
}

/// The content of a client's message.
pub(super) struct Content {
    pub(super) text: Option<String>,
    pub(super) is_machine_only: bool,
    pub(super) annotations: Vec<(String, Value)>,
}

pub(super) struct Message {
    pub(super) id: u64,
    pub(super) channel: u64,
    pub(super) user: u64,
    pub(super) created_at: String,
    pub(super) content: Content,
}

/// The part of a list that a reader asks for.
pub(super) struct Paging {
    since: u64,
    before: u64,
    count: i64,
}

impl Paging {
    /// From the parameters of a query.
    pub(super) fn new(query: &[(String, String)]) -> Result<Self, String> {
        let number = |name: &str| query.iter().find(|(other, _)| other == name).map(|(_, value)| value.parse::<i64>());
        let id = |name: &str, default: u64| match number(name) {
            None => Ok(default),
            Some(id) => id.ok().and_then(|id| u64::try_from(id).ok()).ok_or(format!("Bad Request: {name} is no id")),
        };
        let count = number("count").unwrap_or(Ok(DEFAULT_COUNT)).unwrap_or_default();
        if count == 0 || count.abs() > MAX_COUNT {
            return Err("Bad Request: count must be from -200 to -1 or from 1 to 200".to_owned());
        }
        Ok(Self { since: id("since_id", 0)?, before: id("before_id", u64::MAX)?, count })
    }

    /// The page of these messages, given oldest first; returns newest first, and whether there are more.
    pub(super) fn page<'a>(&self, messages: impl Iterator<Item = &'a Message>) -> (Vec<&'a Message>, bool) {
        let is_between = |message: &&Message| message.id > self.since && message.id < self.before;
        let mut found: Vec<&Message> = messages.filter(is_between).collect();
        let count = usize::try_from(self.count.unsigned_abs()).expect("at most 200").min(found.len());
        let more = count < found.len();
        if self.count < 0 {
            found.truncate(count);
        } else {
            found.drain(..found.len() - count);
        }
        found.reverse();
        (found, more)
    }
}
