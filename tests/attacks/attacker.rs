//! One client that writes as a stranger does: without a credential, as fast as answers come.

use std::collections::BTreeMap;
use std::io::Write;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use flate2::Compression;
use flate2::write::GzEncoder;
use ureq::Agent;

use crate::http::{Answer, Call, agent};
use crate::stream::Stream;

/// The header in which a trusted proxy names the client.
pub(crate) const FORWARDED_FOR: &str = "X-Forwarded-For";
/// The attackers' network, unless they name another.
pub(crate) const NETWORK: &str = "203.0.113.66";

/// Bodies of at least this size are gzipped.
const PACKED_BYTES: usize = 1_000;

/// What all attackers of one attack did.
#[derive(Default)]
pub(crate) struct Tally {
    strikes: AtomicU64,
    bytes: AtomicU64,
    sent_bytes: AtomicU64,
    kept_bytes: AtomicU64,
    statuses: Mutex<BTreeMap<u16, u64>>,
}

impl Tally {
    /// Bytes of all accepted bodies, before compression.
    pub(crate) fn accepted_bytes(&self) -> u64 {
        self.bytes.load(Ordering::Relaxed)
    }

    /// Bytes of all bodies, as sent.
    pub(crate) fn sent_bytes(&self) -> u64 {
        self.sent_bytes.load(Ordering::Relaxed)
    }

    /// Bytes that stay for ten minutes despite removals: the stored answers of idempotency keys.
    pub(crate) fn kept_bytes(&self) -> u64 {
        self.kept_bytes.load(Ordering::Relaxed)
    }

    /// How often each status was answered; 0 means no answer.
    pub(crate) fn statuses(&self) -> BTreeMap<u16, u64> {
        self.statuses.lock().expect("no attacker panics here").clone()
    }

    pub(crate) fn answered(&self, status: u16) -> u64 {
        self.statuses().get(&status).copied().unwrap_or_default()
    }

    fn count(&self, status: u16) {
        *self.statuses.lock().expect("no attacker panics here").entry(status).or_default() += 1;
    }
}

/// One connection of an attack.
pub(crate) struct Attacker<'a> {
    pub(crate) stream: &'a Stream,
    pub(crate) random: Random,
    tally: &'a Tally,
    agent: Agent,
}

impl<'a> Attacker<'a> {
    pub(crate) fn new(stream: &'a Stream, tally: &'a Tally, seed: u64) -> Self {
        Self { stream, random: Random::new(seed), tally, agent: agent() }
    }

    /// Strikes until the attack is over.
    pub(crate) fn strike_until(&mut self, end: Instant, strike: impl Fn(&mut Self)) {
        while Instant::now() < end {
            strike(self);
        }
    }

    /// A number that no other strike of the attack gets.
    pub(crate) fn next(&self) -> u64 {
        self.tally.strikes.fetch_add(1, Ordering::Relaxed)
    }

    /// Counts the bytes that an accepted request leaves behind.
    pub(crate) fn count_kept(&self, answer: Option<Answer>, bytes: u64) {
        if answer.is_some_and(|answer| answer.status == 202) {
            self.tally.kept_bytes.fetch_add(bytes, Ordering::Relaxed);
        }
    }

    /// Posts points.
    pub(crate) fn post(&mut self, body: &str) -> Option<Answer> {
        self.post_from(NETWORK, body)
    }

    /// Posts points from this network.
    pub(crate) fn post_from(&mut self, network: &str, body: &str) -> Option<Answer> {
        self.repeat_from(network, &Body::of(body))
    }

    /// Posts a body that was made earlier.
    pub(crate) fn repeat(&mut self, body: &Body) -> Option<Answer> {
        self.repeat_from(NETWORK, body)
    }

    fn repeat_from(&mut self, network: &str, body: &Body) -> Option<Answer> {
        let call = self.stream.call("POST", "/points").header(FORWARDED_FOR, network).body(&body.sent[..]);
        let call = if body.is_packed { call.header("Content-Encoding", "gzip") } else { call };
        self.send_packed(call, body.sent.len(), body.bytes)
    }

    /// Sends a call whose body or query has `bytes` bytes.
    pub(crate) fn send(&mut self, call: Call, bytes: usize) -> Option<Answer> {
        self.send_packed(call, bytes, bytes)
    }

    fn send_packed(&mut self, call: Call, sent: usize, unpacked: usize) -> Option<Answer> {
        let answer = call.send_over(&self.agent).ok();
        let status = answer.as_ref().map_or(0, |answer| answer.status);
        self.tally.sent_bytes.fetch_add(sent as u64, Ordering::Relaxed);
        if (200..300).contains(&status) {
            self.tally.bytes.fetch_add(unpacked as u64, Ordering::Relaxed);
        }
        self.tally.count(status);
        answer
    }
}

/// A body as sent, gzipped if that saves bytes.
pub(crate) struct Body {
    sent: Vec<u8>,
    is_packed: bool,
    /// Before compression.
    bytes: usize,
}

impl Body {
    pub(crate) fn of(text: &str) -> Self {
        let is_packed = text.len() >= PACKED_BYTES;
        let sent = if is_packed { packed(text.as_bytes()) } else { text.into() };
        Self { sent, is_packed, bytes: text.len() }
    }
}

/// Gzipped as fast as possible, because attackers are short of CPU.
fn packed(body: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(body).expect("writing to memory succeeds");
    encoder.finish().expect("writing to memory succeeds")
}

/// An array of points.
pub(crate) fn array(points: impl Iterator<Item = String>) -> String {
    format!("[{}]", points.collect::<Vec<String>>().join(","))
}

/// Numbers that look random, the same in every run.
pub(crate) struct Random(u64);

impl Random {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    /// A number below `limit`.
    pub(crate) fn below(&mut self, limit: u64) -> u64 {
        // xorshift64*
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 16) % limit
    }

    /// One element of `all`.
    pub(crate) fn one_of<'b, T>(&mut self, all: &'b [T]) -> &'b T {
        &all[usize::try_from(self.below(all.len() as u64)).expect("a small number")]
    }
}
