//! A message posted by an app.net client, and its points. What app.net ignored is ignored here too.

use serde_json::value::RawValue;

use super::object::{Object, canonical, compact, list, object, string};
use super::posted::MessageHead;
use super::{BATCH, MAX_ANNOTATIONS_BYTES, MAX_TEXT_CHARS, TIMESERIES};

/// The largest body of a message in bytes.
pub const MAX_MESSAGE_BYTES: usize = 64 << 10;
/// The longest batch id, in bytes. A batch id has at least one.
pub const MAX_BATCH_ID_BYTES: usize = 200;

/// A message of the right shape; its points have yet to be parsed (see [`super::points::each_point`]).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MessageIn {
    /// Everything but its annotations. A message without a text is machine-only.
    pub said: MessageHead,
    /// The list of annotations as compact JSON.
    pub annotations: String,
    /// Identifies a redelivery of the same message.
    pub batch_id: Option<String>,
}

/// Why a message is rejected as a whole.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MessageError {
    /// Not JSON.
    #[error("the body is not valid JSON: {0}")]
    Json(String),
    /// JSON, but not an object.
    #[error("a message must be an object with annotations")]
    NotAnObject,
    /// A text that is not a string, or is too long.
    #[error("text must be a string of at most {MAX_TEXT_CHARS} characters")]
    Text,
    /// Not a list of annotations.
    #[error("annotations must be a list of objects with a type and a value")]
    Annotations,
    /// An annotation without a type.
    #[error("annotations[{0}].type must be a string")]
    Type(usize),
    /// More than [`MAX_ANNOTATIONS_BYTES`].
    #[error("annotations have {0} bytes as compact JSON, more than the {MAX_ANNOTATIONS_BYTES} allowed")]
    AnnotationsTooLarge(usize),
    /// An invalid batch id.
    #[error("annotations[{0}].value.id must be a string of 1 to {MAX_BATCH_ID_BYTES} bytes")]
    BatchId(usize),
    /// No points.
    #[error("a message must have an annotation of type {TIMESERIES}")]
    NoPoints,
}

impl MessageIn {
    /// Parses the message of a body, whatever its content type.
    ///
    /// # Errors
    /// [`MessageError`]
    pub fn parse(body: &[u8]) -> Result<Self, MessageError> {
        let message: Object<'_> =
            serde_json::from_slice(body).map_err(|error| match body.trim_ascii_start().first() {
                // JSON of another shape, if it is JSON at all.
                Some(first) if *first != b'{' && serde_json::from_slice::<&RawValue>(body).is_ok() => {
                    MessageError::NotAnObject
                }
                _ => MessageError::Json(error.to_string()),
            })?;
        let text = match message.get("text") {
            None => None,
            Some(raw) if raw.get() == "null" => None,
            Some(raw) => {
                Some(string(raw).filter(|text| text.chars().count() <= MAX_TEXT_CHARS).ok_or(MessageError::Text)?)
            }
        };
        let text = text.filter(|text| !text.is_empty());
        let wants_machine_only = message.get("machine_only").is_some_and(|raw| matches!(raw.get(), "true" | "1"));
        let said = MessageHead { is_machine_only: wants_machine_only || text.is_none(), text };
        let annotations = compact(message.get("annotations").ok_or(MessageError::NoPoints)?.get());
        if annotations.len() > MAX_ANNOTATIONS_BYTES {
            return Err(MessageError::AnnotationsTooLarge(annotations.len()));
        }
        let list = list(annotations.as_bytes()).ok_or(MessageError::Annotations)?;
        let (mut batch_id, mut has_points) = (None, false);
        for (index, annotation) in list.into_iter().enumerate() {
            let annotation = object(annotation.get()).ok_or(MessageError::Annotations)?;
            let kind = annotation.get("type").and_then(|kind| string(kind)).ok_or(MessageError::Type(index))?;
            match kind.as_str() {
                TIMESERIES => has_points = true,
                BATCH if batch_id.is_none() => {
                    let value = annotation.get("value").and_then(|value| object(value.get()));
                    let id = value.and_then(|value| string(value.get("id")?));
                    let id = id.filter(|id| (1..=MAX_BATCH_ID_BYTES).contains(&id.len()));
                    batch_id = Some(id.ok_or(MessageError::BatchId(index))?);
                }
                _ => (),
            }
        }
        if has_points { Ok(Self { said, annotations, batch_id }) } else { Err(MessageError::NoPoints) }
    }

