//! The points among the annotations of a message: validated as on our own paths, but as lenient as app.net was in
//! 2013. `kv` is another name of `v` (which wins if both are present), numbers and booleans as label values become
//! strings, and unknown fields are ignored.

use serde_json::value::RawValue;

use ingest::format::{Batch, BodyError, Format, Read};
use ingest::rejection::Rejection;
use json::write::push_number;
use model::labels::LabelsBuilder;
use model::point::{Arrival, Field, Given, Point};

use super::TIMESERIES;
use super::object::{is_number, list, number, object, string, token};
use super::posted::{self, MessageHead};

/// The annotations of a message.
pub struct Annotations<'a> {
    /// The rest of the message.
    pub head: &'a MessageHead,
    /// Whether the message is kept, so that it can be read as it was posted.
    pub is_kept: bool,
}

impl Format for Annotations<'_> {
    fn read(&self, annotations: &[u8], arrival: Arrival, batch: &mut Batch<'_>) -> Result<(), BodyError> {
        let mut rejected = Vec::new();
        // A message of which a rule takes a label off is read as points, without what was taken off.
        let mut is_whole = true;
        each_point(annotations, arrival, &mut |index, point| {
            is_whole &= point.as_ref().is_ok_and(|(_, labels)| batch.keeps(labels)) || point.is_err();
            let accepted = batch.accepted();
            batch.push(index, point);
            rejected.extend((batch.accepted() == accepted).then_some(index));
        });
        if let Some(kept) =
            (self.is_kept && is_whole).then(|| posted::kept(self.head, annotations, &rejected)).flatten()
        {
            batch.keep_posted(kept);
        }
        Ok(())
    }
}

