//! A model of shards, writers and owners with their steps in any order, with crashes, lost answers, outdated
//! numbers and clocks that differ. No key counts twice within its window, and nothing counts where readers do not
//! look.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::batch_key::IdempotencyKey;
use super::shards::{Fence, KEY_WINDOW_MS, Layout, Plan};

const SHARDS: u16 = 8;
const WRITERS: usize = 4;
const KEYS: u64 = 5;
const MAX_ROUNDS: u8 = 3;
/// Any two clocks are less than a minute apart.
const SKEWS_MS: [i64; 4] = [0, 25_000, -25_000, 10_000];

/// The longest wait of a batch for its commit; with the clocks, that is the slack.
const MAX_WAITING_S: i64 = 10;

#[derive(Clone, Debug)]
enum Step {
    /// An idle writer starts to send a key, with a number of shards that may be outdated.
    Begin {
        writer: usize,
        key: u64,
        belief: usize,
    },
    /// A writer's next call arrives and is answered.
    Advance {
        writer: usize,
    },
    /// A writer gets no answer and gives up, at any stage.
    Leave {
        writer: usize,
    },
    /// What waits at a shard is committed.
    Commit {
        shard: u16,
    },
    /// What waits at a shard is lost.
    Crash {
        shard: u16,
    },
    /// The owner asks for more shards, or repeats the request.
    Raise {
        by: u16,
    },
    /// A change reaches the next shard, or home after all shards.
    Propagate {
        which: usize,
    },
    /// A change gets no further.
    Stop {
        which: usize,
    },
    Wait {
        s: i64,
    },
}

fn any_step() -> impl Strategy<Value = Step> {
    prop_oneof![
        6 => (0..WRITERS, 0..KEYS, 0usize..9).prop_map(|(writer, key, belief)| Step::Begin { writer, key, belief }),
        16 => (0..WRITERS).prop_map(|writer| Step::Advance { writer }),
        1 => (0..WRITERS).prop_map(|writer| Step::Leave { writer }),
        8 => (0..SHARDS).prop_map(|shard| Step::Commit { shard }),
        1 => (0..SHARDS).prop_map(|shard| Step::Crash { shard }),
        2 => (0u16..3).prop_map(|by| Step::Raise { by }),
        6 => (0usize..3).prop_map(|which| Step::Propagate { which }),
        1 => (0usize..3).prop_map(|which| Step::Stop { which }),
        2 => prop_oneof![0i64..MAX_WAITING_S, MAX_WAITING_S..60, 540i64..720].prop_map(|s| Step::Wait { s }),
    ]
}

/// The state of a shard: the record and the fence survive a crash, as do the keys that it counted, with their
/// times.
#[derive(Default)]
struct Shard {
    layout: Option<Layout>,
    fence: Fence,
    counted: BTreeMap<u64, i64>,
    /// Keys that wait for a commit, and their writers.
    waiting: BTreeMap<u64, Vec<usize>>,
}

/// The answer of a shard to a call.
#[derive(PartialEq, Eq)]
enum Answer {
    NoSuchShard,
    Earlier,
    Waits,
    Unknown,
    Moved,
}

enum Writer {
    Idle,
    Calling { key: u64, belief: Layout, plan: Plan, rounds: u8 },
    Waiting,
}

struct World {
    now_ms: i64,
    shards: Vec<Shard>,
    writers: Vec<Writer>,
    /// All layouts that home ever had.
    history: Vec<Layout>,
    /// The number of shards that a change announces, and the ones it has not reached yet.
    changes: Vec<(u16, Vec<u16>)>,
    /// When each key was counted.
    counts: BTreeMap<u64, Vec<i64>>,
}

impl World {
    fn new() -> Self {
        let mut shards: Vec<Shard> = (0..SHARDS).map(|_| Shard::default()).collect();
        shards[0].layout = Some(Layout::default());
        let writers = (0..WRITERS).map(|_| Writer::Idle).collect();
        let history = vec![Layout::default()];
        Self { now_ms: 0, shards, writers, history, changes: Vec::new(), counts: BTreeMap::new() }
    }

    fn home(&self) -> &Layout {
        self.shards[0].layout.as_ref().expect("home is always there")
    }

    fn change_home(&mut self, change: impl FnOnce(&mut Layout)) {
        change(self.shards[0].layout.as_mut().expect("home is always there"));
        self.history.push(self.home().clone());
    }

    fn clock(&self, of: usize) -> i64 {
        self.now_ms + SKEWS_MS[of % SKEWS_MS.len()]
    }

