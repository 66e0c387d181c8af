//! Python's `%` operator for one number.

use crate::error::{Result, refuse};
use crate::text::{exponential, fixed, general, repr};

/// The largest width and precision: names are for people to read.
const MAX_DIGITS: usize = 400;
/// The default precision of `%f`, `%e` and `%g`.
const DIGITS: usize = 6;

/// A conversion such as `%-8.2f`.
struct Spec<'a> {
    /// The flags given, of `-`, `+`, blank, `0` and `#`.
    flags: &'a str,
    width: usize,
    digits: Option<usize>,
}

/// The template with the number in place of its one conversion. `is_whole` says that it is an `int`.
#[inline(never)]
pub(super) fn percent(template: &str, value: f64, is_whole: bool) -> Result<String> {
    let (mut out, mut rest, mut is_used) = (String::new(), template, false);
    while let Some((plain, conversion)) = rest.split_once('%') {
        out.push_str(plain);
        if let Some(after) = conversion.strip_prefix('%') {
            out.push('%');
            rest = after;
            continue;
        }
        let (spec, kind, after) = parsed(conversion)?;
        if std::mem::replace(&mut is_used, true) {
            return refuse(format!("{template:?} has more than one conversion, but there is one value"));
        }
        out.push_str(&spec.format(kind, value, is_whole)?);
        rest = after;
    }
    out.push_str(rest);
    if is_used {
        Ok(out)
    } else {
        refuse(format!("{template:?} must have a conversion for the value, such as %d or %.2f"))
    }
}

fn parsed(conversion: &str) -> Result<(Spec<'_>, char, &str)> {
    let rest = conversion.trim_start_matches(['-', '+', ' ', '0', '#']);
    let flags = &conversion[..conversion.len() - rest.len()];
    let (width, mut rest) = number(rest)?;
    let mut digits = None;
    if let Some(fraction) = rest.strip_prefix('.') {
        let (number, after) = number(fraction)?;
        (digits, rest) = (Some(number), after);
    }
    let mut chars = rest.strip_prefix(['l', 'h', 'L']).unwrap_or(rest).chars();
    match chars.next() {
        Some(kind) if "diuoxXeEfFgGcrsa".contains(kind) => Ok((Spec { flags, width, digits }, kind, chars.as_str())),
        _ => refuse(format!(
            "\"%{conversion}\" is not a conversion of a number: use %d, %s, %f, %e, %g or %%, with flags, a width and a precision"
        )),
    }
}

fn number(text: &str) -> Result<(usize, &str)> {
    let rest = text.trim_start_matches(|char: char| char.is_ascii_digit());
    let digits = &text[..text.len() - rest.len()];
    match digits.parse::<usize>() {
        Ok(number) if number <= MAX_DIGITS => Ok((number, rest)),
        Err(_) if digits.is_empty() => Ok((0, rest)),
        _ => refuse(format!("a number can have at most {MAX_DIGITS} digits, not {digits}")),
    }
}

