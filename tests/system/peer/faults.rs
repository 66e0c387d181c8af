//! Which faults happen, and when: by a script, or at random from a seed.

/// A way in which an answer fails or deviates.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Fault {
    /// 429 with `Retry-After` in seconds.
    RetryAfter(u32),
    /// 429 with `meta.retry_in` in seconds.
    RetryIn(u32),
    /// 429 without a time to wait.
    TooMany,
    /// 500 in the envelope.
    ServerError,
    /// 500 whose message repeats the token, even where the product cuts such a message.
    Telltale,
    /// 503 with a page.
    Unavailable,
    /// 200 with an HTML page, as from a captive portal.
    Html,
    /// No answer for as long as the client waits.
    Hang,
    /// The same, but everything is stored.
    HangAfter,
    /// 200 with an endless body.
    Endless,
    /// The connection ends before anything is stored.
    CutBefore,
    /// The connection ends after everything was stored.
    CutAfter,
    /// The answer ends within its body, after everything was stored.
    CutInside,
    /// Ids are JSON numbers.
    NumericIds,
    /// No `max_id`, `min_id` and `more`.
    NoPaging,
    /// No `X-RateLimit-*`.
    NoRateHeaders,
    /// 302 to another place.
    Redirect,
    /// An error of this status in the envelope.
    Status(u16),
}

impl Fault {
    /// Whether the request is carried out although its answer is wrong.
    pub(super) fn is_after(self) -> bool {
        use Fault::{CutAfter, CutInside, HangAfter, NoPaging, NoRateHeaders, NumericIds};
        matches!(self, CutAfter | CutInside | HangAfter | NumericIds | NoPaging | NoRateHeaders)
    }
}

/// Faults at random.
#[derive(Clone, Copy)]
pub(crate) struct Faults {
    /// The same seed gives the same faults.
    pub(crate) seed: u64,
    /// The share of answers that fail, 0 to 1.
    pub(crate) share: f64,
    pub(crate) kinds: &'static [Fault],
}

/// Numbers that look random (`SplitMix64`).
#[derive(Clone)]
pub(crate) struct Random(pub(crate) u64);

impl Random {
    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    /// A number below `bound`.
    pub(crate) fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound
    }
}

impl Faults {
    /// The fault of the next answer, if it fails.
    pub(super) fn draw(&mut self) -> Option<Fault> {
        let mut random = Random(self.seed);
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "0 to a million")]
        let fails = random.below(1_000_000) < (self.share * 1e6) as u64;
        let kind = self.kinds[usize::try_from(random.next() >> 1).expect("63 bits") % self.kinds.len()];
        self.seed = random.0;
        fails.then_some(kind)
    }
}
