//! Who makes a request: the owner with `OWNER_TOKEN`, or a reader with a stream's read key. Secrets are compared by
//! their hashes, in constant time.

use std::cell::RefCell;
use std::rc::Rc;

use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use base64::{Engine, alphabet};
use rustc_hash::FxHashSet;
use sha2::{Digest, Sha256};
use worker::Env;

use crate::random;
use config::who::KeyHash;
use config::who::Who;
use ingest::pixel::KEY;
use protocol::command::Credential;

use super::endpoint::Dialect;
use super::face;
use super::problem::Problem;
use super::stream_id::{StreamId, base32};
use super::{Exchange, internal};

/// The random bytes of read keys and write keys.
const KEY_BYTES: usize = 20;
/// The prefix of write keys.
const WRITE_KEY: &str = "wk_";
/// The most ids that are remembered, at some 100 bytes each.
const MAX_VERIFIED: usize = 4_096;

/// The deployment's secrets.
#[derive(Clone)]
pub(super) struct Keys(Rc<Secrets>);

struct Secrets {
    owner_token_hash: Option<KeyHash>,
    signing: Option<Vec<u8>>,
    /// Ids whose MAC was right: checking one again would cost four hashes.
    verified: RefCell<FxHashSet<StreamId>>,
}

thread_local! {
    /// Secrets belong to the deployment, so they are the same for all requests of this isolate.
    static KEYS: RefCell<Option<Keys>> = const { RefCell::new(None) };
}

impl Keys {
    /// The secrets of the environment.
    pub(super) fn of(env: &Env) -> Self {
        let secret = |name| env.secret(name).ok().map(|secret| secret.to_string()).filter(|text| !text.is_empty());
        KEYS.with_borrow_mut(|keys| {
            keys.get_or_insert_with(|| {
                Self(Rc::new(Secrets {
                    owner_token_hash: secret("OWNER_TOKEN").map(|token| hash(&token)),
                    signing: secret("SIGNING_KEY").map(String::into_bytes),
                    verified: RefCell::default(),
                }))
            })
            .clone()
        })
    }

    /// The key that signs stream ids.
    pub(super) fn signing(&self) -> Result<&[u8], Problem> {
        let key = self.0.signing.as_deref();
        key.ok_or(Problem::NotConfigured("the secret SIGNING_KEY is not set, so stream ids cannot be verified"))
    }

    /// The stream that an id names, if this deployment made the id.
    pub(super) fn verify(&self, id: &str) -> Result<Option<StreamId>, Problem> {
        let signing = self.signing()?;
        let mut verified = self.0.verified.borrow_mut();
        if let Some(id) = verified.get(id) {
            return Ok(Some(id.clone()));
        }
        let id = StreamId::verified(id, signing);
        if verified.len() >= MAX_VERIFIED {
            verified.clear();
        }
        verified.extend(id.clone());
        Ok(id)
    }

    fn is_owner_token(&self, token: &str) -> bool {
        self.0.owner_token_hash.is_some_and(|wanted| wanted == hash(token))
    }
}

/// SHA-256. Keys have 160 random bits, so a slower hash is unnecessary.
pub(super) fn hash(secret: &str) -> KeyHash {
    KeyHash::from_bytes(Sha256::digest(secret.as_bytes()).into())
}

/// Random bytes from the platform.
pub(super) fn random<const N: usize>() -> Result<[u8; N], Problem> {
    random::bytes().map_err(|error| internal(&error))
}

/// A new read key.
pub(super) fn new_read_key() -> Result<String, Problem> {
    Ok(format!("rk_{}", base32(&random::<KEY_BYTES>()?)))
}

/// A new write key.
pub(super) fn new_write_key() -> Result<String, Problem> {
    Ok(format!("{WRITE_KEY}{}", base32(&random::<KEY_BYTES>()?)))
}

/// The base64 of basic auth, with or without padding.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