    fn take(&mut self, step: &Step) {
        match *step {
            Step::Begin { writer, key, belief } => {
                if matches!(self.writers[writer], Writer::Idle) {
                    let newest = self.history.len() - 1;
                    let belief = self.history[newest.saturating_sub(belief)].clone();
                    self.call(writer, key, belief, 1);
                }
            }
            Step::Advance { writer } => self.advance(writer),
            Step::Leave { writer } => self.writers[writer] = Writer::Idle,
            Step::Commit { shard } => self.commit(shard),
            Step::Crash { shard } => {
                for writer in std::mem::take(&mut self.shards[usize::from(shard)].waiting).into_values().flatten() {
                    self.writers[writer] = Writer::Idle;
                }
            }
            Step::Raise { by } => {
                let (shards, now_ms) = (SHARDS.min(self.home().shards() + by), self.clock(0));
                self.change_home(|layout| layout.raise(shards, now_ms).unwrap_or_default());
                let shards = self.home().shards();
                self.changes.push((shards, (1..shards).collect()));
            }
            Step::Propagate { which } => self.propagate(which),
            Step::Stop { which } => {
                if which < self.changes.len() {
                    self.changes.remove(which);
                }
            }
            Step::Wait { s } => {
                if s >= MAX_WAITING_S {
                    (0..SHARDS).for_each(|shard| self.commit(shard));
                }
                self.now_ms += s * 1000;
            }
        }
    }

    fn call(&mut self, writer: usize, key: u64, belief: Layout, rounds: u8) {
        let plan = belief.plan(&bytes(key), self.clock(writer));
        self.writers[writer] = Writer::Calling { key, belief, plan, rounds };
    }

    fn advance(&mut self, writer: usize) {
        let Writer::Calling { key, belief, mut plan, rounds } =
            std::mem::replace(&mut self.writers[writer], Writer::Idle)
        else {
            return;
        };
        let (shard, asks) = plan.ask.last().map_or((plan.write, false), |shard| (*shard, true));
        let answer = self.answer(shard, writer, key, belief.shards(), asks);
        match answer {
            Answer::NoSuchShard => {
                assert!(self.home().may_be_new(shard), "shard {shard} is lost");
                self.adopt(shard);
                self.writers[writer] = Writer::Calling { key, belief, plan, rounds };
            }
            Answer::Unknown => {
                plan.ask.pop();
                self.writers[writer] = Writer::Calling { key, belief, plan, rounds };
            }
            Answer::Moved if rounds < MAX_ROUNDS => self.call(writer, key, self.home().clone(), rounds + 1),
            Answer::Moved | Answer::Earlier => {}
            Answer::Waits => self.writers[writer] = Writer::Waiting,
        }
    }

    /// In one atomic step, as the object does.
    fn answer(&mut self, shard: u16, writer: usize, key: u64, believed: u16, asks: bool) -> Answer {
        let now_ms = self.clock(usize::from(shard));
        let here = &mut self.shards[usize::from(shard)];
        let Some(layout) = &here.layout else { return Answer::NoSuchShard };
        here.fence = here.fence.raised(layout.shards()).unwrap_or(here.fence);
        here.fence = here.fence.raised(believed).unwrap_or(here.fence);
        if here.counted.get(&key).is_some_and(|counted_ms| *counted_ms >= now_ms - KEY_WINDOW_MS) {
            return Answer::Earlier;
        }
        if let Some(writers) = here.waiting.get_mut(&key) {
            writers.push(writer);
        } else if asks {
            return Answer::Unknown;
        } else if !here.fence.admits(believed) {
            return Answer::Moved;
        } else {
            here.waiting.insert(key, vec![writer]);
        }
        Answer::Waits
    }

    fn commit(&mut self, shard: u16) {
        let now_ms = self.clock(usize::from(shard));
        for (key, writers) in std::mem::take(&mut self.shards[usize::from(shard)].waiting) {
            self.shards[usize::from(shard)].counted.insert(key, now_ms);
            let counts = self.counts.entry(key).or_default();
            let is_twice = counts.last().is_some_and(|last_ms| self.now_ms - last_ms <= KEY_WINDOW_MS);
            assert!(!is_twice, "key {key} counts at {counts:?} and again at {} in shard {shard}", self.now_ms);
            counts.push(self.now_ms);
            assert!(shard < self.home().shards(), "key {key} counts in shard {shard}, where no reader looks");
            for writer in writers {
                self.writers[writer] = Writer::Idle;
            }
        }
    }

    fn adopt(&mut self, shard: u16) {
        let home = self.home().clone();
        let here = &mut self.shards[usize::from(shard)];
        if here.layout.is_some() || home.may_be_new(shard) {
            here.layout = Some(home);
        }
    }

    fn propagate(&mut self, which: usize) {
        let Some((shards, left)) = self.changes.get_mut(which) else { return };
        let shards = *shards;
        if let Some(shard) = left.pop() {
            self.adopt(shard);
        } else {
            let now_ms = self.clock(0);
            self.changes.remove(which);
            self.change_home(|layout| layout.settle(shards, now_ms));
        }
    }
}

fn bytes(key: u64) -> IdempotencyKey {
    let mut bytes = [0; 16];
    bytes[..8].copy_from_slice(&(key + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15).to_le_bytes());
    IdempotencyKey::from_bytes(bytes)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, ..ProptestConfig::default() })]
    #[test]
    fn in_any_order_no_key_counts_in_two_shards(steps in proptest::collection::vec(any_step(), 1..160)) {
        let mut world = World::new();
        for step in &steps {
            world.take(step);
        }
    }
}
