//! A point as the value of an annotation.

use json::write::{push_labels, push_number};
use model::labels::Labels;
use model::point::Point;

/// The point as it was written, with its time: a message may be delivered long after.
pub fn push_value(out: &mut String, labels: &Labels, point: &Point) {
    out.push_str("{\"n\":");
    push_number(out, Some(point.n));
    let rest = [("d", Some(point.d).filter(|d| *d != 1.0)), ("p", point.p), ("t", Some(point.t))];
    for (name, number) in rest.into_iter().filter(|(_, number)| number.is_some()) {
        out.extend([",\"", name, "\":"]);
        push_number(out, number);
    }
    if !labels.as_str().is_empty() {
        out.push_str(",\"v\":");
        push_labels(out, labels);
    }
    out.push('}');
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_is_the_point_as_written_with_its_time() {
        let text = |labels: &str, point: Point| {
            let mut out = String::new();
            push_value(&mut out, &Labels::from_canonical(labels), &point);
            out
        };
        let point = Point { n: 1234.0, d: 3.0, p: Some(10.0), t: 1_792_540_800.25 };
        assert_eq!(
            text("country\u{1f}U\"S\u{1e}path\u{1f}/\u{1e}", point),
            r#"{"n":1234,"d":3,"p":10,"t":1792540800.25,"v":{"country":"U\"S","path":"/"}}"#
        );
        assert_eq!(text("", Point { n: -0.5, d: 1.0, p: None, t: 7.0 }), r#"{"n":-0.5,"t":7}"#);
    }
}
