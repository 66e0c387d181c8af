//! Spreads a point over buckets, so that the sum over all buckets is the point again.
//!
//! A period is not cut into 10 s pieces throughout. As in a segment tree, the widest whole buckets that fit cover
//! its inside, and only its ends go to finer ones. So a point costs at most [`MAX_PIECES`] pieces, however long its
//! period is, and a stranger's one-day point is as cheap as it looks.

use super::cell::{Cell, Cover};
use super::point::Point;
use super::tier::{Layer, Tier, floor_to};
use codec::columns::SHARES;

/// Two partial buckets at the ends, the buckets of each tier up to the next wider one on both sides, and
/// the whole day or its hours between: 2 + 2*5 + 2*9 + 2*5 + 24, rounded up.
pub const MAX_PIECES: usize = 64;

/// Calls back with each piece of a point as (layer, start of the bucket, cell).
pub fn spread(point: &Point, mut put: impl FnMut(Layer, i64, Cell)) {
    let home = bucket_holding(point.t);
    let Some(p) = point.p else {
        return put(Layer::Total(Tier::FINEST), home, Cell::of(point));
    };
    let whole = Cover::of(point);
    let mut count = 1;
    for piece in shares(point.n, point.d, point.t - p, point.t) {
        let layer = if piece.tier == Tier::FINEST { Layer::Total(piece.tier) } else { Layer::Spread(piece.tier) };
        let cover = Cover { n: piece.n, d: piece.d, extent: whole.extent };
        let is_home = layer == Layer::Total(Tier::FINEST) && piece.start_s == home;
        put(layer, piece.start_s, Cell::plain(if is_home { std::mem::take(&mut count) } else { 0 }, Some(cover)));
    }
    if count > 0 {
        put(Layer::Total(Tier::FINEST), home, Cell::end_of_period(point));
    }
}

/// The part of a period that lies in one bucket.
#[derive(Clone, Copy, Debug)]
struct Piece {
    tier: Tier,
    start_s: i64,
    width_s: f64,
    n: f64,
    d: f64,
}

/// Shares are whole multiples of 2^-40: at most a trillionth of the point off, and half as long as other fractions
/// when stored; sums of shares of whole numbers are exact.
fn shares(n: f64, d: f64, from: f64, to: f64) -> Vec<Piece> {
    let mut pieces = cut(from, to);
    if let [only] = &mut pieces[..] {
        // Includes periods too short for f64 to distinguish their ends.
        (only.n, only.d) = (n, d);
        return pieces;
    }
    let total_s: f64 = pieces.iter().map(|piece| piece.width_s).sum();
    for piece in &mut pieces {
        piece.d = (piece.width_s / total_s * SHARES).round() / SHARES;
    }
    settle(&mut pieces, 1.0, |piece| &mut piece.d);
    for piece in &mut pieces {
        (piece.n, piece.d) = (n * piece.d, d * piece.d);
    }
    settle(&mut pieces, n, |piece| &mut piece.n);
    settle(&mut pieces, d, |piece| &mut piece.d);
    pieces
}

/// Adds the rounding error to the widest piece, where it weighs least.
fn settle(pieces: &mut [Piece], whole: f64, part: impl Fn(&mut Piece) -> &mut f64) {
    let sum: f64 = pieces.iter_mut().map(|piece| *part(piece)).sum();
    let rest = whole - sum;
    if let Some(widest) = pieces.iter_mut().max_by(|a, b| a.width_s.total_cmp(&b.width_s)).filter(|_| rest.is_finite())
    {
        *part(widest) += rest;
    }
}

fn cut(from: f64, to: f64) -> Vec<Piece> {
    let mut pieces = Vec::with_capacity(MAX_PIECES);
    let width_s = Tier::FINEST.width_s();
    let (first, last) = (bucket_holding(from), bucket_holding(to));
    let piece = |tier: Tier, start_s: i64, width_s: f64| Piece { tier, start_s, width_s, n: 0.0, d: 0.0 };
    if first == last {
        pieces.push(piece(Tier::FINEST, first, to - from));
        return pieces;
    }
    let mut at = first;
    if seconds(first) < from {
        pieces.push(piece(Tier::FINEST, first, seconds(first + width_s) - from));
        at += width_s;
    }
    while at < last {
        let tier = widest_at(at, last);
        pieces.push(piece(tier, at, seconds(tier.width_s())));
        at += tier.width_s();
    }
    if to > seconds(last) {
        pieces.push(piece(Tier::FINEST, last, to - seconds(last)));
    }
    pieces
}

