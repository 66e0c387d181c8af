//! The catalogue of a stream: the tree of paths for `metrics/find` and `expand`, and tags for pickers.

use serde_json::{Value, json};

use super::error::{Result, refuse};
use super::glob::Node;
use super::naming::{Naming, node};

/// The most entries in a list unless the request sets a limit, as in graphite-web.
pub const DEFAULT_LIMIT: usize = 100;
/// The most entries in a list whatever the request says.
pub const MAX_LIMIT: usize = 10_000;

/// A query for nodes of the tree: `visits.sum.*`.
pub struct NodeQuery {
    nodes: Vec<Node>,
    stream: Vec<String>,
}

/// A node of the tree.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TreeNode {
    /// The full path.
    pub path: String,
    /// Whether it is a series.
    pub is_leaf: bool,
    /// Whether it has child nodes.
    pub is_branch: bool,
}

impl NodeQuery {
    /// Parses a pattern.
    ///
    /// # Errors
    /// If it is empty or its lists make too many names.
    pub fn parse(pattern: &str, naming: &Naming) -> Result<Self> {
        if pattern.is_empty() {
            return refuse("Required parameter 'query' is empty");
        }
        Ok(Self { nodes: Node::all(pattern)?, stream: naming.stream().split('.').map(str::to_owned).collect() })
    }

    /// The pattern of label names, if the query asks for labels of this stream.
    #[must_use]
    pub fn labels(&self, naming: &Naming) -> Option<&Node> {
        let rest = self.nodes.get(self.stream.len()..)?;
        let is_about = (2..=3).contains(&rest.len()) && self.is_stream() && !self.aggregates(naming).is_empty();
        is_about.then(|| &rest[1])
    }

    /// The pattern of label values, if the query asks for them.
    #[must_use]
    pub fn values(&self, naming: &Naming) -> Option<&Node> {
        self.labels(naming)?;
        self.nodes.get(self.stream.len() + 2)
    }

    fn is_stream(&self) -> bool {
        self.nodes.iter().zip(&self.stream).all(|(node, name)| node.accepts(name))
    }

    /// The nodes of the matching aggregates.
    fn aggregates(&self, naming: &Naming) -> Vec<String> {
        let Some(pattern) = self.nodes.get(self.stream.len()) else { return Vec::new() };
        naming.aggregates().iter().map(|name| node(name)).filter(|name| pattern.accepts(name)).collect()
    }

    /// The matching nodes, given label names, each with its values if the query asks for them.
    #[must_use]
    pub fn found(&self, naming: &Naming, labels: &[(String, Vec<String>)]) -> Vec<TreeNode> {
        if !self.is_stream() {
            return Vec::new();
        }
        let depth = self.nodes.len();
        if depth <= self.stream.len() {
            return vec![TreeNode { path: self.stream[..depth].join("."), is_leaf: false, is_branch: true }];
        }
        let mut paths = Vec::new();
        for aggregate in self.aggregates(naming) {
            let path = format!("{}.{aggregate}", naming.stream());
            if depth == self.stream.len() + 1 {
                paths.push(path);
                continue;
            }
            for (label, values) in labels {
                let (Some(labels), path) = (self.labels(naming), format!("{path}.{}", node(label))) else { break };
                if !labels.accepts(&node(label)) {
                    continue;
                }
                let Some(pattern) = self.values(naming) else {
                    paths.push(path);
                    continue;
                };
                let values = values.iter().map(|value| node(value)).filter(|value| pattern.accepts(value));
                paths.extend(values.map(|value| format!("{path}.{value}")));
            }
        }
        paths.sort_unstable();
        paths.dedup();
        // All have the same depth.
        let below = depth - self.stream.len();
        paths.into_iter().map(|path| TreeNode { path, is_leaf: below != 2, is_branch: below != 3 }).collect()
    }
}

/// As in graphite-web's tree: one entry for a node that is both a series and a parent.
#[must_use]
pub fn tree_json(found: &[TreeNode]) -> Value {
    let entry = |one: &TreeNode| {
        let text = one.path.rsplit('.').next().unwrap_or_default();
        let branch = i32::from(one.is_branch);
        json!({"text": text, "id": one.path, "allowChildren": branch, "expandable": branch, "leaf": i32::from(one.is_leaf)})
    };
    found.iter().map(entry).collect()
}

/// Used for completion while the user types.
#[must_use]
pub fn completer_json(found: &[TreeNode]) -> Value {
    let entry = |one: &TreeNode| {
        let name = one.path.rsplit('.').next().unwrap_or_default();
        let path = if one.is_leaf { one.path.clone() } else { format!("{}.", one.path) };
        json!({"path": path, "name": name, "is_leaf": i32::from(one.is_leaf).to_string()})
    };
    json!({ "metrics": found.iter().map(entry).collect::<Value>() })
}

/// The most entries that a list may have; 0 means the maximum.
///
/// # Errors
/// If the string is not a number.
pub fn limit(text: Option<&str>) -> Result<usize> {
    match text.map(str::parse) {
        None => Ok(DEFAULT_LIMIT),
        Some(Ok(0)) => Ok(MAX_LIMIT),
        Some(Ok(limit)) => Ok(std::cmp::min(limit, MAX_LIMIT)),
        Some(Err(_)) => refuse("limit must be a whole number"),
    }
}

/// The strings with this prefix: sorted, without duplicates, at most `limit`.
#[must_use]
pub fn listed(texts: impl Iterator<Item = String>, prefix: &str, limit: usize) -> Value {
    let mut all: Vec<String> = texts.filter(|text| text.starts_with(prefix)).collect();
    all.sort_unstable();
    all.dedup();
    all.truncate(limit);
    all.into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::naming::tests::visits;

    fn found(pattern: &str) -> Vec<String> {
        let labels = [("country", &["US", "D.E"][..]), ("a b", &["x"])]
            .map(|(name, values)| (name.to_owned(), values.iter().map(|value| (*value).to_owned()).collect()));
        let found = NodeQuery::parse(pattern, &visits()).expect("a pattern").found(&visits(), &labels);
        let kind = |one: &TreeNode| match (one.is_leaf, one.is_branch) {
            (true, true) => "*",
            (true, false) => "",
            _ => ".",
        };
        found.iter().map(|one| format!("{}{}", one.path, kind(one))).collect()
    }

    #[test]
    fn the_tree_has_stream_aggregate_label_and_value() {
        assert_eq!(found("*"), ["visits."]);
        assert_eq!(found("visits.s*"), ["visits.sum*"]);
        assert_eq!(found("*.*").len(), 11, "those that are listed");
        assert_eq!(found("visits.sum.*"), ["visits.sum.a_b.", "visits.sum.country."]);
        assert_eq!(found("visits.{sum,count}.country.*").len(), 4);
        assert_eq!(found("visits.sum.country.D*"), ["visits.sum.country.D_E"]);
        for nothing in
            ["other", "other.*", "visits.nothing", "visits.sum.city.*", "visits.sum.country.US.*", "visits.nothing.*"]
        {
            assert!(found(nothing).is_empty(), "{nothing}");
        }
        assert!(NodeQuery::parse("", &visits()).is_err());
    }

    #[test]
    fn lists_have_the_limits_of_graphite() {
        assert_eq!(
            [None, Some("0"), Some("5"), Some("99999")].map(|text| limit(text).expect("a number")),
            [100, 10_000, 5, 10_000]
        );
        assert!(limit(Some("x")).is_err());
        let texts = ["b", "ab", "aa", "ab"].map(str::to_owned);
        assert_eq!(listed(texts.into_iter(), "a", 5), json!(["aa", "ab"]));
    }
}
