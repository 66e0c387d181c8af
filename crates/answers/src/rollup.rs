//! The response to `rollup`, as JSON, CSV or NDJSON, in pieces.

use std::collections::BTreeSet;
use std::rc::Rc;

use model::aggregate::{Aggregate, GroupCells, whole};
use model::cell::Cell;
use model::labels::Labels;
use model::pieces::Pieces;
use model::spreadsheet::neutral;
use model::window::Window;

use super::csv::{column, push_csv_row};
use super::parts::Ranked;
use json::write::{push_formatted, push_labels, push_list, push_number, push_text};
use protocol::format::Format;

/// The most numbers, places for numbers, and labels of rows in a response: some 10 MB of text.
pub const MAX_NUMBERS: usize = 1_000_000;

/// More than [`MAX_NUMBERS`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "the answer would have {0} numbers, more than {MAX_NUMBERS}: use a shorter window, a wider step, fewer aggregates or a smaller `top`"
)]
pub struct TooManyNumbers(usize);

/// The content of a response.
#[derive(Debug)]
pub struct Rollup {
    /// The stream's id.
    pub stream: String,
    /// The window, aligned.
    pub window: Window,
    /// The aggregates.
    pub aggregates: Vec<Aggregate>,
    /// The groups.
    pub groups: Ranked,
    /// For JSON with each group's numbers over the whole window: the server's clock, which tells what is still
    /// open.
    pub totals_at_ms: Option<i64>,
}

/// The position in a response that is being written: a group, and what of it comes next.
#[derive(Default)]
struct Cursor {
    group: usize,
    shown: Option<GroupCells>,
    next: usize,
}

impl Cursor {
    /// The next group, and what of it comes next.
    fn now(&mut self, groups: &Ranked) -> Option<(&GroupCells, usize)> {
        if self.shown.is_none() {
            self.shown = (self.group < groups.len()).then(|| groups.series(self.group));
        }
        self.shown.as_ref().map(|series| (series, self.next))
    }

    /// Moves on: in the same group, or to the next one.
    fn step(&mut self, is_last: bool) {
        if is_last {
            (self.group, self.shown, self.next) = (self.group + 1, None, 0);
        } else {
            self.next += 1;
        }
    }
}

impl Rollup {
    /// Checks that the response may be written.
    ///
    /// # Errors
    /// [`TooManyNumbers`]
    pub fn check(&self, format: Format) -> Result<(), TooManyNumbers> {
        let numbers = self.numbers(format);
        if numbers > MAX_NUMBERS { Err(TooManyNumbers(numbers)) } else { Ok(()) }
    }

    /// The body of the response. It can be written repeatedly.
    #[must_use]
    pub fn pieces(self: &Rc<Self>, format: Format) -> Pieces {
        let rollup = Rc::clone(self);
        match format {
            Format::Json => rollup.json(),
            Format::Csv => rollup.csv(),
            Format::Ndjson => rollup.ndjson(),
        }
    }

    fn numbers(&self, format: Format) -> usize {
        match format {
            Format::Json => {
                let steps = usize::try_from(self.window.steps()).unwrap_or(usize::MAX);
                self.groups.len().saturating_mul(steps).saturating_mul(self.aggregates.len())
            }
            Format::Csv => self.groups.cells().saturating_mul(self.names().len() + self.aggregates.len()),
            Format::Ndjson => self.groups.cells().saturating_mul(self.aggregates.len()),
        }
    }

    /// The names of labels that a group has.
    fn names(&self) -> BTreeSet<String> {
        let mut names = BTreeSet::new();
        for labels in self.groups.labels() {
            for (name, _) in Labels::pairs_of(labels) {
                if !names.contains(name) {
                    names.insert(name.to_owned());
                }
            }
        }
        names
    }

    /// Writes a piece for each aggregate of a group.
    fn json(self: Rc<Self>) -> Pieces {
        let (mut cursor, mut is_begun) = (Cursor::default(), false);
        Pieces::of_text(move |out| {
            if !is_begun {
                is_begun = true;
                self.push_head(out);
                return true;
            }
            let is_first = cursor.group == 0;
            let Some((series, at)) = cursor.now(&self.groups) else {
                out.push_str("]}");
                return false;
            };
            let is_last = at + 1 == self.aggregates.len();
            if at == 0 && !is_first {
                out.push(',');
            }
            self.push_numbers(out, series, at);
            if is_last && self.totals_at_ms.is_some() {
                self.push_total(out, series);
            }
            if is_last {
                out.push('}');
            }
            cursor.step(is_last);
            true
        })
    }

