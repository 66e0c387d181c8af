//! What expressions match, and that each match is paid for.

use super::*;
use proptest::prelude::*;

#[test]
fn an_expression_beyond_its_budget_fails_with_an_error() {
    let text = "a".repeat(85);
    for pattern in ["(?:a?){200}b", "(?:.{0,30}){6}b", "(?:[a-y]?){100}z", "(?i)(?:(?:a|b|ab)?){60}q"] {
        let pattern = Pattern::whole(pattern).expect("valid");
        let matched = (0..100_000).take_while(|number| {
            let _ = pattern.matches(&format!("{text}{number}"));
            pattern.check().is_ok()
        });
        let matched = matched.count();
        assert!((100..50_000).contains(&matched), "{matched}");
        let refused = pattern.check().expect_err("used up").to_string();
        assert!(!pattern.matches(&text) && refused.contains(&format!("after {matched} different values")), "{refused}");
    }
}

#[test]
fn common_expressions_match_all_values_within_the_budget() {
    for pattern in ["/blog/.*", "GET|POST|PUT", r"web-\d", ".*error.*", "^/a/.+/edit$", "[a-z]+"] {
        let pattern = Pattern::whole(pattern).expect("valid");
        let values = if matches!(pattern.kind, Kind::Simple(_)) { 100_000 } else { 5_000 };
        for number in 0..values {
            let _ = pattern.matches(&format!("/blog/2026/an-entry-of-the-blog-{number}"));
        }
        assert_eq!(pattern.check(), Ok(()), "{pattern:?}");
    }
}

#[test]
fn a_search_for_literals_costs_steps_by_text_and_literals() {
    let spent = |pattern: &str, bytes: usize| {
        let pattern = Pattern::whole(pattern).expect("valid");
        assert!(matches!(pattern.kind, Kind::Simple(_)) && !pattern.matches(&"a".repeat(bytes)));
        pattern.spent()
    };
    assert!(spent(".*b", 1_000) >= spent(".*b", 100) + 900, "each byte may be searched");
    assert!(spent(".*b.*b", 100) > spent(".*b", 100) && spent("a.*b|a.*b", 100) == 2 * spent("a.*b", 100));
    // Only the beginning is compared.
    assert!(spent("b.*", 1_000) == spent("b.*", 100) && spent("aaab", 1_000) == spent("aaab", 100));
    assert!(spent(&format!("{}b", "a".repeat(50)), 100) > spent("ab", 100));
}

#[test]
fn a_value_that_many_series_share_is_matched_once() {
    let pattern = Pattern::whole("[a-z]+(?:x?){50}").expect("valid");
    let seen = (0..1_000_000).filter(|number| pattern.matches(["a", "b1", "c"][number % 3])).count();
    assert_eq!(seen, 666_667);
    assert_eq!(pattern.check(), Ok(()));
}

/// Nested repetitions, classes and alternatives.
fn expression() -> impl Strategy<Value = String> {
    let atoms = ["a", "b", ".", "[a-y]", "[^b]", r"\w", r"\b", "", "(?i)a", r"[\w\s\d]", "é", "(?:)", "$", "^"];
    let atom = prop::sample::select(atoms.to_vec()).prop_map(str::to_owned);
    let counts = ["*", "+", "?", "??", "{0,30}", "{200}", "{3,}", "{0,9}", "{60}"];
    atom.prop_recursive(5, 24, 4, move |inner| {
        prop_oneof![
            (inner.clone(), prop::sample::select(counts.to_vec())).prop_map(|(one, count)| format!("(?:{one}){count}")),
            prop::collection::vec(inner.clone(), 2..4).prop_map(|all| format!("(?:{})", all.join("|"))),
            prop::collection::vec(inner, 2..4).prop_map(|all| all.concat()),
        ]
    })
}

fn piece() -> impl Strategy<Value = String> {
    prop::sample::select(vec!["a", "b", "ab", ".*", ".+", r"\.", "é", "|", "", "c", "aa", "-", r"\|"])
        .prop_map(str::to_owned)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, ..ProptestConfig::default() })]

    #[test]
    fn the_literal_search_matches_what_the_engine_matches(
        pieces in prop::collection::vec(piece(), 0..8),
        anchors in prop::sample::select(vec![("", ""), ("^", ""), ("", "$"), ("^", "$")]),
        text in "[abcé.|-]{0,10}",
    ) {
        let pattern = format!("{}{}{}", anchors.0, pieces.concat(), anchors.1);
        let Ok(regex) = Regex::new(&format!("^(?:{pattern})$")) else { return Ok(()) };
        let wanted = regex.is_match(&text);
        if let Some(alternatives) = simple(&pattern) {
            let found = alternatives.iter().any(|one| one.matches(&text));
            prop_assert_eq!(found, wanted, "{} {}", pattern, text);
        }
        prop_assert_eq!(Pattern::whole(&pattern).expect("compiles").matches(&text), wanted);
    }

    #[test]
    fn no_expression_takes_more_than_its_budget(pattern in expression()) {
        let Ok(pattern) = Pattern::whole(&pattern) else { return Ok(()) };
        let pattern = pattern.sharing(&Budget::new(20_000_000));
        let matched = (0..1_000).take_while(|at| {
            let _ = pattern.matches(&format!("{at}{}", "abAé-".repeat(42)));
            pattern.check().is_ok()
        });
        let bytes = matched.count() as u64 * 256;
        let states = match &pattern.kind {
            Kind::Simple(alternatives) => alternatives.len() as u64,
            Kind::Regex(_, bytes) => bytes / 64,
        };
        prop_assert!(bytes * states <= 20_000_000, "{:?}", pattern.text);
    }

    #[test]
    fn the_size_of_an_expression_is_known_approximately(count in 1usize..100, inner in "[a-c]{1,3}\\??") {
        let Kind::Regex(_, bytes) = sized(&format!("(?:{inner}){{{count}}}")).expect("compiles") else { panic!() };
        let larger = sized(&format!("(?:{inner}){{{}}}", 2 * count));
        if let Ok(Kind::Regex(_, larger)) = larger {
            prop_assert!(larger > bytes, "{larger} {bytes}");
        }
        prop_assert!(bytes >= count as u64 * 8);
    }
}
