//! What a strict parser of Prometheus' text format would refuse.

/// Whether a scrape is valid: counters are finite and not negative, labels are named and quoted correctly, and
/// no sample appears twice.
pub(crate) fn check(text: &str) -> Result<(), String> {
    let (mut kind, mut seen) = ("", std::collections::BTreeSet::new());
    for line in text.lines() {
        if let Some(rest) = line.strip_prefix("# TYPE ") {
            kind = rest.rsplit(' ').next().unwrap_or_default();
        }
        if line.starts_with('#') || line.is_empty() {
            continue;
        }
        let (series, value) = line.rsplit_once(' ').ok_or_else(|| format!("no value: {line}"))?;
        let number: f64 = value.parse().map_err(|_| format!("no number: {line}"))?;
        let is_sound = if kind == "counter" { number.is_finite() && number >= 0.0 } else { number.is_finite() };
        let has_labels = labels_are_sound(series);
        if !is_sound || !has_labels || !seen.insert(series.to_owned()) {
            return Err(format!("a {kind} is not sound, or comes twice: {line}"));
        }
    }
    if seen.is_empty() { Err("nothing is scraped".to_owned()) } else { Ok(()) }
}

/// Whether a series is a name, optionally followed by labels in braces.
fn labels_are_sound(series: &str) -> bool {
    let Some((name, rest)) = series.split_once('{') else { return is_name(series) };
    let Some(mut rest) = rest.strip_suffix('}') else { return false };
    while !rest.is_empty() {
        let Some((label, quoted)) = rest.split_once("=\"") else { return false };
        let Some(end) = end_of_quoted(quoted) else { return false };
        if !is_name(label) {
            return false;
        }
        rest = quoted[end + 1..].strip_prefix(',').unwrap_or(&quoted[end + 1..]);
    }
    is_name(name)
}

/// The position of the quote that ends a value.
fn end_of_quoted(text: &str) -> Option<usize> {
    let mut is_escaped = false;
    for (at, char) in text.char_indices() {
        match char {
            _ if is_escaped => is_escaped = false,
            '\\' => is_escaped = true,
            '"' => return Some(at),
            _ => (),
        }
    }
    None
}

fn is_name(text: &str) -> bool {
    !text.is_empty()
        && !text.starts_with(|char: char| char.is_ascii_digit())
        && text.chars().all(|char| char.is_ascii_alphanumeric() || char == '_')
}

#[test]
fn the_scrape_check_rejects_what_a_strict_parser_rejects() {
    let counter = |line: &str| format!("# TYPE a_total counter\n{line}\n");
    check(&counter(r#"a_total{b="c\"d}",e="="} 1.5"#)).expect("valid");
    for bad in ["a_total +Inf", "a_total NaN", "a_total -1", "a_total{b=\"c} 1", "a_total{1=\"c\"} 1", "a_total"] {
        assert!(check(&counter(bad)).is_err(), "{bad}");
    }
    assert!(check(&counter("a_total 1\na_total 2")).is_err(), "twice");
}
