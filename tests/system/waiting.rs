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
    real::a_real_carbon_has_every_closed_bucket_once_though_it_was_stopped_and_started;
    sending::a_closed_bucket_arrives_once_with_names_tags_and_values_as_they_are_read;
    sending::a_late_point_sends_its_bucket_again_as_it_is_now;
    sending::what_was_not_sent_when_the_machine_died_is_sent_and_what_was_is_not_sent_again;
    sending::a_host_may_be_a_name_or_an_address_of_either_kind;
    sending::a_stream_that_also_forwards_does_both_though_the_carbon_hangs;
    failing::a_reset_connection_is_told_and_the_same_lines_come_again;
    failing::one_who_closes_before_the_end_has_not_taken_it;
    failing::one_who_does_not_close_is_left_after_20_s;
    failing::one_who_talks_is_no_carbon;
    failing::what_was_written_while_the_carbon_was_away_arrives_in_order_when_it_is_back;
    configuring::another_carbon_gets_what_comes_from_now_on;
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
