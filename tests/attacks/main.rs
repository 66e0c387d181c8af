//! Attacks as programs against the built Worker on real workerd, while honest writers go on; `make test` builds it first.
//!
//! Each runs for `ATTACK_SECONDS` (3 by default) on a server of its own, two at a time. With `ATTACK_SECONDS=60` one at
//! a time, and how long honest writers wait is held to too: `ATTACK_SECONDS=60 cargo test --release --test attacks`.
//! What each did and what it came to is in `target/attacks/`.

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
    //! What `http` searches answers for: no upstream takes part here, but its rule stays.

    /// How the tokens of the whole-system tests' upstreams begin.
    pub(crate) const TOKENS_BEGIN: &str = "tokenThat";
}