    fn push_head(&self, out: &mut String) {
        out.push_str("{\"stream\":");
        push_text(out, &self.stream);
        let (from_s, to_s, step_s) = (self.window.from_s(), self.window.to_s(), self.window.step_s());
        if let Some(now_ms) = self.totals_at_ms {
            out.push_str(",\"now\":");
            push_clock(out, now_ms);
        }
        push_formatted(out, format_args!(",\"from\":{from_s},\"to\":{to_s},\"step\":{step_s},\"agg\":["));
        push_list(out, &self.aggregates, |out, aggregate| push_text(out, &aggregate.name()));
        out.push_str("],\"times\":[");
        push_list(out, &self.window.times().collect::<Vec<_>>(), |out, at_s| out.push_str(&at_s.to_string()));
        out.push_str("],\"series\":[");
    }

    /// Writes the numbers of a group by one aggregate, after its labels if it is the first aggregate.
    fn push_numbers(&self, out: &mut String, series: &GroupCells, at: usize) {
        if at == 0 {
            out.push_str("{\"labels\":");
            push_labels(out, &series.labels);
            if series.is_other {
                out.push_str(",\"other\":true");
            }
        }
        let (steps, aggregate) = (self.by_step(series), &self.aggregates[at]);
        out.push(',');
        push_text(out, &aggregate.name());
        out.push_str(":[");
        push_list(out, &steps, |out, cell| push_number(out, self.value(aggregate, *cell)));
        out.push(']');
    }

    fn push_total(&self, out: &mut String, series: &GroupCells) {
        let whole = whole(&series.cells, &self.aggregates);
        let width_s = self.window.width_s();
        out.push_str(",\"total\":{");
        push_list(out, &self.aggregates, |out, aggregate| {
            push_text(out, &aggregate.name());
            out.push(':');
            push_number(out, whole.as_ref().and_then(|cell| aggregate.of(cell, width_s)));
        });
        out.push('}');
    }

    /// A place for each step, with its cell, if there is one.
    fn by_step<'a>(&self, series: &'a GroupCells) -> Vec<Option<&'a Cell>> {
        let mut steps = vec![None; usize::try_from(self.window.steps()).unwrap_or_default()];
        for (step, cell) in &series.cells {
            steps[*step as usize] = Some(cell);
        }
        steps
    }

    fn value(&self, aggregate: &Aggregate, cell: Option<&Cell>) -> Option<f64> {
        cell.and_then(|cell| aggregate.of(cell, self.window.step_s()))
    }

    /// Writes a piece for each step that has a cell, in the order of the groups.
    fn rows(
        self: Rc<Self>,
        head: String,
        push: impl Fn(&Self, &mut String, i64, &GroupCells, &Cell) + 'static,
    ) -> Pieces {
        let (mut cursor, mut head) = (Cursor::default(), Some(head));
        Pieces::of_text(move |out| {
            out.push_str(&head.take().unwrap_or_default());
            let Some((series, at)) = cursor.now(&self.groups) else { return false };
            let (step, cell) = &series.cells[at];
            let at_s = self.window.from_s() + i64::from(*step) * self.window.step_s();
            push(&self, out, at_s, series, cell);
            let is_last = at + 1 == series.cells.len();
            cursor.step(is_last);
            true
        })
    }

    fn ndjson(self: Rc<Self>) -> Pieces {
        self.rows(String::new(), |rollup, out, at_s, series, cell| {
            push_formatted(out, format_args!("{{\"time\":{at_s},\"labels\":"));
            push_labels(out, &series.labels);
            if series.is_other {
                out.push_str(",\"other\":true");
            }
            for aggregate in &rollup.aggregates {
                out.push(',');
                push_text(out, &aggregate.name());
                out.push(':');
                push_number(out, rollup.value(aggregate, Some(cell)));
            }
            out.push_str("}\n");
        })
    }

    fn csv(self: Rc<Self>) -> Pieces {
        let names = self.names();
        let has_other = self.groups.has_other();
        let columns: Vec<_> = names.iter().map(|name| column(name)).collect();
        let header =
            std::iter::once("time").chain(columns.iter().map(AsRef::as_ref)).chain(has_other.then_some("other"));
        let aggregates: Vec<_> = self.aggregates.iter().map(Aggregate::name).collect();
        let mut head = String::new();
        push_csv_row(&mut head, header.chain(aggregates.iter().map(AsRef::as_ref)));
        self.rows(head, move |rollup, out, at_s, series, cell| {
            let mut fields = vec![at_s.to_string()];
            fields.extend(names.iter().map(|name| neutral(series.labels.value(name)).into_owned()));
            fields.extend(has_other.then(|| series.is_other.to_string()));
            fields.extend(rollup.aggregates.iter().map(|aggregate| {
                let mut field = String::new();
                if let Some(value) = rollup.value(aggregate, Some(cell)) {
                    push_number(&mut field, Some(value));
                }
                field
            }));
            push_csv_row(out, fields.iter().map(String::as_str));
        })
    }
}

