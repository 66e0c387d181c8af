//! The bytes that a removal says it has freed.

use super::*;

#[test]
fn bytes_freed_by_a_seal_amid_a_removal_count_too() {
    let freed = |is_sealed_amid: bool| {
        let mut model = some(1);
        let begun = model.remove(&of_series(1), None).expect("removes");
        assert!(!begun.is_done && begun.bytes < 1_000, "{begun:?}");
        if is_sealed_amid {
            // Places where something is sealed are finished first.
            let points = (0..15u16).map(|at| point(2, 1, Some(4_000), at * 2_800)).collect();
            model.told.clear();
            model.take(&Step::Write(vec![points]));
            model.take(&Step::Seal);
        }
        model.finish();
        let asked = model.engine.remove(&Remove { call: Some(begun.call), ..of_series(1) }, model.now_ms);
        asked.expect("is known").bytes
    };
    let (amid, undisturbed) = (freed(true), freed(false));
    assert!(amid == undisturbed && amid > 1_000, "{amid} {undisturbed}");
}
