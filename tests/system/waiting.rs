//! Tests that mostly wait, as a bucket takes time to close: their scenes start early and together, and the tests come
//! late in the order of tests, so that others run meanwhile.

use std::collections::BTreeMap;
use std::sync::{LazyLock, Mutex, PoisonError};
use std::thread::{self, JoinHandle};

/// Makes each scene a test.
macro_rules! scenes {
    ($($room:ident::$scene:ident;)*) => {
        const SCENES: &[(&str, fn())] = &[$((stringify!($scene), crate::carbon::$room::$scene)),*];

        mod carbon {
            $(
                #[test]
                fn $scene() {
                    super::play(stringify!($scene));
                }
            )*
        }
    };
}

scenes! {
    real::a_restarted_real_carbon_has_every_closed_bucket_once;
    sending::a_closed_bucket_arrives_once_as_it_is_read;
    sending::a_late_point_resends_its_updated_bucket;
    sending::a_crash_neither_drops_nor_repeats_buckets;
    sending::a_host_may_be_a_name_or_an_ipv4_or_ipv6_address;
    sending::a_hanging_carbon_does_not_stop_forwarding;
    failing::a_reset_is_reported_and_the_same_lines_are_resent;
    failing::a_carbon_that_closes_early_has_not_taken_the_lines;
    failing::a_carbon_that_does_not_close_is_left_after_20_s;
    failing::a_peer_that_sends_data_is_not_a_carbon;
    failing::buckets_of_an_outage_arrive_in_order_afterwards;
    configuring::another_carbon_gets_only_later_buckets;
}

static PLAYING: LazyLock<Mutex<BTreeMap<&str, JoinHandle<()>>>> = LazyLock::new(|| {
    let begin = |(name, scene): &(&'static str, fn())| (*name, thread::spawn(*scene));
    Mutex::new(SCENES.iter().map(begin).collect())
});

/// Starts all scenes, unless they have started.
pub(crate) fn begin() {
    LazyLock::force(&PLAYING);
}

/// Waits for the end of a scene.
fn play(name: &str) {
    let playing = PLAYING.lock().unwrap_or_else(PoisonError::into_inner).remove(name).expect("each is played once");
    if let Err(panic) = playing.join() {
        let text = panic.downcast_ref::<String>().map(String::as_str).or(panic.downcast_ref::<&str>().copied());
        panic!("{}", text.unwrap_or("it failed"));
    }
}
