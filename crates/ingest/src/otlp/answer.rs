//! Responses to an exporter: `ExportMetricsServiceResponse` and `google.rpc.Status`, in the encoding of its
//! request.

use crate::outcome::ErrorEntry;
use codec::{put_bytes, put_varint};
use json::write::push_text;

use super::Encoding;

/// The most rejections in a message.
const MAX_TOLD: usize = 5;

/// Protobuf tags: the number of a field and its wire type.
const VARINT_1: u8 = 1 << 3;
const BYTES_1: u8 = 1 << 3 | 2;
const BYTES_2: u8 = 2 << 3 | 2;

/// The response to an accepted request: empty, or with what was rejected, from
/// [`WriteOutcome::to_json`](crate::outcome::Outcome::to_json).
///
/// # Errors
/// If that is not JSON.
pub fn export_response(encoding: Encoding, outcome: &[u8]) -> Result<Vec<u8>, serde_json::Error> {
    let outcome = json::value::parse(outcome)?;
    let number = outcome["rejected"].as_u64().unwrap_or_default();
    if number == 0 {
        return Ok(nothing(encoding));
    }
    let mut message =
        format!("{number} {}", if number == 1 { "data point was rejected" } else { "data points were rejected" });
    for error in outcome["errors"].as_array().into_iter().flatten().take(MAX_TOLD) {
        let index = error["index"].as_u64().unwrap_or_default();
        push_rejection(&mut message, index, error["message"].as_str().unwrap_or_default());
    }
    Ok(match encoding {
        Encoding::Json => {
            // int64 is a string in JSON.
            let mut json = format!("{{\"partialSuccess\":{{\"rejectedDataPoints\":\"{number}\",\"errorMessage\":");
            push_text(&mut json, &message);
            json.push_str("}}");
            json.into_bytes()
        }
        Encoding::Protobuf => {
            let (mut partial, mut response) = (vec![VARINT_1], vec![BYTES_1]);
            put_varint(&mut partial, number);
            partial.push(BYTES_2);
            put_bytes(&mut partial, message.as_bytes());
            put_bytes(&mut response, &partial);
            response
        }
    })
}

/// The response to a request that was accepted as a whole.
#[must_use]
pub fn nothing(encoding: Encoding) -> Vec<u8> {
    match encoding {
        Encoding::Json => b"{}".to_vec(),
        Encoding::Protobuf => Vec::new(),
    }
}

/// The first rejections in words, if no data point is left.
#[must_use]
pub fn none_good(errors: &[ErrorEntry]) -> String {
    let mut message = "every data point was rejected".to_owned();
    for error in errors.iter().take(MAX_TOLD) {
        push_rejection(&mut message, error.index as u64, &error.message);
    }
    message
}

fn push_rejection(message: &mut String, index: u64, why: &str) {
    message.extend(["; data point ", &index.to_string(), ": ", why]);
}

/// An error, with its gRPC code.
#[must_use]
pub fn status(encoding: Encoding, code: u8, message: &str) -> Vec<u8> {
    match encoding {
        Encoding::Json => {
            let mut json = format!("{{\"code\":{code},\"message\":");
            push_text(&mut json, message);
            json.push('}');
            json.into_bytes()
        }
        Encoding::Protobuf => {
            let mut status = vec![VARINT_1, code, BYTES_2];
            put_bytes(&mut status, message.as_bytes());
            status
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::outcome::WriteOutcome;
    use crate::rejection::Rejection;
    use model::point::PointError;

    fn outcome(rejected: u64) -> Vec<u8> {
        let rejection = Rejection::Point(PointError::MissingN);
        let errors: Vec<ErrorEntry> = (0..6).map(|index| ErrorEntry::new(index, &rejection)).collect();
        let errors = &errors[..errors.len().min(usize::try_from(rejected).expect("few"))];
        WriteOutcome::new(9, [rejected, 0, 0, 0, 0, 0, 0, 0], errors).to_json().into_bytes()
    }

    #[test]
    fn a_response_is_empty_or_reports_rejections() {
        let response = |encoding, rejected| export_response(encoding, &outcome(rejected)).expect("an outcome");
        assert_eq!(response(Encoding::Json, 0), b"{}");
        assert_eq!(response(Encoding::Protobuf, 0), b"");
        let message = "1 data point was rejected; data point 0: n is required";
        assert_eq!(
            String::from_utf8(response(Encoding::Json, 1)).expect("UTF-8"),
            format!(r#"{{"partialSuccess":{{"rejectedDataPoints":"1","errorMessage":"{message}"}}}}"#)
        );
        let told = message.len().to_le_bytes()[0];
        let partial = [&[0x08, 0x01, 0x12, told][..], message.as_bytes()].concat();
        let wanted = [&[0x0a, told + 4][..], &partial].concat();
        assert_eq!(response(Encoding::Protobuf, 1), wanted);
        let many = String::from_utf8(response(Encoding::Json, 300)).expect("UTF-8");
        assert!(
            many.contains("\"300\"") && many.contains("data point 4:") && !many.contains("data point 5:"),
            "{many}"
        );
        assert!(export_response(Encoding::Json, b"").is_err());
    }

    #[test]
    fn a_status_has_a_code_and_a_message() {
        assert_eq!(status(Encoding::Json, 3, "a \"b\""), br#"{"code":3,"message":"a \"b\""}"#);
        assert_eq!(status(Encoding::Protobuf, 3, "ab"), [0x08, 3, 0x12, 2, b'a', b'b']);
    }
}
