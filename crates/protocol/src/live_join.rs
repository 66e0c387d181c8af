//! A reader with a socket: the query string of an upgrade to home, and what is attached to the socket. The form is
//! `credential@network/cursor/query`, as in a URL; `@network` is absent if it is unknown.

use super::command::Credential;
use super::live_params::{LiveCursor, LiveQuery};
use config::who::KeyHash;

const ALPHABET: base32::Alphabet = base32::Alphabet::Rfc4648Lower { padding: false };

/// See the module's documentation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LiveJoin {
    /// The reader's credential.
    pub credential: Credential,
    /// The reader's network. An upgrade brings the network itself, and the socket keeps the pseudonym that home has
    /// for it.
    pub network: String,
    /// The position up to which the reader has seen the stream; empty if unknown.
    pub after: LiveCursor,
    /// The query.
    pub query: LiveQuery,
}

impl LiveJoin {
    /// Its string form.
    #[must_use]
    pub fn to_text(&self) -> String {
        let credential = match &self.credential {
            Credential::Owner => "owner".to_owned(),
            Credential::Nobody => "nobody".to_owned(),
            Credential::Key(hash) => base32::encode(ALPHABET, hash.as_bytes()),
        };
        let network = match self.network.as_str() {
            "" => String::new(),
            network => format!("@{}", base32::encode(ALPHABET, network.as_bytes())),
        };
        format!("{credential}{network}/{}/{}", self.after.text(), self.query.to_text())
    }

    /// Parses what [`Self::to_text`] wrote.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let mut parts = text.splitn(3, '/');
        let reader = parts.next()?;
        let (credential, network) = reader.split_once('@').unwrap_or((reader, ""));
        let network = String::from_utf8(base32::decode(ALPHABET, network)?).ok()?;
        let credential = match credential {
            "owner" => Credential::Owner,
            "nobody" => Credential::Nobody,
            key => Credential::Key(KeyHash::from_bytes(base32::decode(ALPHABET, key)?.try_into().ok()?)),
        };
        let after = LiveCursor::parse(parts.next()?).unwrap_or_default();
        Some(Self { credential, network, after, query: LiveQuery::from_text(parts.next()?).ok()?.0 })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_form_of_a_socket_attachment_is_pinned() {
        let text = "owner/3.4/step=10&window=60&by=a&agg=sum&where=b%3D%2F";
        let join = LiveJoin::parse(text).expect("is a join");
        assert_eq!((join.credential, join.after.0.as_slice()), (Credential::Owner, &[3, 4][..]));
        assert_eq!(join.to_text(), text);
        for credential in [Credential::Nobody, Credential::Key(KeyHash::from_bytes([7; 32]))] {
            for network in ["", "2001:db8:0:1::/64"] {
                let (network, query) = (network.to_owned(), join.query.clone());
                let join = LiveJoin { credential, network, after: LiveCursor::default(), query };
                assert_eq!(LiveJoin::parse(&join.to_text()), Some(join));
            }
        }
        let join = LiveJoin { credential: Credential::Nobody, network: "192.0.2.1".into(), ..join };
        assert!(join.to_text().starts_with("nobody@ge4telrqfyzc4mi/3.4/"), "{}", join.to_text());
        for broken in ["", "owner", "owner/", "key/1/step=10", "owner/1/step=x", "owner@1/1/step=10"] {
            assert_eq!(LiveJoin::parse(broken), None, "{broken}");
        }
    }
}