/// Unix seconds with milliseconds.
pub(super) fn push_clock(out: &mut String, now_ms: i64) {
    push_formatted(out, format_args!("{}.{:03}", now_ms.div_euclid(1000), now_ms.rem_euclid(1000)));
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::grid::Row;
    use model::point::Point;
    use protocol::partial;

    const NOW: i64 = 1_792_540_800;

    fn rendered(format: Format) -> String {
        rendered_with(format, None)
    }

    fn rollup(rows: &[Row], top: usize, aggregates: &[Aggregate], (from_s, to_s): (i64, i64)) -> Rollup {
        let window = Window::aligned(from_s, to_s, 10).expect("valid");
        let parts = vec![partial::encode(rows, &[])];
        let groups = Ranked::new(parts, top, aggregates, &window).expect("a part");
        Rollup { stream: "s1".to_owned(), window, aggregates: aggregates.to_vec(), groups, totals_at_ms: None }
    }

    fn whole_text(rollup: Rollup, format: Format) -> String {
        rollup.check(format).expect("few numbers");
        let rollup = Rc::new(rollup);
        let text = String::from_utf8(rollup.pieces(format).whole()).expect("a text");
        assert_eq!(text.as_bytes(), rollup.pieces(format).whole(), "it can be written again");
        text
    }

    fn rendered_with(format: Format, totals_at_ms: Option<i64>) -> String {
        let cell = |n: f64, d: f64| Cell::of(&Point { n, d, p: None, t: 0.0 });
        let labels = |value: &str| Labels::from_canonical(&format!("country\u{1f}{value}\u{1e}"));
        let rows = [
            (labels("U\"S,"), vec![(0, cell(1234.0, 3.0)), (2, cell(-0.5, 1.0))]),
            (labels("Z"), vec![(1, Cell::plain(1, None))]),
        ];
        let aggregates = [Aggregate::Sum, Aggregate::Ratio, Aggregate::Count];
        whole_text(Rollup { totals_at_ms, ..rollup(&rows, 1, &aggregates, (NOW - 30, NOW)) }, format)
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
    fn totals_cover_the_whole_window_and_are_not_means_of_steps() {
        let json = rendered_with(Format::Json, Some(NOW * 1000 + 5));
        assert!(json.starts_with(r#"{"stream":"s1","now":1792540800.005,"from":1792540770,"#), "{json}");
        // 1234 of 3 and -0.5 of 1: 1233.5 of 4.
        assert!(json.contains(r#""count":[1,null,1],"total":{"sum":1233.5,"ratio":308.375,"count":2}}"#), "{json}");
        assert!(json.contains(r#""count":[null,1,null],"total":{"sum":null,"ratio":null,"count":1}}"#), "{json}");
        assert_eq!(rendered_with(Format::Csv, Some(0)), rendered(Format::Csv));
    }

    #[test]
    fn an_answer_that_would_be_too_large_is_rejected() {
        let check = |groups: usize| {
            let row = |at| (Labels::from_canonical(&format!("a\u{1f}{at:04}\u{1e}")), vec![(0, Cell::plain(1, None))]);
            let rows: Vec<Row> = (0..groups).map(row).collect();
            rollup(&rows, groups, &[Aggregate::Sum], (NOW - 10_000, NOW)).check(Format::Json)
        };
        assert_eq!(check(1_000), Ok(()));
        assert_eq!(check(1_001), Err(TooManyNumbers(1_001_000)));
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
    fn label_columns_are_not_formulas() {
        let labels = "=x\u{1f}@SUM(1)\u{1e}sum\u{1f}=HYPERLINK(\"a\",1)\u{1e}time\u{1f}-1\u{1e}";
        let cell = Cell::of(&Point { n: -0.5, d: 1.0, p: None, t: 0.0 });
        let rows = [(Labels::from_canonical(labels), vec![(0, cell)])];
        assert_eq!(
            whole_text(rollup(&rows, 1, &[Aggregate::Sum], (NOW - 10, NOW)), Format::Csv),
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
