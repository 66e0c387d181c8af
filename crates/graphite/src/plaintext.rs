//! Writes cells as lines of carbon's plaintext protocol: `name;tag=value value time`, one per aggregate.
//!
//! Names and tags are those of [`super::naming`], except that a blank or control character always becomes `_`, as
//! carbon ends a field at a blank.

use model::aggregate::Aggregate;
use model::cell::Cell;
use model::labels::Labels;

use super::naming::Naming;

/// What all lines of a stream have in common.
#[derive(Clone, Debug)]
pub struct Plaintext {
    names: Vec<(String, Aggregate)>,
    width_s: i64,
}

impl Plaintext {
    /// Lines of a stream's aggregates over buckets of this many seconds. A prefix that is not empty precedes the
    /// name.
    #[must_use]
    pub fn new(prefix: &str, stream: &str, aggregates: Vec<Aggregate>, width_s: i64) -> Self {
        let naming = Naming::new(stream, &[], |_| None);
        let dot = if prefix.is_empty() { "" } else { "." };
        let name = |aggregate: &Aggregate| word(&format!("{prefix}{dot}{}", naming.name(&aggregate.name())));
        let names = aggregates.into_iter().map(|aggregate| (name(&aggregate), aggregate)).collect();
        Self { names, width_s }
    }

    /// The aggregates.
    pub fn aggregates(&self) -> impl Iterator<Item = &Aggregate> {
        self.names.iter().map(|(_, aggregate)| aggregate)
    }

    /// Appends the lines of a cell whose bucket starts at this time; returns their number. An aggregate without a
    /// value has no line.
    pub fn push(&self, out: &mut String, labels: &Labels, cell: &Cell, at_s: i64) -> u64 {
        let mut lines = 0;
        let mut tags = String::new();
        for (name, aggregate) in &self.names {
            let Some(value) = aggregate.of(cell, self.width_s) else { continue };
            if lines == 0 {
                for (tag, value) in &Naming::tags(labels) {
                    // With braces, carbon takes a line for OpenMetrics, with tags in them.
                    tags.extend([";", &word(tag), "=", &word(value).replace('{', "_")]);
                }
            }
            out.extend([name.as_str(), &tags, " "]);
            push_number(out, value);
            out.extend([" ", &at_s.to_string(), "\n"]);
            lines += 1;
        }
        lines
    }
}

/// Converts a string to a field of a line, or to part of one.
fn word(text: &str) -> String {
    text.chars().map(|char| if char == ';' || char.is_whitespace() || char.is_control() { '_' } else { char }).collect()
}

/// The shortest string that parses to the same number; a whole number has no fraction.
fn push_number(out: &mut String, value: f64) {
    const WHOLE_BELOW: f64 = 1e15;
    #[expect(clippy::cast_possible_truncation, reason = "whole and below 10^15")]
    let text = if value.trunc() == value && value.abs() < WHOLE_BELOW {
        (value as i64).to_string()
    } else {
        json::value::number(value)
    };
    out.push_str(&text);
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::point::Point;
    use model::quantiles::Percent;

    fn lines(prefix: &str, stream: &str, aggregates: &[Aggregate], labels: &str, n: f64) -> String {
        let (mut out, cell) = (String::new(), Cell::of(&Point { n, d: 3.0, p: None, t: 0.0 }));
        let plaintext = Plaintext::new(prefix, stream, aggregates.to_vec(), 10);
        let count = plaintext.push(&mut out, &Labels::from_canonical(labels), &cell, 1_792_540_800);
        assert_eq!(count, out.lines().count() as u64);
        out
    }

    #[test]
    fn a_cell_becomes_one_line_per_aggregate() {
        let aggregates = [Aggregate::Sum, Aggregate::Count, Aggregate::Ratio];
        assert_eq!(
            lines("", "visits", &aggregates, "country\u{1f}US\u{1e}status\u{1f}200\u{1e}", 1234.0),
            "visits.sum;country=US;status=200 1234 1792540800\n\
             visits.count;country=US;status=200 1 1792540800\n\
             visits.ratio;country=US;status=200 411.3333333333333 1792540800\n"
        );
        assert_eq!(lines("a.b", "visits", &aggregates[..1], "", -0.5), "a.b.visits.sum -0.5 1792540800\n");
        let empty = Cell::plain(0, None);
        let mut out = String::new();
        let plaintext = Plaintext::new("", "visits", vec![Aggregate::Sum, Aggregate::Max], 10);
        assert_eq!((plaintext.push(&mut out, &Labels::default(), &empty, 0), out.as_str()), (0, ""));
    }

    #[test]
    fn the_document_shows_lines_as_written() {
        let p95 = Aggregate::Quantile(Percent::from_thousandths(95_000).expect("a share"));
        let aggregates = [Aggregate::Sum, Aggregate::Count, p95];
        let shown = lines("stats.web", "visits", &aggregates, "country\u{1f}US\u{1e}path\u{1f}/a b\u{1e}", 1234.5);
        assert!(include_str!("../../../docs/carbon.md").contains(&shown), "{shown}");
    }

    #[test]
    fn any_strings_give_a_line_of_three_fields() {
        let odd =
            "a b\u{1f}x y\u{a0}z\u{1e}c;d\u{1f}~e;f\u{1e}name\u{1f}\u{85}\u{2028}\u{3000}\u{7}\u{1e}é=\u{1f}ü=\u{1e}";
        let aggregates = [Aggregate::Distinct { label: "my label;x".into(), number: 0 }];
        let line = lines("p", "my visits..eu ", &aggregates, odd, 1.0);
        assert_eq!(
            line, "p.my_visits.eu_.distinct:my_label_x;_name=____;a_b=x_y_z;c_d=_e_f;é_=ü= 0 1792540800\n",
            "{line}"
        );
        assert_eq!(line.split(|char: char| char.is_whitespace() || char.is_control()).count(), 4, "the last is empty");
        let quantile = Aggregate::Quantile(Percent::from_thousandths(99_900).expect("a share"));
        assert!(lines("", "v", &[quantile], "", 3.0).starts_with("v.p99.9 1 "));
    }

    #[test]
    fn a_number_reads_back_the_same() {
        for value in [0.1 + 0.2, 1e300, -5e-324, 1e15, 123_456_789_012_345.0, 1.0 / 3.0, f64::MAX] {
            let mut out = String::new();
            push_number(&mut out, value);
            assert_eq!(out.parse::<f64>(), Ok(value), "{out}");
        }
    }
}
