//! Interprets an upstream's response to a request. Proxies and broken servers respond too, so nothing is taken for
//! granted.

use serde_json::Value;

use model::delivery::Outcome;

use config::forward::dialect::Dialect;

/// The most characters kept of an upstream's message.
pub const MAX_MESSAGE_CHARS: usize = 200;
/// The longest pause that an upstream can ask for.
const MAX_HOLD_MS: i64 = 3_600_000;
const MIN_HOLD_MS: i64 = 1_000;
/// The window of the documented limits.
const WINDOW_MS: i64 = 60_000;
/// The pause that pnut asks for when its limit was exceeded.
const PNUT_PENALTY_MS: i64 = 600_000;
/// The shortest piece of a token that is redacted; shorter ones reveal nothing.
const MIN_PIECE_BYTES: usize = 4;

/// A response as received.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Received {
    /// The HTTP status.
    pub status: u16,
    /// `Retry-After`
    pub retry_after: Option<String>,
    /// `X-RateLimit-Remaining`
    pub remaining: Option<String>,
    /// `X-RateLimit-Reset`
    pub reset: Option<String>,
    /// The body, or its beginning.
    pub body: Vec<u8>,
}

/// What a response must contain to be a success.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Expects {
    /// An envelope: something was stored.
    Envelope,
    /// An envelope with `data`, which is used.
    Data,
}

/// The outcome of a request. Its strings may still contain the token, see [`redact`].
#[must_use]
pub fn outcome(dialect: Dialect, received: &Received, expects: Expects) -> Outcome {
    let envelope = json::value::parse(&received.body).unwrap_or_default();
    let told = envelope.pointer("/meta/code").and_then(Value::as_u64);
    let has_code = told.is_some();
    let told = told.map(|code| u16::try_from(code).unwrap_or_default());
    let is_success = |code: u16| (200..300).contains(&code);
    let code = match told {
        Some(told) if is_success(received.status) && !is_success(told) => told,
        _ => received.status,
    };
    let told = envelope.pointer("/meta/error_message").and_then(Value::as_str).and_then(plain);
    let message = || told.clone().or_else(|| said(received, &envelope)).unwrap_or_else(|| format!("answered {code}"));
    match code {
        200..300 => {
            let has_data = envelope.get("data").is_some_and(|data| !data.is_null());
            let is_whole = has_data || expects == Expects::Envelope && has_code;
            if is_whole { Outcome::Delivered } else { Outcome::Failed("invalid response".into()) }
        }
        429 => Outcome::Held { for_ms: held_ms(dialect, received, &envelope) },
        400 | 413 | 422 => Outcome::Refused(message()),
        // A timeout and "too early" say nothing about the request.
        408 | 425 => Outcome::Failed(message()),
        // A server that doesn't support this won't support it tomorrow either.
        300..500 | 501 | 505 => Outcome::Denied(message()),
        500 if told.is_some() => Outcome::Erred(message()),
        _ => Outcome::Failed(message()),
    }
}

/// The pause that an upstream asks for in any response, in milliseconds.
#[must_use]
pub fn hold_after(received: &Received) -> Option<i64> {
    let remaining = received.remaining.as_ref()?.trim().parse::<f64>().ok()?;
    let is_spent = remaining <= 0.0;
    is_spent.then(|| received.reset.as_deref().and_then(seconds).map_or(WINDOW_MS, hold_ms))
}

/// A message without the token, or a piece of it that was left where the message was truncated.
#[must_use]
pub fn redact(message: &str, token: &str) -> String {
    const HIDDEN: &str = "***";
    if token.is_empty() {
        return message.to_owned();
    }
    let mut message = message.replace(token, HIDDEN);
    let pieces = (MIN_PIECE_BYTES..token.len()).rev().filter_map(|bytes| token.get(..bytes));
    if let Some(piece) = pieces.into_iter().find(|piece| message.ends_with(piece)) {
        message.truncate(message.len() - piece.len());
        message.push_str(HIDDEN);
    }
    // The replacement may itself be a piece of the token.
    if message.contains(token) { String::new() } else { message }
}

