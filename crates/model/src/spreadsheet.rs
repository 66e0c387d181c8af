//! Strangers' texts in files that spreadsheets open: none is a formula there, as OWASP says under "CSV Injection".

use std::borrow::Cow;

/// What a formula begins with, also in its full-width forms, or what some programs pass over before one.
const BEGINS_FORMULA: [char; 11] = ['=', '+', '-', '@', '\t', '\r', '\n', '＝', '＋', '－', '＠'];

/// Whether a spreadsheet may take a text for a formula.
#[must_use]
pub fn is_formula(text: &str) -> bool {
    text.starts_with(BEGINS_FORMULA)
}

/// The text with an apostrophe before it where a spreadsheet would take it for a formula, or where it has an apostrophe for that already: so
/// two texts never become the same.
#[must_use]
#[inline(never)]
pub fn neutral(text: &str) -> Cow<'_, str> {
    if is_formula(text.trim_start_matches('\'')) { Cow::Owned(["'", text].concat()) } else { Cow::Borrowed(text) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn formulas_get_an_apostrophe_and_other_texts_stay() {
        for formula in [
            "=HYPERLINK(\"https://evil.example\")",
            "@SUM(1)",
            "+1",
            "-1",
            "=",
            "\t=1",
            "\r",
            "\n=1",
            "＝1+1",
            "＋1",
            "－1",
            "＠A",
        ] {
            assert_eq!(neutral(formula), format!("'{formula}"));
            assert_eq!(neutral(&format!("'{formula}")), format!("''{formula}"));
        }
        for text in ["", "US", "a=b", "1-2", "/blog/-", "'quoted'", "é", " =1", "'", "''"] {
            assert_eq!(neutral(text), text);
        }
    }

    proptest! {
        #[test]
        fn no_text_is_a_formula_then_and_each_can_be_told(text in "['=@a]{0,4}", other in "['=@a]{0,4}") {
            prop_assert!(!is_formula(&neutral(&text)));
            prop_assert_eq!(neutral(&text) == neutral(&other), text == other);
        }
    }
}
