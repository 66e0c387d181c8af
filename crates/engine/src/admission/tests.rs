//! What each writer gets of the budgets, and that no writer uses up another's.

use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::answers::Share;
use config::who::KeyHash;

const NOW_MS: i64 = 1_792_540_800_000;
const GIB: u64 = 1 << 30;

fn new() -> Admission {
    Admission::new([7; 16], Shared::default(), 0)
}

fn open(network: &str) -> Writer<'_> {
    Writer { who: Who::Open, network, place: "", origin: None }
}

fn keyed(key: u8) -> Writer<'static> {
    Writer { who: Who::Keyed(KeyHash::from_bytes([key; 32])), network: "192.0.2.1", place: "", origin: None }
}

struct Stage {
    admission: Admission,
    limits: Limits,
    shards: u16,
    held: Held,
    has_key: bool,
    late_places: u64,
    now_ms: i64,
}

impl Stage {
    fn new() -> Self {
        let (limits, held) = (Limits::default(), Held::default());
        Self { admission: new(), limits, shards: 1, held, has_key: false, late_places: 0, now_ms: NOW_MS }
    }

    fn ask(&mut self, writer: &Writer<'_>, units: u64) -> Result<Charge, Limited> {
        let cost = Cost { units, late_places: self.late_places };
        let ask = Ask { writer, cost, has_key: self.has_key, held: self.held };
        self.admission.admit(&ask, &self.limits, self.shards, self.now_ms).map_err(|limited| *limited)
    }

    fn units(&mut self, writer: &Writer<'_>, units: u64) -> Vec<(Budget, Holder, u32)> {
        match self.ask(writer, units) {
            Ok(_) => Vec::new(),
            Err(limited) => limited.hits.iter().map(|hit| (hit.budget, hit.of, hit.retry_after_s)).collect(),
        }
    }
}

#[test]
fn a_network_gets_its_burst_then_its_rate_and_delays_no_other() {
    let mut stage = Stage::new();
    for _ in 0..6 {
        assert_eq!(stage.units(&open("192.0.2.1"), 10_000), []);
    }
    assert_eq!(stage.units(&open("192.0.2.1"), 10_000), [(Budget::Units, Holder::Network, 20)]);
    assert_eq!(stage.units(&open("192.0.2.2"), 10_000), []);
    stage.now_ms += 19_999;
    assert_eq!(stage.units(&open("192.0.2.1"), 10_000).len(), 1);
    stage.now_ms += 1;
    assert_eq!(stage.units(&open("192.0.2.1"), 10_000), []);
}

#[test]
fn filling_all_parts_takes_one_network_14_hours() {
    let mut stage = Stage::new();
    // 60 bodies of 440,000 units are too large; as 264 smaller ones they are admitted.
    let (mut bodies, mut waited_s) = (0, 0);
    while bodies < 264 {
        match stage.ask(&open("192.0.2.1"), 100_000) {
            Ok(_) => bodies += 1,
            Err(limited) => {
                waited_s += i64::from(limited.retry_after_s());
                stage.now_ms += i64::from(limited.retry_after_s()) * 1_000;
            }
        }
    }
    assert_eq!(waited_s, 263 * 200, "14 hours and some");
    assert_eq!(stage.admission.most_open_units(&stage.limits, 1), 100_000.0);
}

#[test]
fn a_flood_from_a_few_networks_leaves_room_for_small_writers() {
    let mut stage = Stage::new();
    let mut taken = 0;
    for number in 0..100 {
        let network = format!("203.0.{number}.1");
        while stage.units(&open(&network), 10_000).is_empty() {
            taken += 10_000;
        }
    }
    assert_eq!(taken, 210_000, "70 % of 300,000");
    let refused = stage.ask(&open("203.0.99.1"), 10_000).expect_err("is much");
    assert!(
        refused
            .detail
            .contains("all writers without a key together, which is 10000 units per second and 300000 at once")
    );
    assert_eq!(refused.closed_s, 0, "less would pass");
    for number in 0..1_000 {
        assert_eq!(stage.units(&open(&format!("198.51.{}.{}", number / 250, number % 250)), 40), []);
    }
    stage.now_ms += i64::from(refused.retry_after_s() + 4) * 1_000;
    assert_eq!(stage.units(&open("203.0.99.1"), 10_000), [], "all of it flows off at 10,000 per second");
}

