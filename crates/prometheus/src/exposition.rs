//! The metrics that Prometheus scrapes, in its text format 0.0.4 or in `OpenMetrics` 1.0.0.

use std::rc::Rc;

use model::labels::Labels;
use model::pieces::{PIECE_BYTES, Pieces};
use model::total::{ShownTotals, Total};

use super::answer::MAX_ANSWER_BYTES;
use super::metric::Metric;
use super::names::{FOLDED, exported};
use super::text::{number, push_all, push_escaped};

/// The most groups of all shards in one response...
pub const MAX_ROWS: usize = 50_000;
/// ...and the most bytes of their labels, which it contains three times, escaped. See also [`MAX_ANSWER_BYTES`].
pub const MAX_TEXT_BYTES: usize = 4 << 20;

const FOLDED_SERIES: &str = "heartbeat_series_folded";
const FOLDED_HELP: &str =
    "Number of series that are not shown individually, but together under the label heartbeat_folded.";
/// Added to the help of a sum that is not a counter.
const FALLEN_HELP: &str = " A gauge here, as a sum has fallen below 0: it includes points with a negative n.";

/// The format of the metrics.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exposition {
    /// Prometheus' text format.
    Text,
    /// `OpenMetrics`, which was derived from it.
    OpenMetrics,
}

impl Exposition {
    /// The format that an `Accept` header asks for; Prometheus' own in doubt.
    #[must_use]
    pub fn accepted(accept: &str) -> Self {
        let (mut text, mut open_metrics) = (0.0f64, 0.0f64);
        for range in accept.to_ascii_lowercase().split(',') {
            let mut parts = range.split(';').map(str::trim);
            let media_type = parts.next().unwrap_or_default();
            let (mut weight, mut version) = (1.0, "1.0.0");
            for part in parts {
                match part.split_once('=') {
                    Some(("q", text)) => weight = text.parse().unwrap_or(0.0),
                    Some(("version", text)) => version = text.trim_matches('"'),
                    _ => (),
                }
            }
            match media_type {
                "application/openmetrics-text" if matches!(version, "1.0.0" | "0.0.1") => {
                    open_metrics = open_metrics.max(weight);
                }
                "text/plain" | "text/*" | "*/*" => text = text.max(weight),
                _ => (),
            }
        }
        if open_metrics > 0.0 && open_metrics >= text { Self::OpenMetrics } else { Self::Text }
    }

    /// The content type of a response.
    #[must_use]
    pub fn media_type(self) -> &'static str {
        match self {
            Self::Text => "text/plain; version=0.0.4; charset=utf-8",
            Self::OpenMetrics => "application/openmetrics-text; version=1.0.0; charset=utf-8",
        }
    }

    /// The metrics, which can be written repeatedly; `None` if they would have more than [`MAX_ANSWER_BYTES`].
    #[must_use]
    pub fn pieces(self, shown: &Rc<ShownTotals>) -> Option<Pieces> {
        if most_bytes(shown) > MAX_ANSWER_BYTES {
            let (mut bytes, mut pieces) = (0, self.written(Rc::clone(shown)));
            loop {
                let (piece, is_last) = pieces.piece();
                bytes += piece.len();
                if bytes > MAX_ANSWER_BYTES {
                    return None;
                }
                if is_last {
                    break;
                }
            }
        }
        Some(self.written(Rc::clone(shown)))
    }

    /// One piece per line.
    fn written(self, shown: Rc<ShownTotals>) -> Pieces {
        let (mut metrics, mut row) = (Metric::ALL.iter(), 0);
        let mut now: Option<&Metric> = None;
        Pieces::of_text(move |out| {
            let Some(metric) = now.or_else(|| metrics.next()) else {
                self.push_end(out, &shown);
                return false;
            };
            if now.is_none() {
                (now, row) = (Some(metric), 0);
                let rest = (shown.folded > 0).then_some(&shown.rest);
                let mut totals = shown.rows.iter().map(|(_, total)| total).chain(rest);
                if totals.any(|total| is_no_counter(metric.of(total))) {
                    self.push_head(out, metric.name(), &[metric.help(), FALLEN_HELP].concat(), "gauge");
                } else {
                    self.push_head(out, metric.name(), metric.help(), "counter");
                }
            }
            let mut push = |labels: &str, total: &Total| {
                push_all(out, &[metric.name(), labels, " ", &number(metric.of(total)), "\n"]);
            };
            if let Some((labels, total)) = shown.rows.get(row) {
                push(&braced(labels), total);
                row += 1;
                return true;
            }
            if shown.folded > 0 {
                push(&format!("{{{FOLDED}=\"true\"}}"), &shown.rest);
            }
            now = None;
            true
        })
    }

    fn push_end(self, out: &mut String, shown: &ShownTotals) {
        self.push_head(out, FOLDED_SERIES, FOLDED_HELP, "gauge");
        push_all(out, &[FOLDED_SERIES, " ", &shown.folded.to_string(), "\n"]);
        match self {
            Self::OpenMetrics => out.push_str("# EOF\n"),
            Self::Text if shown.folded > 0 => out.push_str(
                "# Too many series: the first ones of each shard are shown, the others together. Use `where` and `by` to narrow them.\n",
            ),
            Self::Text => (),
        }
    }

    #[inline(never)]
    fn push_head(self, out: &mut String, name: &str, help: &str, kind: &str) {
        let family = match (self, kind) {
            // The suffix after the name of a counter's family doesn't occur in another family's name.
            (Self::OpenMetrics, "counter") => name.strip_suffix("_total").unwrap_or(name),
            _ => name,
        };
        push_all(out, &["# HELP ", family, " ", help, "\n# TYPE ", family, " ", kind, "\n"]);
    }
}

