//! Parses one statsd line: `name:value|type`, with the additions of `DogStatsD` (datagrams up to v1.3), Graphite
//! and `InfluxDB`. <https://github.com/statsd/statsd/blob/master/docs/metric_types.md>,
//! <https://docs.datadoghq.com/developers/dogstatsd/datagram_shell>
//!
//! Two grammars allow several values per line. `DogStatsD` packs them before one type (`a:1:2|ms`), and statsd
//! itself repeats `value|type|@rate` (`a:1|ms:2|c`). A line that mixes both is rejected: its colons may as well
//! belong to its name.

use crate::points::MAX_POINTS;
use model::labels::Quoted;
use model::point::Field;

/// Why a line or one of its values is rejected.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LineError {
    /// It does not have the form of a line, for this reason.
    #[error("{0}; write a line such as page.views:1|c")]
    Form(&'static str),
    /// Something that `DogStatsD` sends besides metrics.
    #[error("{0} have no number to store; send counters, timers, gauges and sets")]
    NoMetric(&'static str),
    /// An unknown type.
    #[error("the type must be c, ms, h, d, g or s, not {0}")]
    Type(Quoted),
    /// An unknown part, or one that occurs twice.
    #[error("unknown or repeated part {0}; the type can be followed by @rate, #tags and Ttime, each once")]
    Part(Quoted),
    /// A value that is not a number.
    #[error("a value must be a number, not {0}")]
    Value(Quoted),
    /// One of several values that is not a number: the name may contain colons.
    #[error("a value must be a number, not {0}, and a name can't contain a colon")]
    Packed(Quoted),
    /// A value that is not finite after division by its sample rate.
    #[error("n must be a finite number")]
    TooLarge,
    /// An invalid sample rate.
    #[error("the sample rate must be greater than 0 and at most 1, not {0}")]
    Rate(Quoted),
    /// A time that is not a number.
    #[error("the time must be in seconds since 1970, such as T1656581400, not {0}")]
    Time(Quoted),
    /// An empty member of a set.
    #[error("the member of a set must not be empty")]
    EmptyMember,
}

impl LineError {
    /// The part of a point at fault, if the line has the form of one.
    #[must_use]
    pub fn field(&self) -> Option<Field> {
        match self {
            Self::Form(_) | Self::NoMetric(_) | Self::Type(_) | Self::Part(_) => None,
            Self::Value(_) | Self::Packed(_) | Self::TooLarge => Some(Field::N),
            Self::Rate(_) => Some(Field::D),
            Self::Time(_) => Some(Field::T),
            Self::EmptyMember => Some(Field::V),
        }
    }
}

/// The type of a metric.
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

/// What all values of a line share.
#[derive(Debug, PartialEq)]
pub(super) struct Line<'a> {
    pub(super) name: &'a str,
    /// Tags after the name, as in Graphite and `InfluxDB`.
    pub(super) name_tags: Tags<'a>,
    /// Tags in a part of their own, as in `DogStatsD`.
    pub(super) tags: Tags<'a>,
    pub(super) t: Option<f64>,
}

impl<'a> Line<'a> {
    /// Parses a line, and puts its bits into `bits`; there is at least one.
    pub(super) fn parse(line: &'a [u8], bits: &mut Vec<Bit<'a>>) -> Result<Self, LineError> {
        let line = std::str::from_utf8(line).map_err(|_| LineError::Form("the line is not UTF-8"))?;
        if line.starts_with("_e{") {
            return Err(LineError::NoMetric("events"));
        }
        if line.starts_with("_sc|") {
            return Err(LineError::NoMetric("service checks"));
        }
        let (name, rest) = line
            .split_once(':')
            .filter(|(name, _)| !name.contains('|'))
            .ok_or(LineError::Form("`:` and a value are missing"))?;
        let parts = split_bits(rest, bits)?;
        let (name, name_tags) = match name.find([';', ',']) {
            Some(end) => (
                &name[..end],
                Tags { text: &name[end..], end: if name[end..].starts_with(';') { ';' } else { ',' }, between: '=' },
            ),
            None => (name, Tags::default()),
        };
        if name.is_empty() {
            return Err(LineError::Form("the name is missing"));
        }
        let (mut tags, mut t) = (None, None);
        for part in parts.split('|').skip(1) {
            let is_first = if let Some(text) = part.strip_prefix('#') {
                tags.replace(Tags { text, end: ',', between: ':' }).is_none()
            } else if let Some(text) = part.strip_prefix('T') {
                t.replace(number(text).ok_or_else(|| LineError::Time(text.into()))?).is_none()
            } else if let (Some(text), [Bit { rate, .. }]) = (part.strip_prefix('@'), &mut bits[..]) {
                rate.replace(text).is_none()
            } else {
                // The container, and which of its properties Datadog should use as tags.
                ["c:", "e:", "card:"].iter().any(|ignored| part.starts_with(ignored))
            };
            if !is_first {
                return Err(LineError::Part(part.into()));
            }
        }
        Ok(Self { name, name_tags, tags: tags.unwrap_or_default(), t })
    }
}

