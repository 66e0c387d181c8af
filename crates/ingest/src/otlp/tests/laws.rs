//! Laws for any request, and for any bytes.

use proptest::prelude::*;

use super::*;

fn any_attribute() -> impl Strategy<Value = Json> {
    let value = prop_oneof![
        "[a-zé\"\\\\/ ]{0,8}".prop_map(|value| json!({ "stringValue": value })),
        any::<bool>().prop_map(|value| json!({ "boolValue": value })),
        any::<i64>().prop_map(|value| json!({"intValue": value.to_string()})),
        (-1e9f64..1e9).prop_map(|value| json!({ "doubleValue": value })),
        Just(json!({"arrayValue": {"values": [{"stringValue": "]}"}]}})),
        Just(json!({})),
    ];
    let name = prop_oneof![4 => "[a-d]", 1 => Just("metric".to_owned()), 1 => Just("host.id".to_owned())];
    (name, value).prop_map(|(key, value)| json!({"key": key, "value": value}))
}

fn any_metric() -> impl Strategy<Value = Json> {
    let kind = prop::sample::select(vec!["gauge", "sum", "histogram", "exponentialHistogram", "summary"]);
    let point =
        (0..3u32, 0..200u64, 0..100_000u64, any::<i64>(), -1e9f64..1e9, prop::collection::vec(any_attribute(), 0..4));
    (kind, "[a-z.]{0,6}", 0..3u32, any::<bool>(), prop::collection::vec(point, 0..4)).prop_map(
        |(kind, name, temporality, is_monotonic, points)| {
            let point = |(flags, start, time, whole, real, attributes): &(u32, u64, u64, i64, f64, Vec<Json>)| {
                let time = NOW_NS - time * SECOND_NS - 1;
                let times = [("startTimeUnixNano", time - start * SECOND_NS), ("timeUnixNano", time)];
                let mut point = json!({"flags": flags, "attributes": attributes});
                for (name, value) in times {
                    point[name] = json!(value.to_string());
                }
                match kind {
                    "gauge" | "sum" if whole % 2 == 0 => point["asInt"] = json!(whole.to_string()),
                    "gauge" | "sum" => point["asDouble"] = json!(real),
                    _ => (point["count"], point["sum"]) = (json!((whole.unsigned_abs() % 9).to_string()), json!(real)),
                }
                point
            };
            let mut data = json!({"dataPoints": points.iter().map(point).collect::<Vec<_>>()});
            if !["gauge", "summary"].contains(&kind) {
                data["aggregationTemporality"] = json!(temporality);
            }
            if kind == "sum" {
                data["isMonotonic"] = json!(is_monotonic);
            }
            json!({"name": name, kind: data})
        },
    )
}

fn any_request() -> impl Strategy<Value = Json> {
    let resource = (prop::collection::vec(any_attribute(), 0..4), prop::collection::vec(any_metric(), 0..5));
    prop::collection::vec(resource, 0..3).prop_map(|resources| {
        let requests = resources.iter().map(|(attributes, metrics)| request(&json!(attributes), &json!(metrics)));
        json!({"resourceMetrics": requests.map(|request| request["resourceMetrics"][0].clone()).collect::<Vec<_>>()})
    })
}

proptest! {
    #[test]
    fn json_and_protobuf_of_a_request_give_the_same_points(request in any_request()) {
        both(&request);
    }

    #[test]
    fn any_bytes_are_answered_without_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        for encoding in [Encoding::Json, Encoding::Protobuf] {
            let _ = read(&bytes, encoding);
        }
    }

    #[test]
    fn truncated_or_changed_bodies_are_answered_without_panic(request in any_request(), at in any::<prop::sample::Index>(), byte in any::<u8>()) {
        for (encoding, body) in [(Encoding::Protobuf, protobuf::of_json(&request)), (Encoding::Json, request.to_string().into_bytes())] {
            let at = at.index(body.len() + 1);
            let cut = read(&body[..at], encoding);
            prop_assert!(encoding == Encoding::Protobuf || at == body.len() || cut.is_err());
            let mut changed = body;
            if let Some(place) = changed.get_mut(at) {
                *place = byte;
            }
            let _ = read(&changed, encoding);
        }
    }
}
