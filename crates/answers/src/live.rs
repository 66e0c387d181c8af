//! The messages to live readers: a snapshot, and then changes. See docs/live.md.

use model::aggregate::Aggregate;
use model::cell::Cell;
use model::grid::Row;
use model::labels::Labels;
use model::window::Window;

use super::rollup::{MAX_NUMBERS, push_clock};
use json::write::{push_formatted, push_labels, push_list, push_number, push_text};
use protocol::live_params::LiveCursor;

/// The most groups in a live message.
pub const MAX_GROUPS: usize = 1_000;

/// More groups than [`MAX_GROUPS`], or more numbers than [`MAX_NUMBERS`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "{groups} groups of {steps} steps are too many for a live read, which can have at most {MAX_GROUPS} groups and {MAX_NUMBERS} numbers: use fewer groups in `by`, a narrower `where`, a wider `step` or a shorter `window`"
)]
pub struct TooManyGroups {
    groups: usize,
    steps: usize,
}

/// Cells by group and step of a window.
#[derive(Debug)]
pub struct Block {
    /// The window in which steps are counted.
    pub window: Window,
    /// Groups, sorted by labels.
    pub rows: Vec<Row>,
}

/// A message to a reader.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// Whether it replaces everything that the reader has.
    pub is_snapshot: bool,
    /// The position up to which the reader has seen the stream after this message.
    pub cursor: LiveCursor,
    /// Whether nothing changed.
    pub is_empty: bool,
    /// Its JSON.
    pub json: String,
}

impl Block {
    fn at_s(&self, step: u32) -> i64 {
        self.window.from_s() + i64::from(step) * self.window.step_s()
    }

    /// The sorted start times of the steps with a cell.
    #[must_use]
    pub fn times(&self) -> Vec<i64> {
        let mut has_cell = vec![false; usize::try_from(self.window.steps()).unwrap_or_default()];
        for (step, _) in self.rows.iter().flat_map(|(_, cells)| cells) {
            has_cell[*step as usize] = true;
        }
        self.window.times().zip(has_cell).filter_map(|(at_s, has_cell)| has_cell.then_some(at_s)).collect()
    }

    fn cells(&self, labels: &Labels) -> &[(u32, Cell)] {
        let row = self.rows.binary_search_by(|(other, _)| other.cmp(labels));
        row.map_or(&[], |row| &self.rows[row].1)
    }

    /// The cell at each of these times.
    fn at_times<'a>(&self, cells: &'a [(u32, Cell)], times: &[i64]) -> Vec<Option<&'a Cell>> {
        let mut at = vec![None; times.len()];
        for (step, cell) in cells {
            if let Ok(place) = times.binary_search(&self.at_s(*step)) {
                at[place] = Some(cell);
            }
        }
        at
    }
}

/// Whether an aggregate is not additive, so that readers must get its full value.
#[must_use]
pub fn is_whole(aggregate: &Aggregate) -> bool {
    !matches!(aggregate, Aggregate::Sum | Aggregate::Ratio | Aggregate::Rate | Aggregate::Count)
}

/// The message that replaces everything that the reader has: the steps that are `shown`, and any data in later
/// ones. It contains the server's clock, which tells the reader which step is still open.
///
/// # Errors
/// [`TooManyGroups`]
pub fn snapshot(
    whole: &Block,
    shown: &Window,
    aggregates: &[Aggregate],
    cursor: LiveCursor,
    now_ms: i64,
) -> Result<Message, TooManyGroups> {
    let mut times: Vec<i64> = shown.times().collect();
    times.extend(whole.times().into_iter().filter(|at_s| *at_s >= shown.to_s()));
    let (from_s, to_s, step_s) = (shown.from_s(), shown.to_s(), shown.step_s());
    let mut json = head("snapshot", &cursor);
    json.push_str(",\"now\":");
    push_clock(&mut json, now_ms);
    push_formatted(&mut json, format_args!(",\"step\":{step_s},\"from\":{from_s},\"to\":{to_s},\"agg\":["));
    push_list(&mut json, aggregates, |out, aggregate| push_text(out, &aggregate.name()));
    json.push(']');
    push_series(&mut json, &times, whole, whole, aggregates)?;
    Ok(Message { is_snapshot: true, cursor, is_empty: false, json })
}

/// The message of changes. Aggregates that are not additive are computed from the `whole` cells.
///
/// # Errors
/// [`TooManyGroups`]
pub fn delta(
    changes: &Block,
    whole: &Block,
    aggregates: &[Aggregate],
    cursor: LiveCursor,
) -> Result<Message, TooManyGroups> {
    let mut json = head("delta", &cursor);
    push_series(&mut json, &changes.times(), changes, whole, aggregates)?;
    Ok(Message { is_snapshot: false, cursor, is_empty: changes.rows.is_empty(), json })
}

fn head(kind: &str, cursor: &LiveCursor) -> String {
    let cursor = cursor.text();
    format!("{{\"type\":\"{kind}\",\"cursor\":\"{cursor}\"")
}

