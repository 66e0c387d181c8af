//! Attributes as labels.

use std::borrow::Cow;

use crate::domain::labels::{LabelError, LabelsBuilder, MAX_LABELS};
use crate::wire::json::push_number;
use crate::wire::rejection::Rejection;

use super::message::{Field, Message, Value};
use super::{METRIC, Refused, TYPE, Unfit};

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
/// Attributes of resources that are left out: what finds them out by itself tells the process, the machine and the SDK, which
/// would be new series at each start. Names of one's own are not among them. One that ends in a dot stands for all below it.
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

/// Attributes in the order of the body, at most [`MAX_LABELS`] of them.
#[derive(Default)]
pub(super) struct Attributes<'a> {
    /// A value that no label can have is none.
    pairs: Vec<(Cow<'a, str>, Option<Cow<'a, str>>)>,
    /// How many there are, also beyond the limit.
    number: usize,
}

impl<'a> Attributes<'a> {
    /// Adds an attribute of a data point.
    pub(super) fn push(&mut self, attribute: Value<'a>) -> Result<(), Refused> {
        let (name, value) = key_value(attribute)?;
        self.push_pair(name, value.map_or(Ok(Some(Cow::default())), text)?);
        Ok(())
    }

    /// Adds an attribute of a resource, if it is one to keep.
    pub(super) fn push_of_resource(&mut self, attribute: Value<'a>) -> Result<(), Refused> {
        let (name, value) = key_value(attribute)?;
        if is_kept(&name)
            && let Some(value) = value.map(text).transpose()?.flatten()
        {
            self.push_pair(name, Some(value));
        }
        Ok(())
    }

    fn push_pair(&mut self, name: Cow<'a, str>, value: Option<Cow<'a, str>>) {
        self.number += 1;
        if self.number <= MAX_LABELS {
            self.pairs.push((name, value));
        }
    }

    /// Adds these attributes of a data point as labels, and those of its resource whose names it does not have.
    pub(super) fn put<'l>(&'l self, resource: &'l Self, labels: &mut LabelsBuilder<'l>) -> Result<(), Rejection> {
        if let Some(number) = [self.number, resource.number].into_iter().find(|number| *number > MAX_LABELS) {
            return Err(LabelError::TooMany(number + [METRIC, TYPE].len()).into());
        }
        for (name, value) in &self.pairs {
            let value = value.as_ref().ok_or_else(|| Unfit::Attribute(name.as_ref().into()))?;
            labels.push(label(name), value.as_ref().into());
        }
        let is_new = |name: &str| self.pairs.iter().all(|(own, _)| own != name);
        for (name, value) in resource.pairs.iter().filter(|(name, _)| is_new(name)) {
            labels.push(label(name), value.as_deref().unwrap_or_default().into());
        }
        Ok(())
    }
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

/// A value as a label has it; none of bytes, arrays and maps, nor of what is no number. A value that is not set is the
/// empty text, which is no label.
fn text(value: Message<'_>) -> Result<Option<Cow<'_, str>>, Refused> {
    let mut text = Some(Cow::default());
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

/// Our own labels are not a stranger's to set.
fn label(name: &str) -> Cow<'_, str> {
    if [METRIC, TYPE].contains(&name) { format!("tag_{name}").into() } else { name.into() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn however_many_attributes_there_are_few_are_held() {
        let mut attributes = Attributes::default();
        (0..1_000).for_each(|_| attributes.push_pair("a".into(), None));
        assert_eq!((attributes.pairs.len(), attributes.number), (MAX_LABELS, 1_000));
    }

    #[test]
    fn what_changes_with_each_process_is_no_label_and_what_somebody_set_is() {
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
