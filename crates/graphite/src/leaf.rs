//! What a leaf of a target asks of a stream, and the series that it makes from the stream's cells.

use std::collections::BTreeMap;

use model::aggregate::Aggregate;
use model::budget::Budget;
use model::cell::Cell;
use model::grid::{Row, fold};
use model::window::Window;

use super::error::Result;
use super::evaluate::Leaf;
use super::glob::Node;
use super::naming::{Naming, node};
use super::series::{Series, Tags, parse_path, path_of, sort_by_name};
use super::tags::{TagExpression, parse_all};

/// Which cells a leaf needs and what series they become.
#[derive(Clone, Debug)]
pub struct Selection {
    /// What the shards filter out at least, in the syntax of `where`. The rest is filtered here.
    pub matchers: Vec<String>,
    /// The labels to group by; `None` for all labels.
    pub by: Option<Vec<String>>,
    /// The aggregates, each with its `name` tag.
    aggregates: Vec<(String, Aggregate)>,
    shape: Shape,
}

#[derive(Clone, Debug)]
enum Shape {
    /// A series for each label set whose tags all match; only the one with this path, if it is given.
    Tagged(Vec<TagExpression>, Option<String>),
    /// All cells as one series.
    Total,
    /// A series for each value of each label.
    Values(Node, Node),
}

impl Selection {
    /// What a leaf needs from a stream; `None` if nothing in the stream can have such a name. Its expressions take
    /// their steps from a budget.
    ///
    /// # Errors
    /// If the leaf is invalid.
    /// When the leaf is none.
    pub fn of(leaf: &Leaf<'_>, naming: &Naming, budget: &Budget) -> Result<Option<Self>> {
        match leaf {
            Leaf::Tags(texts) => Ok(Self::tagged(&parse_all(texts, budget)?, None, naming)),
            Leaf::Grouped(texts, tags, callback) => {
                let expressions = parse_all(texts, budget)?;
                let selection = Self::tagged(&expressions, None, naming);
                Ok(selection.map(|selection| selection.grouped(&expressions, tags, callback)))
            }
            Leaf::Path(path) if path.contains(';') => {
                let Some(tags) = parse_path(path) else { return Ok(None) };
                let texts: Vec<String> = tags.iter().map(|(tag, value)| format!("{tag}={value}")).collect();
                Ok(Self::tagged(&parse_all(&texts, budget)?, Some(path_of(&tags)), naming))
            }
            Leaf::Path(path) => Self::of_path(path, naming),
        }
    }

    fn tagged(expressions: &[TagExpression], path: Option<String>, naming: &Naming) -> Option<Self> {
        let (names, labels): (Vec<_>, Vec<_>) = expressions.iter().cloned().partition(|one| one.tag == "name");
        let mut candidates = naming.aggregates();
        let prefix = naming.name("");
        let exact = names.iter().filter(|one| one.is_wanted && !one.is_regex());
        candidates.extend(exact.filter_map(|one| one.spec.strip_prefix(&prefix)).map(str::to_owned));
        candidates.sort_unstable();
        candidates.dedup();
        let is_wanted = |aggregate: &String| names.iter().all(|one| one.accepts_value(&naming.name(aggregate)));
        candidates.retain(is_wanted);
        let matchers = labels.iter().filter_map(pushed).collect();
        Self::with(naming, candidates, matchers, None, Shape::Tagged(labels, path))
    }

    /// Groups by the labels that its series will be grouped by, if merging cells gives the same result as combining
    /// their values.
    fn grouped(mut self, expressions: &[TagExpression], tags: &[String], callback: &str) -> Self {
        let callback = callback.strip_suffix("Series").unwrap_or(callback);
        let merges = self.aggregates().all(|aggregate| match callback {
            "sum" | "total" => matches!(aggregate, Aggregate::Sum | Aggregate::Count | Aggregate::Rate),
            "min" => *aggregate == Aggregate::Min,
            "max" => *aggregate == Aggregate::Max,
            _ => false,
        });
        let tags = tags.iter().chain(expressions.iter().map(|one| &one.tag));
        let mut labels: Vec<String> = tags.filter(|tag| *tag != "name").cloned().collect();
        labels.sort_unstable();
        labels.dedup();
        // A tag with `_` may belong to a label with another name.
        if merges && !labels.iter().any(|label| label.contains('_')) {
            self.by = Some(labels);
        }
        self
    }

