//! Converts attributes to labels.

use std::borrow::Cow;

use json::write::push_number;
use model::labels::{LabelsBuilder, MAX_LABELS, MAX_NAME_BYTES, MAX_VALUE_BYTES};

use super::message::{Field, Message, Value};
use super::{METRIC, Refused, TYPE};

const KEY_VALUE: [Field; 2] = [Field(1, "key"), Field(2, "value")];
const ANY_VALUE: [Field; 7] = [
    Field(1, "stringValue"),
    Field(2, "boolValue"),
    Field(3, "intValue"),
    Field(4, "doubleValue"),
    Field(5, "arrayValue"),
    Field(6, "kvlistValue"),
    Field(7, "bytesValue"),
];
/// Resource attributes that are left out: those that detectors set automatically for the process, the machine and
/// the SDK, which would create new series at each start. Names that are an organisation's own are never left out. An
/// entry that ends in a dot stands for everything below it.
const LEFT_OUT: [&str; 22] = [
    "aws.",
    "azure.",
    "browser.",
    "cloud.account.",
    "cloud.resource_id",
    "container.",
    "device.",
    "faas.instance",
    "gcp.",
    "host.",
    "k8s.container.",
    "k8s.job.",
    "k8s.node.",
    "k8s.pod.",
    "k8s.replicaset.",
    "os.",
    "process.",
    "service.instance.id",
    "session.",
    "telemetry.",
    "user_agent.",
    "webengine.",
];

/// Attributes by importance, at most [`MAX_LABELS`] of them: those beyond are left out, and no point is lost with
/// them.
#[derive(Default)]
pub(super) struct Attributes<'a> {
    pairs: Vec<Pair<'a>>,
}

struct Pair<'a> {
    importance: Importance,
    name: Cow<'a, str>,
    value: Cow<'a, str>,
}

/// The order in which attributes are kept if there is no room for all; equally important ones are ordered by name,
/// whatever their order in the body.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Importance {
    /// Attributes that identify the service of a resource.
    ServiceName,
    OfPoint,
    Service,
    Deployment,
    OfResource,
}

impl<'a> Attributes<'a> {
    /// Adds an attribute of a data point. Values that no label can hold or nobody can read are left out.
    pub(super) fn push(&mut self, attribute: Value<'a>) {
        if let Ok((name, value)) = key_value(attribute)
            && let Ok(Some(value)) = value.map_or(Ok(None), text)
        {
            self.push_pair(Importance::OfPoint, name, value);
        }
    }

    /// Adds an attribute of a resource, if it is one to keep.
    pub(super) fn push_of_resource(&mut self, attribute: Value<'a>) {
        if let Ok((name, value)) = key_value(attribute)
            && is_kept(&name)
            && let Ok(Some(value)) = value.map_or(Ok(None), text)
        {
            self.push_pair(Importance::of_resource(&name), name, value);
        }
    }

    /// If a name occurs twice, the first one counts.
    fn push_pair(&mut self, importance: Importance, name: Cow<'a, str>, value: Cow<'a, str>) {
        let name = label(fitting(name, MAX_NAME_BYTES));
        if name.is_empty() || value.is_empty() || self.has(&name) {
            return;
        }
        let at = self.pairs.partition_point(|pair| (pair.importance, &pair.name) < (importance, &name));
        if at < MAX_LABELS {
            self.pairs.truncate(MAX_LABELS - 1);
            self.pairs.insert(at, Pair { importance, name, value: fitting(value, MAX_VALUE_BYTES) });
        }
    }

    fn has(&self, name: &str) -> bool {
        self.pairs.iter().any(|pair| pair.name == name)
    }

