//! Translates label names in both directions. Prometheus allows only letters, digits and `_`; any other name is
//! escaped in Prometheus' own way (`values`), so different names stay different and each can be recovered.

use super::text::push_all;

/// The label of the series that stands for those not shown individually.
pub const FOLDED: &str = "heartbeat_folded";

const ESCAPED: &str = "U__";

/// The Prometheus name of a stream's label.
#[must_use]
pub fn exported(name: &str) -> String {
    if is_plain(name) {
        return name.to_owned();
    }
    let mut out = ESCAPED.to_owned();
    for (index, char) in name.chars().enumerate() {
        match char {
            '_' => out.push_str("__"),
            char if char.is_ascii_alphabetic() || (index > 0 && char.is_ascii_digit()) => out.push(char),
            char => push_all(&mut out, &["_", &format!("{:x}", u32::from(char)), "_"]),
        }
    }
    out
}

/// The stream's label with this Prometheus name.
#[must_use]
pub fn imported(name: &str) -> String {
    name.strip_prefix(ESCAPED).and_then(unescaped).unwrap_or_else(|| name.to_owned())
}

/// Whether a name needs no escaping: it is valid in Prometheus, and reserved neither there nor here.
fn is_plain(name: &str) -> bool {
    is_legacy(name) && !name.starts_with("__") && !name.starts_with(ESCAPED) && name != FOLDED
}

/// Whether a string is a valid label name without quotes.
#[must_use]
pub fn is_legacy(name: &str) -> bool {
    !name.starts_with(|char: char| char.is_ascii_digit())
        && !name.is_empty()
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

fn unescaped(text: &str) -> Option<String> {
    let mut out = String::new();
    let mut rest = text;
    while let Some((before, behind)) = rest.split_once('_') {
        out.push_str(before);
        let (code, behind) = behind.split_once('_')?;
        out.push(if code.is_empty() { '_' } else { char::from_u32(u32::from_str_radix(code, 16).ok()?)? });
        rest = behind;
    }
    out.push_str(rest);
    Some(out)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn names_are_escaped_as_in_prometheus() {
        for (name, escaped) in [
            ("country", "country"),
            ("_a1", "_a1"),
            ("page path", "U__page_20_path"),
            ("a.b_c", "U__a_2e_b__c"),
            ("1st", "U___31_st"),
            ("größe", "U__gr_f6__df_e"),
            ("__name__", "U______name____"),
            ("U__x", "U__U____x"),
            (FOLDED, "U__heartbeat__folded"),
        ] {
            assert_eq!(exported(name), escaped);
            assert_eq!(imported(escaped), name);
        }
        assert_eq!([imported("U__x_zz_"), imported("U__x_1"), imported("a_20_b")], ["U__x_zz_", "U__x_1", "a_20_b"]);
    }

    proptest! {
        #[test]
        fn different_names_stay_different(name in "[a-zA-Z0-9_. ü]{1,12}") {
            let escaped = exported(&name);
            prop_assert!(is_legacy(&escaped), "{}", escaped);
            prop_assert_eq!(imported(&escaped), name);
        }
    }
}
