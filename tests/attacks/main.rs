//! Attacks run against the built Worker on real workerd while honest writers continue; `make test` builds it first.
//!
//! Each runs for `ATTACK_SECONDS` (3 by default) on its own server, two at a time. With `ATTACK_SECONDS=60` one runs at
//! a time, and the latency of honest writers is checked too: `ATTACK_SECONDS=60 cargo test --release --test attacks`.
//! `target/attacks/` has a report of each.

mod attacker;
#[path = "../system/clock.rs"]
#[allow(dead_code, reason = "shared with the whole-system tests")]
mod clock;
mod credentials;
mod crowd;
mod documents;
mod everything;
mod faces;
mod floods;
mod frame;
mod heavy;
mod honest;
#[path = "../system/http.rs"]
#[allow(dead_code, reason = "shared with the whole-system tests")]
mod http;
mod keys;
mod leaks;
mod long;
mod numbers;
mod origins;
mod proxies;
mod report;
mod scrape;
#[path = "../system/server.rs"]
#[allow(dead_code, reason = "shared with the whole-system tests")]
mod server;
#[path = "../system/stream.rs"]
#[allow(dead_code, reason = "shared with the whole-system tests")]
mod stream;
mod strings;

mod peer {
    //! The prefix of tokens that `http` looks for in answers. No upstream takes part here, but its rule applies.

    /// The prefix of the tokens of upstreams in whole-system tests.
    pub(crate) const TOKENS_BEGIN: &str = "tokenThat";
}
