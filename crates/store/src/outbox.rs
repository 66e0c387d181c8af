//! Batches of points on their way to the upstream, and points that it rejects.
//!
//! `points`, in the forms of [`codec`]: `u8 version = 1, varint points, each: text labels, varint written, u8 flags
//! (1 d, 2 p), number n [, number d] [, number p], number t`. A batch never changes after its first attempt.

use codec::{Malformed, Reader, put_bytes, put_len, put_number, put_varint};
use model::coarse::Counted;
use model::labels::Labels;
use model::point::{LabelledPoint, Point};

use super::sql::{Param, Sql, StoreError, execute};

const VERSION: u8 = 1;
const HAS_D: u8 = 1;
const HAS_P: u8 = 2;

/// Points that are set aside.
#[derive(Clone, Debug, PartialEq)]
pub struct Aside {
    /// When they were set aside, Unix milliseconds.
    pub at_ms: i64,
    /// The upstream's reason.
    pub reason: String,
    /// The points.
    pub points: Vec<Counted>,
}

/// Adds a batch, whose number is greater than all before.
///
/// # Errors
/// As [`Sql::run`]; the same applies to the others.
pub fn insert(sql: &impl Sql, number: i64, points: &[Counted]) -> Result<(), StoreError> {
    let params = [Param::Integer(number), Param::Blob(&encode(points))];
    execute(sql, "INSERT INTO outbox (id, points) VALUES (?, ?)", &params)
}

/// The next batch.
///
/// # Errors
/// As [`Sql::run`].
pub fn first(sql: &impl Sql) -> Result<Option<(i64, Vec<Counted>)>, StoreError> {
    let mut first = None;
    sql.run("SELECT id, points FROM outbox ORDER BY id LIMIT 1", &[], &mut |mut row| {
        first = Some((row.integer()?, decode(&row.blob()?)?));
        Ok(())
    })?;
    Ok(first)
}

/// Calls back with the batches after a number, in order.
///
/// # Errors
/// As [`Sql::run`].
pub fn each_behind(sql: &impl Sql, number: i64, mut each: impl FnMut(i64, Vec<Counted>)) -> Result<(), StoreError> {
    sql.run("SELECT id, points FROM outbox WHERE id > ? ORDER BY id", &[Param::Integer(number)], &mut |mut row| {
        each(row.integer()?, decode(&row.blob()?)?);
        Ok(())
    })
}

/// Removes a batch.
///
/// # Errors
/// As [`Sql::run`].
pub fn remove(sql: &impl Sql, number: i64) -> Result<(), StoreError> {
    execute(sql, "DELETE FROM outbox WHERE id = ?", &[Param::Integer(number)])
}

/// Removes the batches after a number.
///
/// # Errors
/// As [`Sql::run`].
pub fn remove_behind(sql: &impl Sql, number: i64) -> Result<(), StoreError> {
    execute(sql, "DELETE FROM outbox WHERE id > ?", &[Param::Integer(number)])
}

/// Sets points aside.
///
/// # Errors
/// As [`Sql::run`].
pub fn set_aside(sql: &impl Sql, at_ms: i64, reason: &str, points: &[Counted]) -> Result<(), StoreError> {
    let params = [Param::Integer(at_ms), Param::Text(reason), Param::Blob(&encode(points))];
    execute(sql, "INSERT INTO aside (at_ms, reason, points) VALUES (?, ?, ?)", &params)
}

/// The points set aside, newest first, up to a limit.
///
/// # Errors
/// As [`Sql::run`].
pub fn aside(sql: &impl Sql, limit: usize) -> Result<Vec<Aside>, StoreError> {
    let (mut found, limit) = (Vec::new(), i64::try_from(limit).unwrap_or(i64::MAX));
    let statement = "SELECT at_ms, reason, points FROM aside ORDER BY id DESC LIMIT ?";
    sql.run(statement, &[Param::Integer(limit)], &mut |mut row| {
        found.push(Aside { at_ms: row.integer()?, reason: row.text()?, points: decode(&row.blob()?)? });
        Ok(())
    })?;
    Ok(found)
}

