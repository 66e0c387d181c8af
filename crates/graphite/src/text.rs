//! Formats numbers as graphite-web, which is written in Python, does in names and tags.

/// Python's `repr` writes an exponent beyond this many digits before the point, or zeros after it.
const REPR_EXPONENTS: std::ops::Range<i32> = -4..16;
/// The precision of `%g`.
const G_DIGITS: usize = 6;

/// `repr`: the shortest string that parses to the same number, always with a point or an exponent.
#[inline(never)]
pub(super) fn repr(value: f64) -> String {
    let Some((is_negative, digits, exponent)) = shortest(value) else { return not_finite(value) };
    let mut text = written(is_negative, &digits, exponent, REPR_EXPONENTS);
    if !text.contains(['.', 'e']) {
        text.push_str(".0");
    }
    text
}

/// `%g`: six digits, without trailing zeros.
#[inline(never)]
pub(super) fn g(value: f64) -> String {
    general(value, G_DIGITS, false)
}

/// `%.6g`: this many digits, with an exponent if the number is very large or small. Trailing zeros are removed, or
/// kept with `%#g`.
#[inline(never)]
pub(super) fn general(value: f64, digits: usize, keeps_zeros: bool) -> String {
    let digits = digits.max(1);
    let scientific = exponential(value, digits - 1);
    let Some((mantissa, exponent)) = scientific.split_once('e') else { return scientific };
    let power: i32 = exponent.parse().unwrap_or(0);
    let after_point = i32::try_from(digits - 1).unwrap_or(i32::MAX).saturating_sub(power);
    let plain = usize::try_from(after_point).ok().filter(|_| power >= REPR_EXPONENTS.start);
    let number = plain.map_or_else(|| mantissa.to_owned(), |after_point| fixed(value, after_point));
    let number = match (keeps_zeros, number.contains('.')) {
        (true, false) => format!("{number}."),
        (false, true) => number.trim_end_matches('0').trim_end_matches('.').to_owned(),
        _ => number,
    };
    if plain.is_some() { number } else { format!("{number}e{exponent}") }
}

/// `%.2f`: this many digits after the point, rounded by the number's exact value.
#[inline(never)]
pub(super) fn fixed(value: f64, digits: usize) -> String {
    if value.is_finite() { format!("{value:.digits$}") } else { not_finite(value) }
}

/// `%.2e`: this many digits after the point, and an exponent of at least two digits.
#[inline(never)]
pub(super) fn exponential(value: f64, digits: usize) -> String {
    if !value.is_finite() {
        return not_finite(value);
    }
    let text = format!("{value:.digits$e}");
    let (mantissa, exponent) = text.split_once('e').unwrap_or((&text, "0"));
    let (sign, power) = exponent.strip_prefix('-').map_or(("+", exponent), |power| ("-", power));
    format!("{mantissa}e{sign}{power:0>2}")
}

/// A value in a name: `None` if it is missing, without a point if it is a whole number.
#[inline(never)]
pub(super) fn shown(value: f64, is_whole: bool) -> String {
    if value.is_nan() {
        "None".to_owned()
    } else if is_whole {
        fixed(value, 0)
    } else {
        repr(value)
    }
}

fn not_finite(value: f64) -> String {
    let text = if value.is_nan() {
        "nan"
    } else if value > 0.0 {
        "inf"
    } else {
        "-inf"
    };
    text.to_owned()
}

/// The digits of a finite number, and the power of ten of the first.
fn shortest(value: f64) -> Option<(bool, String, i32)> {
    let text = value.is_finite().then(|| json::value::number(value.abs()))?;
    let (mantissa, exponent) = text.split_once('e').unwrap_or((&text, "0"));
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let all = format!("{whole}{fraction}");
    let zeros = all.len() - all.trim_start_matches('0').len();
    let digits = all.trim_matches('0');
    if digits.is_empty() {
        return Some((value.is_sign_negative(), "0".to_owned(), 0));
    }
    let first = i32::try_from(whole.len()).ok()? - 1 - i32::try_from(zeros).ok()?;
    Some((value < 0.0, digits.to_owned(), first + exponent.trim_start_matches('+').parse::<i32>().ok()?))
}

#[expect(clippy::cast_sign_loss, reason = "lengths")]
fn written(is_negative: bool, digits: &str, exponent: i32, plain: std::ops::Range<i32>) -> String {
    let mut out = String::from(if is_negative { "-" } else { "" });
    if !plain.contains(&exponent) {
        out.push_str(&digits[..1]);
        if digits.len() > 1 {
            out.extend([".", &digits[1..]]);
        }
        out.extend(["e", if exponent < 0 { "-" } else { "+" }]);
        if exponent.abs() < 10 {
            out.push('0');
        }
        out.push_str(&exponent.abs().to_string());
    } else if exponent < 0 {
        out.push_str("0.");
        out.extend(std::iter::repeat_n('0', (-exponent - 1) as usize));
        out.push_str(digits);
    } else {
        let whole = exponent as usize + 1;
        out.push_str(&digits[..whole.min(digits.len())]);
        out.extend(std::iter::repeat_n('0', whole.saturating_sub(digits.len())));
        if digits.len() > whole {
            out.extend([".", &digits[whole..]]);
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_written_as_in_python() {
        for (value, as_repr, as_g) in [
            (0.0, "0.0", "0"),
            (100.0, "100.0", "100"),
            (-1.5, "-1.5", "-1.5"),
            (0.1, "0.1", "0.1"),
            (1_234_567.0, "1234567.0", "1.23457e+06"),
            (999_999.5, "999999.5", "1e+06"),
            (123_456.0, "123456.0", "123456"),
            (1e16, "1e+16", "1e+16"),
            (1e15, "1000000000000000.0", "1e+15"),
            (0.000_1, "0.0001", "0.0001"),
            (0.000_012, "1.2e-05", "1.2e-05"),
            (1e100, "1e+100", "1e+100"),
            (5e-324, "5e-324", "4.94066e-324"),
            (1.0 / 3.0, "0.3333333333333333", "0.333333"),
            (f64::INFINITY, "inf", "inf"),
        ] {
            assert_eq!((repr(value).as_str(), g(value).as_str()), (as_repr, as_g));
        }
    }
}
