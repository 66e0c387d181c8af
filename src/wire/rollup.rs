//! The answer to `rollup`, as JSON, CSV or NDJSON.

use std::borrow::Cow;
use std::collections::BTreeSet;

use crate::domain::aggregate::{Aggregate, Series, whole};
use crate::domain::cell::Cell;
use crate::domain::spreadsheet::{is_formula, neutral};
use crate::domain::window::Window;

use super::format::Format;
use super::json::{push_formatted, push_labels, push_list, push_number, push_text};

/// An answer has at most this many numbers, places for numbers, and labels of rows: some 10 MB of text.
pub const MAX_NUMBERS: usize = 1_000_000;

/// More than [`MAX_NUMBERS`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "the answer would have {0} numbers, more than {MAX_NUMBERS}: ask for a shorter window, a wider step, fewer aggregates or a smaller `top`"
)]
pub struct TooManyNumbers(usize);

/// What an answer is made of.
#[derive(Debug)]
pub struct Rollup<'a> {
    /// The stream's id.
    pub stream: &'a str,
    /// The window, aligned.
    pub window: Window,
    /// Which numbers.
    pub aggregates: &'a [Aggregate],
    /// The groups.
    pub series: &'a [Series],
    /// Where each group's numbers over the whole window come too, in JSON: the server's clock, which tells what is still open.
    pub totals_at_ms: Option<i64>,
}

impl Rollup<'_> {
    /// The answer's body.
    ///
    /// # Errors
    /// [`TooManyNumbers`]
    pub fn render(&self, format: Format) -> Result<String, TooManyNumbers> {
        let numbers = self.numbers(format);
        if numbers > MAX_NUMBERS {
            return Err(TooManyNumbers(numbers));
        }
        Ok(match format {
            Format::Json => self.json(),
            Format::Csv => self.csv(),
            Format::Ndjson => self.ndjson(),
        })
    }

    fn numbers(&self, format: Format) -> usize {
        let rows: usize = self.series.iter().map(|series| series.cells.len()).sum();
        match format {
            Format::Json => {
                let steps = usize::try_from(self.window.steps()).unwrap_or(usize::MAX);
                self.series.len().saturating_mul(steps).saturating_mul(self.aggregates.len())
            }
            Format::Csv => rows.saturating_mul(self.names().len() + self.aggregates.len()),
            Format::Ndjson => rows.saturating_mul(self.aggregates.len()),
        }
    }

    /// The names of labels that a group has.
    fn names(&self) -> BTreeSet<&str> {
        self.series.iter().flat_map(|series| series.labels.iter()).map(|(name, _)| name).collect()
    }

    fn json(&self) -> String {
        let mut out = String::from("{\"stream\":");
        push_text(&mut out, self.stream);
        let (from_s, to_s, step_s) = (self.window.from_s(), self.window.to_s(), self.window.step_s());
        if let Some(now_ms) = self.totals_at_ms {
            out.push_str(",\"now\":");
            push_clock(&mut out, now_ms);
        }
        push_formatted(&mut out, format_args!(",\"from\":{from_s},\"to\":{to_s},\"step\":{step_s},\"agg\":["));
        push_list(&mut out, self.aggregates, |out, aggregate| push_text(out, &aggregate.name()));
        out.push_str("],\"times\":[");
        push_list(&mut out, &self.window.times().collect::<Vec<_>>(), |out, at_s| out.push_str(&at_s.to_string()));
        out.push_str("],\"series\":[");
        push_list(&mut out, self.series, |out, series| self.push_series(out, series));
        out.push_str("]}");
        out
    }

    fn push_series(&self, out: &mut String, series: &Series) {
        out.push_str("{\"labels\":");
        push_labels(out, &series.labels);
        if series.is_other {
            out.push_str(",\"other\":true");
        }
        let steps = self.by_step(series);
        for aggregate in self.aggregates {
            out.push(',');
            push_text(out, &aggregate.name());
            out.push_str(":[");
            push_list(out, &steps, |out, cell| push_number(out, self.value(aggregate, *cell)));
            out.push(']');
        }
        if self.totals_at_ms.is_some() {
            self.push_total(out, series);
        }
        out.push('}');
    }

    fn push_total(&self, out: &mut String, series: &Series) {
        let whole = whole(&series.cells, self.aggregates);
        let width_s = self.window.width_s();
        out.push_str(",\"total\":{");
        push_list(out, self.aggregates, |out, aggregate| {
            push_text(out, &aggregate.name());
            out.push(':');
            push_number(out, whole.as_ref().and_then(|cell| aggregate.of(cell, width_s)));
        });
        out.push('}');
    }

    /// A place for each step, with the cell that is there.
    fn by_step<'a>(&self, series: &'a Series) -> Vec<Option<&'a Cell>> {
        let mut steps = vec![None; usize::try_from(self.window.steps()).unwrap_or_default()];
        for (step, cell) in &series.cells {
            steps[*step as usize] = Some(cell);
        }
        steps
    }

    fn value(&self, aggregate: &Aggregate, cell: Option<&Cell>) -> Option<f64> {
        cell.and_then(|cell| aggregate.of(cell, self.window.step_s()))
    }

    /// The steps that have a cell, in order of the series.
    fn rows(&self) -> impl Iterator<Item = (i64, &Series, &Cell)> {
        let at = |step: u32| self.window.from_s() + i64::from(step) * self.window.step_s();
        self.series
            .iter()
            .flat_map(move |series| series.cells.iter().map(move |(step, cell)| (at(*step), series, cell)))
    }

    fn ndjson(&self) -> String {
        let mut out = String::new();
        for (at_s, series, cell) in self.rows() {
            push_formatted(&mut out, format_args!("{{\"time\":{at_s},\"labels\":"));
            push_labels(&mut out, &series.labels);
            if series.is_other {
                out.push_str(",\"other\":true");
            }
            for aggregate in self.aggregates {
                out.push(',');
                push_text(&mut out, &aggregate.name());
                out.push(':');
                push_number(&mut out, self.value(aggregate, Some(cell)));
            }
            out.push_str("}\n");
        }
        out
    }

    fn csv(&self) -> String {
        let names = self.names();
        let has_other = self.series.iter().any(|series| series.is_other);
        let other = has_other.then_some("other");
        let columns: Vec<_> = names.iter().map(|name| column(name)).collect();
        let header = std::iter::once("time").chain(columns.iter().map(AsRef::as_ref)).chain(other);
        let mut out = String::new();
        let aggregates: Vec<_> = self.aggregates.iter().map(Aggregate::name).collect();
        push_csv_row(&mut out, header.chain(aggregates.iter().map(AsRef::as_ref)));
        for (at_s, series, cell) in self.rows() {
            let mut fields = vec![at_s.to_string()];
            fields.extend(names.iter().map(|name| neutral(series.labels.value(name)).into_owned()));
            fields.extend(other.map(|_| series.is_other.to_string()));
            fields.extend(self.aggregates.iter().map(|aggregate| {
                let mut field = String::new();
                if let Some(value) = self.value(aggregate, Some(cell)) {
                    push_number(&mut field, Some(value));
                }
                field
            }));
            push_csv_row(&mut out, fields.iter().map(String::as_str));
        }
        out
    }
}

