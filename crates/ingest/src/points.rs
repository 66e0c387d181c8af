//! The body of a write: one point, an array of points, or one point per line (NDJSON).
//!
//! This is the hot path, so it borrows from the body and hands over each point as it is read. A bad point is
//! rejected alone: parsing continues after it.

use model::labels::LabelsBuilder;
use model::point::{Arrival, Field, Given, Point};

use super::format::{Batch, BodyError, Format};
use super::rejection::Rejection;
use super::sink::{PointLabels, Sink};
use json::scan::Scanner;

/// The largest body in bytes, after gunzip.
pub const MAX_BODY_BYTES: usize = 1 << 20;
/// The most points in a request.
pub const MAX_POINTS: usize = 10_000;

/// The form of a body, by its content type.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BodyForm {
    /// `application/json`: one JSON value.
    Json,
    /// `application/x-ndjson`: one point per line.
    Lines,
    /// `text/plain` and others: either of the two.
    Either,
}

/// More points than [`MAX_POINTS`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a request can have at most {MAX_POINTS} points")]
pub struct TooManyPoints;

/// Calls back with each point of a body and its index: the point and its labels, or why it is rejected. Absent
/// fields get the defaults of the point's arrival.
///
/// # Errors
/// [`TooManyPoints`], after [`MAX_POINTS`] were reported: the request as a whole is to be rejected.
pub fn each_point(body: &[u8], form: BodyForm, arrival: Arrival, sink: &mut impl Sink) -> Result<(), TooManyPoints> {
    let mut reader = PointReader { arrival, index: 0, labels: LabelsBuilder::default(), sink };
    let mut scanner = Scanner::new(body);
    let is_array = scanner.eat(b'[');
    match form {
        _ if is_array => reader.array(scanner),
        BodyForm::Json => reader.single(body),
        BodyForm::Lines => reader.lines(body),
        BodyForm::Either => reader.either(body),
    }
}

impl Format for BodyForm {
    fn read(&self, body: &[u8], arrival: Arrival, batch: &mut Batch<'_>) -> Result<(), BodyError> {
        Ok(each_point(body, *self, arrival, batch)?)
    }
}

struct PointReader<'a, 'b, S> {
    arrival: Arrival,
    index: usize,
    labels: LabelsBuilder<'a>,
    sink: &'b mut S,
}

/// A point as written.
struct Fields<'a, T> {
    given: Given,
    /// Its labels as written in the body.
    written: &'a [u8],
    /// Whether the same were seen before; if not, they are in the reader's `labels`.
    seen: Option<T>,
}