#[test]
fn many_greedy_networks_leave_room_for_small_writes() {
    let mut stage = Stage::new();
    let (mut small, mut refused) = (0, 0);
    // Three hundred networks with 2,000 units each, ten times per second: 600 times the budget.
    for _ in 0..200 {
        stage.now_ms += 100;
        for network in 0..300 {
            let _ = stage.ask(&open(&format!("10.{}.{}.1", network / 256, network % 256)), 1_990);
        }
        small += 1;
        refused += usize::from(!stage.units(&open("192.0.2.1"), 12).is_empty());
    }
    assert_eq!((small, refused), (200, 0));
}

#[test]
fn a_flood_from_new_networks_does_not_lock_out_known_ones() {
    let mut stage = Stage::new();
    let flood = |stage: &mut Stage, from: u32, requests: u32| {
        let passes =
            |number: &u32| stage.units(&open(&format!("10.{}.{}.1", number >> 8, number & 255)), 40).is_empty();
        (from..from + requests).filter(passes).count()
    };
    assert_eq!(stage.units(&open("192.0.2.1"), 12), []);
    stage.now_ms += 120_000;
    // Each write is small, and from a network that never wrote before.
    let taken = flood(&mut stage, 0, 10_000) * 40;
    assert!((268_000..=270_000).contains(&taken), "{taken}: 90 % of 300,000");
    assert_eq!(stage.units(&open("192.0.2.2"), 40), [(Budget::Units, Holder::Open, 1)]);
    assert_eq!(stage.units(&open("192.0.2.2"), 12), [], "a newcomer that takes less than they do");
    assert!((0..30).all(|_| stage.units(&open("192.0.2.1"), 12).is_empty()));
    // Continuing does not make them familiar.
    for _ in 0..200 {
        stage.now_ms += 1_000;
        assert!(flood(&mut stage, 0, 2_000) < 300, "10,000 units per second");
        assert_eq!(stage.units(&open("192.0.2.1"), 12), []);
    }
}

#[test]
fn a_write_key_shares_its_budget_with_no_other_writer() {
    let mut stage = Stage::new();
    for network in 0..=255 {
        let _ = stage.ask(&open(&format!("10.0.{network}.1")), 600_000);
    }
    for _ in 0..300 {
        assert_eq!(stage.units(&keyed(1), 10_000), []);
    }
    assert_eq!(stage.units(&keyed(1), 10_000), [(Budget::Units, Holder::Key, 2)]);
    assert_eq!(stage.units(&keyed(2), 10_000), []);
    let owner = Writer { who: Who::Owner, ..open("") };
    assert!((0..1_000).all(|_| stage.ask(&owner, 600_000).is_ok()));
}

#[test]
fn wider_networks_have_four_times_as_much() {
    let mut stage = Stage::new();
    let per_wide = |stage: &mut Stage, of: &dyn Fn(usize) -> String| {
        (0..200).filter(|number| stage.units(&open(&of(*number)), 40_000).is_empty()).count()
    };
    assert_eq!(per_wide(&mut stage, &|number| format!("192.0.2.{number}")), 5, "70 % of what all share");
    let mut stage = Stage::new();
    stage.limits = stage.limits.changed(&json!({ "open_units_per_s": 1_000_000 })).expect("valid");
    assert_eq!(per_wide(&mut stage, &|number| format!("192.0.2.{number}")), 6, "4 * 60,000");
    assert_eq!(per_wide(&mut stage, &|number| format!("2001:db8:1:{number:x}::/64")), 6);
    assert_eq!(wider("2001:db8:1:2::/64").as_deref(), Some("2001:db8:1::/48"));
    assert_eq!((wider("192.0.2.77").as_deref(), wider("unknown"), wider("")), (Some("192.0.2.0/24"), None, None));
}

#[test]
fn writers_of_unknown_networks_share_one_budget() {
    let mut stage = Stage::new();
    for _ in 0..30 {
        assert_eq!(stage.units(&open(""), 10_000), []);
    }
    assert_eq!(stage.units(&open(""), 10_000), [(Budget::Units, Holder::Open, 1)]);
    assert_eq!(stage.units(&open("192.0.2.1"), 11), [(Budget::Units, Holder::Open, 4)], "until 90 % is taken");
}

#[test]
fn late_places_have_their_own_budget_and_delay_no_other_writes() {
    let mut stage = Stage::new();
    stage.late_places = 50;
    assert!((0..6).all(|_| stage.ask(&open("192.0.2.1"), 11).is_ok()));
    let refused = stage.ask(&open("192.0.2.1"), 11).expect_err("300 at once");
    assert_eq!(refused.header(), "300:late:network");
    assert!(
        refused.detail.contains("a network, which is 600 late places per hour and 300 at once"),
        "{}",
        refused.detail
    );
    assert_eq!(refused.closed_s, 0);
    stage.late_places = 0;
    assert_eq!(stage.units(&open("192.0.2.1"), 11), []);
}