/// The most bytes that the metrics of these totals take. Escaping makes a name up to four times and a value twice
/// as long, and each gets a quote or two in place of the one byte that separated it from the next.
fn most_bytes(shown: &ShownTotals) -> usize {
    const NAME_AND_NUMBER_BYTES: usize = 64;
    Metric::ALL.len() * (shown.rows.len() * NAME_AND_NUMBER_BYTES + 5 * shown.text_bytes) + PIECE_BYTES
}

/// Whether `OpenMetrics` parsers reject the whole scrape because of this value of a counter: if it is below 0,
/// after negative numerators, or NaN, after a sum of opposite infinities.
fn is_no_counter(value: f64) -> bool {
    value.is_nan() || value < 0.0
}

#[inline(never)]
fn braced(labels: &Labels) -> String {
    let mut out = String::new();
    for (name, value) in labels.iter() {
        out.push(if out.is_empty() { '{' } else { ',' });
        push_all(&mut out, &[&exported(name), "=\""]);
        push_escaped(&mut out, value);
        out.push('"');
    }
    if !out.is_empty() {
        out.push('}');
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown() -> ShownTotals {
        let mut shown = ShownTotals::default();
        shown.add(Labels::default(), &Total { n: 0.5, d: 1.0, points: 1 });
        let labels = Labels::from_canonical("a b\u{1f}\"\\\u{1e}c\u{1f}ü\u{1e}");
        shown.add(labels, &Total { n: 12.0, d: 3.0, points: 3 });
        shown
    }

    fn written(exposition: Exposition, shown: &ShownTotals) -> String {
        let (most, shown) = (most_bytes(shown), Rc::new(shown.clone()));
        let text = exposition.pieces(&shown).expect("not too large").whole();
        assert!(text.len() <= most);
        String::from_utf8(text).expect("a text")
    }

    #[test]
    fn a_response_that_would_be_too_large_is_not_written() {
        let mut shown = ShownTotals::default();
        let labels = |at: usize| Labels::from_canonical(&format!("a\u{1f}{at}{}\u{1e}", "\"".repeat(250)));
        (0..MAX_ANSWER_BYTES / 3 / 500).for_each(|at| shown.add(labels(at), &Total::default()));
        assert!(Exposition::Text.pieces(&Rc::new(shown)).is_none());
    }

    #[test]
    fn the_text_has_each_metric_with_its_series() {
        let text = written(Exposition::Text, &shown());
        let wanted = r#"# HELP heartbeat_d_total Sum of d of all points since the stream began.
# TYPE heartbeat_d_total counter
heartbeat_d_total 1
heartbeat_d_total{U__a_20_b="\"\\",c="ü"} 3
# HELP heartbeat_n_total Sum of n of all points since the stream began.
# TYPE heartbeat_n_total counter
heartbeat_n_total 0.5
heartbeat_n_total{U__a_20_b="\"\\",c="ü"} 12
# HELP heartbeat_points_total Number of points since the stream began.
# TYPE heartbeat_points_total counter
heartbeat_points_total 1
heartbeat_points_total{U__a_20_b="\"\\",c="ü"} 3
# HELP heartbeat_series_folded Number of series that are not shown individually, but together under the label heartbeat_folded.
# TYPE heartbeat_series_folded gauge
heartbeat_series_folded 0
"#;
        assert_eq!(text, wanted);
    }

    #[test]
    fn open_metrics_has_families_and_an_end() {
        let text = written(Exposition::OpenMetrics, &shown());
        assert!(text.contains("# TYPE heartbeat_n counter\nheartbeat_n_total 0.5\n"), "{text}");
        assert!(text.ends_with("\nheartbeat_series_folded 0\n# EOF\n"), "{text}");
    }

    #[test]
    fn a_sum_that_has_fallen_below_zero_is_a_gauge() {
        let heads = |exposition: Exposition, shown: &ShownTotals| {
            let text = written(exposition, shown);
            text.lines().filter_map(|line| line.strip_prefix("# TYPE ")).map(str::to_owned).collect::<Vec<_>>()
        };
        let counters =
            ["heartbeat_d counter", "heartbeat_n counter", "heartbeat_points counter", "heartbeat_series_folded gauge"];
        assert_eq!(heads(Exposition::OpenMetrics, &shown()), counters);
        let mut with = counters;
        with[1] = "heartbeat_n_total gauge";
        for n in [-3.0, f64::NAN, f64::NEG_INFINITY, -1e-300] {
            let mut fallen = shown();
            fallen.add(Labels::from_canonical("e\u{1f}1\u{1e}"), &Total { n, d: 1.0, points: 1 });
            assert_eq!(heads(Exposition::OpenMetrics, &fallen), with, "{n}");
            let text = written(Exposition::Text, &fallen);
            assert!(
                text.contains("# TYPE heartbeat_n_total gauge\n") && text.contains("a sum has fallen below 0"),
                "{text}"
            );
            let mut folded = shown();
            folded.fold(2, &Total { n, d: 1.0, points: 1 });
            assert_eq!(heads(Exposition::OpenMetrics, &folded), with, "{n}");
        }
        for n in [-0.0, 1e300, f64::INFINITY] {
            let mut risen = shown();
            risen.add(Labels::from_canonical("e\u{1f}1\u{1e}"), &Total { n, d: 1.0, points: 1 });
            assert_eq!(heads(Exposition::OpenMetrics, &risen), counters, "{n}");
        }
    }

    #[test]
    fn folded_series_are_shown_together_and_counted() {
        let mut shown = shown();
        shown.fold(7, &Total { n: 1e300, d: 0.0, points: 9 });
        let text = written(Exposition::Text, &shown);
        assert!(text.contains("heartbeat_n_total{heartbeat_folded=\"true\"} 1e+300\n"), "{text}");
        assert!(text.contains("heartbeat_series_folded 7\n# Too many series"), "{text}");
        assert!(written(Exposition::OpenMetrics, &shown).ends_with("heartbeat_series_folded 7\n# EOF\n"));
    }

    #[test]
    fn the_accept_header_picks_a_format() {
        let of = Exposition::accepted;
        let prometheus_2 = "application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;q=0.75,text/plain;version=0.0.4;q=0.5,*/*;q=0.1";
        let prometheus_3 = "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.5,text/plain;version=1.0.0;escaping=allow-utf-8;q=0.4,*/*;q=0.2";
        assert_eq!([of(prometheus_2), of(prometheus_3)], [Exposition::OpenMetrics; 2]);
        for text in ["", "*/*", "text/html,*/*;q=0.8", "text/plain, application/openmetrics-text;q=0.5"] {
            assert_eq!(of(text), Exposition::Text, "{text}");
        }
        assert_eq!(of("application/openmetrics-text;version=2.0.0, text/plain;q=0.1"), Exposition::Text);
    }
}