    fn of_path(path: &str, naming: &Naming) -> Result<Option<Self>> {
        let nodes = Node::all(path)?;
        let stream: Vec<&str> = naming.stream().split('.').collect();
        let is_stream = nodes.iter().zip(&stream).all(|(node, name)| node.accepts(name));
        let rest = nodes.get(stream.len()..).unwrap_or_default();
        let ([aggregate] | [aggregate, _, _]) = rest else { return Ok(None) };
        if !is_stream {
            return Ok(None);
        }
        let mut candidates = naming.aggregates();
        candidates.extend(aggregate.names().unwrap_or_default().iter().cloned());
        candidates.sort_unstable();
        candidates.dedup();
        // `p99_9` and `distinct:client_id`: names that a path writes differently.
        let dotted =
            |name: &String| if naming.aggregate(name).is_some() { name.clone() } else { name.replacen('_', ".", 1) };
        let candidates = candidates.into_iter().filter(|name| aggregate.accepts(&node(name))).map(|name| dotted(&name));
        let (matchers, by, shape) = match rest {
            [_, label, value] => {
                let (matchers, by) = by_label(label, value);
                (matchers, by, Shape::Values(label.clone(), value.clone()))
            }
            _ => (Vec::new(), Some(Vec::new()), Shape::Total),
        };
        Ok(Self::with(naming, candidates.collect(), matchers, by, shape))
    }

    fn with(
        naming: &Naming,
        candidates: Vec<String>,
        matchers: Vec<String>,
        by: Option<Vec<String>>,
        shape: Shape,
    ) -> Option<Self> {
        let aggregate = |name: String| naming.aggregate(&name).map(|aggregate| (naming.name(&name), aggregate));
        let aggregates: Vec<_> = candidates.into_iter().filter_map(aggregate).collect();
        (!aggregates.is_empty()).then_some(Self { matchers, by, aggregates, shape })
    }

    /// The aggregates.
    pub fn aggregates(&self) -> impl Iterator<Item = &Aggregate> {
        self.aggregates.iter().map(|(_, aggregate)| aggregate)
    }

    /// The tags of matching label sets, for each aggregate, sorted by path.
    ///
    /// # Errors
    /// If an expression takes too many steps.
    pub fn tags(&self, rows: &[Row]) -> Result<BTreeMap<String, Tags>> {
        let mut all = BTreeMap::new();
        for tags in rows.iter().filter_map(|(labels, _)| self.accepted(Naming::tags(labels))) {
            for (name, _) in &self.aggregates {
                let mut tags = tags.clone();
                tags.insert("name".to_owned(), name.clone());
                all.insert(path_of(&tags), tags);
            }
        }
        self.check()?;
        Ok(all)
    }

    /// Whether all expressions were fully evaluated.
    fn check(&self) -> Result<()> {
        let Shape::Tagged(expressions, _) = &self.shape else { return Ok(()) };
        expressions.iter().try_for_each(TagExpression::check)
    }

    fn accepted(&self, tags: Tags) -> Option<Tags> {
        let Shape::Tagged(expressions, _) = &self.shape else { return None };
        expressions.iter().all(|one| one.accepts(&tags)).then_some(tags)
    }

    /// The series of a stream's cells, sorted by name.
    ///
    /// # Errors
    /// If an expression takes too many steps.
    pub fn series(&self, rows: &[Row], window: &Window) -> Result<Vec<Series>> {
        let mut all: Vec<Series> = match &self.shape {
            Shape::Tagged(_, path) => {
                let mut all = Vec::new();
                for (labels, cells) in rows {
                    let Some(tags) = self.accepted(Naming::tags(labels)) else { continue };
                    let named = |name: &str| {
                        let mut tags = tags.clone();
                        tags.insert("name".to_owned(), name.to_owned());
                        path_of(&tags)
                    };
                    self.push(&mut all, &named, cells, window);
                }
                all.retain(|series| path.as_ref().is_none_or(|path| series.name == *path));
                all
            }
            Shape::Total => {
                let mut all = Vec::new();
                for (_, cells) in rows {
                    self.push(&mut all, &|name| node_path(name), cells, window);
                }
                all
            }
            Shape::Values(label, value) => self.values(rows, window, label, value),
        };
        self.check()?;
        sort_by_name(&mut all);
        Ok(all)
    }

