//! An object that lost its memory answers as before.

use crate::server::Server;
use crate::stream::Stream;

#[test]
fn an_evicted_object_has_all_points_keys_and_labels() {
    let stream = Stream::new();
    let write = |n: u32| {
        let body = format!("{{\"n\":{n},\"d\":2,\"p\":7200,\"v\":{{\"a\":\"b\"}}}}");
        stream.call("POST", "/points").header("Idempotency-Key", "k").body(body).send().expect(202);
    };
    write(1);
    let read = || {
        let rollup = stream.rollup("from=-1h");
        let status = stream.read("/status").expect(200).json();
        (
            rollup["series"].clone(),
            stream.read("/labels").json(),
            status["accepted"].clone(),
            status["open_cells"].clone(),
        )
    };
    let before = read();
    Server::shared().evict(&stream.object());
    assert_eq!(read(), before);
    write(2);
    assert_eq!(stream.read("/status").json()["accepted"], 1, "the key is known also after the eviction");
}
