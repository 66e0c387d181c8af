//! OTLP metrics encoded from JSON to protobuf, following opentelemetry-proto's files, independently of our reader.

use serde_json::Value;

/// A field: its name in JSON, its number, its type.
type Fields = &'static [(&'static str, u8, Type)];

#[derive(Clone, Copy)]
enum Type {
    Message(Fields),
    Text,
    /// `fixed64` and `sfixed64`.
    Fixed,
    Double,
    /// `int64`, `uint32`, `bool` and enums.
    Varint,
}

const ANY_VALUE: Fields = &[
    ("stringValue", 1, Type::Text),
    ("boolValue", 2, Type::Varint),
    ("intValue", 3, Type::Varint),
    ("doubleValue", 4, Type::Double),
    ("arrayValue", 5, Type::Message(&[("values", 1, Type::Message(&[("stringValue", 1, Type::Text)]))])),
    ("kvlistValue", 6, Type::Message(&[("values", 1, Type::Message(NESTED))])),
    ("bytesValue", 7, Type::Text),
];
const NESTED: Fields = &[("key", 1, Type::Text), ("value", 2, Type::Message(&[("stringValue", 1, Type::Text)]))];
const KEY_VALUE: Fields = &[("key", 1, Type::Text), ("value", 2, Type::Message(ANY_VALUE))];
const NUMBER: Fields = &[
    ("startTimeUnixNano", 2, Type::Fixed),
    ("timeUnixNano", 3, Type::Fixed),
    ("asDouble", 4, Type::Double),
    ("asInt", 6, Type::Fixed),
    ("attributes", 7, Type::Message(KEY_VALUE)),
    ("flags", 8, Type::Varint),
];
const HISTOGRAM: Fields = &[
    ("startTimeUnixNano", 2, Type::Fixed),
    ("timeUnixNano", 3, Type::Fixed),
    ("count", 4, Type::Fixed),
    ("sum", 5, Type::Double),
    ("attributes", 9, Type::Message(KEY_VALUE)),
    ("flags", 10, Type::Varint),
    ("min", 11, Type::Double),
];
const EXPONENTIAL: Fields = &[
    ("attributes", 1, Type::Message(KEY_VALUE)),
    ("startTimeUnixNano", 2, Type::Fixed),
    ("timeUnixNano", 3, Type::Fixed),
    ("count", 4, Type::Fixed),
    ("sum", 5, Type::Double),
    ("zeroCount", 7, Type::Fixed),
    ("flags", 10, Type::Varint),
];
const SUMMARY: Fields = &[
    ("startTimeUnixNano", 2, Type::Fixed),
    ("timeUnixNano", 3, Type::Fixed),
    ("count", 4, Type::Fixed),
    ("sum", 5, Type::Double),
    ("attributes", 7, Type::Message(KEY_VALUE)),
    ("flags", 8, Type::Varint),
];
const METRIC: Fields = &[
    ("name", 1, Type::Text),
    ("description", 2, Type::Text),
    ("unit", 3, Type::Text),
    ("gauge", 5, Type::Message(&[("dataPoints", 1, Type::Message(NUMBER))])),
    (
        "sum",
        7,
        Type::Message(&[
            ("dataPoints", 1, Type::Message(NUMBER)),
            ("aggregationTemporality", 2, Type::Varint),
            ("isMonotonic", 3, Type::Varint),
        ]),
    ),
    (
        "histogram",
        9,
        Type::Message(&[("dataPoints", 1, Type::Message(HISTOGRAM)), ("aggregationTemporality", 2, Type::Varint)]),
    ),
    (
        "exponentialHistogram",
        10,
        Type::Message(&[("dataPoints", 1, Type::Message(EXPONENTIAL)), ("aggregationTemporality", 2, Type::Varint)]),
    ),
    ("summary", 11, Type::Message(&[("dataPoints", 1, Type::Message(SUMMARY))])),
];
const REQUEST: Fields = &[(
    "resourceMetrics",
    1,
    Type::Message(&[
        ("resource", 1, Type::Message(&[("attributes", 1, Type::Message(KEY_VALUE))])),
        (
            "scopeMetrics",
            2,
            Type::Message(&[
                ("scope", 1, Type::Message(&[("name", 1, Type::Text)])),
                ("metrics", 2, Type::Message(METRIC)),
            ]),
        ),
    ]),
)];

/// An `ExportMetricsServiceRequest`.
pub(crate) fn of_json(request: &Value) -> Vec<u8> {
    message(REQUEST, request)
}

fn message(fields: Fields, json: &Value) -> Vec<u8> {
    let mut out = Vec::new();
    for (name, value) in json.as_object().expect("an object") {
        let (_, number, kind) = fields.iter().find(|(known, ..)| known == name).expect("a field of the schema");
        match value {
            Value::Array(items) => items.iter().for_each(|item| field(&mut out, *number, *kind, item)),
            _ => field(&mut out, *number, *kind, value),
        }
    }
    out
}

fn field(out: &mut Vec<u8>, number: u8, kind: Type, value: &Value) {
    let whole = || match value {
        Value::String(text) => text.parse::<i128>().expect("a whole number"),
        Value::Bool(is_true) => i128::from(*is_true),
        _ => value.as_i64().expect("a whole number").into(),
    };
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "two's complement")]
    let bits = || whole() as u64;
    match kind {
        Type::Varint => {
            out.push(number << 3);
            varint(out, bits());
        }
        Type::Fixed => {
            out.push(number << 3 | 1);
            out.extend(bits().to_le_bytes());
        }
        Type::Double => {
            out.push(number << 3 | 1);
            let number = value.as_f64().or_else(|| value.as_str()?.parse().ok());
            out.extend(number.expect("a number").to_le_bytes());
        }
        Type::Text => bytes(out, number, value.as_str().expect("a string").as_bytes()),
        Type::Message(fields) => bytes(out, number, &message(fields, value)),
    }
}

fn bytes(out: &mut Vec<u8>, number: u8, bytes: &[u8]) {
    out.push(number << 3 | 2);
    varint(out, bytes.len() as u64);
    out.extend(bytes);
}

fn varint(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push(value.to_le_bytes()[0] | 0x80);
        value >>= 7;
    }
    out.push(value.to_le_bytes()[0]);
}
