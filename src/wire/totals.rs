//! What series have had since their stream began, as shards are asked for it and as each answers.
//!
//! Version 1 of an answer: `u8 version = 1, varint groups, each: text labels, total; varint folded series, total`, where a total
//! is `number n, number d, varint points`. Sent between versions of one deployment only, never stored.

use serde::{Deserialize, Serialize};

use crate::domain::codec::{Malformed, Reader, put_bytes, put_len, put_number, put_varint};
use crate::domain::labels::Labels;
use crate::domain::matcher::Matcher;
use crate::domain::query::By;
use crate::domain::total::{Shown, Total};

use super::params::ParamError;

const VERSION: u8 = 1;

/// Which totals are asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TotalsText {
    /// As `where` has them.
    pub matchers: Vec<String>,
    /// Absent: by every label.
    pub by: Option<Vec<String>>,
    /// A shard shows at most so many groups.
    pub limit: usize,
}

impl TotalsText {
    /// The matchers and the grouping that the text stands for.
    ///
    /// # Errors
    /// The first matcher that is none.
    pub fn parsed(&self) -> Result<(Vec<Matcher>, By), ParamError> {
        let matchers = self.matchers.iter().map(|text| Matcher::parse(text)).collect::<Result<_, _>>()?;
        Ok((matchers, self.by.clone().map_or(By::All, By::Names)))
    }
}

/// The bytes of what a shard shows.
#[must_use]
pub fn encode(shown: &Shown) -> Vec<u8> {
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

/// Adds what a shard shows.
///
/// # Errors
/// [`Malformed`]
pub fn merge(bytes: &[u8], shown: &mut Shown) -> Result<(), Malformed> {
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
    fn totals_of_shards_add_up_by_label_set() {
        let total = |n| Total { n, d: 0.5, points: 3 };
        let shown = |text: &str, n| {
            let mut shown = Shown::default();
            shown.add(Labels::from_canonical(text), &total(n));
            shown.fold(2, &total(10.0));
            shown
        };
        let mut merged = Shown::default();
        for part in [shown("a\u{1f}1\u{1e}", 1.0), shown("", 2.0), shown("a\u{1f}1\u{1e}", 4.0)] {
            merge(&encode(&part), &mut merged).expect("a part");
        }
        let rows: Vec<f64> = merged.rows.values().map(|total| total.n).collect();
        assert_eq!((rows, merged.folded, merged.rest.n, merged.rest.points), (vec![2.0, 5.0], 6, 30.0, 9));
        assert!(merge(&[2], &mut merged).is_err() && merge(&[1, 5], &mut merged).is_err());
    }
}
