//! Commits, seals and queries in slices, with anything else between two of them.

use super::*;
use crate::engine::{Asking, Progress};
use model::grid::Row;
use store::sql::StoreError;

/// How a commit is done.
#[derive(Clone, Copy, Debug)]
pub(super) enum How {
    AtOnce,
    /// In slices of this many pieces and cells; after this many of them something happens.
    Slices {
        pieces: u8,
        cells: u8,
        after: u8,
        then: Then,
    },
}

/// What happens between slices.
#[derive(Clone, Copy, Debug)]
pub(super) enum Then {
    /// A read.
    Read,
    Compact,
    Tidy,
    /// The row is durable, so it counts, but its writer does not learn that.
    Crash,
}

pub(super) fn any_how() -> impl Strategy<Value = How> {
    let then = prop::sample::select(vec![Then::Read, Then::Compact, Then::Tidy, Then::Crash]);
    let slices = (1u8..60, 1u8..99, 0u8..20, then);
    prop_oneof![
        1 => Just(How::AtOnce),
        3 => slices.prop_map(|(pieces, cells, after, then)| How::Slices { pieces, cells, after, then }),
    ]
}

/// A query in progress.
pub(super) struct Asked {
    query: Query,
    asking: Asking,
    /// The answer at the moment when it read open buckets.
    wanted: Option<Vec<Row>>,
}

impl Model {
    /// A slice of a look: its answer and position are those of the moment when it read open buckets. If chunks have
    /// changed since then, it has no answer.
    /// have changed since, it has no answer.
    pub(super) fn ask(&mut self, units: u8) {
        let (engine, now_ms) = (&mut self.engine, self.now_ms);
        let mut asked = self.asked.take().unwrap_or_else(|| {
            let (from_ms, to_ms) = (self.now_ms - 90_000_000, self.now_ms + 10_000);
            let window = Window::new(from_ms, to_ms, Some(3600), self.now_ms, &Retention::default()).expect("valid");
            let matchers = vec![Matcher::parse("page=~.*").expect("valid")];
            let sketches = Wanted { quantiles: true, distinct: 1 };
            let query = Query { window, matchers, by: By::All, sketches };
            let asking = engine.ask(&query, &[]);
            Asked { query, asking, wanted: None }
        });
        let had_read_open = asked.asking.has_read_open();
        let progress = engine.go_on_looking(&asked.query, &mut asked.asking, units.into(), now_ms).expect("answers");
        if asked.asking.has_read_open() && !had_read_open {
            let at_once = engine.look(&asked.query, &[], now_ms).expect("answers");
            assert_eq!(asked.asking.position(), Some(at_once.position));
            asked.wanted = at_once.rows;
        }
        match progress {
            Progress::More => self.asked = Some(asked),
            Progress::All => assert_eq!(asked.asking.finish().ok(), asked.wanted),
            Progress::Stale => {}
        }
    }

    /// The result of each batch, or nothing for durable ones when memory is lost.
    pub(super) fn commit(&mut self, frames: &[Incoming]) -> Vec<Result<Option<Ack>, StoreError>> {
        let How::Slices { pieces, cells, after, then } = self.how else {
            return self.engine.commit(frames, self.now_ms).into_iter().map(|told| told.map(Some)).collect();
        };
        if let Err(error) = self.engine.begin(frames, self.now_ms) {
            return frames.iter().map(|_| Err(error.clone())).collect();
        }
        let mut slices = 0;
        loop {
            if slices == after {
                match then {
                    Then::Read => {
                        self.engine.complete();
                        assert_eq!(self.engine.totals().accepted, self.accepted + accepted(frames));
                    }
                    Then::Compact => self.engine.compact(),
                    Then::Tidy => {
                        self.engine.complete();
                        let _may_fail = self.engine.tidy(self.now_ms);
                    }
                    Then::Crash => {
                        self.sql.heal();
                        self.crash();
                        return frames.iter().map(|_| Ok(None)).collect();
                    }
                }
            }
            slices = slices.saturating_add(1);
            match self.engine.go_on(pieces.into(), cells.into()) {
                Some(Ok(told)) => return told.into_iter().map(|told| Ok(Some(told))).collect(),
                Some(Err(error)) => return frames.iter().map(|_| Err(error.clone())).collect(),
                None => {}
            }
        }
    }

    /// The next event drops what a slice has prepared, or uses it.
    pub(super) fn seal_some(&mut self, slices: u8, cells: u8) {
        for _ in 0..slices {
            if self.engine.seal_some(self.now_ms, cells.into()).expect("seals") {
                break;
            }
        }
    }
}

fn accepted(frames: &[Incoming]) -> u64 {
    use ingest::frame::Frame;
    frames.iter().map(|incoming| Frame::parse(&incoming.frame).expect("a frame").outcome.accepted).sum()
}

/// The changes of chunks or series, in a stream that has some.
type Change = (&'static str, fn(&mut Model));

#[test]
fn exactly_the_changes_of_chunks_make_a_query_stale() {
    const CHANGES: [Change; 5] = [
        ("sealing", |model| model.take(&Step::Seal)),
        ("merging", |model| {
            assert!(model.engine.is_crowded());
            model.engine.compact();
        }),
        ("expiry", |model| drop(model.engine.tidy(model.now_ms))),
        ("a label that is counted", |model| model.take(&Step::List { is_counted: false, fails_at: None })),
        ("memory that was lost", Model::crash),
    ];
    const OTHERS: [Change; 2] =
        [("nothing", |_| ()), ("a write", |model| model.take(&Step::Write(vec![vec![((2, 2), 1, None, 0)]])))];
    let changes = CHANGES.map(|change| (change, Progress::Stale)).into_iter();
    for ((name, change), wanted) in changes.chain(OTHERS.map(|other| (other, Progress::More))) {
        let mut model = Model::new(Limits::DEFAULT);
        let batch = (0..4).map(|age| ((0, 0), 1, None, age * 3_600)).collect();
        for step in [Step::Write(vec![batch]), Step::Fill, Step::Tidy { after_s: 1 }] {
            model.take(&step);
        }
        model.take(&Step::Write(vec![vec![((1, 1), 1, None, 0)]]));
        while model.asked.as_ref().is_none_or(|asked| !asked.asking.has_read_open()) {
            model.ask(1);
        }
        change(&mut model);
        let Asked { query, mut asking, .. } = model.asked.take().expect("there is more to read");
        assert_eq!(model.engine.go_on_asking(&query, &mut asking, 1), Ok(wanted), "{name}");
    }
}
