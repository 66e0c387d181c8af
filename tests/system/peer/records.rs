//! What the double has seen and stored, as tests query it.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::Value;

use super::channels::{Access, Message};
use super::{Fault, Peer, limits};

const TIMESERIES: &str = "net.app.contrib.timeseries";
const BATCH: &str = "net.app.contrib.timeseries.batch";

/// The bytes of a request and of its answer.
#[derive(Clone)]
pub(crate) struct Exchange {
    pub(crate) received: Vec<u8>,
    pub(crate) sent: Vec<u8>,
}

impl Exchange {
    /// For example `POST /stream/0/channels`.
    pub(crate) fn what(&self) -> String {
        let text = String::from_utf8_lossy(&self.received);
        text.split(' ').take(2).collect::<Vec<_>>().join(" ")
    }

    /// The body of the request.
    pub(crate) fn body(&self) -> Value {
        let text = String::from_utf8_lossy(&self.received);
        text.split_once("\r\n\r\n").and_then(|(_, body)| serde_json::from_str(body).ok()).unwrap_or_default()
    }
}

/// The points of a message.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Batch {
    pub(crate) id: String,
    pub(crate) channel: String,
    pub(crate) points: Vec<Value>,
}

impl Batch {
    fn of(message: &Message) -> Self {
        let of = |wanted: &str| -> Vec<&Value> {
            let annotations = message.content.annotations.iter();
            annotations.filter(|(kind, _)| kind == wanted).map(|(_, value)| value).collect()
        };
        let ids = of(BATCH);
        assert_eq!(ids.len(), 1, "a message has one batch");
        let id = ids[0]["id"].as_str().expect("a batch id is a string").to_owned();
        let points: Vec<Value> = of(TIMESERIES).into_iter().cloned().collect();
        assert!(!points.is_empty(), "message {id} has no point");
        Self { id, channel: message.channel.to_string(), points }
    }

    /// The part before the number: the stream and the shard.
    pub(crate) fn source(&self) -> &str {
        self.id.rsplit_once('-').expect("a batch id has a number").0
    }

    /// The number, and what follows it in the id of a part.
    pub(crate) fn number(&self) -> (u64, &str) {
        let (_, number) = self.id.rsplit_once('-').expect("a batch id has a number");
        let end = number.find(|char: char| !char.is_ascii_digit()).unwrap_or(number.len());
        (number[..end].parse().expect("a number"), &number[end..])
    }
}

/// Sums of n and d per set of labels, given as JSON.
pub(crate) type Sums = BTreeMap<String, (f64, f64)>;

/// The sums of points in their written form.
pub(crate) fn sums_of<'a>(points: impl IntoIterator<Item = &'a Value>) -> Sums {
    let mut sums = Sums::new();
    for point in points {
        let labels = point.get("v").map_or_else(|| "{}".to_owned(), Value::to_string);
        let sum = sums.entry(labels).or_default();
        sum.0 += point["n"].as_f64().expect("a point has n");
        sum.1 += point.get("d").map_or(1.0, |d| d.as_f64().expect("d is a number"));
    }
    sums
}

impl Peer {
    /// Everything received and sent, in the order of the answers.
    pub(crate) fn captured(&self) -> Vec<Exchange> {
        self.inner.look(|state| state.exchanges.clone())
    }

    /// Each request's method and path, without its query, in the order of the answers.
    pub(crate) fn requests(&self) -> Vec<String> {
        let path = |exchange: &Exchange| exchange.what().split('?').next().unwrap_or_default().to_owned();
        self.inner.look(|state| state.exchanges.iter().map(path).collect())
    }

    /// When writes came, in seconds since the first one.
    pub(crate) fn arrivals_s(&self) -> Vec<f64> {
        self.inner.look(|state| {
            let mut moments: Vec<_> = state.arrivals.values().flatten().copied().collect();
            moments.sort();
            moments.iter().map(|at| (*at - moments[0]).as_secs_f64()).collect()
        })
    }

    /// How many writes came.
    pub(crate) fn writes(&self) -> usize {
        self.inner.look(|state| state.arrivals.values().map(Vec::len).sum())
    }

    /// The most writes of a token in any span of this width.
    pub(crate) fn max_writes_in_any(&self, span: Duration) -> usize {
        let most = |moments: &Vec<_>| limits::most_in_any(span, moments);
        self.inner.look(|state| state.arrivals.values().map(most).max().unwrap_or_default())
    }

    /// How many writes exceeded the limit.
    pub(crate) fn exceeded(&self) -> usize {
        self.inner.look(|state| state.exceeded)
    }

    /// How often each fault happened.
    pub(crate) fn failed(&self) -> BTreeMap<Fault, usize> {
        self.inner.look(|state| state.failed.clone())
    }

    /// How many requests wait for an answer that never comes.
    pub(crate) fn hanging(&self) -> usize {
        self.inner.look(|state| state.hanging)
    }

    /// All channels.
    pub(crate) fn channels(&self) -> BTreeMap<String, Access> {
        self.inner
            .look(|state| state.channels.iter().map(|(id, channel)| (id.to_string(), channel.access.clone())).collect())
    }

    /// How many messages are stored.
    pub(crate) fn stored(&self) -> usize {
        self.inner.look(|state| state.messages.len())
    }

    /// The messages as they were stored.
    pub(crate) fn batches(&self) -> Vec<Batch> {
        self.inner.look(|state| state.messages.iter().map(Batch::of).collect())
    }

    /// The messages without repeats; a repeat must be identical.
    pub(crate) fn first_deliveries(&self) -> Vec<Batch> {
        let mut first: BTreeMap<String, Batch> = BTreeMap::new();
        let mut is_first = |batch: &Batch| match first.get(&batch.id) {
            None => first.insert(batch.id.clone(), batch.clone()).is_none(),
            Some(earlier) => {
                assert_eq!(earlier.points, batch.points, "{} was repeated with other points", batch.id);
                false
            }
        };
        self.batches().into_iter().filter(|batch| is_first(batch)).collect()
    }

    /// The sums of all delivered points, each counted once.
    pub(crate) fn sums(&self) -> Sums {
        let batches = self.first_deliveries();
        sums_of(batches.iter().flat_map(|batch| &batch.points))
    }

    /// Checks that the batches of each stream came in order, without a gap.
    #[track_caller]
    pub(crate) fn assert_in_order(&self) {
        let mut last: BTreeMap<String, u64> = BTreeMap::new();
        for batch in self.first_deliveries() {
            let (number, part) = batch.number();
            if let Some(last) = last.insert(batch.source().to_owned(), number) {
                let is_next = number == last + 1 || (number == last && !part.is_empty());
                assert!(is_next, "{} came after number {last}", batch.id);
            }
        }
    }
}
