//! The response to a writer whose request exceeds a budget. Nothing of such a request is stored.

use serde::{Deserialize, Serialize};

/// The resource that a budget limits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Budget {
    /// Work, see [`model::cost`].
    Units,
    /// Late places.
    Late,
    /// Remembered idempotency keys.
    Keys,
    /// Disk space.
    Disk,
}

/// The holder of a budget.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Holder {
    /// The writer's network.
    Network,
    /// All writers without a key.
    Open,
    /// The write key.
    Key,
}

/// A budget that is insufficient now.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hit {
    /// The resource.
    pub budget: Budget,
    /// The holder.
    pub of: Holder,
    /// The seconds until it suffices for the same request, unless others use it in the meantime.
    pub retry_after_s: u32,
}

/// Why a write exceeds its budgets.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Limited {
    /// For people: the budget, and how much it gives.
    pub detail: String,
    /// At least one.
    pub hits: Vec<Hit>,
    /// For this many seconds no keyless write of this network is admitted, however small.
    #[serde(default)]
    pub closed_s: u32,
}

impl Hit {
    /// Its name for programs; the name of the holder if it limits everything that a writer may do.
    #[must_use]
    pub fn scope(&self) -> &'static str {
        match self.budget {
            Budget::Units => self.of.name(),
            budget => budget.name(),
        }
    }
}

impl Budget {
    fn name(self) -> &'static str {
        match self {
            Self::Units => "units",
            Self::Late => "late",
            Self::Keys => "keys",
            Self::Disk => "disk",
        }
    }
}

impl Holder {
    /// Its name for programs.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Network => "network",
            Self::Open => "open",
            Self::Key => "key",
        }
    }
}

impl Limited {
    /// The seconds until all budgets suffice.
    #[must_use]
    pub fn retry_after_s(&self) -> u32 {
        self.hits.iter().map(|hit| hit.retry_after_s).max().unwrap_or(1)
    }

    /// The header `Heartbeat-Limits`: `seconds:budget:holder` for each, as in Sentry's Relay.
    #[must_use]
    pub fn header(&self) -> String {
        let entry =
            |Hit { budget, of, retry_after_s }: &Hit| format!("{retry_after_s}:{}:{}", budget.name(), of.name());
        self.hits.iter().map(entry).collect::<Vec<_>>().join(", ")
    }

    /// The same limits a few seconds later.
    #[must_use]
    pub fn after(&self, seconds: u32) -> Self {
        let mut later = self.clone();
        for hit in &mut later.hits {
            hit.retry_after_s = hit.retry_after_s.saturating_sub(seconds).max(1);
        }
        later.closed_s = later.closed_s.saturating_sub(seconds);
        later
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limited() -> Limited {
        let hit = |budget, of, retry_after_s| Hit { budget, of, retry_after_s };
        let hits = vec![hit(Budget::Late, Holder::Network, 12), hit(Budget::Units, Holder::Open, 3)];
        Limited { detail: "why".into(), hits, closed_s: 2 }
    }

    #[test]
    fn the_json_and_the_header_are_pinned() {
        let limited = limited();
        assert_eq!(limited.header(), "12:late:network, 3:units:open");
        assert_eq!(limited.hits.iter().map(Hit::scope).collect::<Vec<_>>(), ["late", "open"]);
        let pinned = r#"{"detail":"why","hits":[{"budget":"late","of":"network","retry_after_s":12},{"budget":"units","of":"open","retry_after_s":3}],"closed_s":2}"#;
        assert_eq!(serde_json::to_string(&limited).expect("serialises"), pinned);
        assert_eq!(serde_json::from_str::<Limited>(pinned).expect("reads"), limited);
    }

    #[test]
    fn waits_get_shorter_with_time() {
        assert_eq!(limited().retry_after_s(), 12);
        let later = limited().after(5);
        assert_eq!((later.retry_after_s(), later.hits[1].retry_after_s, later.closed_s), (7, 1, 0));
    }
}