    /// Adds the attributes of a data point as labels, and those of its resource whose names it does not have. The
    /// most important ones come first, and as many as there is room for.
    pub(super) fn put<'l>(&'l self, resource: &'l Self, labels: &mut LabelsBuilder<'l>) {
        let is_first = |pair: &&Pair<'_>| pair.importance == Importance::ServiceName;
        let (first, others): (Vec<_>, Vec<_>) =
            resource.pairs.iter().filter(|pair| !self.has(&pair.name)).partition(is_first);
        let room = MAX_LABELS - [METRIC, TYPE].len();
        for pair in first.into_iter().chain(&self.pairs).chain(others).take(room) {
            labels.push(pair.name.as_ref().into(), pair.value.as_ref().into());
        }
    }
}

impl Importance {
    fn of_resource(name: &str) -> Self {
        match name.split_once('.') {
            Some(("service", "name")) => Self::ServiceName,
            Some(("service", _)) => Self::Service,
            Some(("deployment", _)) => Self::Deployment,
            _ => Self::OfResource,
        }
    }
}

/// A string that a label can hold: truncated, with a space for each control character.
pub(super) fn fitting(mut text: Cow<'_, str>, max_bytes: usize) -> Cow<'_, str> {
    if text.contains(char::is_control) {
        text = text.replace(char::is_control, " ").into();
    }
    let end = text.floor_char_boundary(max_bytes);
    if end < text.len() {
        match &mut text {
            Cow::Borrowed(text) => *text = &text[..end],
            Cow::Owned(text) => text.truncate(end),
        }
    }
    text
}

fn key_value(attribute: Value<'_>) -> Result<(Cow<'_, str>, Option<Message<'_>>), Refused> {
    let (mut name, mut value) = (Cow::default(), None);
    attribute.message()?.each(&KEY_VALUE, &mut |field, given| {
        match field {
            0 => name = given.text()?,
            _ => value = Some(given.message()?),
        }
        Ok(())
    })?;
    Ok((name, value))
}

/// The value of a label; `None` for bytes, arrays, maps, NaN, and values that are not set.
fn text(value: Message<'_>) -> Result<Option<Cow<'_, str>>, Refused> {
    let mut text = None;
    value.each(&ANY_VALUE, &mut |field, given| {
        text = match field {
            0 => Some(given.text()?),
            1 => Some(if given.boolean()? { "true" } else { "false" }.into()),
            2 => Some(given.integer()?.to_string().into()),
            3 => number(given.double()?).map(Cow::Owned),
            _ => None,
        };
        Ok(())
    })?;
    Ok(text)
}

fn number(value: f64) -> Option<String> {
    value.is_finite().then(|| {
        let mut text = String::new();
        push_number(&mut text, Some(value));
        text
    })
}

fn is_kept(name: &str) -> bool {
    let leaves_out = |rule: &str| if rule.ends_with('.') { name.starts_with(rule) } else { name == rule };
    !LEFT_OUT.iter().any(|rule| leaves_out(rule)) && name.strip_suffix(".uid").is_none()
}

/// A stranger must not set our own labels.
fn label(name: Cow<'_, str>) -> Cow<'_, str> {
    if [METRIC, TYPE].contains(&name.as_ref()) { format!("tag_{name}").into() } else { name }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_few_of_many_attributes_are_held() {
        let mut attributes = Attributes::default();
        for number in (0..1_000).rev() {
            attributes.push_pair(Importance::OfPoint, format!("a{number:03}").into(), "x".into());
        }
        assert_eq!(attributes.pairs.len(), MAX_LABELS);
        assert!(attributes.has("a000") && attributes.has("a015"), "whatever the order of the body");
    }

    #[test]
    fn detected_attributes_are_left_out_and_set_ones_kept() {
        for kept in [
            "service.name",
            "service.namespace",
            "service.version",
            "deployment.environment.name",
            "cloud.region",
            "k8s.namespace.name",
            "k8s.deployment.name",
            "host",
            "instance",
            "processor",
            "team",
        ] {
            assert!(is_kept(kept), "{kept}");
        }
        for left_out in [
            "telemetry.sdk.name",
            "process.pid",
            "host.name",
            "os.type",
            "container.id",
            "k8s.pod.name",
            "k8s.cluster.uid",
            "service.instance.id",
        ] {
            assert!(!is_kept(left_out), "{left_out}");
        }
    }
}