impl Spec<'_> {
    fn has(&self, flag: char) -> bool {
        self.flags.contains(flag)
    }

    fn format(&self, kind: char, value: f64, is_whole: bool) -> Result<String> {
        let digits = self.digits.unwrap_or(DIGITS);
        let shown = if is_whole { fixed(value, 0) } else { repr(value) };
        let text = match kind {
            's' | 'r' | 'a' => {
                let kept = self.digits.unwrap_or(shown.len()).min(shown.len());
                return Ok(self.padded("", &shown[..kept], false));
            }
            'c' => return self.character(value, is_whole),
            'd' | 'i' | 'u' if value.is_finite() => self.zeros(&fixed(value.trunc().abs(), 0)),
            'd' | 'i' | 'u' => return refuse(format!("{shown} is not a whole number")),
            'x' | 'X' | 'o' => return self.radix(kind, value, is_whole),
            'e' | 'E' => self.pointed(&exponential(value.abs(), digits)),
            'f' | 'F' => self.pointed(&fixed(value.abs(), digits)),
            _ => general(value.abs(), digits, self.has('#')),
        };
        let text = if kind.is_ascii_uppercase() { text.to_uppercase() } else { text };
        // `%d` of -0.5 is 0, and `%.0f` of it is -0.
        let is_negative = value.is_sign_negative() && (!"diu".contains(kind) || value <= -1.0);
        Ok(self.padded(self.sign(is_negative), &text, true))
    }

    fn sign(&self, is_negative: bool) -> &'static str {
        match (is_negative, self.has('+'), self.has(' ')) {
            (true, ..) => "-",
            (_, true, _) => "+",
            (.., true) => " ",
            _ => "",
        }
    }

    /// Adds the point that `#` requires to digits that have none.
    fn pointed(&self, text: &str) -> String {
        if !self.has('#') || text.contains('.') || !text.ends_with(|char: char| char.is_ascii_digit()) {
            return text.to_owned();
        }
        match text.split_once('e') {
            Some((mantissa, exponent)) => format!("{mantissa}.e{exponent}"),
            None => format!("{text}."),
        }
    }

    /// With at least as many digits as the precision requires.
    fn zeros(&self, digits: &str) -> String {
        let missing = self.digits.unwrap_or(0).saturating_sub(digits.len());
        format!("{}{digits}", "0".repeat(missing))
    }

    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a whole number")]
    fn radix(&self, kind: char, value: f64, is_whole: bool) -> Result<String> {
        if !is_whole {
            return refuse(format!("%{kind} format: an integer is required, not {}", repr(value)));
        }
        let number = value.abs() as u64;
        let (digits, prefix) = match kind {
            'o' => (format!("{number:o}"), "0o"),
            'x' => (format!("{number:x}"), "0x"),
            _ => (format!("{number:X}"), "0X"),
        };
        let prefix = if self.has('#') { prefix } else { "" };
        Ok(self.padded(&format!("{}{prefix}", self.sign(value < 0.0)), &self.zeros(&digits), true))
    }

    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a whole number")]
    fn character(&self, value: f64, is_whole: bool) -> Result<String> {
        let found = if is_whole && value >= 0.0 { char::from_u32(value as u32) } else { None };
        match found {
            Some(found) => Ok(self.padded("", found.encode_utf8(&mut [0; 4]), false)),
            None => refuse(format!("%c requires a whole number, not {}", repr(value))),
        }
    }

    /// Padded to its width. Zeros go between the sign and the digits.
    fn padded(&self, sign: &str, text: &str, is_number: bool) -> String {
        let missing = self.width.saturating_sub(sign.chars().count() + text.chars().count());
        if self.has('-') {
            format!("{sign}{text}{}", " ".repeat(missing))
        } else if self.has('0') && is_number {
            format!("{sign}{}{text}", "0".repeat(missing))
        } else {
            format!("{}{sign}{text}", " ".repeat(missing))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_float_is_formatted_as_in_python() {
        for (template, value, wanted) in [
            ("x %.f y", 5.0, "x 5 y"),
            ("%%|%d", 5.0, "%|5"),
            ("%5.1f|", 1.0, "  1.0|"),
            ("%-8.2f|", 1.0, "1.00    |"),
            ("%08.2f|", -2.25, "-0002.25|"),
            ("%+d", 5.9, "+5"),
            ("% d", 5.9, " 5"),
            ("%d", -0.5, "0"),
            ("%.0f %%", -0.5, "-0 %"),
            ("%.3d", -5.0, "-005"),
            ("%08.3d|", 5.0, "00000005|"),
            ("%d", 1e22, "10000000000000000000000"),
            ("%.0f", 0.5, "0"),
            ("%.0f", 1.5, "2"),
            ("%.0f", 2.5, "2"),
            ("%.1f", 2.25, "2.2"),
            ("%.1f", 2.35, "2.4"),
            ("%#.0f", 2.0, "2."),
            ("%e", 0.0, "0.000000e+00"),
            ("%.2e", 12_345.0, "1.23e+04"),
            ("%.0e", 12_345.0, "1e+04"),
            ("%#.0e", 12_345.0, "1.e+04"),
            ("%E", 1e-10, "1.000000E-10"),
            ("%E", f64::INFINITY, "INF"),
            ("%g", 100_000.0, "100000"),
            ("%g", 999_999.5, "1e+06"),
            ("%.0g", 123.0, "1e+02"),
            ("%#g", 1.0, "1.00000"),
            ("%#g", 0.0, "0.00000"),
            ("%.20g", 2.7, "2.7000000000000001776"),
            ("%G", 1e-10, "1E-10"),
            ("%020.5g|", -12_345.678, "-0000000000000012346|"),
            ("%s", 60.0, "60.0"),
            ("%-10.3s|", 2.375, "2.3       |"),
            ("%010s|", 2.5, "       2.5|"),
            ("%ld", 5.0, "5"),
        ] {
            assert_eq!(percent(template, value, false).as_deref(), Ok(wanted), "{template}");
        }
    }

    #[test]
    fn an_int_is_formatted_as_in_python() {
        for (template, value, wanted) in [
            ("%s", 5.0, "5"),
            ("%x", 255.0, "ff"),
            ("%#X", 255.0, "0XFF"),
            ("%#o", 8.0, "0o10"),
            ("%x", -255.0, "-ff"),
            ("%#08x", 5.0, "0x000005"),
            ("%08.3x", 5.0, "00000005"),
            ("%5c|", 65.0, "    A|"),
            ("%.1f", 5.0, "5.0"),
        ] {
            assert_eq!(percent(template, value, true).as_deref(), Ok(wanted), "{template}");
        }
    }

    #[test]
    fn what_python_refuses_is_refused() {
        for template in [
            "",
            "plain",
            "100%% x",
            "50%",
            "%",
            "%5",
            "%5%",
            "%s %s",
            "%q",
            "%b",
            "%n",
            "%x",
            "%o",
            "%c",
            "%(a)s",
            "%*d",
            "%hhd",
            "%.-3f",
            "%1$d",
            "%é",
            "%9999d",
            "%.99999999999999999999f",
        ] {
            assert!(percent(template, 5.0, false).is_err(), "{template}");
        }
        assert!(percent("%d", f64::INFINITY, false).is_err());
    }
}