    fn values(&self, rows: &[Row], window: &Window, label: &Node, value: &Node) -> Vec<Series> {
        let mut groups: BTreeMap<String, Vec<&Vec<(u32, Cell)>>> = BTreeMap::new();
        for (labels, cells) in rows {
            for (name, text) in labels.iter() {
                let (name, text) = (node(name), node(text));
                if label.accepts(&name) && value.accepts(&text) {
                    groups.entry(format!(".{name}.{text}")).or_default().push(cells);
                }
            }
        }
        let aggregates: Vec<Aggregate> = self.aggregates().cloned().collect();
        let wanted = Aggregate::sketches(&aggregates);
        let mut all = Vec::new();
        for (rest, cells) in groups {
            let cells = fold(cells.into_iter().cloned(), wanted);
            self.push(&mut all, &|name| format!("{}{rest}", node_path(name)), &cells, window);
        }
        all
    }

    /// A series for each aggregate.
    fn push(&self, all: &mut Vec<Series>, name: &dyn Fn(&str) -> String, cells: &[(u32, Cell)], window: &Window) {
        let time = (window.from_s(), window.to_s(), window.step_s());
        for (tag, aggregate) in &self.aggregates {
            let mut values = vec![f64::NAN; usize::try_from(window.steps()).unwrap_or_default()];
            for (step, cell) in cells {
                if let (Some(place), Some(value)) =
                    (values.get_mut(*step as usize), aggregate.of(cell, window.step_s()))
                {
                    *place = value;
                }
            }
            all.push(Series::of_path(&name(tag), time, values));
        }
    }
}

/// The path of a `name` tag: `visits.p99.9` is `visits.p99_9`.
fn node_path(name: &str) -> String {
    match name.rsplit_once(".p").filter(|(_, percent)| percent.contains('.')) {
        Some((stream, percent)) => format!("{stream}.p{}", percent.replace('.', "_")),
        None => match name.rsplit_once('.') {
            // The digits of a percentage.
            Some((rest, digits)) if digits.bytes().all(|byte| byte.is_ascii_digit()) => format!("{rest}_{digits}"),
            _ => name.to_owned(),
        },
    }
}

/// What an expression certainly excludes, as far as the shards can know. A tag with `_` may belong to a label with
/// another name, and a value with `_` may stand for another value.
fn pushed(expression: &TagExpression) -> Option<String> {
    let TagExpression { tag, spec, is_wanted, .. } = expression;
    if tag.contains('_') || spec.len() > 512 {
        return None;
    }
    match (expression.is_regex(), is_wanted) {
        (false, true) => (!spec.contains('_')).then(|| format!("{tag}={spec}")),
        (false, false) => (!spec.starts_with('~')).then(|| format!("{tag}!={spec}")),
        // Values with replaced characters are distinguished here.
        (true, true) => Some(format!("{tag}=~(?s:{spec}).*|.*;.*|~.*")),
        (true, false) => None,
    }
}

