//! A message in either encoding of OTLP; only the requested fields are read.
//!
//! Protobuf follows its encoding guide, without groups; JSON follows proto3's JSON with OTLP's changes: names in
//! lowerCamelCase, 64-bit numbers as strings or numbers, enums as numbers or names. Nothing is built from other
//! fields, and only the caller recurses, along the messages that it knows. So neither the depth nor the size of a
//! body costs more than its bytes.

use std::borrow::Cow;
use std::ops::Range;
use std::str::FromStr;

use serde::de::IgnoredAny;

use codec::Reader;

use super::Refused;
use json::scan::Scanner;

const TWO_TO_63: f64 = 9_223_372_036_854_775_808.0;

/// The encoding of a body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Encoding {
    /// `application/json`.
    Json,
    /// `application/x-protobuf`.
    Protobuf,
}

impl Encoding {
    /// The encoding that a content type denotes.
    #[must_use]
    pub fn of(media_type: &str) -> Option<Self> {
        let essence = media_type.split(';').next().unwrap_or_default().trim();
        let known = [Self::Json, Self::Protobuf];
        known.into_iter().find(|encoding| essence.eq_ignore_ascii_case(encoding.media_type()))
    }

    /// Its content type.
    #[must_use]
    pub fn media_type(self) -> &'static str {
        match self {
            Self::Json => "application/json",
            Self::Protobuf => "application/x-protobuf",
        }
    }
}

