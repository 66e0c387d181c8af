//! Messages of points, in the form in which the object sends them to the edge.

use json::write::{push_formatted, push_number};
use model::labels::Labels;
use model::point::Point;

use super::posted::push_fields;
use super::value::push_value;
use super::{MAX_ANNOTATIONS_BYTES, TIMESERIES};

/// Consecutive points of the stream, as annotations.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Annotated {
    /// The number of the first point, which is the message's id.
    pub id: u64,
    /// The annotations, without brackets; for a posted message, all of its fields.
    json: String,
    is_posted: bool,
}

impl Annotated {
    /// No points yet; the first one will have this number.
    #[must_use]
    pub fn new(id: u64) -> Self {
        Self { id, json: String::new(), is_posted: false }
    }

    /// A message as it was posted, from what was kept of it and its points; `None` if it was not kept this way.
    #[must_use]
    pub fn posted(id: u64, kept: &str, points: &[(Labels, Point)]) -> Option<Self> {
        let mut json = String::new();
        push_fields(&mut json, kept, points)?;
        Some(Self { id, json, is_posted: true })
    }

    /// Adds a point, unless the annotations would exceed the limit of a message; one point always fits.
    pub fn push(&mut self, labels: &Labels, point: &Point) -> bool {
        const BRACKETS: usize = 2;
        if self.is_posted {
            return false;
        }
        let before = self.json.len();
        self.json.push_str(if before == 0 { "" } else { "," });
        push_formatted(&mut self.json, format_args!("{{\"type\":\"{TIMESERIES}\",\"value\":"));
        push_value(&mut self.json, labels, point);
        self.json.push('}');
        let fits = before == 0 || self.json.len() + BRACKETS <= MAX_ANNOTATIONS_BYTES;
        if !fits {
            self.json.truncate(before);
        }
        fits
    }

    /// Appends the message, which was committed at this time (Unix milliseconds).
    #[expect(clippy::cast_precision_loss, reason = "milliseconds since 1970 fit 53 bits")]
    pub fn push_json(&self, out: &mut String, at_ms: i64) {
        push_formatted(out, format_args!("{{\"id\":\"{}\",\"at\":", self.id));
        push_number(out, Some(at_ms as f64 / 1000.0));
        let (begin, end) = if self.is_posted { (",", "}") } else { (",\"annotations\":[", "]}") };
        out.extend([begin, &self.json, end]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::Value;

    #[test]
    fn a_message_has_as_many_points_as_fit_and_at_least_one() {
        let labels = Labels::from_canonical("a\u{1f}b\u{1e}");
        let point = Point { n: 1.0, d: 1.0, p: None, t: 7.0 };
        let mut message = Annotated::new(41);
        let points = (0..1_000).take_while(|_| message.push(&labels, &point)).count();
        let mut out = String::new();
        message.push_json(&mut out, 1500);
        let json: Value = serde_json::from_str(&out).expect("JSON");
        assert_eq!((&json["id"], &json["at"]), (&"41".into(), &1.5.into()));
        let annotations = json["annotations"].as_array().expect("a list");
        assert_eq!(annotations.len(), points);
        let bytes = json["annotations"].to_string().len();
        let one = annotations[0].to_string().len();
        assert!(bytes <= MAX_ANNOTATIONS_BYTES && bytes + one >= MAX_ANNOTATIONS_BYTES, "{bytes}");
        let kept = r#"{"machine_only":false,"text":"hi","annotations":[]}"#;
        let mut posted = Annotated::posted(7, kept, &[]).expect("can be read");
        assert!(!posted.push(&labels, &point), "it is whole");
        let mut out = String::new();
        posted.push_json(&mut out, 1500);
        assert_eq!(out, r#"{"id":"7","at":1.5,"machine_only":false,"text":"hi","annotations":[]}"#);
        let large = Labels::from_canonical(&format!("a\u{1f}{}\u{1e}", "\"".repeat(9_000)));
        assert!(Annotated::new(1).push(&large, &point));
    }
}