/// Calls back with each point of a list of annotations and its index in it. [`super::message_in`] has validated the
/// list.
pub fn each_point(annotations: &[u8], arrival: Arrival, take: &mut dyn FnMut(usize, Read<'_>)) {
    for (index, annotation) in list(annotations).unwrap_or_default().into_iter().enumerate() {
        let annotation = object(annotation.get()).unwrap_or_default();
        if annotation.get("type").and_then(|kind| string(kind)).is_some_and(|kind| kind == TIMESERIES) {
            let mut labels = LabelsBuilder::default();
            let point = point(annotation.get("value").copied(), arrival, &mut labels);
            take(index, point.and_then(|point| Ok((point, labels.canonical()?))));
        }
    }
}

fn point(value: Option<&RawValue>, arrival: Arrival, labels: &mut LabelsBuilder<'_>) -> Result<Point, Rejection> {
    let value = value.unwrap_or(RawValue::NULL);
    let fields = object(value.get()).ok_or_else(|| Rejection::NotAnObject(token(value)))?;
    let number = |field: Field| match fields.get(field.name()) {
        None => Ok(None),
        Some(raw) => number(raw).map(Some).ok_or_else(|| Rejection::NotANumber(field, token(raw))),
    };
    let given = Given { n: number(Field::N)?, d: number(Field::D)?, p: number(Field::P)?, t: number(Field::T)? };
    if let Some(raw) = fields.get("v").or_else(|| fields.get("kv")) {
        for (name, value) in object(raw.get()).ok_or_else(|| Rejection::NotLabels(token(raw)))? {
            let text = label_text(value).ok_or_else(|| Rejection::LabelNotText(name.as_str().into(), token(value)))?;
            labels.push(name.into(), text.into());
        }
    }
    Ok(Point::new(&given, arrival)?)
}

fn label_text(raw: &RawValue) -> Option<String> {
    match raw.get() {
        word @ ("true" | "false") => Some(word.to_owned()),
        text if is_number(raw) => Some(number_text(text)),
        _ => string(raw),
    }
}

/// The shortest string: `1` even for `1.0` or `1e0`. Integers stay as they are, however large.
fn number_text(text: &str) -> String {
    let mut shortest = String::new();
    match text.parse() {
        Ok(number) if text.contains(['.', 'e', 'E']) && f64::is_finite(number) => {
            push_number(&mut shortest, Some(number));
        }
        _ => shortest.push_str(text),
    }
    shortest
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::Message;
    use crate::message_in::MessageIn;
    use crate::shape::Shape;
    use config::forward::dialect::Dialect;
    use model::labels::Labels;
    use model::point::LabelledPoint;
    use proptest::prelude::*;
    use serde_json::{Value, json};

    const NOW: f64 = 1_792_540_800.0;
    const ARRIVAL: Arrival = Arrival { at: NOW, lateness_s: 86_400 };

    type Taken = Vec<(usize, Result<(Point, String), String>)>;

    fn read(annotations: &str) -> Taken {
        let mut taken = Vec::new();
        each_point(annotations.as_bytes(), ARRIVAL, &mut |index, point| {
            let point = point.map(|(point, labels)| (point, labels.to_owned()));
            taken.push((index, point.map_err(|error| error.to_string())));
        });
        taken
    }

    fn one(value: &Value) -> Result<(Point, String), String> {
        read(&json!([{"type": TIMESERIES, "value": value}]).to_string()).remove(0).1
    }

    #[test]
    fn a_point_in_the_form_of_2013_is_accepted() {
        let (point, labels) = one(&json!({"n": 1, "kv": {"join": 1, "c": "rando1"}})).expect("valid");
        assert_eq!(point, Point { n: 1.0, d: 1.0, p: None, t: NOW });
        assert_eq!(labels, "c\u{1f}rando1\u{1e}join\u{1f}1\u{1e}");
        let (point, _) = one(&json!({"n": 2.5, "d": 4, "p": 10, "t": NOW - 1.5, "x": [], "v": {}})).expect("valid");
        assert_eq!(point, Point { n: 2.5, d: 4.0, p: Some(10.0), t: NOW - 1.5 });
    }

    #[test]
    fn numbers_and_booleans_become_strings_and_v_wins() {
        let labels = |value: Value| one(&value).expect("valid").1;
        let texts = r#"{"n":1,"v":{"a":1.0,"b":-2.50,"c":1e3,"d":true,"e":false,"f":18446744073709551615,"g":""}}"#;
        assert_eq!(
            labels(serde_json::from_str(texts).expect("JSON")).replace('\u{1f}', "=").replace('\u{1e}', " "),
            "a=1 b=-2.5 c=1000 d=true e=false f=18446744073709551615 "
        );
        assert_eq!(labels(json!({"n": 1, "kv": {"a": "kv"}, "v": {"a": "v"}})), "a\u{1f}v\u{1e}");
    }

    #[test]
    fn a_bad_point_is_rejected_alone_with_its_index() {
        let taken = read(
            &json!([
                {"type": TIMESERIES, "value": {"n": 1}}, {"type": "other", "value": {"n": 2}},
                {"type": TIMESERIES, "value": {"d": 1}}, {"type": TIMESERIES}, {"type": TIMESERIES, "value": {"n": 3}},
            ])
            .to_string(),
        );
        let places: Vec<_> = taken.iter().map(|(index, point)| (*index, point.is_ok())).collect();
        assert_eq!(places, [(0, true), (2, false), (3, false), (4, true)]);
        assert_eq!(taken[1].1, Err("n is required".into()));
        for (value, words) in [
            (json!({"n": "1"}), "n must be a finite number, not a string"),
            (json!({"n": null}), "n must be a finite number, not null"),
            (json!({"n": 1, "d": -1}), "d must be 0 or from 1e-100 to 1e100, not -1"),
            (json!({"n": 1, "p": 0}), "p must be from 0.001"),
            (json!({"n": 1, "t": 7}), "more than the 86400 seconds"),
            (json!({"n": 1, "v": []}), "v must be an object of labels, not an array"),
            (json!({"n": 1, "kv": {"a": null}}), "label \"a\" must be a string, not null"),
            (json!({"n": 1, "kv": {"": "x"}}), "a label's name must not be empty"),
            (json!([1]), "a point must be an object"),
        ] {
            let error = one(&value).expect_err("is bad");
            assert!(error.contains(words), "{value}: {error}");
        }
    }

    #[test]
    fn numbers_too_large_for_f64_are_rejected_alone() {
        let of = |value: &str| read(&format!(r#"[{{"type":"{TIMESERIES}","value":{value}}}]"#)).remove(0).1;
        assert_eq!(of(r#"{"n":1e999}"#), Err("n must be a finite number".into()));
        assert!(of(r#"{"n":1,"v":{"a":"\ud800"}}"#).is_err() && of(r#"{"n":1,"v":{"\ud800":"a"}}"#).is_err());
        assert_eq!(
            of(r#"{"n":0.30000000000000004,"n":498379.37188874436}"#).expect("valid").0.n,
            498_379.371_888_744_36
        );
        assert_eq!(of(r#"{"n":1,"v":{"a":1e999}}"#).expect("valid").1, "a\u{1f}1e999\u{1e}");
    }

    #[test]
    fn anything_but_a_list_has_no_points() {
        for text in ["", "{}", "[", "1", "[1,null,[]]", r#"[{"type":1}]"#] {
            assert_eq!(read(text), [], "{text}");
        }
    }

    proptest! {
        #[test]
        fn forwarded_points_survive_a_round_trip(
            points in proptest::collection::vec(
                (-1e15..1e15, 0.0..9.0, proptest::option::of(0.5..86_400.0), 0u32..80_000, "[a-z\"\\\\é]{1,20}"),
                1..40,
            ),
        ) {
            let mut message = Message::new(Dialect::AppNet, "b/1");
            let mut sent = Vec::new();
            for (n, d, p, ago, label) in points {
                let point = Point { n, d, p, t: NOW - f64::from(ago) };
                let mut builder = LabelsBuilder::default();
                builder.push("k".into(), label.into());
                let labels = Labels::from_canonical(builder.canonical().expect("valid"));
                if message.push(&LabelledPoint { labels: labels.clone(), point }) {
                    sent.push((sent.len(), Ok((point, labels.as_str().to_owned()))));
                }
            }
            let message = MessageIn::parse(message.into_body(Shape::Silent).as_bytes()).expect("valid");
            prop_assert_eq!(message.batch_id.as_deref(), Some("b/1"));
            prop_assert_eq!(read(&message.annotations), sent);
        }
    }
}
