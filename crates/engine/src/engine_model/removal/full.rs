//! Removing when places of chunks are full, so cells lie in the attic of their span.

use super::*;

#[test]
fn a_removal_in_a_full_place_is_applied_once() {
    let mut model = Model::new(limits(400));
    let hour_s = u16::try_from(START_MS / 1000 % 3600).expect("below an hour");
    let at = |after_s: u16| 3_600 + hour_s - after_s;
    model.fill();
    model.take(&Step::Write(vec![vec![point(1, 3, None, at(60)), point(2, 5, None, at(2_000))]]));
    model.take(&Step::Seal);
    // Full again, so both the existing cells and those that arrive lie in the attic.
    model.fill();
    let from_s = Some(START_MS / 1000 - i64::from(at(1_000)));
    let ask = Remove { from_s, to_s: from_s.map(|from_s| from_s + 10), ..Remove::default() };
    assert_eq!(model.remove(&ask, None).expect("removes").points, 0);
    model.finish();
    model.check_tiers();
}