    /// What a redelivery has in common with the first delivery besides the batch id: its annotations, whatever the
    /// order of their fields. The text is for people and may contain the time of sending.
    #[must_use]
    pub fn content(&self) -> String {
        canonical(&self.annotations)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn of(body: &Value) -> Result<MessageIn, MessageError> {
        MessageIn::parse(body.to_string().as_bytes())
    }

    fn point() -> Value {
        json!({"type": TIMESERIES, "value": {"n": 1}})
    }

    fn batch(id: &Value) -> Value {
        json!({"annotations": [point(), {"type": BATCH, "value": {"id": id}}]})
    }

    #[test]
    fn fields_that_app_net_ignored_are_ignored() {
        let message = of(&json!({
            "annotations": [{"type": "com.example.other", "value": 1}, point()],
            "machine_only": "yes", "reply_to": 7, "entities": [], "created_at": {}, "channel_id": null,
        }));
        let message = message.expect("valid");
        assert_eq!((message.said, message.batch_id), (MessageHead { text: None, is_machine_only: true }, None));
        assert_eq!(
            message.annotations,
            r#"[{"type":"com.example.other","value":1},{"type":"net.app.contrib.timeseries","value":{"n":1}}]"#
        );
    }

    #[test]
    fn a_message_must_have_annotations_with_a_point() {
        assert!(matches!(MessageIn::parse(b"n=1"), Err(MessageError::Json(_))));
        assert!(matches!(MessageIn::parse(&[b'['; 10_000]), Err(MessageError::Json(_))));
        assert!(matches!(MessageIn::parse(b"\xff"), Err(MessageError::Json(_))));
        assert_eq!(of(&json!([point()])), Err(MessageError::NotAnObject));
        for none in [json!({}), json!({"text": "x"}), json!({"annotations": []})] {
            assert_eq!(of(&none), Err(MessageError::NoPoints), "{none}");
        }
        for wrong in [json!(null), json!({}), json!("x"), json!([1]), json!([point(), null])] {
            assert_eq!(of(&json!({"annotations": wrong})), Err(MessageError::Annotations), "{wrong}");
        }
        assert_eq!(of(&json!({"annotations": [point(), {"value": {}}]})), Err(MessageError::Type(1)));
    }

    #[test]
    fn limits_are_inclusive() {
        let text = |text: Value| of(&json!({"annotations": [point()], "text": text}));
        assert!(text(json!("é".repeat(MAX_TEXT_CHARS))).is_ok() && text(json!(null)).is_ok());
        assert_eq!(text(json!("x".repeat(MAX_TEXT_CHARS + 1))), Err(MessageError::Text));
        assert_eq!(text(json!(1)), Err(MessageError::Text));
        let filled = |fill: usize| {
            let filler = json!({"type": "x", "value": "x".repeat(fill)});
            of(&json!({"annotations": [point(), filler]}))
        };
        let rest = MAX_ANNOTATIONS_BYTES - filled(0).expect("small").annotations.len();
        assert_eq!(filled(rest).expect("fits").annotations.len(), MAX_ANNOTATIONS_BYTES);
        assert_eq!(filled(rest + 1), Err(MessageError::AnnotationsTooLarge(MAX_ANNOTATIONS_BYTES + 1)));
    }

    #[test]
    fn a_message_with_a_text_is_for_people_by_default() {
        for (text, machine_only, wanted) in [
            (json!("hi"), json!(false), false),
            (json!("hi"), json!(null), false),
            (json!("hi"), json!(true), true),
            (json!(null), json!(false), true),
            (json!(""), json!(false), true),
        ] {
            let body = json!({"annotations": [point()], "text": text, "machine_only": machine_only});
            assert_eq!(of(&body).expect("valid").said.is_machine_only, wanted, "{body}");
        }
    }

    #[test]
    fn a_redelivery_has_the_same_annotations_in_any_field_order() {
        let content = |text: &str, annotation: &str| {
            let point = format!(r#"{{"type":"{TIMESERIES}","value":{{"n":1}}}}"#);
            let body = format!(r#"{{"text":"{text}","annotations":[{point},{annotation}]}}"#);
            MessageIn::parse(body.as_bytes()).expect("valid").content()
        };
        let first = content("12:00", r#"{"type":"x","value":{"b":[1,{"z":0,"y":0}],"a":"b"}}"#);
        let again = content("12:01", r#"{ "value": {"a":"b", "b":[1, {"y":0,"z":0}]}, "type":"x" }"#);
        assert_eq!(first, again);
        for other in [
            r#"{"type":"x","value":{"b":[{"z":0,"y":0},1],"a":"b"}}"#,
            r#"{"type":"x","value":{"b":[1.0,{"z":0,"y":0}],"a":"b"}}"#,
            r#"{"type":"x","value":{"b":[1,{"z":0,"y":18446744073709551617}],"a":"b"}}"#,
        ] {
            assert_ne!(content("12:00", other), first, "{other}");
        }
    }

    #[test]
    fn the_first_batch_id_identifies_the_message() {
        let id = |id: Value| of(&batch(&id)).map(|message| message.batch_id.expect("is there"));
        assert_eq!(id(json!("s/0-7")), Ok("s/0-7".into()));
        assert_eq!(id(json!("x".repeat(MAX_BATCH_ID_BYTES))), Ok("x".repeat(MAX_BATCH_ID_BYTES)));
        for wrong in [json!(""), json!("x".repeat(MAX_BATCH_ID_BYTES + 1)), json!(7), json!(null)] {
            assert_eq!(id(wrong), Err(MessageError::BatchId(1)));
        }
    }
}