/// Groups by the label of a node, if only one label is possible.
fn by_label(label: &Node, value: &Node) -> (Vec<String>, Option<Vec<String>>) {
    let plain = |node: &Node| match node.names() {
        Some([name]) if !name.contains('_') => Some(name.clone()),
        _ => None,
    };
    let Some(label) = plain(label) else { return (Vec::new(), None) };
    let matcher = plain(value).map_or_else(|| format!("{label}!="), |value| format!("{label}={value}"));
    (vec![matcher], Some(vec![label]))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::naming::tests::visits;
    use model::labels::{Labels, LabelsBuilder};
    use model::matcher::Matcher;
    use model::point::Point;

    fn steps() -> Budget {
        Budget::new(1_000_000_000)
    }

    fn row(labels: &[(&'static str, &'static str)], n: f64) -> Row {
        let mut builder = LabelsBuilder::default();
        for (name, value) in labels {
            builder.push((*name).into(), (*value).into());
        }
        let labels = Labels::from_canonical(builder.canonical().expect("valid"));
        (labels, vec![(1, Cell::of(&Point { n, d: 2.0, p: None, t: 0.0 }))])
    }

    fn rows() -> Vec<Row> {
        vec![
            row(&[("country", "US"), ("path", "/a")], 1.0),
            row(&[("country", "DE"), ("path", "/a;b")], 2.0),
            row(&[("country", "US"), ("a b", "~x")], 4.0),
        ]
    }

    /// Names and sums of the series of a leaf, after the shards' matchers.
    fn seen(leaf: &Leaf<'_>) -> Vec<String> {
        let window = Window::aligned(0, 30, 10).expect("aligned");
        let Some(selection) = Selection::of(leaf, &visits(), &steps()).expect("a leaf") else { return Vec::new() };
        let matchers: Vec<Matcher> =
            selection.matchers.iter().map(|text| Matcher::parse(text).expect("valid")).collect();
        let mut rows = rows();
        rows.retain(|(labels, _)| matchers.iter().all(|matcher| matcher.accepts(labels)));
        let series = selection.series(&rows, &window).expect("few");
        series.iter().map(|one| format!("{} {}", one.name, one.values[1])).collect()
    }

    fn tags(texts: &[&str]) -> Vec<String> {
        seen(&Leaf::Tags(texts.iter().map(|text| (*text).to_owned()).collect()))
    }

    #[test]
    fn tags_select_label_sets_and_aggregates() {
        assert_eq!(
            tags(&["name=visits.sum", "country=US"]),
            ["visits.sum;a_b=_x;country=US 4", "visits.sum;country=US;path=/a 1"]
        );
        assert_eq!(tags(&["name=visits.ratio", "path=/a_b"]), ["visits.ratio;country=DE;path=/a_b 1"]);
        assert_eq!(tags(&["name=visits.sum", "path=~/a_"]).len(), 1);
        assert_eq!(tags(&["name=visits.sum", "path=~/a"]).len(), 2);
        assert_eq!(tags(&["name=visits.sum", "path!=~/a."]).len(), 2);
        assert_eq!(tags(&["name=visits.sum", "a_b=_x"]).len(), 1);
        assert_eq!(tags(&["name=visits.sum", "path!="]).len(), 2);
        assert_eq!(tags(&["name=visits.p99.9", "country=DE"]), ["visits.p99.9;country=DE;path=/a_b 1"]);
        assert_eq!(tags(&["name=~visits.(sum|count)$", "country=DE"]).len(), 2);
        assert_eq!(tags(&["name=other.sum"]).len(), 0);
        assert_eq!(seen(&Leaf::Path("visits.sum;country=US;path=/a")), ["visits.sum;country=US;path=/a 1"]);
        assert_eq!(seen(&Leaf::Path("visits.sum;country=US")).len(), 0);
    }

    #[test]
    fn series_grouped_by_tags_are_read_by_those_labels() {
        let by = |name: &str, tags: &[&str], callback: &'static str| {
            let texts = vec![format!("name=visits.{name}"), "path!=".to_owned()];
            let tags = tags.iter().map(|tag| (*tag).to_owned()).collect();
            let leaf = Leaf::Grouped(texts, tags, callback);
            Selection::of(&leaf, &visits(), &steps()).expect("a leaf").expect("one").by
        };
        let labels = Some(vec!["country".to_owned(), "path".to_owned()]);
        assert_eq!(by("sum", &["country", "name"], "sum"), labels);
        assert_eq!(by("count", &["country"], "sumSeries"), labels);
        assert_eq!(by("sum", &["country"], "average"), None);
        assert_eq!(by("ratio", &["country"], "sum"), None);
        assert_eq!(by("sum", &["a_b"], "sum"), None);
    }

    #[test]
    fn paths_select_totals_and_label_values() {
        assert_eq!(seen(&Leaf::Path("visits.sum.country.*")), ["visits.sum.country.DE 2", "visits.sum.country.US 5"]);
        assert_eq!(
            seen(&Leaf::Path("visits.*.c*.D?")),
            [
                "visits.count.country.DE 1",
                "visits.distinct:client.country.DE 0",
                "visits.ratio.country.DE 1",
                "visits.sum.country.DE 2"
            ]
        );
        assert_eq!(seen(&Leaf::Path("visits.sum.path./a_b")), ["visits.sum.path./a_b 2"]);
        assert_eq!(seen(&Leaf::Path("visits.p99_9.country.DE")), ["visits.p99_9.country.DE 1"]);
        for nothing in ["visits", "visits.sum.country", "other.sum", "visits.sum.country.US.x", "visits.nothing"] {
            assert_eq!(seen(&Leaf::Path(nothing)).len(), 0, "{nothing}");
        }
        let total = Selection::of(&Leaf::Path("*.sum"), &visits(), &steps()).expect("a leaf").expect("one");
        assert_eq!((total.by, total.matchers.len()), (Some(Vec::new()), 0));
    }
}