#[test]
fn a_network_and_open_writers_cannot_use_up_idempotency_keys() {
    let mut stage = Stage::new();
    stage.has_key = true;
    let much = json!({ "open_units_per_s": 1_000_000, "network_units_per_s": 1_000_000 });
    stage.limits = stage.limits.changed(&much).expect("valid");
    let admitted = (0..100_000).filter(|_| stage.ask(&open("192.0.2.1"), 11).is_ok()).count();
    assert!((16_499..=16_500).contains(&admitted), "{admitted}");
    assert_eq!(stage.units(&open("192.0.2.1"), 11)[0].0, Budget::Keys);
    stage.has_key = false;
    assert_eq!(stage.units(&open("192.0.2.1"), 11), [], "without a key it is taken");
    stage.has_key = true;
    let share = |fill| Share { fill, oldest_ends_ms: NOW_MS + 7_000 };
    stage.held.open = share(0.999);
    assert_eq!(stage.units(&open("192.0.2.1"), 11)[0].0, Budget::Keys);
    assert_eq!(stage.units(&open("198.51.100.1"), 11), [], "who takes little has the rest");
    stage.held.open = share(1.0);
    assert_eq!(stage.units(&open("198.51.100.1"), 11), [(Budget::Keys, Holder::Open, 7)]);
    assert_eq!(stage.units(&keyed(1), 11), []);
    stage.held.full_until_ms = Some(NOW_MS + 3_000);
    assert_eq!(stage.units(&keyed(1), 11), [(Budget::Keys, Holder::Key, 3)]);
}

#[test]
fn disk_growth_by_open_writers_is_charged_at_each_seal() {
    let mut stage = Stage::new();
    let seal = |stage: &mut Stage, size_bytes: u64| {
        let shared = stage.admission.sealed(size_bytes, &stage.limits, 1, stage.now_ms);
        stage.admission.mark_sealed(shared, size_bytes);
    };
    let writes = |stage: &mut Stage| (stage.units(&open("192.0.2.1"), 100), stage.units(&keyed(1), 300));
    assert_eq!(writes(&mut stage), (vec![], vec![]));
    seal(&mut stage, 2 * GIB);
    assert_eq!(writes(&mut stage), (vec![], vec![]), "a quarter of the growth was theirs");
    stage.admission.open_units = 0;
    stage.admission.all_units = 0;
    seal(&mut stage, 3 * GIB);
    let (open_hits, keyed_hits) = writes(&mut stage);
    assert_eq!((open_hits[0].0, open_hits[0].1, keyed_hits), (Budget::Disk, Holder::Open, vec![]));
    assert!((80_000..=86_400).contains(&open_hits[0].2), "1.6 GB of 1 and 0.5 per day: {open_hits:?}");
    seal(&mut stage, GIB);
    stage.now_ms += 4 * 86_400_000;
    assert_eq!(writes(&mut stage), (vec![], vec![]), "what shrinks is not growth, and time passes");
}

#[test]
fn a_filling_disk_stops_open_writers_first_then_write_keys() {
    let with = |used_bytes: u64| {
        let mut stage = Stage { admission: Admission::new([7; 16], Shared::default(), used_bytes), ..Stage::new() };
        stage.limits = stage.limits.changed(&json!({ "storage_bytes": 100_000_000 })).expect("valid");
        let owner = Writer { who: Who::Owner, ..open("") };
        [open("192.0.2.1"), keyed(1), owner].map(|writer| stage.ask(&writer, 11).map(|_| ()).map_err(|it| it.header()))
    };
    assert_eq!(with(84_000_000), [Ok(()), Ok(()), Ok(())]);
    assert_eq!(with(85_000_000), [Err("600:disk:open".into()), Ok(()), Ok(())]);
    assert_eq!(with(95_000_000), [Err("600:disk:open".into()), Err("600:disk:key".into()), Ok(())]);
    let mut stage = Stage { admission: Admission::new([7; 16], Shared::default(), 10 * GIB), ..Stage::new() };
    let refused = stage.ask(&open("192.0.2.1"), 11).expect_err("is full");
    assert!(refused.detail.starts_with("107 % of the disk space that the stream may use"), "{}", refused.detail);
    assert_eq!(refused.closed_s, 600);
    stage.admission.shrunk_to(GIB);
    assert_eq!(stage.units(&open("192.0.2.1"), 11), []);
}