/// Values with their type and rate, not parsed yet.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Bit<'a> {
    /// The values of the points or, for a set, its new member.
    pub(super) values: &'a str,
    kind: &'a str,
    rate: Option<&'a str>,
}

impl<'a> Bit<'a> {
    /// Its type, its rate in (0, 1], and whether all of its values can be stored: packed values are stored all or
    /// none.
    pub(super) fn read(&self) -> Result<(Kind, f64), LineError> {
        let kind = Kind::of(self.kind).ok_or_else(|| LineError::Type(self.kind.into()))?;
        let rate = self.rate.map_or(Ok(1.0), |text| {
            number(text).filter(|rate| *rate > 0.0 && *rate <= 1.0).ok_or_else(|| LineError::Rate(text.into()))
        })?;
        if kind == Kind::Set {
            return if self.values.is_empty() { Err(LineError::EmptyMember) } else { Ok((kind, rate)) };
        }
        // A gauge is not sampled.
        let rate = if kind == Kind::Gauge { 1.0 } else { rate };
        let is_packed = self.values.contains(':');
        for text in self.values() {
            let value = number(text).ok_or_else(|| {
                if is_packed { LineError::Packed(text.into()) } else { LineError::Value(text.into()) }
            })?;
            if !(value / rate).is_finite() || !rate.recip().is_finite() {
                return Err(LineError::TooLarge);
            }
        }
        Ok((kind, rate))
    }

    /// One value, or several packed.
    pub(super) fn values(&self) -> std::str::Split<'a, char> {
        self.values.split(':')
    }
}

/// Splits what follows a name into bits: `value|type|@rate`, joined by colons. Returns the parts that all of them
/// share.
fn split_bits<'a>(mut rest: &'a str, bits: &mut Vec<Bit<'a>>) -> Result<&'a str, LineError> {
    bits.clear();
    loop {
        if bits.len() > MAX_POINTS {
            // The request is rejected as a whole, so the rest does not matter.
            return Ok("");
        }
        let (values, after) = rest.split_once('|').ok_or(LineError::Form("`|` and a type are missing"))?;
        let (kind, mut left) = split_at_mark(after);
        let mut rate = None;
        if let Some(after) = left.strip_prefix("|@") {
            let (text, end) = split_at_mark(after);
            (rate, left) = (Some(text), end);
        }
        bits.push(Bit { values, kind, rate });
        match left.strip_prefix(':') {
            Some(next) => rest = next,
            None if bits.len() > 1 && bits.iter().any(|bit| bit.values.contains(':')) => {
                return Err(LineError::Form(
                    "a line can have several values before one type, or a type after each value, not both",
                ));
            }
            None => return Ok(left),
        }
    }
}

/// Splits before the next mark, which ends a type or a rate.
fn split_at_mark(text: &str) -> (&str, &str) {
    text.split_at(text.find(['|', ':']).unwrap_or(text.len()))
}

/// Names and values of tags. The value of a tag without one is `true`.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Tags<'a> {
    text: &'a str,
    /// Ends a tag.
    end: char,
    /// Separates name and value.
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
