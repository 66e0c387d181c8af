//! A message with as many points as fit, and the id of their batch.

use json::write::push_text;
use model::point::LabelledPoint;

use super::shape::Shape;
use super::value::push_value;
use super::{BATCH, MAX_ANNOTATIONS_BYTES, TIMESERIES};
use config::forward::dialect::Dialect;

/// The text of messages for upstreams that require one: pnut, and some that use app.net's dialect.
const TEXT: &str = "timeseries";

/// A message that is being filled.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    dialect: Dialect,
    /// The JSON of the annotations, or of pnut's `raw`, up to the last point.
    annotations: String,
    /// What follows the points.
    end: String,
    points: usize,
}

impl Message {
    /// A message without points. Parts of a split message are messages with ids of their own.
    #[must_use]
    pub fn new(dialect: Dialect, batch_id: &str) -> Self {
        let mut id = String::new();
        push_text(&mut id, batch_id);
        let (annotations, end) = match dialect {
            Dialect::AppNet => ("[".into(), format!(r#"{{"type":"{BATCH}","value":{{"id":{id}}}}}]"#)),
            Dialect::Pnut => (format!(r#"{{"{TIMESERIES}":["#), format!(r#"],"{BATCH}":[{{"id":{id}}}]}}"#)),
        };
        Self { dialect, annotations, end, points: 0 }
    }

    /// Adds a point, or returns false and stays unchanged: annotations can have at most [`MAX_ANNOTATIONS_BYTES`]
    /// of UTF-8 as compact JSON. A point whose labels have many characters that JSON escapes may be too large for
    /// any message.
    #[must_use]
    pub fn push(&mut self, LabelledPoint { labels, point }: &LabelledPoint) -> bool {
        let before = self.annotations.len();
        match self.dialect {
            Dialect::AppNet => {
                self.annotations.extend(["{\"type\":\"", TIMESERIES, "\",\"value\":"]);
                push_value(&mut self.annotations, labels, point);
                self.annotations.push_str("},");
            }
            Dialect::Pnut => {
                self.annotations.push_str(if self.points == 0 { "" } else { "," });
                push_value(&mut self.annotations, labels, point);
            }
        }
        let fits = self.annotations.len() + self.end.len() <= MAX_ANNOTATIONS_BYTES;
        if fits {
            self.points += 1;
        } else {
            self.annotations.truncate(before);
        }
        fits
    }

    /// Whether it has no points.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.points == 0
    }

    /// The number of points.
    #[must_use]
    pub fn len(&self) -> usize {
        self.points
    }

    /// The body of the request that posts it; pnut allows one shape only.
    #[must_use]
    pub fn into_body(self, shape: Shape) -> String {
        let Self { dialect, annotations, end, points: _ } = self;
        match dialect {
            Dialect::AppNet => {
                let text = if shape.has_text() { format!(r#","text":"{TEXT}""#) } else { String::new() };
                let machine_only = if shape.is_machine_only() { r#","machine_only":true"# } else { "" };
                format!(r#"{{"annotations":{annotations}{end}{machine_only}{text}}}"#)
            }
            Dialect::Pnut => format!(r#"{{"text":"{TEXT}","raw":{annotations}{end}}}"#),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::labels::{Labels, LabelsBuilder};
    use model::point::Point;
    use proptest::collection::{btree_map, vec};
    use proptest::prelude::*;
    use serde_json::{Value, json};

    const DIALECTS: [Dialect; 2] = [Dialect::AppNet, Dialect::Pnut];

    fn point(n: f64) -> LabelledPoint {
        LabelledPoint { labels: Labels::default(), point: Point { n, d: 1.0, p: None, t: 7.0 } }
    }

    /// The annotations, or pnut's raw, of a body.
    fn annotations(body: &str) -> Value {
        let body: Value = serde_json::from_str(body).expect("JSON");
        body.get("annotations").or(body.get("raw")).expect("is there").clone()
    }

    fn any_point() -> impl Strategy<Value = LabelledPoint> {
        let labels = btree_map("[a-z\"\\\\é]{1,20}", "[ -~é😀]{0,80}", 0..8).prop_map(|labels| {
            let mut builder = LabelsBuilder::default();
            for (name, value) in labels {
                builder.push(name.into(), value.into());
            }
            Labels::from_canonical(builder.canonical().expect("valid"))
        });
        let number = -1e300..1e300;
        (labels, number.clone(), 0.0..9.0, proptest::option::of(0.1..86_400.0), number)
            .prop_map(|(labels, n, d, p, t)| LabelledPoint { labels, point: Point { n, d, p, t } })
    }

    proptest! {
        #[test]
        fn bytes_are_counted_exactly_up_to_a_full_message(
            points in vec(any_point(), 1..120),
            is_pnut in any::<bool>(),
            id in "[a-z\"é]{1,40}",
        ) {
            let dialect = DIALECTS[usize::from(is_pnut)];
            let mut message = Message::new(dialect, &id);
            for (at, point) in points.iter().enumerate() {
                let before = message.clone();
                let fits = message.push(point);
                let told = message.annotations.len() + message.end.len();
                let body = message.clone().into_body(Shape::Silent);
                let from = body.find(if is_pnut { "\"raw\":" } else { "\"annotations\":" }).expect("is there");
                let from = from + body[from..].find(':').expect("is there") + 1;
                let end = if is_pnut { "}" } else { ",\"machine_only\":true}" };
                prop_assert_eq!(told, body[from..].strip_suffix(end).expect("ends so").len());
                let annotations = annotations(&body);
                let points = if is_pnut { annotations[TIMESERIES].as_array() } else { annotations.as_array() };
                prop_assert_eq!(points.expect("a list").len(), message.len() + usize::from(!is_pnut));
                prop_assert!(told <= MAX_ANNOTATIONS_BYTES);
                if !fits {
                    prop_assert_eq!(&message, &before);
                    prop_assert_eq!(message.len(), at);
                    // It does not fit into the remaining space, however the message was filled.
                    let mut alone = Message::new(dialect, &id);
                    prop_assert!(alone.push(point));
                    let its_bytes = alone.annotations.len() - Message::new(dialect, &id).annotations.len();
                    prop_assert!(told + its_bytes + usize::from(is_pnut) > MAX_ANNOTATIONS_BYTES);
                    break;
                }
            }
        }
    }

    #[test]
    fn the_form_of_a_message_is_that_of_its_dialect() {
        let body = |dialect, shape| {
            let mut message = Message::new(dialect, "s/0-7");
            assert!(message.is_empty() && message.push(&point(1.0)) && message.push(&point(2.0)));
            assert_eq!(message.len(), 2);
            message.into_body(shape)
        };
        let annotations_of =
            |body: &str| body.split_once("],\"").map(|(annotations, rest)| (annotations.to_owned(), rest.to_owned()));
        let silent = annotations_of(&body(Dialect::AppNet, Shape::Silent)).expect("a list");
        for (shape, rest) in [
            (Shape::Captioned, r#"machine_only":true,"text":"timeseries"}"#),
            (Shape::Spoken, r#"text":"timeseries"}"#),
        ] {
            assert_eq!(annotations_of(&body(Dialect::AppNet, shape)), Some((silent.0.clone(), rest.to_owned())));
            assert_eq!(body(Dialect::Pnut, shape), body(Dialect::Pnut, Shape::Silent));
        }
        assert_eq!(
            body(Dialect::AppNet, Shape::Silent),
            r#"{"annotations":[{"type":"net.app.contrib.timeseries","value":{"n":1,"t":7}},{"type":"net.app.contrib.timeseries","value":{"n":2,"t":7}},{"type":"net.app.contrib.timeseries.batch","value":{"id":"s/0-7"}}],"machine_only":true}"#
        );
        assert_eq!(
            body(Dialect::Pnut, Shape::Silent),
            r#"{"text":"timeseries","raw":{"net.app.contrib.timeseries":[{"n":1,"t":7},{"n":2,"t":7}],"net.app.contrib.timeseries.batch":[{"id":"s/0-7"}]}}"#
        );
        let empty = |dialect| annotations(&Message::new(dialect, "x").into_body(Shape::Silent));
        assert_eq!(empty(Dialect::AppNet), json!([{ "type": BATCH, "value": { "id": "x" } }]));
        assert_eq!(empty(Dialect::Pnut), json!({ TIMESERIES: [], BATCH: [{ "id": "x" }] }));
    }

    #[test]
    fn a_message_is_filled_to_the_last_byte_and_not_beyond() {
        for dialect in DIALECTS {
            let labels = |bytes: usize| {
                let mut builder = LabelsBuilder::default();
                for (at, rest) in (0..bytes).step_by(200).enumerate() {
                    builder.push(format!("l{at:02}").into(), "x".repeat((bytes - rest).min(200)).into());
                }
                Labels::from_canonical(builder.canonical().expect("valid"))
            };
            let fill = |last_bytes: usize| {
                let mut message = Message::new(dialect, "id");
                assert!((0..2).all(|_| message.push(&LabelledPoint { labels: labels(3_000), ..point(1.0) })));
                let is_in = message.push(&LabelledPoint { labels: labels(last_bytes), ..point(1.0) });
                is_in.then(|| message.annotations.len() + message.end.len())
            };
            let most = (1..3_000).filter_map(fill).max();
            assert_eq!(most, Some(MAX_ANNOTATIONS_BYTES));
        }
    }

    #[test]
    fn a_point_too_large_for_any_message_is_recognised() {
        let mut builder = LabelsBuilder::default();
        for at in 0..16 {
            builder.push(format!("l{at}").into(), "\"".repeat(256).into());
        }
        let labels = Labels::from_canonical(builder.canonical().expect("valid"));
        for dialect in DIALECTS {
            let mut message = Message::new(dialect, "id");
            assert!(!message.push(&LabelledPoint { labels: labels.clone(), ..point(1.0) }) && message.is_empty());
        }
    }
}
