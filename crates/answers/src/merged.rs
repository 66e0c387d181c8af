//! Merges the shards' answers about a stream's labels and its state.
//!
//! A series may be in several shards, so the numbers of series and of values can't be added: the largest number of
//! any shard stands for "at least".

use serde_json::{Map, Number, Value, json};

/// The answers to `labels`.
#[derive(Debug, Default)]
pub struct Names(Map<String, Value>);

impl Names {
    /// Adds the answer of a shard.
    ///
    /// # Errors
    /// If it is not JSON; the same applies to the others.
    pub fn merge(&mut self, part: &[u8]) -> serde_json::Result<()> {
        merge_entries(&mut self.0, "name", parsed(part)?.get_mut("labels").map(Value::take));
        Ok(())
    }

    /// The answer of the stream, sorted by name.
    #[must_use]
    pub fn into_json(self) -> String {
        let labels: Vec<Value> = self.0.into_iter().map(|(_, entry)| entry).collect();
        json!({ "labels": labels }).to_string()
    }
}

/// The answers to `labels/{name}`, up to the requested number.
#[derive(Debug)]
pub struct Values {
    name: String,
    limit: usize,
    values: Map<String, Value>,
    more: bool,
}

impl Values {
    /// No values of this label yet, and at most `limit` ever.
    #[must_use]
    pub fn new(name: &str, limit: usize) -> Self {
        Self { name: name.to_owned(), limit, values: Map::new(), more: false }
    }

    /// Adds the answer of a shard.
    ///
    /// # Errors
    /// If it is not JSON.
    pub fn merge(&mut self, part: &[u8]) -> serde_json::Result<()> {
        let mut part = parsed(part)?;
        self.more |= part.get("more") == Some(&Value::Bool(true));
        merge_entries(&mut self.values, "value", part.get_mut("values").map(Value::take));
        if self.values.len() > self.limit {
            // The rest of 64 shards would not fit into memory.
            self.more = true;
            let most = self.most_first();
            merge_entries(&mut self.values, "value", Some(Value::Array(most)));
        }
        Ok(())
    }

    /// The answer of the stream: the values with most series first.
    #[must_use]
    pub fn into_json(mut self) -> String {
        let values = self.most_first();
        json!({ "name": self.name, "values": values, "more": self.more }).to_string()
    }

    /// Takes out all values, and puts back those with most series.
    fn most_first(&mut self) -> Vec<Value> {
        // Sorts by strings in the order of the entries; this kind of map is used anyway, and another sort would
        // cost kilobytes of code.
        let mut sorted = Map::new();
        for (value, entry) in std::mem::take(&mut self.values) {
            let series = entry["series"].as_u64().unwrap_or_default();
            sorted.insert(format!("{:020}{value}", u64::MAX - series), entry);
        }
        sorted.into_iter().map(|(_, entry)| entry).take(self.limit).collect()
    }
}

/// The answers to `status`.
#[derive(Debug, Default)]
pub struct Status(Map<String, Value>);

impl Status {
    /// Adds the answer of a shard; for values that are not numbers, the last shard wins.
    ///
    /// # Errors
    /// If it is not JSON.
    pub fn merge(&mut self, part: &[u8]) -> serde_json::Result<()> {
        merge(&mut self.0, parsed(part)?, added);
        Ok(())
    }

    /// The answer of a stream with this many shards.
    #[must_use]
    pub fn into_json(mut self, shards: u16) -> String {
        self.0.insert("shards".to_owned(), shards.into());
        Value::Object(self.0).to_string()
    }
}

/// A shard's answer.
fn parsed(part: &[u8]) -> serde_json::Result<Map<String, Value>> {
    serde_json::from_slice(part)
}

/// Merges a list of objects by the string under `key`.
fn merge_entries(whole: &mut Map<String, Value>, key: &str, part: Option<Value>) {
    let Some(Value::Array(part)) = part else { return };
    for entry in part {
        if let Some(name) = entry[key].as_str().map(str::to_owned) {
            merge_value(whole, name, entry, larger);
        }
    }
}

/// Merges objects, and their numbers with the function for each.
fn merge(whole: &mut Map<String, Value>, part: Map<String, Value>, numbers: Numbers) {
    for (name, value) in part {
        // Series may be in several shards, there is one last write, and shards may share an isolate.
        let is_shared = matches!(name.as_str(), "series" | "last_write" | "memory_bytes" | "memory");
        merge_value(whole, name, value, if is_shared { larger } else { numbers });
    }
}

fn merge_value(whole: &mut Map<String, Value>, name: String, value: Value, numbers: Numbers) {
    match (whole.get_mut(&name), value) {
        (Some(Value::Object(whole)), Value::Object(part)) => merge(whole, part, numbers),
        (Some(Value::Number(one)), Value::Number(other)) => *one = numbers(one.clone(), other),
        (Some(Value::Array(whole)), Value::Array(part)) if name == "bounds" => merge_bounds(whole, part),
        // One shard has a number where another has none yet.
        (Some(Value::Number(_)), Value::Null) => {}
        (_, value) => drop(whole.insert(name, value)),
    }
}

