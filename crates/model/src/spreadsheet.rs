//! Makes strangers' strings safe for files that spreadsheets open: none becomes a formula, as OWASP advises under
//! "CSV Injection".

use std::borrow::Cow;

/// Characters that start a formula, also in full-width forms, or that some programs skip before one.
const BEGINS_FORMULA: [char; 11] = ['=', '+', '-', '@', '\t', '\r', '\n', '＝', '＋', '－', '＠'];

/// Whether a spreadsheet may take a string for a formula.
#[must_use]
pub fn is_formula(text: &str) -> bool {
    text.starts_with(BEGINS_FORMULA)
}

/// Adds an apostrophe before a string that a spreadsheet would take for a formula, or that has an apostrophe for
/// that already; so different strings stay different.
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
    fn formulas_get_an_apostrophe_and_other_strings_stay() {
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
        fn no_result_is_a_formula_and_all_stay_different(text in "['=@a]{0,4}", other in "['=@a]{0,4}") {
            prop_assert!(!is_formula(&neutral(&text)));
            prop_assert_eq!(neutral(&text) == neutral(&other), text == other);
        }
    }
}
