//! A layout of shards as a string in the configuration: the number of shards, then each earlier number and when its
//! raise was settled, oldest first: `64 1@1792540800000 4`.

use serde::{Deserialize, Deserializer, Serializer};

use model::shards::{Layout, Raise};

/// For serde's `with`.
///
/// # Errors
/// The serializer's.
pub fn serialize<S: Serializer>(layout: &Layout, serializer: S) -> Result<S::Ok, S::Error> {
    let raise = |raise: &Raise| match raise.settled_ms {
        Some(settled_ms) => format!("{}@{settled_ms}", raise.from_shards),
        None => raise.from_shards.to_string(),
    };
    let parts: Vec<String> =
        [layout.shards().to_string()].into_iter().chain(layout.raises().iter().map(raise)).collect();
    serializer.serialize_str(&parts.join(" "))
}

/// For serde's `with`.
///
/// # Errors
/// The deserializer's, or that the string is not a layout.
pub fn deserialize<'a, D: Deserializer<'a>>(deserializer: D) -> Result<Layout, D::Error> {
    let text = String::deserialize(deserializer)?;
    parse(&text).ok_or_else(|| serde::de::Error::custom("no layout"))
}

fn parse(text: &str) -> Option<Layout> {
    let raise = |text: &str| match text.split_once('@') {
        Some((from, settled)) => {
            Some(Raise { from_shards: from.parse().ok()?, settled_ms: Some(settled.parse().ok()?) })
        }
        None => Some(Raise { from_shards: text.parse().ok()?, settled_ms: None }),
    };
    let mut parts = text.split(' ');
    let shards = parts.next()?.parse().ok()?;
    Some(Layout::restored(shards, parts.map(raise).collect::<Option<_>>()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_form_of_a_layout_is_pinned() {
        let mut layout = Layout::new(4);
        layout.settle(4, 8);
        layout.raise(5, 8).expect("more");
        layout.settle(5, 9);
        layout.raise(64, 9).expect("more");
        let text = "64 4@9 5";
        assert_eq!(parse(text), Some(layout.clone()));
        assert_eq!(serialize(&layout, serde_json::value::Serializer).expect("serialises"), text);
    }

    #[test]
    fn an_invalid_layout_is_rejected() {
        for bad in ["", "x", "4 ", "4 1@", "4 1@x", "70000"] {
            assert_eq!(parse(bad), None, "{bad}");
        }
    }
}
