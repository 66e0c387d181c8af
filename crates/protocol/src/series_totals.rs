//! The totals of series since their stream began: the query for shards, and their answers.
//!
//! Version 1 of an answer: `u8 version = 1, varint groups, each: text labels, total; varint folded series, total`,
//! where a total is `number n, number d, varint points`. Sent between versions of one deployment only, never stored.

use codec::{Malformed, Reader, put_bytes, put_len, put_number, put_varint};
use model::labels::Labels;
use model::total::{ShownTotals, Total};
use model::window::Window;

use super::params::{MAX_MATCHERS, ParamError, QueryText, pairs, parse_by, set_once};

const VERSION: u8 = 1;

/// Parses the parameters of `metrics`.
///
/// # Errors
/// The first invalid parameter.
pub fn parse(query_string: &str) -> Result<QueryText, ParamError> {
    let (mut by, mut matchers) = (None, Vec::new());
    for (name, value) in pairs(query_string) {
        match name.as_str() {
            "by" => set_once(&mut by, "by", value)?,
            "where" => matchers.push(value),
            _ => return Err(ParamError::Unknown(name, "where and by")),
        }
    }
    if matchers.len() > MAX_MATCHERS {
        return Err(ParamError::TooManyMatchers);
    }
    let query = question(matchers, parse_by(by.as_deref().unwrap_or("*"))?);
    query.to_query(&[])?;
    Ok(query)
}

/// The query for totals; its window is irrelevant.
#[must_use]
pub fn question(matchers: Vec<String>, by: Option<Vec<String>>) -> QueryText {
    let window = Window::aligned(0, 10, 10).expect("one step");
    QueryText::new(&window, matchers, by)
}

/// Encodes the totals of a shard.
#[must_use]
pub fn encode(shown: &ShownTotals) -> Vec<u8> {
    let mut out = vec![VERSION];
    put_len(&mut out, shown.rows.len());
    for (labels, total) in &shown.rows {
        put_bytes(&mut out, labels.as_str().as_bytes());
        put_total(&mut out, total);
    }
    put_varint(&mut out, shown.folded);
    put_total(&mut out, &shown.rest);
    out
}

/// Adds the totals of a shard.
///
/// # Errors
/// [`Malformed`]
pub fn merge(bytes: &[u8], shown: &mut ShownTotals) -> Result<(), Malformed> {
    let mut reader = Reader::new(bytes);
    if reader.byte()? != VERSION {
        return Err(Malformed(0));
    }
    for _ in 0..reader.len()? {
        let labels = Labels::from_canonical(reader.text()?);
        shown.add(labels, &read_total(&mut reader)?);
    }
    let folded = reader.varint()?;
    shown.fold(folded, &read_total(&mut reader)?);
    Ok(())
}

fn put_total(out: &mut Vec<u8>, total: &Total) {
    put_number(out, total.n);
    put_number(out, total.d);
    put_varint(out, total.points);
}

fn read_total(reader: &mut Reader<'_>) -> Result<Total, Malformed> {
    Ok(Total { n: reader.number()?, d: reader.number()?, points: reader.varint()? })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_narrow_and_group() {
        assert_eq!(parse("key=rk_x").expect("valid"), question(Vec::new(), None));
        let some = parse("where=a%3Db&where=c!%3D&by=d").expect("valid");
        assert_eq!(some, question(vec!["a=b".to_owned(), "c!=".to_owned()], Some(vec!["d".to_owned()])));
        assert_eq!(parse("by=").expect("valid"), question(Vec::new(), Some(Vec::new())));
        for wrong in ["where=a", "step=10s", "by=a&by=b", &"where=a%3Db&".repeat(33)] {
            assert!(parse(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn totals_of_shards_add_up_by_label_set() {
        let total = |n| Total { n, d: 0.5, points: 3 };
        let shown = |text: &str, n| {
            let mut shown = ShownTotals::default();
            shown.add(Labels::from_canonical(text), &total(n));
            shown.fold(2, &total(10.0));
            shown
        };
        let mut merged = ShownTotals::default();
        for part in [shown("a\u{1f}1\u{1e}", 1.0), shown("", 2.0), shown("a\u{1f}1\u{1e}", 4.0)] {
            merge(&encode(&part), &mut merged).expect("a part");
        }
        let rows: Vec<f64> = merged.rows.iter().map(|(_, total)| total.n).collect();
        assert_eq!((rows, merged.folded, merged.rest.n, merged.rest.points), (vec![5.0, 2.0], 6, 30.0, 9));
        assert!(merge(&[2], &mut merged).is_err() && merge(&[1, 5], &mut merged).is_err());
    }
}