/// A field of a message: its number in protobuf and its name in JSON.
#[derive(Clone, Copy, Debug)]
pub(super) struct Field(pub(super) u32, pub(super) &'static str);

/// A message whose fields have not been read.
#[derive(Clone, Copy)]
pub(super) enum Message<'a> {
    Protobuf(&'a [u8]),
    /// JSON that is well-formed, before its `{`.
    Json(Scanner<'a>),
}

/// The value of a field; of a repeated field, one of its values.
#[derive(Clone, Copy)]
pub(super) struct Value<'a> {
    name: &'static str,
    form: Form<'a>,
}

#[derive(Clone, Copy)]
enum Form<'a> {
    Varint(u64),
    Fixed(u64),
    Bytes(&'a [u8]),
    Json(Scanner<'a>),
}

/// Receives the value of the field at this index in the list of fields.
type Take<'a, 't> = dyn FnMut(usize, Value<'a>) -> Result<(), Refused> + 't;

impl<'a> Message<'a> {
    /// A body as a message.
    pub(super) fn of(body: &'a [u8], encoding: Encoding) -> Result<Self, Refused> {
        Ok(match encoding {
            Encoding::Protobuf => Self::Protobuf(body),
            Encoding::Json => {
                serde_json::from_slice::<IgnoredAny>(body).map_err(|error| Refused::NotJson(error.to_string()))?;
                Value { name: "the body", form: Form::Json(Scanner::new(body)) }.message()?
            }
        })
    }

    /// Calls back with the values of these fields, in the order of the body; unknown fields are skipped.
    pub(super) fn each(self, fields: &[Field], take: &mut Take<'a, '_>) -> Result<(), Refused> {
        match self {
            Self::Protobuf(bytes) => each_in_protobuf(bytes, fields, take),
            Self::Json(scanner) => each_in_json(scanner, fields, take),
        }
    }
}

fn each_in_protobuf<'a>(bytes: &'a [u8], fields: &[Field], take: &mut Take<'a, '_>) -> Result<(), Refused> {
    const FIXED64_BYTES: usize = 8;
    const FIXED32_BYTES: usize = 4;
    let mut reader = Reader::new(bytes);
    while !reader.is_empty() {
        let tag = reader.varint()?;
        let form = match tag & 7 {
            0 => Form::Varint(reader.varint()?),
            1 => Form::Fixed(u64::from_le_bytes(reader.array::<FIXED64_BYTES>()?)),
            2 => Form::Bytes(reader.bytes()?),
            // No known field has 32 bits.
            5 => {
                reader.take(FIXED32_BYTES)?;
                continue;
            }
            _ => return Err(Refused::NotProtobuf),
        };
        if tag >> 3 == 0 {
            return Err(Refused::NotProtobuf);
        }
        if let Some(index) = fields.iter().position(|field| u64::from(field.0) == tag >> 3) {
            take(index, Value { name: fields[index].1, form })?;
        }
    }
    Ok(())
}

fn each_in_json<'a>(mut scanner: Scanner<'a>, fields: &[Field], take: &mut Take<'a, '_>) -> Result<(), Refused> {
    scanner.eat(b'{');
    while let Some(b'"') = scanner.peek() {
        let name = scanner.string("a field's name")?;
        scanner.eat(b':');
        match fields.iter().position(|field| field.1 == name) {
            Some(index) if scanner.eat(b'[') => {
                while scanner.peek().is_some() && !scanner.eat(b']') {
                    take(index, Value { name: fields[index].1, form: Form::Json(scanner) })?;
                    scanner.skip_value();
                    scanner.eat(b',');
                }
            }
            // `null` means absent.
            Some(index) if scanner.peek() != Some(b'n') => {
                take(index, Value { name: fields[index].1, form: Form::Json(scanner) })?;
            }
            _ => (),
        }
        scanner.skip_value();
        scanner.eat(b',');
    }
    Ok(())
}

impl<'a> Value<'a> {
    pub(super) fn message(self) -> Result<Message<'a>, Refused> {
        let is_object = |mut scanner: Scanner<'_>| scanner.peek() == Some(b'{');
        match self.form {
            Form::Bytes(bytes) => Ok(Message::Protobuf(bytes)),
            Form::Json(scanner) if is_object(scanner) => Ok(Message::Json(scanner)),
            _ => Err(self.must_be("a message")),
        }
    }

    pub(super) fn text(self) -> Result<Cow<'a, str>, Refused> {
        match self.form {
            Form::Bytes(bytes) => std::str::from_utf8(bytes).map(Cow::Borrowed).map_err(|_| self.must_be("UTF-8")),
            Form::Json(mut scanner) => Ok(scanner.string("a text")?),
            _ => Err(self.must_be("a text")),
        }
    }

    /// An unsigned integer, such as a time or a count.
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "whole and within the range")]
    pub(super) fn natural(self) -> Result<u64, Refused> {
        match self.form {
            Form::Varint(number) | Form::Fixed(number) => Ok(number),
            _ => self.whole(0.0..TWO_TO_63 * 2.0, |value| value as u64),
        }
    }

    #[expect(clippy::cast_possible_truncation, reason = "whole and within the range")]
    pub(super) fn integer(self) -> Result<i64, Refused> {
        match self.form {
            Form::Varint(number) | Form::Fixed(number) => Ok(number.cast_signed()),
            _ => self.whole(-TWO_TO_63..TWO_TO_63, |value| value as i64),
        }
    }

    /// May be infinite or NaN.
    pub(super) fn double(self) -> Result<f64, Refused> {
        match self.form {
            Form::Fixed(bits) => Ok(f64::from_bits(bits)),
            _ => self.literal().and_then(|text| text.parse().ok()).ok_or(self.must_be("a number")),
        }
    }

    pub(super) fn boolean(self) -> Result<bool, Refused> {
        match (self.form, self.literal().as_deref()) {
            (Form::Varint(number), _) => Ok(number != 0),
            (_, Some("true")) => Ok(true),
            (_, Some("false")) => Ok(false),
            _ => Err(self.must_be("true or false")),
        }
    }

    /// The number of a name in an enum.
    pub(super) fn choice(self, names: &[&str]) -> Result<u64, Refused> {
        let named = self.literal().and_then(|text| names.iter().position(|name| *name == text));
        named.map_or_else(|| self.natural(), |number| Ok(number as u64))
    }

    /// An integer in JSON; proto3 allows it a fraction and an exponent.
    fn whole<T: FromStr>(self, range: Range<f64>, from: fn(f64) -> T) -> Result<T, Refused> {
        let text = self.literal().unwrap_or_default();
        let is_whole = |value: &f64| value.trunc() == *value && range.contains(value);
        let of_double = || text.parse().ok().filter(is_whole).map(from);
        text.parse().ok().or_else(of_double).ok_or(self.must_be("a whole number of 64 bits"))
    }

    /// The content of a JSON string, or a bare token without quotes.
    fn literal(self) -> Option<Cow<'a, str>> {
        let Form::Json(mut scanner) = self.form else { return None };
        if scanner.peek() == Some(b'"') {
            return scanner.string("a text").ok();
        }
        let start = scanner;
        scanner.skip_value();
        std::str::from_utf8(start.between(&scanner)).ok().map(|text| text.trim_ascii().into())
    }

    fn must_be(self, what: &'static str) -> Refused {
        Refused::Field(self.name, what)
    }
}