impl<'a, S: Sink> PointReader<'a, '_, S> {
    fn single(&mut self, body: &'a [u8]) -> Result<(), TooManyPoints> {
        let mut scanner = Scanner::new(body);
        let fields = self.fields(&mut scanner).and_then(|fields| match scanner.peek() {
            None => Ok(fields),
            Some(_) => Err(scanner.expected("nothing after the point").into()),
        });
        self.hand_on(fields)
    }

    /// One point, which may span lines, if nothing follows it.
    fn either(&mut self, body: &'a [u8]) -> Result<(), TooManyPoints> {
        let mut scanner = Scanner::new(body);
        match self.fields(&mut scanner) {
            Ok(fields) if scanner.peek().is_none() => self.hand_on(Ok(fields)),
            _ => self.lines(body),
        }
    }

    fn lines(&mut self, body: &'a [u8]) -> Result<(), TooManyPoints> {
        let is_blank = |line: &&[u8]| line.trim_ascii().is_empty();
        body.split(|byte| *byte == b'\n').filter(|line| !is_blank(line)).try_for_each(|line| self.single(line))
    }

    /// Parses an array, after its opening bracket.
    fn array(&mut self, mut scanner: Scanner<'a>) -> Result<(), TooManyPoints> {
        if !scanner.eat(b']') {
            loop {
                let is_good = self.item(&mut scanner)?;
                if scanner.eat(b']') {
                    break;
                }
                if !is_good && scanner.peek().is_none() {
                    // The point in which the body ends was already rejected for it.
                    return Ok(());
                }
                if !scanner.eat(b',') {
                    return self.hand_on(Err(scanner.expected("`,` or `]` after a point").into()));
                }
            }
        }
        match scanner.peek() {
            None => Ok(()),
            Some(_) => self.hand_on(Err(scanner.expected("nothing after the array").into())),
        }
    }

    /// Whether the item was JSON up to its end.
    fn item(&mut self, scanner: &mut Scanner<'a>) -> Result<bool, TooManyPoints> {
        let start = *scanner;
        let fields = self.fields(scanner).and_then(|fields| match scanner.peek() {
            Some(b',' | b']') | None => Ok(fields),
            Some(_) => Err(scanner.expected("`,` or `]` after a point").into()),
        });
        let is_good = fields.is_ok();
        if !is_good {
            *scanner = start;
            scanner.skip_item();
        }
        self.hand_on(fields)?;
        Ok(is_good)
    }

    fn hand_on(&mut self, fields: Result<Fields<'a, S::Set>, Rejection>) -> Result<(), TooManyPoints> {
        if self.index == MAX_POINTS {
            return Err(TooManyPoints);
        }
        let point = fields.and_then(|Fields { given, written, seen }| {
            let point = Point::new(&given, self.arrival)?;
            Ok((
                point,
                match seen {
                    Some(set) => PointLabels::Seen(set),
                    None => PointLabels::New { written, canonical: self.labels.canonical()? },
                },
            ))
        });
        self.sink.take(self.index, point);
        self.index += 1;
        Ok(())
    }

    /// Parses the fields of one point, from its `{` to its `}`.
    fn fields(&mut self, scanner: &mut Scanner<'a>) -> Result<Fields<'a, S::Set>, Rejection> {
        self.labels.clear();
        let (mut given, mut labels) = (Given::default(), None);
        if !scanner.eat(b'{') {
            return Err(Rejection::NotAnObject(scanner.token()));
        }
        let mut is_last = scanner.eat(b'}');
        while !is_last {
            let name = scanner.string("a field's name in quotes")?;
            scanner.expect(b':', "`:` after a field's name")?;
            match name.as_ref() {
                "n" => number(scanner, &mut given.n, Field::N)?,
                "d" => number(scanner, &mut given.d, Field::D)?,
                "p" => number(scanner, &mut given.p, Field::P)?,
                "t" => number(scanner, &mut given.t, Field::T)?,
                "v" if labels.is_some() => return Err(Rejection::DuplicateField(Field::V)),
                "v" => labels = Some(self.labels(scanner).map_err(in_labels)?),
                unknown => return Err(Rejection::UnknownField(unknown.into(), shortened(unknown))),
            }
            is_last = scanner.eat(b'}');
            if !is_last {
                scanner.expect(b',', "`,` or `}` after a field")?;
            }
        }
        let (written, seen) = labels.unwrap_or_else(|| (&[], self.sink.seen(&[])));
        Ok(Fields { given, written, seen })
    }

    /// The labels of a point as written, and whether the same were seen before.
    fn labels(&mut self, scanner: &mut Scanner<'a>) -> Result<(&'a [u8], Option<S::Set>), Rejection> {
        // Up to the first `}`, which usually ends them; for labels seen before it certainly does.
        if let Some(written) = scanner.up_to(b'}')
            && let Some(set) = self.sink.seen(written)
        {
            scanner.skip(written);
            return Ok((written, Some(set)));
        }
        let start = *scanner;
        label_pairs(scanner, &mut self.labels)?;
        Ok((start.between(scanner), None))
    }
}

fn number(scanner: &mut Scanner<'_>, place: &mut Option<f64>, field: Field) -> Result<(), Rejection> {
    if place.is_some() {
        return Err(Rejection::DuplicateField(field));
    }
    *place = Some(scanner.number().ok_or_else(|| Rejection::NotANumber(field, scanner.token()))?);
    Ok(())
}

fn label_pairs<'a>(scanner: &mut Scanner<'a>, labels: &mut LabelsBuilder<'a>) -> Result<(), Rejection> {
    if !scanner.eat(b'{') {
        return Err(Rejection::NotLabels(scanner.token()));
    }
    if scanner.eat(b'}') {
        return Ok(());
    }
    loop {
        let name = scanner.string("a label's name in quotes")?;
        scanner.expect(b':', "`:` after a label's name")?;
        if scanner.peek() != Some(b'"') {
            return Err(Rejection::LabelNotText(name.as_ref().into(), scanner.token()));
        }
        labels.push(name, scanner.string("a label's value")?);
        if scanner.eat(b'}') {
            return Ok(());
        }
        scanner.expect(b',', "`,` or `}` after a label")?;
    }
}

fn in_labels(rejection: Rejection) -> Rejection {
    match rejection {
        Rejection::Syntax(error, _) => Rejection::Syntax(error, Some(Field::V)),
        other => other,
    }
}

