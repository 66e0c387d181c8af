//! Rows and columns of CSV.

use std::borrow::Cow;

use model::spreadsheet::is_formula;

use json::write::push_formatted;

/// The column of a label. It has the label's name, unless that is or could be the name of one of our own columns,
/// starts with the prefix used here, or might be taken for a formula. So no label shares a column with another
/// label or with us, whatever the request.
pub(super) fn column(name: &str) -> Cow<'_, str> {
    const PREFIX: &str = "label.";
    let is_number = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
    let is_ours = matches!(name, "time" | "other" | "sum" | "ratio" | "rate" | "count" | "min" | "max")
        || name.strip_prefix('p').is_some_and(is_number)
        || ["distinct:", PREFIX, "'"].iter().any(|begin| name.starts_with(begin));
    if is_ours || is_formula(name) { [PREFIX, name].concat().into() } else { name.into() }
}

/// Quotes a field as in RFC 4180.
pub(super) fn push_csv_row<'a>(out: &mut String, fields: impl Iterator<Item = &'a str>) {
    for (index, field) in fields.enumerate() {
        if index > 0 {
            out.push(',');
        }
        if field.contains(['"', ',', '\r', '\n']) {
            push_formatted(out, format_args!("\"{}\"", field.replace('"', "\"\"")));
        } else {
            out.push_str(field);
        }
    }
    out.push_str("\r\n");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn label_columns_are_unique_and_never_formulas() {
        for (name, wanted) in [
            ("time", "label.time"),
            ("sum", "label.sum"),
            ("other", "label.other"),
            ("p50", "label.p50"),
            ("p99.9", "label.p99.9"),
            ("distinct:user", "label.distinct:user"),
            ("label.time", "label.label.time"),
            ("=1+1", "label.=1+1"),
            ("'=1", "label.'=1"),
            ("-x", "label.-x"),
            ("Time", "Time"),
            ("p", "p"),
            ("path", "path"),
            ("p2p", "p2p"),
            ("label", "label"),
        ] {
            assert_eq!(column(name), wanted);
        }
        for aggregate in
            model::aggregate_list::parse_aggregates("sum,ratio,rate,count,min,max,p50,p99.9,distinct:a").expect("valid")
        {
            assert!(column(&aggregate.name()).starts_with("label."), "{aggregate:?}");
        }
    }
}
