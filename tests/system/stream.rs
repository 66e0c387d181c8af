//! A test's own stream.

use serde_json::{Value, json};

use crate::http::{Answer, Call, call};
use crate::server::{OWNER_TOKEN, Server};

/// A new stream.
#[derive(Clone)]
pub(crate) struct Stream {
    pub(crate) id: String,
    pub(crate) read_key: String,
    /// The URL of the server.
    pub(crate) url: String,
}

impl Stream {
    /// A stream on the shared server.
    pub(crate) fn new() -> Self {
        Self::on(Server::shared())
    }

    /// A stream on this server.
    pub(crate) fn on(server: &Server) -> Self {
        Self::create(server, json!({ "name": "test" }))
    }

    /// A stream whose open writers may write as much as they want, for tests that are not about budgets.
    pub(crate) fn unlimited(server: &Server) -> Self {
        const MOST: u32 = 1_000_000;
        let limits = json!({
            "open_units_per_s": MOST, "network_units_per_s": MOST,
            "open_late_places_per_hour": MOST, "network_late_places_per_hour": MOST,
            "new_series_per_hour": MOST, "network_new_series_per_hour": MOST,
        });
        Self::create(server, json!({ "name": "test", "limits": limits }))
    }

    /// A stream with this configuration.
    #[expect(clippy::needless_pass_by_value, reason = "given as a literal everywhere")]
    pub(crate) fn create(server: &Server, config: Value) -> Self {
        let created = call("POST", format!("{}/v1/streams", server.url))
            .bearer(OWNER_TOKEN)
            .body(config.to_string())
            .send()
            .expect(201)
            .json();
        let text = |field: &str| created[field].as_str().expect("a string").to_owned();
        Self { id: text("id"), read_key: text("read_key"), url: server.url.clone() }
    }

    /// The same stream after its server restarted on another port.
    pub(crate) fn moved_to(&self, server: &Server) -> Self {
        Self { url: server.url.clone(), ..self.clone() }
    }

    /// The name of its object.
    pub(crate) fn object(&self) -> String {
        format!("{}/0", self.id)
    }

    /// A call to one of its paths, for example `/points`.
    pub(crate) fn call(&self, method: &'static str, path: &str) -> Call {
        call(method, format!("{}/v1/streams/{}{path}", self.url, self.id))
    }

    /// Posts a body without a type, as `curl -d` would without its default.
    pub(crate) fn post(&self, body: impl Into<Vec<u8>>) -> Answer {
        self.call("POST", "/points").body(body).send()
    }

    /// Posts a body that has good points, and returns the answer.
    #[track_caller]
    pub(crate) fn write(&self, body: impl Into<Vec<u8>>) -> Value {
        self.post(body).expect(202).json()
    }

    /// The same as the owner, who may bring any number of series.
    #[track_caller]
    pub(crate) fn write_as_owner(&self, body: impl Into<Vec<u8>>) -> Value {
        self.owned("POST", "/points").body(body).send().expect(202).json()
    }

    /// Posts a body without a good point, and returns why each is rejected.
    #[track_caller]
    pub(crate) fn refused(&self, body: impl Into<Vec<u8>>) -> Vec<Value> {
        let answer = self.post(body);
        assert_eq!(answer.problem(400), "invalid-points");
        answer.json()["errors"].as_array().cloned().unwrap_or_default()
    }

    /// A call of the owner to one of its paths.
    pub(crate) fn owned(&self, method: &'static str, path: &str) -> Call {
        self.call(method, path).bearer(OWNER_TOKEN)
    }

    /// Reads with the read key.
    pub(crate) fn read(&self, path: &str) -> Answer {
        self.call("GET", path).bearer(&self.read_key).send()
    }

    /// A rollup as JSON.
    pub(crate) fn rollup(&self, parameters: &str) -> Value {
        self.read(&format!("/rollup?{parameters}")).expect(200).json()
    }

    /// An aggregate over all steps and series, for example `sum`.
    pub(crate) fn total(&self, aggregate: &str) -> f64 {
        let rollup = self.rollup(&format!("from=-2h&step=1h&agg={aggregate}"));
        rollup["series"].as_array().expect("a list").iter().map(|series| added(&series[aggregate])).sum()
    }
}

/// The sum of a list of numbers and nulls.
pub(crate) fn added(values: &Value) -> f64 {
    values.as_array().expect("a list").iter().filter_map(Value::as_f64).sum()
}

/// Whether two numbers are the same within 1e-9 of their size.
#[track_caller]
pub(crate) fn assert_close(actual: f64, wanted: f64, what: &str) {
    assert!((actual - wanted).abs() <= 1e-9 * wanted.abs(), "{actual} is not {wanted}: {what}");
}
