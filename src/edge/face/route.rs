//! Which path and method of the app.net face is which action.

use worker::Method;

const STREAMING: &str = "app.net's streams are not supported here: poll /stream/0/channels/{id}/messages with since_id and count=-200, or read /v1/streams/{id}/live";
const ELSEWHERE: &str = "this is not supported here: of app.net this server has channels and their messages, channels/search, users/me, token and config";

/// What a path below `/stream` names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::edge) enum Route<'a> {
    Channels,
    Search,
    /// The owner's channels.
    OwnChannels,
    Channel(&'a str),
    Messages(&'a str),
    Message(&'a str, &'a str),
    Users,
    User(&'a str),
    Config,
    Token,
    /// Nothing that this server has of app.net, and what to say.
    Unknown(&'static str),
}

/// What is to be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::edge) enum Action<'a> {
    CreateChannel,
    ListChannels,
    SearchChannels,
    DescribeChannel(&'a str),
    PostMessage(&'a str),
    ListMessages(&'a str),
    ReadMessage(&'a str, &'a str),
    TellUsers,
    TellUser(&'a str),
    TellConfig,
    TellToken,
    NotSupported(&'static str),
}

impl<'a> Route<'a> {
    /// What the parts of a path behind `/stream` name; one slash at its end changes nothing, as with app.net.
    pub(in crate::edge) fn of(mut parts: std::str::Split<'a, char>) -> Self {
        let mut parts = [parts.next(), parts.next(), parts.next(), parts.next(), parts.next(), parts.next()];
        let last = parts.iter().rposition(Option::is_some).unwrap_or_default();
        if last > 0 && parts[last] == Some("") {
            parts[last] = None;
        }
        let [Some("0"), parts @ ..] = parts else { return Self::Unknown(ELSEWHERE) };
        match parts {
            [Some("channels"), None, ..] => Self::Channels,
            [Some("channels"), Some("search"), None, ..] => Self::Search,
            [Some("channels"), Some("messages" | "pm" | "subscribers"), ..]
            | [Some("users"), Some("search"), None, ..] => Self::Unknown(ELSEWHERE),
            [Some("channels"), Some(id), None, ..] => Self::Channel(id),
            [Some("channels"), Some(id), Some("messages"), None, _] => Self::Messages(id),
            [Some("channels"), Some(id), Some("messages"), Some(message), None] => Self::Message(id, message),
            [Some("users"), None, ..] => Self::Users,
            [Some("users"), Some("me"), Some("channels"), None, _] => Self::OwnChannels,
            [Some("users"), Some(name), None, ..] => Self::User(name),
            [Some("config"), None, ..] => Self::Config,
            [Some("token"), None, ..] => Self::Token,
            [Some("streams" | "filters"), ..] => Self::Unknown(STREAMING),
            _ => Self::Unknown(ELSEWHERE),
        }
    }

    /// The methods of the path, as `Allow` lists them.
    pub(in crate::edge) fn methods(self) -> &'static str {
        match self {
            Self::Channels | Self::Messages(_) => "GET, HEAD, POST, OPTIONS",
            Self::Unknown(_) => "GET, HEAD, POST, PATCH, DELETE, OPTIONS",
            Self::Search
            | Self::OwnChannels
            | Self::Channel(_)
            | Self::Message(..)
            | Self::Users
            | Self::User(_)
            | Self::Config
            | Self::Token => "GET, HEAD, OPTIONS",
        }
    }

    /// What a method does here, or the methods that do something. HEAD is GET by now.
    pub(in crate::edge) fn action(self, method: &Method) -> Result<Action<'a>, &'static str> {
        Ok(match (self, method) {
            (Self::Unknown(what), _) => Action::NotSupported(what),
            (Self::Channels, Method::Post) => Action::CreateChannel,
            (Self::Channels | Self::OwnChannels, Method::Get) => Action::ListChannels,
            (Self::Search, Method::Get) => Action::SearchChannels,
            (Self::Channel(id), Method::Get) => Action::DescribeChannel(id),
            (Self::Messages(id), Method::Post) => Action::PostMessage(id),
            (Self::Messages(id), Method::Get) => Action::ListMessages(id),
            (Self::Message(id, message), Method::Get) => Action::ReadMessage(id, message),
            (Self::Users, Method::Get) => Action::TellUsers,
            (Self::User(name), Method::Get) => Action::TellUser(name),
            (Self::Config, Method::Get) => Action::TellConfig,
            (Self::Token, Method::Get) => Action::TellToken,
            _ => return Err(self.methods()),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_name_what_app_net_had_there() {
        let of = |path: &'static str| Route::of(path.split('/'));
        for (path, route) in [
            ("0/channels", Route::Channels),
            ("0/channels/search", Route::Search),
            ("0/users/me/channels", Route::OwnChannels),
            ("0/channels/a", Route::Channel("a")),
            ("0/channels/a/messages", Route::Messages("a")),
            ("0/channels/a/messages/7", Route::Message("a", "7")),
            ("0/users", Route::Users),
            ("0/users/me", Route::User("me")),
            ("0/config", Route::Config),
            ("0/token", Route::Token),
        ] {
            assert_eq!(of(path), route, "{path}");
            let with_slash: &'static str = Box::leak(format!("{path}/").into_boxed_str());
            assert_eq!(of(with_slash), route, "{path}/");
        }
        for unknown in
            ["", "0", "0/", "1/channels", "0/posts", "0/channels/a/b", "0/channels/a/messages/7/8", "0/token/x"]
        {
            assert_eq!(of(unknown), Route::Unknown(ELSEWHERE), "{unknown}");
        }
        assert_eq!((of("0/streams"), of("0/streams/1/x")), (Route::Unknown(STREAMING), Route::Unknown(STREAMING)));
        assert_eq!(of("0/channels").action(&Method::Delete), Err("GET, HEAD, POST, OPTIONS"));
        assert_eq!(of("0/channels/a").action(&Method::Get), Ok(Action::DescribeChannel("a")));
        assert_eq!(of("0/x").action(&Method::Put), Ok(Action::NotSupported(ELSEWHERE)));
    }
}
