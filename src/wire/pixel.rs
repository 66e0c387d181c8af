//! A point in a query string, for mail, `<img>` and `<noscript>`: `n=1&d=..&p=..&t=..&v.country=US`.

use crate::domain::labels::{Labels, LabelsBuilder};
use crate::domain::point::{Arrival, Field, Given, Point};

use super::rejection::Rejection;
use super::scan::{Scanner, Token};

/// The point of a query string. `batch` is the idempotency key and no part of it.
///
/// # Errors
/// The first rule that a parameter breaks.
pub fn parse(query_string: &str, arrival: Arrival) -> Result<(Point, Labels), Rejection> {
    let mut given = Given::default();
    let mut labels = LabelsBuilder::default();
    for (name, value) in form_urlencoded::parse(query_string.as_bytes()) {
        match name.as_ref() {
            "n" => set(&mut given.n, Field::N, &value)?,
            "d" => set(&mut given.d, Field::D, &value)?,
            "p" => set(&mut given.p, Field::P, &value)?,
            "t" => set(&mut given.t, Field::T, &value)?,
            "batch" => {}
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
        let (point, labels) = parse("n=2&d=4&p=10&v.country=US&v.page=%2Fa%20b&batch=x", ARRIVAL).expect("valid");
        assert_eq!(point, Point { n: 2.0, d: 4.0, p: Some(10.0), t: NOW });
        assert_eq!((labels.value("country"), labels.value("page")), ("US", "/a b"));
    }

    #[test]
    fn the_rules_are_those_of_json() {
        for text in [
            "",
            "n=x",
            "n=",
            "n=1&n=2",
            "n=1&m=2",
            "n=1&d=-1",
            "n=1&p=0",
            "n=1&v.=x",
            "n=1&v.a=%00",
            "n=NaN",
            "n=1e999",
        ] {
            assert!(parse(text, ARRIVAL).is_err(), "{text}");
        }
    }
}