fn held_ms(dialect: Dialect, received: &Received, envelope: &Value) -> i64 {
    let header = |text: &Option<String>| text.as_deref().and_then(seconds);
    let retry_in = || match envelope.pointer("/meta/retry_in")? {
        Value::String(text) => seconds(text),
        number => number.as_f64().filter(|seconds| *seconds >= 0.0),
    };
    let told = header(&received.retry_after).or_else(retry_in).or_else(|| header(&received.reset));
    told.map_or(if dialect == Dialect::Pnut { PNUT_PENALTY_MS } else { WINDOW_MS }, hold_ms)
}

/// A number of seconds; a date is not one.
fn seconds(text: &str) -> Option<f64> {
    text.trim().parse().ok().filter(|seconds: &f64| seconds.is_finite() && *seconds >= 0.0)
}

#[expect(clippy::cast_possible_truncation, reason = "a cast saturates, and then it is bounded")]
fn hold_ms(seconds: f64) -> i64 {
    ((seconds * 1000.0).ceil() as i64).clamp(MIN_HOLD_MS, MAX_HOLD_MS)
}

/// The message of an error without an envelope: as plain text, or from JSON if it has one.
fn said(received: &Received, answer: &Value) -> Option<String> {
    const PLACES: [&str; 5] = ["/error/message", "/error_message", "/error_description", "/error", "/message"];
    if let Value::Null = answer {
        return plain(std::str::from_utf8(&received.body).ok()?).filter(|said| said != "null");
    }
    PLACES.iter().chain(&[""]).find_map(|place| plain(answer.pointer(place)?.as_str()?))
}

