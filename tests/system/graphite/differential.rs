//! The same data and targets through graphite-web and through the Worker.

use serde_json::Value;

use super::{compare, dataset, get, oracle, visits};

#[test]
fn the_worker_answers_as_graphite_web_does() {
    let (stream, end_s) = visits();
    let requests = dataset::requests(end_s);
    let Some(theirs) = oracle::answers(&dataset::order(end_s), end_s, &requests) else { return };
    let (mut same, mut wrong, now) = (0, Vec::new(), end_s.to_string());
    for (request, theirs) in requests.iter().zip(theirs) {
        let mut pairs: Vec<(&str, &str)> =
            request.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        pairs.push(("now", &now));
        let ours = get(&stream, "render", &pairs);
        let difference = match (ours.status, theirs["status"] == 200) {
            (200, true) => {
                let theirs = serde_json::from_str::<Value>(theirs["body"].as_str().expect("a text")).expect("JSON");
                compare::difference(&ours.json(), &theirs)
            }
            (400, false) => None,
            (status, _) => Some(format!("{status} is not {}: {}", theirs["status"], ours.text())),
        };
        match difference {
            None => same += 1,
            Some(difference) => wrong.push(format!("{}: {difference}", request[0].1)),
        }
    }
    assert!(wrong.is_empty(), "{same} answers are the same, {} are not:\n{}", wrong.len(), wrong.join("\n"));
    assert!(same >= 500, "{same}");
    eprintln!("{same} answers are the same as those of graphite-web");
}
