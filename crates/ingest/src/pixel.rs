//! A point in the URL-encoded form of the URL standard: in a query string for mail, `<img>` and `<noscript>`, or as
//! the body of a `<form>`: `n=1&d=..&p=..&t=..&v.country=US`.

use model::labels::{Labels, LabelsBuilder};
use model::point::{Arrival, Field, Given, Point};

use super::format::{Batch, BodyError, Format};
use super::rejection::Rejection;
use json::scan::{Scanner, Token};

/// The idempotency key; not part of the point.
pub const BATCH: &str = "batch";
/// The write key of a query string; not part of the point.
pub const KEY: &str = "key";
/// Where a browser goes after it has sent a form; not part of the point.
pub const THEN: &str = "then";

/// One point as a form, in a body or a query string.
#[derive(Clone, Copy, Debug)]
pub struct Form;

impl Format for Form {
    fn read(&self, form: &[u8], arrival: Arrival, batch: &mut Batch<'_>) -> Result<(), BodyError> {
        let point = parse(form, arrival);
        batch.push(0, point.as_ref().map(|(point, labels)| (*point, labels.as_str())).map_err(Clone::clone));
        Ok(())
    }
}

/// Parses the point in a query string or the body of a form. Fields left empty are absent.
///
/// # Errors
/// The first rule that a parameter breaks.
pub fn parse(form: &[u8], arrival: Arrival) -> Result<(Point, Labels), Rejection> {
    let mut given = Given::default();
    let mut labels = LabelsBuilder::default();
    for (name, value) in form_urlencoded::parse(form) {
        match name.as_ref() {
            "n" => set(&mut given.n, Field::N, &value)?,
            "d" => set(&mut given.d, Field::D, &value)?,
            "p" => set(&mut given.p, Field::P, &value)?,
            "t" => set(&mut given.t, Field::T, &value)?,
            BATCH | KEY | THEN => {}
            other => match other.strip_prefix("v.") {
                Some(label) => labels.push(label.to_owned().into(), value),
                None => return Err(Rejection::UnknownField(other.into(), other.to_owned())),
            },
        }
    }
    let point = Point::new(&given, arrival)?;
    Ok((point, Labels::from_canonical(labels.canonical()?)))
}

fn set(place: &mut Option<f64>, field: Field, text: &str) -> Result<(), Rejection> {
    let mut scanner = Scanner::new(text.as_bytes());
    if scanner.peek().is_none() {
        return Ok(());
    }
    let number = scanner.number().filter(|_| scanner.peek().is_none());
    let number = number.ok_or(Rejection::NotANumber(field, Token::Named("this text")))?;
    if place.replace(number).is_some() { Err(Rejection::DuplicateField(field)) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: f64 = 1_792_540_800.0;
    const ARRIVAL: Arrival = Arrival { at: NOW, lateness_s: 86_400 };

    #[test]
    fn a_query_string_is_a_point() {
        let (point, labels) =
            parse(b"n=2&d=4&p=10&v.country=US&v.page=%2Fa%20b&batch=x&key=wk_a", ARRIVAL).expect("valid");
        assert_eq!(point, Point { n: 2.0, d: 4.0, p: Some(10.0), t: NOW });
        assert_eq!((labels.value("country"), labels.value("page")), ("US", "/a b"));
    }

    #[test]
    fn fields_left_empty_in_a_form_are_absent() {
        let (point, labels) = parse(b"n=2&d=&p=+&t=&v.country=&then=%2Fthanks&batch=", ARRIVAL).expect("valid");
        assert_eq!((point, labels.as_str()), (Point { n: 2.0, d: 1.0, p: None, t: NOW }, ""));
    }

    #[test]
    fn the_rules_are_the_same_as_for_json() {
        for text in [
            "",
            "n=x",
            "n=",
            "n=+&d=2",
            "n=1&n=2",
            "n=1&m=2",
            "n=1&d=-1",
            "n=1&p=0",
            "n=1&v.=x",
            "n=1&v.a=%00",
            "n=NaN",
            "n=1e999",
        ] {
            assert!(parse(text.as_bytes(), ARRIVAL).is_err(), "{text}");
        }
    }
}
