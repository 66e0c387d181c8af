//! The same data and questions through graphite-web and through the Worker.

use serde_json::Value;

use super::{compare, dataset, get, oracle, visits};

#[test]
fn the_worker_answers_as_graphite_web_does() {
    let (stream, end_s) = visits();
    let requests = dataset::requests(end_s);
    let asked: Vec<oracle::Request<'_>> = requests.iter().map(|query| ("/render", query.as_slice())).collect();
    let Some(theirs) = oracle::answers(&dataset::order(end_s), end_s, &asked) else { return };
    let (mut same, mut wrong, now) = (0, Vec::new(), end_s.to_string());
    for (request, theirs) in requests.iter().zip(theirs) {
        let mut pairs: Vec<(&str, &str)> =
            request.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        pairs.push(("now", &now));
        let ours = get(&stream, "render", &pairs);
        let difference = match (ours.status, theirs["status"] == 200) {
            (200, true) => compare::difference(&compare::body(ours.text()), &compare::body(body(&theirs))),
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

#[test]
fn tags_and_paths_are_listed_as_graphite_web_does() {
    let (stream, end_s) = visits();
    // One of the aggregates that the whisper files have.
    let known = "name=~visits.(sum|count|ratio)$";
    let requests: Vec<(&str, Vec<(&str, &str)>)> = vec![
        ("tags/findSeries", vec![("expr", "name=visits.sum")]),
        ("tags/findSeries", vec![("expr", "name=visits.sum"), ("expr", "country!=US")]),
        ("tags/findSeries", vec![("expr", known), ("expr", "status=~5")]),
        ("tags/findSeries", vec![("expr", "country=~^[UF]"), ("expr", "name=visits.count")]),
        ("tags/findSeries", vec![("expr", "name=visits.sum"), ("expr", "city!=")]),
        ("tags/autoComplete/tags", vec![]),
        ("tags/autoComplete/tags", vec![("tagPrefix", "c")]),
        ("tags/autoComplete/tags", vec![("limit", "2")]),
        ("tags/autoComplete/tags", vec![("expr", "country=US")]),
        ("tags/autoComplete/tags", vec![("expr", "name=visits.sum"), ("expr", "country=nowhere")]),
        ("tags/autoComplete/tags", vec![("expr", "name=nothing")]),
        ("tags/autoComplete/values", vec![("tag", "country")]),
        ("tags/autoComplete/values", vec![("tag", "country"), ("valuePrefix", "F")]),
        ("tags/autoComplete/values", vec![("tag", "country"), ("expr", "status=500")]),
        ("tags/autoComplete/values", vec![("tag", "status"), ("expr", "country=DE")]),
        ("tags/autoComplete/values", vec![("tag", "nothing")]),
        ("tags/autoComplete/values", vec![("tag", "name"), ("expr", known)]),
        ("tags/nothing", vec![]),
        ("metrics/expand", vec![("query", "visits.sum.country.*")]),
        ("metrics/expand", vec![("query", "visits.{sum,count}.*.{US,500}")]),
        ("metrics/expand", vec![("query", "visits.sum.*")]),
        ("metrics/find", vec![("query", "visits.sum.*")]),
        ("metrics/find", vec![("query", "visits.sum.country.[UD]*")]),
        ("metrics/find", vec![("query", "nothing.*")]),
        ("metrics/find", vec![("query", "visits.sum.country.*"), ("format", "completer")]),
    ];
    let owned =
        |pairs: &[(&str, &str)]| pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    let owned: Vec<(String, Vec<(String, String)>)> =
        requests.iter().map(|(path, pairs)| (format!("/{path}"), owned(pairs))).collect();
    let asked: Vec<oracle::Request<'_>> = owned.iter().map(|(path, pairs)| (path.as_str(), pairs.as_slice())).collect();
    let Some(theirs) = oracle::answers(&dataset::order(end_s), end_s, &asked) else { return };
    let mut wrong = Vec::new();
    for ((path, pairs), theirs) in requests.iter().zip(theirs) {
        let (ours, theirs) = (get(&stream, path, pairs).expect(200).json(), compare::body(body(&theirs)));
        if !compare::is_alike(&ours, &theirs) {
            wrong.push(format!("{path} {pairs:?}: {ours} is not {theirs}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

fn body(answer: &Value) -> &str {
    answer["body"].as_str().expect("a string")
}
