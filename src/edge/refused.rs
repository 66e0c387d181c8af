//! Writers that were refused lately. They are checked before a body is read, so a flood neither wakes an object nor
//! costs what reading it would.
//!
//! Only refusals are remembered, only for writers without a credential, and only as long as the object says that it
//! admits nothing at all from their network. Only the object admits writes: remembered permissions would spend more
//! than the budgets hold.

use std::cell::RefCell;
use std::hash::Hasher;

use rustc_hash::FxHashMap;
use siphasher::sip::SipHasher13;

use crate::random::hash_key;
use config::who::Who;
use protocol::limited::Limited;
use protocol::writer::Writer;

use super::problem::Problem;

/// A refusal is remembered at most this long: limits may have changed, or others may have left.
const MAX_MS: i64 = 60_000;
/// The most refusals, at some 500 bytes each: 2 of the isolate's 128 MB. Beyond this, the object is asked.
const MAX_ENTRIES: usize = 4_096;

/// What an object said, and when.
struct Refused {
    at_ms: i64,
    until_ms: i64,
    limited: Limited,
}

thread_local! {
    static REFUSED: RefCell<FxHashMap<u64, Refused>> = RefCell::default();
}

/// Remembers an object's refusal of a writer.
pub(super) fn remember(object: &str, writer: &Writer<'_>, limited: &Limited, now_ms: i64) {
    let for_ms = (i64::from(limited.closed_s) * 1_000).min(MAX_MS);
    if writer.who != Who::Open || for_ms == 0 {
        return;
    }
    REFUSED.with_borrow_mut(|refused| {
        if refused.len() >= MAX_ENTRIES {
            refused.retain(|_, refused| refused.is_true(now_ms));
        }
        if refused.len() < MAX_ENTRIES {
            let entry = Refused { at_ms: now_ms, until_ms: now_ms + for_ms, limited: limited.clone() };
            refused.insert(place(object, writer.network), entry);
        }
    });
}

/// Whether an object refuses a writer whatever it writes, as far as is remembered.
pub(super) fn check(object: &str, writer: &Writer<'_>, now_ms: i64) -> Result<(), Problem> {
    if writer.who != Who::Open {
        return Ok(());
    }
    REFUSED.with_borrow_mut(|refused| {
        if refused.is_empty() {
            return Ok(());
        }
        let place = place(object, writer.network);
        match refused.get(&place) {
            Some(known) if known.is_true(now_ms) => {
                let since_s = u32::try_from((now_ms - known.at_ms) / 1_000).unwrap_or_default();
                Err(Problem::Limited(Box::new(known.limited.after(since_s))))
            }
            Some(_) => {
                refused.remove(&place);
                Ok(())
            }
            None => Ok(()),
        }
    })
}

impl Refused {
    /// A clock that was set back invalidates it.
    fn is_true(&self, now_ms: i64) -> bool {
        (self.at_ms..self.until_ms).contains(&now_ms)
    }
}

fn place(object: &str, network: &str) -> u64 {
    let mut hasher = SipHasher13::new_with_key(&hash_key());
    hasher.write(object.as_bytes());
    // No object's name contains this byte.
    hasher.write_u8(0);
    hasher.write(network.as_bytes());
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use super::*;
    use config::who::KeyHash;
    use protocol::limited::{Budget, Hit, Holder};

    fn limited(retry_after_s: u32, closed_s: u32) -> Limited {
        let hits = vec![Hit { budget: Budget::Units, of: Holder::Network, retry_after_s }];
        Limited { detail: "why".into(), hits, closed_s }
    }

    fn open(network: &str) -> Writer<'_> {
        Writer { who: Who::Open, network, place: "", origin: None }
    }

    fn wait_s(object: &str, writer: &Writer<'_>, now_ms: i64) -> Option<u32> {
        match check(object, writer, now_ms) {
            Err(Problem::Limited(limited)) => Some(limited.retry_after_s()),
            _ => None,
        }
    }

    #[test]
    fn a_refusal_lasts_until_its_object_would_admit_something() {
        remember("a/0", &open("192.0.2.1"), &limited(30, 20), 1_000);
        assert_eq!(wait_s("a/0", &open("192.0.2.1"), 6_500), Some(25));
        assert_eq!(wait_s("a/0", &open("192.0.2.2"), 6_500), None);
        assert_eq!(wait_s("b/0", &open("192.0.2.1"), 6_500), None);
        for who in [Who::Owner, Who::Keyed(KeyHash::from_bytes([1; 32]))] {
            assert_eq!(wait_s("a/0", &Writer { who, ..open("192.0.2.1") }, 6_500), None);
        }
        assert_eq!(wait_s("a/0", &open("192.0.2.1"), 999), None, "the clock was set back");
        remember("a/0", &open("192.0.2.1"), &limited(30, 20), 1_000);
        assert_eq!(wait_s("a/0", &open("192.0.2.1"), 21_000), None);
        assert_eq!(REFUSED.with_borrow(FxHashMap::len), 0, "what is over is forgotten");
    }

    #[test]
    fn refusals_last_a_minute_at_most_and_bind_no_other_writer() {
        remember("a/0", &open(""), &limited(30, 0), 0);
        remember("a/0", &Writer { who: Who::Keyed(KeyHash::from_bytes([1; 32])), ..open("") }, &limited(30, 20), 0);
        assert_eq!(wait_s("a/0", &open(""), 1), None);
        remember("a/0", &open(""), &limited(900, 600), 0);
        assert_eq!((wait_s("a/0", &open(""), 59_999), wait_s("a/0", &open(""), 60_000)), (Some(841), None));
    }

    #[test]
    fn refusals_are_bounded_and_expired_ones_make_room() {
        for index in 0..5_000 {
            remember("a/0", &open(&index.to_string()), &limited(30, if index < 10 { 1 } else { 20 }), 0);
        }
        assert_eq!(REFUSED.with_borrow(FxHashMap::len), MAX_ENTRIES);
        assert_eq!(wait_s("a/0", &open("4999"), 1), None);
        remember("a/0", &open("4999"), &limited(30, 20), 1_500);
        assert_eq!(wait_s("a/0", &open("4999"), 1_500), Some(30));
    }
}
