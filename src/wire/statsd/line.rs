//! One statsd line, taken apart: `name:value|type`, with what `DogStatsD` (datagrams up to v1.3), Graphite and `InfluxDB` have
//! added. <https://github.com/statsd/statsd/blob/master/docs/metric_types.md>,
//! <https://docs.datadoghq.com/developers/dogstatsd/datagram_shell>

use crate::domain::labels::Quoted;
use crate::domain::point::Field;

/// Why a line or one of its values is rejected.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LineError {
    /// It has not the form of a line, for this reason.
    #[error("{0}; a line is such as page.views:1|c")]
    Form(&'static str),
    /// What `DogStatsD` has besides metrics.
    #[error("{0} have no number that could be stored; send counters, timers, gauges and sets")]
    NoMetric(&'static str),
    /// An unknown type.
    #[error("the type must be c, ms, h, d, g or s, not {0}")]
    Type(Quoted),
    /// An unknown part, or one that is there twice.
    #[error("unknown or repeated part {0}; behind the type come @rate, #tags and Ttime")]
    Part(Quoted),
    /// A value that is no number.
    #[error("a value must be a number, not {0}")]
    Value(Quoted),
    /// A sample rate that is none.
    #[error("the sample rate must be more than 0 and at most 1, not {0}")]
    Rate(Quoted),
    /// A time that is no number.
    #[error("the time must be in seconds since 1970, not {0}")]
    Time(Quoted),
    /// Nothing in a set.
    #[error("what a set is given must not be empty")]
    EmptyMember,
}

impl LineError {
    /// The part of a point at fault, if the line has the form of one.
    #[must_use]
    pub fn field(&self) -> Option<Field> {
        match self {
            Self::Form(_) | Self::NoMetric(_) | Self::Type(_) | Self::Part(_) => None,
            Self::Value(_) => Some(Field::N),
            Self::Rate(_) => Some(Field::D),
            Self::Time(_) => Some(Field::T),
            Self::EmptyMember => Some(Field::V),
        }
    }
}

/// What a metric is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Counter,
    Timer,
    Histogram,
    Distribution,
    Gauge,
    Set,
}

impl Kind {
    fn of(text: &str) -> Option<Self> {
        Some(match text {
            "c" => Self::Counter,
            "ms" => Self::Timer,
            "h" => Self::Histogram,
            "d" => Self::Distribution,
            "g" => Self::Gauge,
            "s" => Self::Set,
            _ => return None,
        })
    }

    /// Its name as the value of a label.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Counter => "counter",
            Self::Timer => "timer",
            Self::Histogram => "histogram",
            Self::Distribution => "distribution",
            Self::Gauge => "gauge",
            Self::Set => "set",
        }
    }
}

/// A line whose values are not read yet.
#[derive(Debug, PartialEq)]
pub(super) struct Line<'a> {
    pub(super) name: &'a str,
    /// Behind the name, of Graphite and `InfluxDB`.
    pub(super) name_tags: Tags<'a>,
    /// A part of their own, of `DogStatsD`.
    pub(super) tags: Tags<'a>,
    /// All behind the colon: the values of the points or, of a set, its new member.
    pub(super) values: &'a str,
    pub(super) kind: Kind,
    /// In (0, 1].
    pub(super) rate: f64,
    pub(super) t: Option<f64>,
}

impl<'a> Line<'a> {
    pub(super) fn parse(line: &'a [u8]) -> Result<Self, LineError> {
        let line = std::str::from_utf8(line).map_err(|_| LineError::Form("this is not UTF-8"))?;
        if line.starts_with("_e{") {
            return Err(LineError::NoMetric("events"));
        }
        if line.starts_with("_sc|") {
            return Err(LineError::NoMetric("service checks"));
        }
        let mut parts = line.split('|');
        let (name, values) =
            parts.next().and_then(|head| head.split_once(':')).ok_or(LineError::Form("there is no `:` and value"))?;
        let kind = parts.next().ok_or(LineError::Form("there is no `|` and type"))?;
        let kind = Kind::of(kind).ok_or_else(|| LineError::Type(kind.into()))?;
        let (name, name_tags) = match name.find([';', ',']) {
            Some(end) => (
                &name[..end],
                Tags { text: &name[end..], end: if name[end..].starts_with(';') { ';' } else { ',' }, between: '=' },
            ),
            None => (name, Tags::default()),
        };
        if name.is_empty() {
            return Err(LineError::Form("there is no name"));
        }
        if kind == Kind::Set && values.is_empty() {
            return Err(LineError::EmptyMember);
        }
        let (mut rate, mut tags, mut t) = (None, None, None);
        for part in parts {
            let is_first = if let Some(text) = part.strip_prefix('@') {
                let read = number(text).filter(|rate| *rate > 0.0 && *rate <= 1.0);
                rate.replace(read.ok_or_else(|| LineError::Rate(text.into()))?).is_none()
            } else if let Some(text) = part.strip_prefix('#') {
                tags.replace(Tags { text, end: ',', between: ':' }).is_none()
            } else if let Some(text) = part.strip_prefix('T') {
                t.replace(number(text).ok_or_else(|| LineError::Time(text.into()))?).is_none()
            } else {
                // Which container it comes from, and what of that Datadog is to make tags of.
                ["c:", "e:", "card:"].iter().any(|ignored| part.starts_with(ignored))
            };
            if !is_first {
                return Err(LineError::Part(part.into()));
            }
        }
        let (rate, tags) = (rate.unwrap_or(1.0), tags.unwrap_or_default());
        Ok(Self { name, name_tags, tags, values, kind, rate, t })
    }

    /// One value, or several packed.
    pub(super) fn values(&self) -> std::str::Split<'a, char> {
        self.values.split(':')
    }
}

/// Names and values of tags. A tag that is only a name is true.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Tags<'a> {
    text: &'a str,
    /// Ends a tag.
    end: char,
    /// Stands between name and value.
    between: char,
}

impl<'a> Iterator for Tags<'a> {
    type Item = (&'a str, &'a str);

    fn next(&mut self) -> Option<Self::Item> {
        while !self.text.is_empty() {
            let (tag, rest) = self.text.split_once(self.end).unwrap_or((self.text, ""));
            self.text = rest;
            if !tag.is_empty() {
                return Some(tag.split_once(self.between).unwrap_or((tag, "true")));
            }
        }
        None
    }
}

/// A finite decimal number, with or without sign, fraction and exponent.
pub(super) fn number(text: &str) -> Option<f64> {
    let is_decimal = text.bytes().all(|byte| byte.is_ascii_digit() || b"+-.eE".contains(&byte));
    text.parse().ok().filter(|number: &f64| is_decimal && number.is_finite())
}