/// The rest of a message.
fn push_series(
    out: &mut String,
    times: &[i64],
    changes: &Block,
    whole: &Block,
    aggregates: &[Aggregate],
) -> Result<(), TooManyGroups> {
    let whole_ones: Vec<&Aggregate> = aggregates.iter().filter(|aggregate| is_whole(aggregate)).collect();
    let (groups, steps) = (changes.rows.len(), times.len());
    // n, d and count are always included.
    if groups > MAX_GROUPS || groups * steps * (3 + whole_ones.len()) > MAX_NUMBERS {
        return Err(TooManyGroups { groups, steps });
    }
    out.push_str(",\"times\":[");
    push_list(out, times, |out, at_s| out.push_str(&at_s.to_string()));
    out.push_str("],\"series\":[");
    push_list(out, &changes.rows, |out, (labels, cells)| {
        out.push_str("{\"labels\":");
        push_labels(out, labels);
        let added = changes.at_times(cells, times);
        push_field(out, "n", &added, &|cell| cell.cover.map(|cover| cover.n));
        push_field(out, "d", &added, &|cell| cell.cover.map(|cover| cover.d));
        push_field(out, "count", &added, &|cell| Aggregate::Count.of(cell, 1));
        if !whole_ones.is_empty() {
            let now = whole.at_times(whole.cells(labels), times);
            for aggregate in &whole_ones {
                push_field(out, &aggregate.name(), &now, &|cell| aggregate.of(cell, whole.window.step_s()));
            }
        }
        out.push('}');
    });
    out.push_str("]}");
    Ok(())
}

fn push_field(out: &mut String, name: &str, cells: &[Option<&Cell>], field: &dyn Fn(&Cell) -> Option<f64>) {
    out.push(',');
    push_text(out, name);
    out.push_str(":[");
    push_list(out, cells, |out, cell| push_number(out, cell.and_then(field).filter(|value| value.is_finite())));
    out.push(']');
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::point::Point;

    const NOW: i64 = 1_792_540_800;

    fn cell(n: f64) -> Cell {
        Cell::of(&Point { n, d: 2.0, p: None, t: 0.0 })
    }

    fn labels(value: &str) -> Labels {
        Labels::from_canonical(&format!("a\u{1f}{value}\u{1e}"))
    }

    #[test]
    fn a_snapshot_has_a_place_for_each_step_and_future_data() {
        let window = Window::aligned(NOW - 20, NOW + 40, 10).expect("valid");
        let rows =
            vec![(labels("\"x"), vec![(0, cell(1.0)), (4, cell(0.5))]), (labels("y"), vec![(1, Cell::plain(1, None))])];
        let shown = Window::aligned(NOW - 20, NOW, 10).expect("valid");
        let aggregates = [Aggregate::Sum, Aggregate::Max];
        let message = snapshot(&Block { window, rows }, &shown, &aggregates, LiveCursor(vec![3, 4]), NOW * 1000 - 1)
            .expect("small");
        let wanted = concat!(
            r#"{"type":"snapshot","cursor":"3.4","now":1792540799.999,"step":10,"from":1792540780,"to":1792540800,"agg":["sum","max"],"#,
            r#""times":[1792540780,1792540790,1792540820],"series":["#,
            r#"{"labels":{"a":"\"x"},"n":[1,null,0.5],"d":[2,null,2],"count":[1,null,1],"max":[0.5,null,0.25]},"#,
            r#"{"labels":{"a":"y"},"n":[null,null,null],"d":[null,null,null],"count":[null,1,null],"max":[null,null,null]}]}"#,
        );
        assert_eq!(message.json, wanted);
    }

    #[test]
    fn a_delta_has_changes_and_full_non_additive_values() {
        let window = Window::aligned(NOW - 20, NOW, 10).expect("valid");
        let changes = Block { window, rows: vec![(labels("x"), vec![(1, cell(4.0))])] };
        let window = Window::aligned(NOW - 10, NOW, 10).expect("valid");
        let mut now = cell(4.0);
        now.merge(&cell(8.0));
        let whole = Block { window, rows: vec![(labels("w"), vec![(0, cell(9.0))]), (labels("x"), vec![(0, now)])] };
        let aggregates = [Aggregate::Ratio, Aggregate::Max];
        let message = delta(&changes, &whole, &aggregates, LiveCursor(vec![7])).expect("small");
        let wanted = concat!(
            r#"{"type":"delta","cursor":"7","times":[1792540790],"series":["#,
            r#"{"labels":{"a":"x"},"n":[4],"d":[2],"count":[1],"max":[4]}]}"#,
        );
        assert_eq!((message.json.as_str(), message.is_empty), (wanted, false));
        let nothing = Block { window, rows: Vec::new() };
        let message = delta(&nothing, &nothing, &aggregates, LiveCursor(vec![7])).expect("small");
        let wanted = r#"{"type":"delta","cursor":"7","times":[],"series":[]}"#;
        assert_eq!((message.json.as_str(), message.is_empty), (wanted, true));
    }

    #[test]
    fn a_live_answer_that_would_be_too_large_is_rejected() {
        let told = |groups: usize, steps: i64| {
            let window = Window::aligned(NOW - steps * 10, NOW, 10).expect("valid");
            let rows = (0..groups).map(|group| (labels(&format!("{group:04}")), vec![(0, cell(1.0))])).collect();
            snapshot(&Block { window, rows }, &window, &[Aggregate::Sum], LiveCursor::default(), NOW * 1000).map(|_| ())
        };
        assert_eq!((told(1_000, 333), told(1_001, 1)), (Ok(()), Err(TooManyGroups { groups: 1_001, steps: 1 })));
        assert_eq!(told(1_000, 334), Err(TooManyGroups { groups: 1_000, steps: 334 }));
    }
}