fn widest_at(at: i64, end: i64) -> Tier {
    let fits = |tier: &Tier| at % tier.width_s() == 0 && at + tier.width_s() <= end;
    Tier::ALL.into_iter().rev().find(fits).unwrap_or(Tier::FINEST)
}

#[expect(clippy::cast_possible_truncation, reason = "a valid point's time is within a day of now")]
fn bucket_holding(t: f64) -> i64 {
    floor_to(t.floor() as i64, Tier::FINEST.width_s())
}

#[expect(clippy::cast_precision_loss, reason = "seconds since 1970 fit 53 bits for the next 285 million years")]
fn seconds(whole: i64) -> f64 {
    whole as f64
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const NOW: f64 = 1_792_540_800.0;

    fn pieces(n: f64, p: Option<f64>, t: f64) -> Vec<(Layer, i64, Cell)> {
        let mut out = Vec::new();
        spread(&Point { n, d: 2.0, p, t }, |layer, start_s, cell| out.push((layer, start_s, cell)));
        out
    }

    fn sum_of(pieces: &[(Layer, i64, Cell)], part: fn(&Cover) -> f64) -> f64 {
        pieces.iter().filter_map(|(_, _, cell)| cell.cover.as_ref()).map(part).sum()
    }

    #[test]
    fn an_instant_falls_into_the_bucket_that_contains_it() {
        let all = pieces(5.0, None, NOW + 9.99);
        assert_eq!(all.len(), 1);
        assert_eq!((all[0].0, all[0].1, all[0].2.count), (Layer::Total(Tier::S10), 1_792_540_800, 1));
    }

    #[test]
    fn a_period_within_one_bucket_stays_there() {
        let all = pieces(5.0, Some(2.0), NOW + 5.0);
        assert!(all.iter().all(|(_, start_s, _)| *start_s == 1_792_540_800));
        assert!((sum_of(&all, |cover| cover.n) - 5.0).abs() < 1e-12);
    }

    #[test]
    fn a_period_too_short_for_f64_loses_nothing() {
        assert_eq!(sum_of(&pieces(5.0, Some(1e-12), NOW), |cover| cover.n), 5.0);
        assert_eq!(sum_of(&pieces(5.0, Some(1e-12), NOW + 3.0), |cover| cover.n), 5.0);
    }

    #[test]
    fn the_count_goes_to_the_bucket_that_contains_t() {
        let all = pieces(30.0, Some(30.0), NOW);
        let counted: Vec<i64> =
            all.iter().filter(|(_, _, cell)| cell.count > 0).map(|(_, start_s, _)| *start_s).collect();
        assert_eq!(counted, [1_792_540_800]);
        let covered: Vec<i64> =
            all.iter().filter(|(_, _, cell)| cell.cover.is_some()).map(|(_, start_s, _)| *start_s).collect();
        assert_eq!(covered, [1_792_540_770, 1_792_540_780, 1_792_540_790]);
    }

    proptest! {
        #[test]
        fn the_sum_over_all_buckets_is_the_point_again(
            n in -1e12f64..1e12, p in 0.001f64..86_400.0, offset in 0.0f64..86_400.0,
        ) {
            let all = pieces(n, Some(p), NOW + offset);
            prop_assert!(all.len() <= MAX_PIECES);
            prop_assert!((sum_of(&all, |cover| cover.n) - n).abs() <= n.abs() * 1e-14);
            prop_assert!((sum_of(&all, |cover| cover.d) - 2.0).abs() <= 1e-14);
            prop_assert_eq!(all.iter().map(|(_, _, cell)| cell.count).sum::<u64>(), 1);
        }

        #[test]
        fn every_covered_second_has_the_same_share(p in 20.0f64..86_400.0, offset in 0.0f64..86_400.0) {
            let t = NOW + offset;
            for (layer, start_s, cell) in pieces(p, Some(p), t) {
                let Some(cover) = cell.cover else { continue };
                let from = seconds(start_s).max(t - p);
                let to = seconds(start_s + layer.tier().width_s()).min(t);
                prop_assert!((cover.n - (to - from)).abs() < 1e-4, "{cover:?} in {from}..{to}");
            }
        }
    }
}