/// A stranger's field name for an error, truncated if it is too long to be meant.
fn shortened(name: &str) -> String {
    const SHOWN_CHARS: usize = 40;
    name.chars().take(SHOWN_CHARS).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sink::tests::Taken;
    use proptest::prelude::*;

    const NOW: f64 = 1_792_540_800.0;
    const ARRIVAL: Arrival = Arrival { at: NOW, lateness_s: 86_400 };

    /// Each point as `n/d/p/t-NOW labels`, each rejection as `index field: message`.
    fn read(body: &str, form: BodyForm) -> Vec<String> {
        let point = |(index, point): (usize, Result<(Point, String), Rejection>)| match point {
            Ok((Point { n, d, p, t }, labels)) => {
                format!("{n}/{d}/{p:?}/{} {}", t - NOW, labels.replace(['\u{1f}', '\u{1e}'], ";"))
            }
            Err(rejection) => format!("{index} {}: {rejection}", rejection.field().unwrap_or("-")),
        };
        taken(body.as_bytes(), form).into_iter().enumerate().map(point).collect()
    }

    fn taken(body: &[u8], form: BodyForm) -> Vec<Result<(Point, String), Rejection>> {
        let mut taken = Taken::default();
        each_point(body, form, ARRIVAL, &mut taken).expect("few points");
        taken.points
    }

    fn error(point: &str) -> String {
        let seen = read(point, BodyForm::Json);
        assert_eq!(seen.len(), 1, "{seen:?}");
        seen[0].clone()
    }

    #[test]
    fn a_body_is_one_point_an_array_or_lines() {
        let full = r#"{ "n": 1234, "d": 3, "p": 10, "v": { "country": "US" }, "t": 1792540800.25 }"#;
        assert_eq!(read(full, BodyForm::Json), ["1234/3/Some(10.0)/0.25 country;US;"]);
        assert_eq!(read("{\n\"n\":1\n}\n", BodyForm::Either), ["1/1/None/0 "]);
        assert_eq!(read(r#"[{"n":1},{"n":2}]"#, BodyForm::Either), ["1/1/None/0 ", "2/1/None/0 "]);
        assert_eq!(read("{\"n\":1}\n\n{\"n\":2}\r\n", BodyForm::Either), ["1/1/None/0 ", "2/1/None/0 "]);
        assert_eq!(read("{\"n\":1}\n{\"n\":2}\n", BodyForm::Lines), ["1/1/None/0 ", "2/1/None/0 "]);
        assert_eq!(read("[]", BodyForm::Json), [""; 0]);
    }

    #[test]
    fn a_bad_point_is_rejected_alone() {
        let body = r#"[{"n":1},{"n":NaN},{"n":"]}"},7,{"n":2,"v":{"a":{"b":[1]}}},{"n":3}]"#;
        assert_eq!(
            read(body, BodyForm::Json),
            [
                "1/1/None/0 ",
                "1 n: n must be a finite number, not NaN",
                "2 n: n must be a finite number, not a string",
                "3 -: a point must be an object such as {\"n\":1}, not a number",
                "4 v: label \"a\" must be a string, not an object",
                "3/1/None/0 ",
            ]
        );
        let lines = "{\"n\":1}\n{\"n\":\n{\"n\":2}";
        assert_eq!(
            read(lines, BodyForm::Lines),
            ["1/1/None/0 ", "1 n: n must be a finite number, not the end", "2/1/None/0 "]
        );
    }

    #[test]
    fn a_broken_array_keeps_the_points_before_the_error() {
        assert_eq!(read(r#"[{"n":1},{"n":2"#, BodyForm::Json)[0], "1/1/None/0 ");
        let cut = |body| read(body, BodyForm::Json)[1..].to_vec();
        assert_eq!(cut(r#"[{"n":1},{"n":2"#), ["1 -: expected `,` or `}` after a field at byte 15, not the end"]);
        assert_eq!(cut(r#"[{"n":1},"#), ["1 -: a point must be an object such as {\"n\":1}, not the end"]);
        assert_eq!(cut(r#"[{"n":1}"#), ["1 -: expected `,` or `]` after a point at byte 8, not the end"]);
        assert_eq!(
            read(r#"[{"n":1}] x"#, BodyForm::Json)[1],
            "1 -: expected nothing after the array at byte 10, not `x`"
        );
        assert_eq!(
            read(r#"[{"n":1},]"#, BodyForm::Json)[1],
            "1 -: a point must be an object such as {\"n\":1}, not `]`"
        );
        assert_eq!(read(r#"[{"n":1} {"n":2},{"n":3}]"#, BodyForm::Json).len(), 2);
    }

    #[test]
    fn every_broken_rule_names_the_field() {
        assert_eq!(error("{}"), "0 n: n is required");
        assert_eq!(error(r#"{"n":1,"value":2}"#), "0 value: unknown field \"value\"; a point has n, d, p, v and t");
        assert_eq!(error(r#"{"n":1,"kv":{}}"#), "0 kv: unknown field \"kv\"; labels go in `v`");
        assert_eq!(error(r#"{"n":1,"n":2}"#), "0 n: n is given twice");
        assert_eq!(error(r#"{"n":1,"v":{},"v":{}}"#), "0 v: v is given twice");
        assert_eq!(error(r#"{"n":1,"v":{"a":"1","a":"2"}}"#), "0 v: label \"a\" is given twice");
        assert_eq!(error(r#"{"n":1e999}"#), "0 n: n must be a finite number");
        assert_eq!(error(r#"{"n":-1e300}"#), "0 n: n must be from -1e100 to 1e100, not -1e300");
        assert_eq!(error(r#"{"n":null}"#), "0 n: n must be a finite number, not null");
        assert_eq!(error(r#"{"n":1,"d":-1}"#), "0 d: d must be 0 or from 1e-100 to 1e100, not -1.0");
        assert_eq!(error(r#"{"n":1,"p":0}"#), "0 p: p must be from 0.001 to 86400 seconds, not 0");
        assert_eq!(error(r#"{"n":1,"v":[]}"#), "0 v: v must be an object of labels, not an array");
        assert_eq!(error(r#"{"n":1,"v":{"a":"\u0000"}}"#), "0 v: label \"a\" contains a control character");
        assert_eq!(error(r#"{"n":1,"v":{"a":"\ud800"}}"#), "0 v: the string at byte 16 has a lone surrogate");
        assert_eq!(error(r#"{"n":1} {"n":2}"#), "0 -: expected nothing after the point at byte 8, not an object");
        assert_eq!(error(r#"{"n":1 "d":2}"#), "0 -: expected `,` or `}` after a field at byte 7, not a string");
        assert!(error(r#"{"n":1,"t":1}"#).starts_with("0 t: t is 1792540799 seconds ago"));
        assert_eq!(error("hello"), "0 -: a point must be an object such as {\"n\":1}, not `h`");
        assert_eq!(error(""), "0 -: a point must be an object such as {\"n\":1}, not the end");
    }

    #[test]
    fn at_most_ten_thousand_points_are_accepted() {
        let body = |points: usize| format!("[{}]", vec!["{\"n\":1}"; points].join(","));
        let read = |points: usize| each_point(body(points).as_bytes(), BodyForm::Json, ARRIVAL, &mut Taken::default());
        assert_eq!((read(MAX_POINTS), read(MAX_POINTS + 1)), (Ok(()), Err(TooManyPoints)));
    }

    proptest! {
        #[test]
        fn any_bytes_are_answered_without_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            for form in [BodyForm::Json, BodyForm::Lines, BodyForm::Either] {
                taken(&bytes, form);
            }
        }

        #[test]
        fn good_points_are_kept_whatever_is_between_them(
            junk in prop::sample::select(vec!["NaN", "{}", "[[]]", "\"a,]\"", "{\"n\":\"}\"}", "{\"v\":{\"a\":[\"]\"]}}", "-", "1e", "{\"n\":1,,}", "{\"x\\\"\":1}"]),
            before in 0usize..5, after in 0usize..5,
        ) {
            let mut items = vec!["{\"n\":1}"; before];
            items.push(junk);
            items.extend(vec!["{\"n\":1}"; after]);
            let (mut good, mut bad) = (0, 0);
            for point in taken(format!("[{}]", items.join(",")).as_bytes(), BodyForm::Json) {
                if point.is_ok() { good += 1 } else { bad += 1 }
            }
            prop_assert_eq!((good, bad), (before + after, 1));
        }

        #[test]
        fn points_are_read_as_serde_json_writes_them(
            n in any::<f64>().prop_filter("within bounds", |v| v.abs() <= 1e100),
            d in proptest::option::of(1e-100f64..1e100),
            p in proptest::option::of(0.1f64..86_400.0),
            labels in proptest::collection::btree_map("[a-zäß\"\\\\ ]{1,10}", "[^\\p{C}]{1,20}", 0..5),
        ) {
            let mut point = serde_json::json!({"n": n, "v": labels});
            if let Some(d) = d { point["d"] = d.into() }
            if let Some(p) = p { point["p"] = p.into() }
            // Twice, as the labels were seen before the second time.
            for read in taken(format!("[{point},{point}]").as_bytes(), BodyForm::Json) {
                let (read, read_labels) = read.expect("valid");
                prop_assert_eq!(read, Point { n, d: d.unwrap_or(1.0), p, t: NOW });
                let read_labels = model::labels::Labels::from_canonical(&read_labels);
                let pairs: std::collections::BTreeMap<String, String> =
                    read_labels.iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
                prop_assert_eq!(&pairs, &labels);
            }
        }
    }
}
