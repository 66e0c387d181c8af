//! Forwarding's part of `status`.

use serde_json::{Value, json};

use appnet::channel::Audience;
use model::point::LabelledPoint;
use store::outbox;
use store::sql::Sql;

use super::super::Followed;
use super::Forwarding;

/// The number of points set aside that are shown.
const MAX_SHOWN: usize = 10;

impl Forwarding {
    /// Forwarding's part of `status`.
    pub(super) fn status(&self, sql: &impl Sql, stream: &Followed<'_>) -> Value {
        let (state, Some(config)) = (self, &stream.config.forward) else { return Value::Null };
        let unpacked = self.unpacked(stream.accepted);
        let has_work = unpacked > 0 || state.outbox.messages > 0;
        let name = match state {
            Forwarding { is_paused: true, .. } => "paused",
            Forwarding { is_checked: false, .. } => "starting",
            Forwarding { error: Some(_), .. } if has_work => "waiting",
            _ => "forwarding",
        };
        let shown = outbox::aside(sql, MAX_SHOWN).unwrap_or_default();
        let recent: Vec<Value> = shown
            .into_iter()
            .flat_map(|aside| aside.points.into_iter().map(move |point| (point, aside.reason.clone(), aside.at_ms)))
            .map(|(point, reason, at_ms)| json!({ "point": value(&point.point), "reason": reason, "at": seconds(at_ms) }))
            .collect();
        let next_ms = Some(state.next_ms).filter(|next_ms| *next_ms > 0 && has_work && !state.is_paused);
        json!({
            "state": name,
            "dialect": config.dialect.name(),
            "api_root": config.api_root,
            "channel": config.channel,
            "warning": state.audience.and_then(Audience::warning),
            "delivered": state.delivered,
            "pending": { "points": unpacked + state.outbox.points, "messages": state.outbox.messages },
            "coarsened": { "points": state.coarsened.0, "into": state.coarsened.1 },
            "set_aside": { "points": state.aside, "recent": recent },
            "last_error": state.error.as_ref().map(|(message, at_ms)| json!({ "message": message, "at": seconds(*at_ms) })),
            "next_try": next_ms.map(seconds),
        })
    }
}

fn value(LabelledPoint { labels, point }: &LabelledPoint) -> Value {
    let mut text = String::new();
    appnet::value::push_value(&mut text, labels, point);
    json::value::parse(text.as_bytes()).unwrap_or_default()
}

#[expect(clippy::cast_precision_loss, reason = "milliseconds since 1970 fit 53 bits")]
fn seconds(ms: i64) -> f64 {
    ms as f64 / 1000.0
}
