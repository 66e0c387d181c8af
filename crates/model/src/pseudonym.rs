//! Pseudonyms of networks: a list of them distinguishes networks for a day, but never reveals which networks they
//! are.
//!
//! A pseudonym is a hash with a secret salt. Each day's salt is the hash of the salt before, which is then
//! forgotten. So all shards of a stream that once had the same salt agree without communicating, and no salt leads
//! back to an earlier one.

use sha2::{Digest, Sha256};

/// The seconds that share a salt.
pub const DAY_S: i64 = 86_400;
/// How old a salt can be to be advanced day by day; each day takes a microsecond. An older one restarts.
const MAX_DAYS: u32 = 3_660;
/// 40 bits: among the 128 networks of a list, two collide once in 10^8 times.
const HEX_DIGITS: usize = 10;

/// The secret that is hashed with a network.
pub type Secret = [u8; 32];

/// The salt of a day.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Salt {
    /// Days since 1970.
    pub day: u32,
    /// Must not leave the stream.
    pub secret: Secret,
}

/// The name of a network for a day.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pseudonym(u64);

impl Salt {
    /// The first salt of a stream, from random bytes.
    #[must_use]
    pub fn first(secret: Secret, now_s: i64) -> Self {
        Self { day: day(now_s), secret }
    }

    /// The salt of the day that contains a time. For an earlier day the salt stays as it is, as nothing leads back.
    #[must_use]
    pub fn at(self, now_s: i64) -> Self {
        let mut salt = Self { day: self.day.max(day(now_s)), ..self };
        for _ in 0..(salt.day - self.day).min(MAX_DAYS) {
            salt.secret =
                Sha256::new().chain_update(b"salt of the next day:").chain_update(salt.secret).finalize().into();
        }
        salt
    }

    /// The pseudonym of a network.
    #[must_use]
    pub fn pseudonym(&self, network: &str) -> Pseudonym {
        let hash = Sha256::new().chain_update(b"network:").chain_update(self.secret).chain_update(network).finalize();
        Pseudonym(hash[..HEX_DIGITS / 2].iter().fold(0, |bits, byte| bits << 8 | u64::from(*byte)))
    }
}

fn day(now_s: i64) -> u32 {
    u32::try_from(now_s / DAY_S).unwrap_or_default()
}

impl Pseudonym {
    /// The pseudonym of these bits.
    #[must_use]
    pub fn of(bits: u64) -> Self {
        Self(bits)
    }

    /// Its 40 bits.
    #[must_use]
    pub fn bits(self) -> u64 {
        self.0
    }

    /// Whether a string is a pseudonym: `n_3f9a0b1c2d`.
    #[must_use]
    pub fn is(text: &str) -> bool {
        let is_digit = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
        text.strip_prefix("n_").is_some_and(|digits| digits.len() == HEX_DIGITS && digits.bytes().all(is_digit))
    }
}

impl std::fmt::Display for Pseudonym {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "n_{:0HEX_DIGITS$x}", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SALT: Salt = Salt { day: 20_000, secret: [7; 32] };

    #[test]
    fn equal_salts_agree_on_each_day_and_never_go_back() {
        let on = |day: i64| SALT.at(day * DAY_S);
        assert_eq!((on(20_000), on(19_000)), (SALT, SALT));
        assert_eq!(on(20_001).at(20_003 * DAY_S), on(20_003).at(20_003 * DAY_S + DAY_S - 1));
        assert_ne!(on(20_001).secret, on(20_002).secret);
        assert_eq!(on(100_000).day, 100_000);
    }

    #[test]
    fn a_network_has_a_new_pinned_name_each_day() {
        let (name, next) = (SALT.pseudonym("192.0.2.1"), SALT.at(20_001 * DAY_S).pseudonym("192.0.2.1"));
        assert_eq!((name.to_string(), next.to_string()), ("n_82b3c93167".into(), "n_7980672869".into()));
        assert_ne!(name, SALT.pseudonym("192.0.2.2"));
        assert!(Pseudonym::is(&name.to_string()) && Pseudonym::of(name.bits()) == name);
        assert_eq!(Pseudonym::of(1).to_string(), "n_0000000001");
        for text in ["n_", "n_3f9a0b1c2", "n_3f9a0b1c2d3", "n_3F9A0B1C2D", "x_3f9a0b1c2d", "n_3f9a0b1c2g", "192.0.2.1"]
        {
            assert!(!Pseudonym::is(text), "{text}");
        }
    }
}
