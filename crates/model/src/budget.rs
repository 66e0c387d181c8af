//! A budget of steps that all computations of one request share. Steps are counted, not timed, so that the same
//! request gets the same answer on every machine.

use std::cell::Cell;
use std::rc::Rc;

/// The number of steps left. Clones share it.
#[derive(Clone, Debug)]
pub struct Budget(Rc<Cell<Option<u64>>>);

impl Budget {
    /// A budget of this many steps.
    #[must_use]
    pub fn new(steps: u64) -> Self {
        Self(Rc::new(Cell::new(Some(steps))))
    }

    /// Takes steps before they are made, and returns whether enough were left. After a failure none are left.
    #[must_use]
    pub fn take(&self, steps: u64) -> bool {
        self.0.set(self.0.get().and_then(|left| left.checked_sub(steps)));
        !self.is_used_up()
    }

    /// The number of steps left.
    #[must_use]
    pub fn left(&self) -> u64 {
        self.0.get().unwrap_or_default()
    }

    /// Whether more steps were requested than there were.
    #[must_use]
    pub fn is_used_up(&self) -> bool {
        self.0.get().is_none()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clones_share_a_budget_that_stays_used_up() {
        let (one, other) = {
            let budget = Budget::new(10);
            (budget.clone(), budget)
        };
        assert!(one.take(6) && other.take(4) && !one.is_used_up());
        assert!(!other.take(1) && !one.take(0) && one.is_used_up());
    }
}
