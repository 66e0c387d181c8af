//! Names of a stream's labels and aggregates in Graphite.
//!
//! A series' `name` tag is `{stream name}.{aggregate}`; its other tags are the labels. Characters that Graphite
//! can't hold are replaced by `_`: in tag names `;`, `!`, `^`, `=` and blanks; in tag values `;`, and `~` at the
//! start. A label `name` becomes `_name`. In paths such as `visits.sum.country.US`, every character with a meaning
//! in the target language is replaced, and so are dots.

use model::aggregate::Aggregate;
use model::labels::Labels;

use super::series::Tags;

/// The aggregates that are listed; others, such as `p99.9`, exist but must be requested by name.
const LISTED: [&str; 10] = ["sum", "ratio", "rate", "count", "min", "max", "p50", "p90", "p95", "p99"];

/// The names of a stream.
#[derive(Clone, Debug)]
pub struct Naming {
    /// The stream's name in paths and tags.
    stream: String,
    /// Labels whose values are counted.
    distinct: Vec<String>,
    parse: fn(&str) -> Option<Aggregate>,
}

impl Naming {
    /// The names of a stream with this name that counts the values of these labels. `parse` parses an aggregate's
    /// name.
    #[must_use]
    pub fn new(stream: &str, distinct: &[String], parse: fn(&str) -> Option<Aggregate>) -> Self {
        // Dots stay, as they separate nodes; empty nodes go.
        let nodes: Vec<String> = stream.split('.').filter(|node| !node.is_empty()).map(node).collect();
        let stream = if nodes.is_empty() { "_".to_owned() } else { nodes.join(".") };
        Self { stream, distinct: distinct.to_vec(), parse }
    }

    /// The stream's name.
    #[must_use]
    pub fn stream(&self) -> &str {
        &self.stream
    }

    /// Labels whose values are counted.
    #[must_use]
    pub fn distinct(&self) -> &[String] {
        &self.distinct
    }

    /// The listed aggregates, with their names.
    #[must_use]
    pub fn aggregates(&self) -> Vec<String> {
        let distinct = self.distinct.iter().map(|label| format!("distinct:{label}"));
        LISTED.iter().map(|name| (*name).to_owned()).chain(distinct).collect()
    }

    /// The aggregate with this name; distinct values only of labels that are counted.
    #[must_use]
    pub fn aggregate(&self, name: &str) -> Option<Aggregate> {
        if let Some(label) = name.strip_prefix("distinct:") {
            let number = self.distinct.iter().position(|known| known == label)?;
            return Some(Aggregate::Distinct { label: label.to_owned(), number: u8::try_from(number).ok()? });
        }
        (self.parse)(name)
    }

    /// The `name` tag of an aggregate.
    #[must_use]
    pub fn name(&self, aggregate: &str) -> String {
        format!("{}.{aggregate}", self.stream)
    }

    /// The tags of labels, without `name`.
    #[must_use]
    pub fn tags(labels: &Labels) -> Tags {
        // One by one: collecting sorts first, and each instance of the sort costs kilobytes of code.
        let mut tags = Tags::new();
        for (name, value) in labels.iter() {
            tags.insert(tag(name), tag_value(value));
        }
        tags
    }
}

/// A label's name as a tag name.
#[must_use]
pub fn tag(label: &str) -> String {
    let clean = |char: char| if ";!^=".contains(char) || char.is_whitespace() { '_' } else { char };
    if label == "name" { "_name".to_owned() } else { label.chars().map(clean).collect() }
}

/// A label's value as a tag value.
#[must_use]
pub fn tag_value(value: &str) -> String {
    let clean = value.replace(';', "_");
    clean.strip_prefix('~').map_or(clean.clone(), |rest| format!("_{rest}"))
}

/// A label's name or value as a node of a path.
#[must_use]
pub fn node(text: &str) -> String {
    let is_needed = |char: char| "(){},.'\"\\|*?[];=!~^$".contains(char) || char.is_whitespace();
    text.chars().map(|char| if is_needed(char) { '_' } else { char }).collect()
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use model::quantiles::Percent;

    /// A stream called `visits`, which counts the values of `client`.
    pub(crate) fn visits() -> Naming {
        Naming::new("visits", &["client".to_owned()], |name| match name {
            "sum" => Some(Aggregate::Sum),
            "ratio" => Some(Aggregate::Ratio),
            "count" => Some(Aggregate::Count),
            "p99.9" => Percent::from_thousandths(99_900).map(Aggregate::Quantile),
            _ => None,
        })
    }

    #[test]
    fn what_graphite_cannot_hold_is_replaced() {
        assert_eq!(["name", "a b;c=d", "é"].map(tag), ["_name", "a_b_c_d", "é"]);
        assert_eq!(["~a;b", "a b", "a~"].map(tag_value), ["_a_b", "a b", "a~"]);
        assert_eq!(["a.b", "/x y", "(a)"].map(node), ["a_b", "/x_y", "_a_"]);
        let named = |stream: &str| Naming::new(stream, &[], |_| None).name("sum");
        assert_eq!(
            ["web.visits", "my visits!", "..", "a..b"].map(named),
            ["web.visits.sum", "my_visits_.sum", "_.sum", "a.b.sum"]
        );
    }

    #[test]
    fn only_counted_labels_have_distinct_values() {
        let naming = visits();
        assert_eq!(
            naming.aggregate("distinct:client"),
            Some(Aggregate::Distinct { label: "client".into(), number: 0 })
        );
        assert_eq!((naming.aggregate("distinct:x"), naming.aggregate("sum")), (None, Some(Aggregate::Sum)));
        assert_eq!(naming.aggregates().last().map(String::as_str), Some("distinct:client"));
    }
}