/// Deletes the points set aside.
///
/// # Errors
/// As [`Sql::run`].
pub fn clear_aside(sql: &impl Sql) -> Result<(), StoreError> {
    execute(sql, "DELETE FROM aside", &[])
}

fn encode(points: &[Counted]) -> Vec<u8> {
    let mut out = vec![VERSION];
    put_len(&mut out, points.len());
    for Counted { point: LabelledPoint { labels, point }, written } in points {
        put_bytes(&mut out, labels.as_str().as_bytes());
        put_varint(&mut out, *written);
        let d = Some(point.d).filter(|d| *d != 1.0);
        out.push(d.map_or(0, |_| HAS_D) | point.p.map_or(0, |_| HAS_P));
        for number in [Some(point.n), d, point.p, Some(point.t)].into_iter().flatten() {
            put_number(&mut out, number);
        }
    }
    out
}

fn decode(bytes: &[u8]) -> Result<Vec<Counted>, Malformed> {
    let mut reader = Reader::new(bytes);
    if reader.byte()? != VERSION {
        return Err(Malformed(0));
    }
    let mut points = Vec::new();
    for _ in 0..reader.len()? {
        let labels = Labels::from_canonical(reader.text()?);
        let (written, flags, n) = (reader.varint()?, reader.byte()?, reader.number()?);
        let mut optional = |flag: u8| if flags & flag == 0 { Ok(None) } else { reader.number().map(Some) };
        let (d, p) = (optional(HAS_D)?.unwrap_or(1.0), optional(HAS_P)?);
        let point = Point { n, d, p, t: reader.number()? };
        points.push(Counted { point: LabelledPoint { labels, point }, written });
    }
    Ok(points)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schema;
    use crate::testing::TestSql;

    fn counted(n: f64, d: f64, p: Option<f64>) -> Counted {
        let labels = Labels::from_canonical("a\u{1f}b\u{1e}");
        Counted { point: LabelledPoint { labels, point: Point { n, d, p, t: 7.5 } }, written: 300 }
    }

    #[test]
    fn the_form_of_a_batch_is_pinned() {
        let bytes = encode(&[counted(1.0, 1.0, None)]);
        assert_eq!(bytes, [&[1, 1, 4][..], b"a\x1fb\x1e", &[0xac, 2, 0, 4, 1], &7.5f64.to_le_bytes()].concat());
        let points = [counted(-2.0, 3.0, Some(0.5)), counted(1.0, 1.0, Some(10.0)), counted(0.1, 0.0, None)];
        assert_eq!(decode(&encode(&points)), Ok(points.to_vec()));
        assert!(decode(&[2, 0]).is_err() && decode(&bytes[..9]).is_err());
    }

    #[test]
    fn batches_are_in_order_and_rejected_points_are_kept() {
        let sql = TestSql::new();
        schema::migrate(&sql).expect("migrates");
        let of = |n: f64| vec![counted(n, 1.0, None)];
        for (number, n) in [(3, 3.0), (4, 4.0), (5, 5.0)] {
            insert(&sql, number, &of(n)).expect("inserts");
        }
        assert_eq!(first(&sql), Ok(Some((3, of(3.0)))));
        let mut behind = Vec::new();
        each_behind(&sql, 3, |number, points| behind.push((number, points))).expect("reads");
        assert_eq!(behind, [(4, of(4.0)), (5, of(5.0))]);
        remove(&sql, 3).expect("removes");
        remove_behind(&sql, 4).expect("removes");
        assert_eq!((first(&sql), sql.count("outbox")), (Ok(Some((4, of(4.0)))), 1));
        for at_ms in [1, 2] {
            set_aside(&sql, at_ms, "no", &of(9.0)).expect("sets aside");
        }
        assert_eq!(aside(&sql, 1), Ok(vec![Aside { at_ms: 2, reason: "no".into(), points: of(9.0) }]));
        clear_aside(&sql).expect("clears");
        assert_eq!(aside(&sql, 9), Ok(Vec::new()));
    }
}