/// Unix seconds with their thousandths.
pub(super) fn push_clock(out: &mut String, now_ms: i64) {
    push_formatted(out, format_args!("{}.{:03}", now_ms.div_euclid(1000), now_ms.rem_euclid(1000)));
}

/// The column of a label: called like the label, unless that is or could be the name of one of our own columns, begins as these do
/// here, or might be taken for a formula. So no label has the column of another or one of ours, whatever is asked for.
fn column(name: &str) -> Cow<'_, str> {
    const PREFIX: &str = "label.";
    let is_number = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
    let is_ours = matches!(name, "time" | "other" | "sum" | "ratio" | "rate" | "count" | "min" | "max")
        || name.strip_prefix('p').is_some_and(is_number)
        || ["distinct:", PREFIX, "'"].iter().any(|begin| name.starts_with(begin));
    if is_ours || is_formula(name) { [PREFIX, name].concat().into() } else { name.into() }
}

/// RFC 4180.
fn push_csv_row<'a>(out: &mut String, fields: impl Iterator<Item = &'a str>) {
    for (index, field) in fields.enumerate() {
        if index > 0 {
            out.push(',');
        }
        if field.contains(['"', ',', '\r', '\n']) {
            push_formatted(out, format_args!("\"{}\"", field.replace('"', "\"\"")));
        } else {
            out.push_str(field);
        }
    }
    out.push_str("\r\n");
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::labels::Labels;
    use crate::domain::point::Point;

    const NOW: i64 = 1_792_540_800;

    fn rendered(format: Format) -> String {
        rendered_with(format, None)
    }

    fn rendered_with(format: Format, totals_at_ms: Option<i64>) -> String {
        let cell = |n: f64, d: f64| Cell::of(&Point { n, d, p: None, t: 0.0 });
        let labels = |value: &str| Labels::from_canonical(&format!("country\u{1f}{value}\u{1e}"));
        let series = [
            Series {
                labels: labels("U\"S,"),
                is_other: false,
                cells: vec![(0, cell(1234.0, 3.0)), (2, cell(-0.5, 1.0))],
            },
            Series { labels: Labels::default(), is_other: true, cells: vec![(1, Cell::plain(1, None))] },
        ];
        let window = Window::aligned(NOW - 30, NOW, 10).expect("valid");
        Rollup {
            stream: "s1",
            window,
            aggregates: &[Aggregate::Sum, Aggregate::Ratio, Aggregate::Count],
            series: &series,
            totals_at_ms,
        }
        .render(format)
        .expect("few numbers")
    }

    #[test]
    fn json_has_a_place_for_each_step() {
        assert_eq!(
            rendered(Format::Json),
            concat!(
                r#"{"stream":"s1","from":1792540770,"to":1792540800,"step":10,"agg":["sum","ratio","count"],"#,
                r#""times":[1792540770,1792540780,1792540790],"series":["#,
                r#"{"labels":{"country":"U\"S,"},"sum":[1234,null,-0.5],"ratio":[411.3333333333333,null,-0.5],"count":[1,null,1]},"#,
                r#"{"labels":{},"other":true,"sum":[null,null,null],"ratio":[null,null,null],"count":[null,1,null]}]}"#,
            )
        );
    }

    #[test]
    fn totals_are_of_the_whole_window_and_no_mean_of_its_steps() {
        let json = rendered_with(Format::Json, Some(NOW * 1000 + 5));
        assert!(json.starts_with(r#"{"stream":"s1","now":1792540800.005,"from":1792540770,"#), "{json}");
        // 1234 of 3 and -0.5 of 1: 1233.5 of 4.
        assert!(json.contains(r#""count":[1,null,1],"total":{"sum":1233.5,"ratio":308.375,"count":2}}"#), "{json}");
        assert!(json.contains(r#""count":[null,1,null],"total":{"sum":null,"ratio":null,"count":1}}"#), "{json}");
        assert_eq!(rendered_with(Format::Csv, Some(0)), rendered(Format::Csv));
    }

    #[test]
    fn an_answer_that_would_be_too_large_is_refused() {
        let series =
            |count: usize| vec![Series { labels: Labels::default(), is_other: false, cells: Vec::new() }; count];
        let window = Window::aligned(NOW - 10_000, NOW, 10).expect("valid");
        let render = |series: &[Series]| {
            Rollup { stream: "s", window, aggregates: &[Aggregate::Sum], series, totals_at_ms: None }
                .render(Format::Json)
                .map(|_| ())
        };
        assert_eq!(render(&series(1_000)), Ok(()));
        assert_eq!(render(&series(1_001)), Err(TooManyNumbers(1_001_000)));
    }

    #[test]
    fn csv_has_a_row_for_each_group_and_step_that_has_points() {
        assert_eq!(
            rendered(Format::Csv),
            "time,country,other,sum,ratio,count\r\n\
             1792540770,\"U\"\"S,\",false,1234,411.3333333333333,1\r\n\
             1792540790,\"U\"\"S,\",false,-0.5,-0.5,1\r\n\
             1792540780,,true,,,1\r\n"
        );
    }

    #[test]
    fn no_label_has_a_column_of_ours_or_of_another_label_and_none_is_a_formula() {
        for (name, wanted) in [
            ("time", "label.time"),
            ("sum", "label.sum"),
            ("other", "label.other"),
            ("p50", "label.p50"),
            ("p99.9", "label.p99.9"),
            ("distinct:user", "label.distinct:user"),
            ("label.time", "label.label.time"),
            ("=1+1", "label.=1+1"),
            ("'=1", "label.'=1"),
            ("-x", "label.-x"),
            ("Time", "Time"),
            ("p", "p"),
            ("path", "path"),
            ("p2p", "p2p"),
            ("label", "label"),
        ] {
            assert_eq!(column(name), wanted);
        }
        for aggregate in crate::wire::aggregates::parse_aggregates("sum,ratio,rate,count,min,max,p50,p99.9,distinct:a")
            .expect("valid")
        {
            assert!(column(&aggregate.name()).starts_with("label."), "{aggregate:?}");
        }
        let labels = "=x\u{1f}@SUM(1)\u{1e}sum\u{1f}=HYPERLINK(\"a\",1)\u{1e}time\u{1f}-1\u{1e}";
        let cell = Cell::of(&Point { n: -0.5, d: 1.0, p: None, t: 0.0 });
        let series = [Series { labels: Labels::from_canonical(labels), is_other: false, cells: vec![(0, cell)] }];
        let window = Window::aligned(NOW - 10, NOW, 10).expect("valid");
        let rollup = Rollup { stream: "s", window, aggregates: &[Aggregate::Sum], series: &series, totals_at_ms: None };
        assert_eq!(
            rollup.render(Format::Csv).expect("few numbers"),
            "time,label.=x,label.sum,label.time,sum\r\n1792540790,'@SUM(1),\"'=HYPERLINK(\"\"a\"\",1)\",'-1,-0.5\r\n"
        );
    }

    #[test]
    fn ndjson_has_the_same_rows() {
        assert_eq!(
            rendered(Format::Ndjson),
            concat!(
                r#"{"time":1792540770,"labels":{"country":"U\"S,"},"sum":1234,"ratio":411.3333333333333,"count":1}"#,
                "\n",
                r#"{"time":1792540790,"labels":{"country":"U\"S,"},"sum":-0.5,"ratio":-0.5,"count":1}"#,
                "\n",
                r#"{"time":1792540780,"labels":{},"other":true,"sum":null,"ratio":null,"count":1}"#,
                "\n",
            )
        );
    }
}