/// A message, shortened, unless it is HTML.
fn plain(said: &str) -> Option<String> {
    let starts_tag = |rest: &str| rest.starts_with(|char: char| char.is_ascii_alphabetic() || "/!?".contains(char));
    if said.split('<').skip(1).any(starts_tag) {
        return None;
    }
    let plain: String = said.chars().filter(|char| !char.is_control()).take(MAX_MESSAGE_CHARS).collect();
    Some(plain.trim().to_owned()).filter(|plain| !plain.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;
    use Outcome::{Delivered, Denied, Erred, Failed, Held, Refused};
    use proptest::prelude::*;

    fn answer(status: u16, body: &str) -> Received {
        Received { status, body: body.into(), ..Received::default() }
    }

    fn of(status: u16, body: &str) -> Outcome {
        outcome(Dialect::AppNet, &answer(status, body), Expects::Envelope)
    }

    fn error(code: &str, message: &str) -> String {
        format!(r#"{{"meta":{{"code":{code},"error_message":"{message}"}}}}"#)
    }

    #[test]
    fn a_success_requires_an_envelope() {
        for body in [r#"{"data":{"id":"1"},"meta":{"code":200}}"#, r#"{"data":{}}"#, r#"{"meta":{"code":201}}"#] {
            for status in [200, 201, 299] {
                assert_eq!(of(status, body), Delivered, "{body}");
            }
        }
        let html = "<html>All is well</html>";
        for body in [
            "",
            html,
            r#"{"data":{"id":"1"},"me"#,
            "{}",
            "[]",
            "null",
            r#"{"meta":{}}"#,
            r#"{"data":null}"#,
            r#"{"meta":{"code":"x"}}"#,
        ] {
            assert_eq!(of(200, body), Failed("invalid response".into()), "{body}");
        }
        let data = |body| outcome(Dialect::Pnut, &answer(201, body), Expects::Data);
        assert_eq!(data(r#"{"data":{"id":1}}"#), Delivered);
        assert_eq!(data(r#"{"meta":{"code":201}}"#), Failed("invalid response".into()));
    }

    #[test]
    fn the_code_in_the_envelope_takes_precedence_over_the_status() {
        assert_eq!(of(200, &error("401", "no")), Denied("no".into()));
        assert_eq!(of(200, &error("400", "bad")), Refused("bad".into()));
        assert_eq!(of(200, &error("500", "oh")), Erred("oh".into()));
        assert_eq!(of(200, &error("99999", "oh")), Failed("oh".into()));
        assert_eq!(of(200, r#"{"data":{},"meta":{"code":429}}"#), Held { for_ms: 60_000 });
        for code in ["200", "401", "429"] {
            assert_eq!(of(503, &error(code, "oh")), Failed("oh".into()));
        }
    }

    #[test]
    fn each_status_has_its_outcome() {
        for status in [400, 413, 422] {
            assert_eq!(of(status, &error("400", "bad")), Refused("bad".into()));
        }
        for status in [300, 301, 302, 304, 307, 308, 401, 402, 403, 404, 405, 409, 410, 418, 451, 499, 501, 505] {
            assert_eq!(of(status, "<html>"), Denied(format!("answered {status}")));
        }
        for status in [0, 100, 199, 408, 425, 500, 502, 503, 507, 599, 999] {
            assert_eq!(of(status, ""), Failed(format!("answered {status}")));
        }
        // An upstream that says so itself, unlike a proxy that responds in its place.
        assert_eq!(of(500, &error("500", "no luck")), Erred("no luck".into()));
        assert_eq!(
            (of(500, "<html>"), of(503, &error("503", "oh"))),
            (Failed("answered 500".into()), Failed("oh".into()))
        );
    }

    #[test]
    fn a_requested_pause_is_respected_up_to_an_hour() {
        let held = |dialect, answer: &Received| match outcome(dialect, answer, Expects::Envelope) {
            Held { for_ms } => for_ms,
            other => panic!("{other:?}"),
        };
        let text = |text: &str| Some(text.to_owned());
        let bare = answer(429, "<html>slow down</html>");
        assert_eq!((held(Dialect::AppNet, &bare), held(Dialect::Pnut, &bare)), (60_000, 600_000));
        for (said, ms) in
            [("7", 7_000), (" 1.5 ", 1_500), ("0", 1_000), ("599.0001", 599_001), ("99999999999", 3_600_000)]
        {
            let retry_after =
                Received { retry_after: text(said), reset: text("3"), ..answer(429, r#"{"meta":{"retry_in":5}}"#) };
            assert_eq!(held(Dialect::AppNet, &retry_after), ms, "{said}");
        }
        for said in ["", "soon", "-1", "NaN", "inf", "Wed, 21 Oct 2026 07:28:00 GMT"] {
            let garbled = Received { retry_after: text(said), reset: text("3"), ..bare.clone() };
            assert_eq!(held(Dialect::AppNet, &garbled), 3_000, "{said}");
        }
        for retry_in in ["600", "\"600\"", "600.0"] {
            let body = format!(r#"{{"meta":{{"code":429,"retry_in":{retry_in}}}}}"#);
            let answer = Received { reset: text("3"), ..answer(429, &body) };
            assert_eq!(held(Dialect::Pnut, &answer), 600_000);
        }
        for retry_in in ["-5", "\"soon\"", "null", "{}"] {
            let answer = answer(429, &format!(r#"{{"meta":{{"retry_in":{retry_in}}}}}"#));
            assert_eq!(held(Dialect::AppNet, &answer), 60_000);
        }
    }

    #[test]
    fn once_no_writes_remain_the_pause_lasts_until_the_window_ends() {
        let hold = |remaining: Option<&str>, reset: Option<&str>| {
            let (remaining, reset) = (remaining.map(str::to_owned), reset.map(str::to_owned));
            hold_after(&Received { remaining, reset, ..answer(200, "{}") })
        };
        assert_eq!(hold(Some("0"), Some("12")), Some(12_000));
        assert_eq!(hold(Some("-1"), Some("0")), Some(1_000));
        assert_eq!(hold(Some("0"), None), Some(60_000));
        assert_eq!(hold(Some("0"), Some("1792540800")), Some(3_600_000));
        for (remaining, reset) in
            [(Some("1"), Some("12")), (None, Some("12")), (Some("some"), Some("12")), (None, None)]
        {
            assert_eq!(hold(remaining, reset), None);
        }
    }

    #[test]
    fn a_message_is_short_and_plain_and_never_html() {
        let message = |text: &str| match of(403, &error("403", text)) {
            Denied(message) => message,
            other => panic!("{other:?}"),
        };
        assert_eq!(message("Call requires: n < 5 & m > 2"), "Call requires: n < 5 & m > 2");
        assert_eq!(message(r"a\u0000b\r\n\u001b[31mc\u0085"), "ab[31mc");
        assert_eq!(message(&"é".repeat(500)), "é".repeat(200));
        for html in ["<html><body>Forbidden", "no <b>way</b>", "</p>", "<!DOCTYPE html>", "", r" \n", "<script>"] {
            assert_eq!(message(html), "answered 403", "{html}");
        }
        assert_eq!(of(403, r#"{"meta":{"error_message":7}}"#), Denied("answered 403".into()));
    }

    #[test]
    fn an_error_without_an_envelope_still_has_a_message() {
        for body in [
            "Call requires text",
            " Call requires text\n",
            r#""Call requires text""#,
            r#"{"error":"Call requires text"}"#,
            r#"{"error":{"code":500,"message":"Call requires text"}}"#,
            r#"{"message":"Call requires text","statusCode":500}"#,
            r#"{"meta":{"code":500},"error_message":"Call requires text"}"#,
        ] {
            assert_eq!(of(500, body), Failed("Call requires text".into()), "{body}");
            assert_eq!(of(400, body), Refused("Call requires text".into()), "{body}");
        }
        for body in ["null", "[]", r#"{"error":true}"#, r#"{"error":"<p>text</p>"}"#, "Error: <pre>text</pre>"] {
            assert_eq!(of(500, body), Failed("answered 500".into()), "{body}");
        }
        let envelope_first = r#"{"meta":{"code":500,"error_message":"no luck"},"error":"text"}"#;
        assert_eq!(of(500, envelope_first), Erred("no luck".into()));
    }

    #[test]
    fn a_token_is_redacted_even_in_a_truncated_message() {
        assert_eq!(redact("token AQsecret is bad, AQsecret!", "AQsecret"), "token *** is bad, ***!");
        assert_eq!(redact("token AQsec", "AQsecret"), "token ***");
        assert_eq!(redact("all is well", "AQsecret"), "all is well");
        assert_eq!(redact("all is well", ""), "all is well");
        assert_eq!(redact("aa***bb", "a***b"), "", "what is put in its place would make it again");
        let long = "s".repeat(1_024);
        let Refused(said) = of(400, &error("400", &format!("bad token {long}"))) else { panic!("refused") };
        assert_eq!(redact(&said, &long), "bad token ***");
    }

    proptest! {
        #[test]
        fn no_message_contains_the_token_or_ends_with_its_start(
            token in "[ab*]{1,9}", before in "[ab*é ]{0,20}", after in "[ab*é ]{0,20}", cut in 0..40_usize,
        ) {
            let said: String = format!("{before}{token}{after}").chars().take(cut).collect();
            let shown = redact(&said, &token);
            prop_assert!(!shown.contains(&token));
        }

        #[test]
        fn any_response_has_an_outcome_within_bounds(
            status in any::<u16>(), body in proptest::collection::vec(any::<u8>(), 0..60), said in ".{0,12}", is_pnut in any::<bool>(),
        ) {
            let dialect = if is_pnut { Dialect::Pnut } else { Dialect::AppNet };
            let said = Some(said);
            let received = Received { status, retry_after: said.clone(), remaining: said.clone(), reset: said, body };
            if let Held { for_ms } = outcome(dialect, &received, Expects::Envelope) {
                prop_assert!((1_000..=3_600_000).contains(&for_ms));
            }
            prop_assert!(hold_after(&received).is_none_or(|for_ms| (1_000..=3_600_000).contains(&for_ms)));
        }
    }
}
