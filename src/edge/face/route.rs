//! Which path and method of the app.net face is which action.

use worker::Method;

/// What a path below `/stream` names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::edge) enum Route<'a> {
    Channels,
    Channel(&'a str),
    Messages(&'a str),
    Message(&'a str, &'a str),
    Config,
    Token,
    /// Nothing that this server has of app.net.
    Unknown,
}

/// What is to be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::edge) enum Action<'a> {
    CreateChannel,
    DescribeChannel(&'a str),
    PostMessage(&'a str),
    ListMessages(&'a str),
    ReadMessage(&'a str, &'a str),
    TellConfig,
    TellToken,
    NotFound,
}

impl<'a> Route<'a> {
    /// What the parts of a path behind `/stream` name.
    pub(in crate::edge) fn of(mut parts: std::str::Split<'a, char>) -> Self {
        let parts = [parts.next(), parts.next(), parts.next(), parts.next(), parts.next(), parts.next()];
        match parts {
            [Some("0"), Some("channels"), None, ..] => Self::Channels,
            [Some("0"), Some("channels"), Some(id), None, ..] => Self::Channel(id),
            [Some("0"), Some("channels"), Some(id), Some("messages"), None, _] => Self::Messages(id),
            [Some("0"), Some("channels"), Some(id), Some("messages"), Some(message), None] => {
                Self::Message(id, message)
            }
            [Some("0"), Some("config"), None, ..] => Self::Config,
            [Some("0"), Some("token"), None, ..] => Self::Token,
            _ => Self::Unknown,
        }
    }

    /// The methods of the path, as `Allow` lists them.
    pub(in crate::edge) fn methods(self) -> &'static str {
        match self {
            Self::Channels => "POST, OPTIONS",
            Self::Messages(_) => "GET, HEAD, POST, OPTIONS",
            Self::Channel(_) | Self::Message(..) | Self::Config | Self::Token => "GET, HEAD, OPTIONS",
            Self::Unknown => "GET, HEAD, POST, PATCH, DELETE, OPTIONS",
        }
    }

    /// What a method does here, or the methods that do something. HEAD is GET by now.
    pub(in crate::edge) fn action(self, method: &Method) -> Result<Action<'a>, &'static str> {
        Ok(match (self, method) {
            (Self::Unknown, _) => Action::NotFound,
            (Self::Channels, Method::Post) => Action::CreateChannel,
            (Self::Channel(id), Method::Get) => Action::DescribeChannel(id),
            (Self::Messages(id), Method::Post) => Action::PostMessage(id),
            (Self::Messages(id), Method::Get) => Action::ListMessages(id),
            (Self::Message(id, message), Method::Get) => Action::ReadMessage(id, message),
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
        assert_eq!(of("0/channels"), Route::Channels);
        assert_eq!(of("0/channels/a"), Route::Channel("a"));
        assert_eq!(of("0/channels/a/messages"), Route::Messages("a"));
        assert_eq!(of("0/channels/a/messages/7"), Route::Message("a", "7"));
        assert_eq!((of("0/config"), of("0/token")), (Route::Config, Route::Token));
        for unknown in ["", "0", "1/channels", "0/posts", "0/channels/a/b", "0/channels/a/messages/7/8", "0/token/x"] {
            assert_eq!(of(unknown), Route::Unknown, "{unknown}");
        }
        assert_eq!(of("0/channels").action(&Method::Get), Err("POST, OPTIONS"));
        assert_eq!(of("0/channels/a").action(&Method::Get), Ok(Action::DescribeChannel("a")));
        assert_eq!(of("0/x").action(&Method::Put), Ok(Action::NotFound));
    }
}
