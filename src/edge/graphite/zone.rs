//! Time zones by name, as the platform knows them.

use std::cell::RefCell;

use js_sys::{Array, Date, Function, Intl, Object, Reflect};
use wasm_bindgen::{JsCast, JsValue};
use worker::{js_sys, wasm_bindgen};

/// A zone: how far local time is ahead of UTC. The platform is asked once for each quarter of an hour.
pub(super) struct Zone {
    format: Option<Function>,
    known: RefCell<Vec<(i64, i64)>>,
}

const QUARTER_S: i64 = 900;
/// The most offsets that are remembered.
const MAX_KNOWN: usize = 1_000;

impl Zone {
    /// The zone with a name such as `Europe/Berlin`. UTC without a name and, as in graphite-web, for an unknown zone.
    pub(super) fn named(name: Option<&str>) -> Self {
        let format = name.filter(|name| !name.is_empty()).and_then(formatter);
        Self { format, known: RefCell::default() }
    }

    /// Seconds ahead of UTC at this Unix second.
    pub(super) fn ahead_s(&self, at_s: i64) -> i64 {
        let Some(format) = &self.format else { return 0 };
        let quarter = at_s.div_euclid(QUARTER_S);
        let mut known = self.known.borrow_mut();
        if let Some((_, ahead_s)) = known.iter().find(|(there, _)| *there == quarter) {
            return *ahead_s;
        }
        let ahead_s = ahead_s(format, quarter * QUARTER_S).unwrap_or(0);
        if known.len() >= MAX_KNOWN {
            known.clear();
        }
        known.push((quarter, ahead_s));
        ahead_s
    }
}

/// A function that formats a date in a zone as `2026-10-20 22:00:00`, which is the Swedish format.
fn formatter(zone: &str) -> Option<Function> {
    let options = Object::new();
    for (name, value) in [("timeZone", zone), ("dateStyle", "short"), ("timeStyle", "medium")] {
        Reflect::set(&options, &name.into(), &value.into()).ok()?;
    }
    // The constructor throws for an unknown zone, which the binding does not expect; so it is called by hand.
    let intl = Reflect::get(&js_sys::global(), &"Intl".into()).ok()?;
    let constructor: Function = Reflect::get(&intl, &"DateTimeFormat".into()).ok()?.dyn_into().ok()?;
    let format = Reflect::construct(&constructor, &Array::of2(&"sv-SE".into(), &options)).ok()?;
    Some(format.unchecked_into::<Intl::DateTimeFormat>().format())
}

#[expect(clippy::cast_precision_loss, clippy::cast_possible_truncation, reason = "milliseconds since 1970")]
fn ahead_s(format: &Function, at_s: i64) -> Option<i64> {
    let date = Date::new(&JsValue::from_f64(at_s as f64 * 1000.0));
    let local = format.call1(&JsValue::UNDEFINED, &date).ok()?.as_string()?;
    let as_utc = Date::parse(&format!("{}Z", local.replacen(' ', "T", 1)));
    as_utc.is_finite().then_some((as_utc / 1000.0) as i64 - at_s)
}