impl Exchange {
    /// Continues only for the owner.
    pub(super) fn check_owner(&self) -> Result<(), Problem> {
        match self.dialect {
            // If no owner token is configured, none is right.
            Dialect::AppNet => self
                .check_owner_token(self.access_token().as_deref())
                .map_err(|_| Problem::Unauthorized(face::NO_TOKEN)),
            _ => self.check_owner_token(self.bearer().as_deref()),
        }
    }

    /// Continues only with the owner token.
    pub(super) fn check_owner_token(&self, token: Option<&str>) -> Result<(), Problem> {
        if self.keys.0.owner_token_hash.is_none() {
            return Err(Problem::CreatingDisabled);
        }
        match token {
            Some(token) if self.keys.is_owner_token(token) => Ok(()),
            _ => Err(Problem::Unauthorized("this request requires the deployment's OWNER_TOKEN as a bearer token")),
        }
    }

    /// The reader's credential. The owner token is only accepted in the header, as URLs end up in logs.
    pub(super) fn credential(&self) -> Credential {
        let in_url = || self.key_in_url();
        match self.bearer().or_else(|| self.password().filter(|_| self.dialect.takes_password())) {
            Some(token) => self.credential_of(&token),
            None => in_url().map_or(Credential::Nobody, |key| Credential::Key(hash(&key))),
        }
    }

    /// Who writes. A credential that is not a write key is ignored: everyone may write, and agents and proxies send
    /// whatever credentials they have. So a write key is found whatever else is present. The owner token is only
    /// accepted in the header, except as app.net's `access_token`.
    pub(super) fn who_writes(&self) -> Who {
        let bearer = if self.dialect == Dialect::AppNet { self.access_token() } else { self.bearer() };
        if bearer.as_ref().is_some_and(|token| self.keys.is_owner_token(token)) {
            return Who::Owner;
        }
        let is_key = |token: &String| token.starts_with(WRITE_KEY);
        let key = bearer.filter(is_key).or_else(|| self.password().filter(is_key));
        let key = key.or_else(|| self.write_key_in_url());
        key.map_or(Who::Open, |key| Who::Keyed(hash(&key)))
    }

    /// A write key as `?key=` or, in the app.net API, as `access_token` beside another token in the header.
    fn write_key_in_url(&self) -> Option<String> {
        if !["key=", "access_token="].iter().any(|name| self.query_string().contains(name)) {
            return None;
        }
        let mut pairs = form_urlencoded::parse(self.query_string().as_bytes());
        let is_key = |name: &str| name == KEY || (name == "access_token" && self.dialect == Dialect::AppNet);
        let key = pairs.find(|(name, value)| is_key(name) && value.starts_with(WRITE_KEY));
        key.map(|(_, key)| key.into_owned())
    }

    fn key_in_url(&self) -> Option<String> {
        let mut pairs = form_urlencoded::parse(self.query_string().as_bytes());
        pairs.find(|(name, _)| name == KEY).map(|(_, key)| key.into_owned())
    }

    /// The credential that this token is.
    pub(super) fn credential_of(&self, token: &str) -> Credential {
        if self.keys.is_owner_token(token) { Credential::Owner } else { Credential::Key(hash(token)) }
    }

    /// The password of basic auth, for clients that support nothing else.
    fn password(&self) -> Option<String> {
        let header = self.header("Authorization")?;
        let (scheme, text) = header.split_once(' ')?;
        let text = scheme.eq_ignore_ascii_case("basic").then(|| BASE64.decode(text.trim()).ok())??;
        Some(String::from_utf8(text).ok()?.split_once(':')?.1.to_owned())
    }

    /// A token in the header; Influx clients call it `Token`.
    pub(super) fn bearer(&self) -> Option<String> {
        let header = self.header("Authorization")?;
        let (scheme, token) = header.split_once(' ')?;
        let is_token = scheme.eq_ignore_ascii_case("bearer") || scheme.eq_ignore_ascii_case("token");
        is_token.then(|| token.trim().to_owned())
    }
}