#[test]
fn a_write_that_is_not_stored_is_refunded() {
    let mut stage = Stage::new();
    stage.has_key = true;
    let admitted =
        |stage: &mut Stage| (0..40).map_while(|_| stage.ask(&open("192.0.2.1"), 10_000).ok()).collect::<Vec<Charge>>();
    let charges = admitted(&mut stage);
    assert_eq!(charges.len(), 6);
    for charge in &charges {
        stage.admission.refund(charge);
    }
    assert_eq!((stage.admission.open_units, stage.admission.all_units), (0, 0));
    assert_eq!(admitted(&mut stage).len(), 6);
}

#[test]
fn shards_divide_budgets_but_a_network_keeps_at_least_a_quarter() {
    let admitted = |shards: u16, network: &str| {
        let mut stage = Stage { shards, ..Stage::new() };
        (0..200).filter(|_| stage.units(&open(network), 10_000).is_empty()).count()
    };
    assert_eq!([1, 2, 4].map(|shards| admitted(shards, "")), [30, 15, 7]);
    assert_eq!([1, 2, 4, 8].map(|shards| admitted(shards, "192.0.2.1")), [6, 3, 1, 1]);
}

#[test]
fn after_a_restart_a_network_has_its_burst_but_not_all_together() {
    let mut stage = Stage::new();
    assert!((0..30).all(|_| stage.ask(&open(""), 10_000).is_ok()));
    let shared = stage.admission.sealed(0, &stage.limits, 1, stage.now_ms);
    let kept = serde_json::to_string(&shared).expect("serialises");
    assert_eq!(kept, r#"{"units":1792540830000000,"late":0,"disk":0}"#);
    let read: Shared = serde_json::from_str(&kept).expect("reads");
    stage.admission = Admission::new([8; 16], read, 0);
    assert_eq!(stage.units(&open("192.0.2.1"), 10_000), [(Budget::Units, Holder::Open, 10)], "until 70 % is taken");
    assert_eq!(serde_json::from_str::<Shared>("{}").expect("reads"), Shared::default());
}

#[test]
fn a_repeated_key_costs_little_and_is_never_refused() {
    let mut stage = Stage::new();
    let limits = stage.limits;
    (0..30_000).for_each(|_| stage.admission.repeated(&open("192.0.2.1"), &limits, 1, NOW_MS));
    assert_eq!(stage.units(&open("192.0.2.1"), 11), [(Budget::Units, Holder::Network, 1)]);
    stage.admission.repeated(&open(""), &limits, 1, NOW_MS);
    stage.admission.repeated(&Writer { who: Who::Owner, ..open("192.0.2.1") }, &limits, 1, NOW_MS);
}

proptest! {
    /// After any writes by anyone, a writer that waits as requested is admitted, unless others write in the meantime.
    #[test]
    fn a_write_is_admitted_when_its_retry_after_is_over(
        before in prop::collection::vec((0u8..6, 1u64..400_000, 0u64..80, 0i64..5_000), 0..60),
        (network, units, late_places) in (0u8..6, 11u64..600_000, 0u64..80),
        has_key: bool, fill in 0.0f64..0.99, back_ms in prop::sample::select(vec![0i64, 3_600_000]),
        disk_mb in 0u64..9_000,
    ) {
        let mut stage = Stage::new();
        let name = |network: u8| format!("192.0.{}.1", network / 2);
        for (network, units, late_places, wait_ms) in before {
            stage.now_ms += wait_ms;
            stage.late_places = late_places;
            let _ = stage.ask(&open(&name(network)), units);
        }
        let shared = stage.admission.sealed(disk_mb * 1_000_000, &stage.limits, 1, stage.now_ms);
        stage.admission.mark_sealed(shared, 0);
        stage.now_ms -= back_ms;
        (stage.has_key, stage.late_places) = (has_key, late_places);
        stage.held.open = Share { fill, oldest_ends_ms: stage.now_ms + 600_000 };
        if let Err(limited) = stage.ask(&open(&name(network)), units) {
            let wait_s = limited.retry_after_s();
            prop_assert!(wait_s >= 1);
            stage.now_ms += i64::from(wait_s) * 1_000;
            if wait_s < MAX_WAIT_S {
                prop_assert!(stage.ask(&open(&name(network)), units).is_ok(), "{:?}", limited);
            }
        }
    }
}