/// For each bound, the values of the fullest shard; the fullest bound first.
fn merge_bounds(whole: &mut Vec<Value>, part: Vec<Value>) {
    let share = |bound: &Value| bound["used"].as_f64().unwrap_or_default() / bound["limit"].as_f64().unwrap_or(1.0);
    for bound in part {
        if let Some(at) = whole.iter().position(|there| there["name"] == bound["name"]) {
            if share(&whole[at]) >= share(&bound) {
                continue;
            }
            whole.remove(at);
        }
        let at = whole.iter().position(|there| share(there) < share(&bound));
        whole.insert(at.unwrap_or(whole.len()), bound);
    }
}

/// Merges two numbers.
type Numbers = fn(Number, Number) -> Number;

fn larger(one: Number, other: Number) -> Number {
    if one.as_f64() < other.as_f64() { other } else { one }
}

#[expect(clippy::needless_pass_by_value, reason = "one of `Numbers`")]
fn added(one: Number, other: Number) -> Number {
    match (one.as_u64(), other.as_u64()) {
        (Some(one), Some(other)) => one.saturating_add(other).into(),
        _ => one.as_f64().zip(other.as_f64()).and_then(|(one, other)| Number::from_f64(one + other)).unwrap_or(one),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_come_from_all_shards_with_the_largest_counts() {
        let mut names = Names::default();
        names.merge(br#"{"labels":[{"name":"b","values":2,"series":9}]}"#).expect("is an answer");
        names
            .merge(br#"{"labels":[{"name":"a","values":1,"series":1},{"name":"b","values":3,"series":4}]}"#)
            .expect("is an answer");
        let wanted = r#"{"labels":[{"name":"a","series":1,"values":1},{"name":"b","series":9,"values":3}]}"#;
        assert_eq!(names.into_json(), wanted);
        assert!(Names::default().merge(b"{").is_err());
    }

    #[test]
    fn values_come_from_all_shards_up_to_the_limit() {
        let merged = |limit| {
            let mut values = Values::new("a", limit);
            for part in [
                r#"{"name":"a","values":[{"value":"x","series":1},{"value":"y","series":1}],"more":false}"#,
                r#"{"name":"a","values":[{"value":"z","series":2},{"value":"y","series":1}],"more":false}"#,
            ] {
                values.merge(part.as_bytes()).expect("is an answer");
            }
            values.into_json()
        };
        let all = r#"{"more":false,"name":"a","values":[{"series":2,"value":"z"},{"series":1,"value":"x"},{"series":1,"value":"y"}]}"#;
        assert_eq!(merged(3), all);
        assert_eq!(merged(1), r#"{"more":true,"name":"a","values":[{"series":2,"value":"z"}]}"#);
        let mut values = Values::new("a", 9);
        values.merge(br#"{"name":"a","values":[{"value":"x","series":1}],"more":true}"#).expect("is an answer");
        assert!(values.into_json().starts_with(r#"{"more":true"#));
    }

    #[test]
    fn each_bound_has_the_values_of_the_fullest_shard() {
        let mut status = Status::default();
        for part in [
            r#"{"bounds":[{"name":"series","used":8,"limit":10}]}"#,
            r#"{"bounds":[{"name":"names","used":95,"limit":100},{"name":"series","used":9,"limit":10}]}"#,
            r#"{"bounds":[{"name":"names","used":80,"limit":100}]}"#,
            r#"{"bounds":[]}"#,
        ] {
            status.merge(part.as_bytes()).expect("is an answer");
        }
        let wanted =
            r#"{"bounds":[{"limit":100,"name":"names","used":95},{"limit":10,"name":"series","used":9}],"shards":4}"#;
        assert_eq!(status.into_json(4), wanted);
    }

    #[test]
    fn numbers_of_a_status_add_up_but_series_and_times_do_not() {
        let mut status = Status::default();
        for part in [
            r#"{"name":"old","accepted":1,"rejected":{"n":1,"t":2},"series":3,"last_write":null,"forward":null,"x":0.5}"#,
            r#"{"name":"old","accepted":2,"rejected":{},"series":7,"last_write":5.5,"forward":null,"x":1}"#,
            r#"{"name":"new","accepted":4,"rejected":{"n":2,"d":1},"series":2,"last_write":4.5,"forward":null,"x":1}"#,
            r#"{"name":"new","accepted":0,"rejected":{},"series":0,"last_write":null,"forward":null,"x":0}"#,
        ] {
            status.merge(part.as_bytes()).expect("is an answer");
        }
        let wanted = r#"{"accepted":7,"forward":null,"last_write":5.5,"name":"new","rejected":{"d":1,"n":3,"t":2},"series":7,"shards":4,"x":2.5}"#;
        assert_eq!(status.into_json(4), wanted);
    }
}
