//! The owner's rules (`accept`) in the model: each once as JSON and once as what it means.

use super::*;
use config::accept::{Accept, Binding};
use config::who::{KeyHash, Who};

/// The values of `series` in generated points.
const SERIES: u8 = 4;
/// The values of the client's label; 0 means no label.
const CLIENTS: u8 = 4;

/// The labels of a point by name: always a series, sometimes a client.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Given {
    pub(super) series: Option<u8>,
    pub(super) client: Option<u8>,
}

impl Given {
    pub(super) fn text(self) -> String {
        let label = |name: &str, value: Option<u8>| value.map(|value| format!("{name}\u{1f}{value}\u{1e}"));
        [label(CLIENT, self.client), label("series", self.series)].into_iter().flatten().collect()
    }
}

/// The kinds of rules.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Rule {
    #[default]
    None,
    /// Allows some values of one label and all of the other; drops what is not allowed.
    Values,
    /// Allows some values of one label, and no other label; rejects what is not allowed.
    Pattern,
    /// Drops disallowed values; keeps other labels.
    Keep,
    /// Drops all labels.
    NoLabels,
    /// Limits numbers and times.
    Bounds,
    /// Allows at most two values of one label.
    Max,
}

impl Rule {
    pub(super) const ALL: [Self; 7] =
        [Self::None, Self::Values, Self::Pattern, Self::Keep, Self::NoLabels, Self::Bounds, Self::Max];

    pub(super) fn accept(self) -> Accept {
        let rules = match self {
            Self::None => serde_json::Value::Null,
            Self::Values => serde_json::json!({ "labels": { "series": { "values": ["0", "2"] }, CLIENT: {} } }),
            Self::Pattern => serde_json::json!({ "labels": { "series": { "pattern": "[0-2]" } }, "others": "reject" }),
            Self::Keep => serde_json::json!({ "labels": { CLIENT: { "values": ["1"] } }, "others": "keep" }),
            Self::NoLabels => serde_json::json!({ "labels": {} }),
            Self::Bounds => serde_json::json!({
                "n": { "min": -20_000, "max": 20_000 }, "p": { "max": 20_000 }, "t": { "past": "5h" },
            }),
            Self::Max => serde_json::json!({ "labels": { "series": { "max": 2 }, CLIENT: {} } }),
        };
        Accept::parse(&rules).expect("valid")
    }

    /// The labels of an accepted point; `max` applies later.
    fn allowed(self, point: &Point, now_s: f64, given: Given) -> Option<Given> {
        let Given { series, client } = given;
        match self {
            Self::None | Self::Max => Some(given),
            Self::Values => Some(Given { series: series.filter(|series| [0, 2].contains(series)), client }),
            Self::Pattern => (client.is_none() && series.is_none_or(|series| series <= 2)).then_some(given),
            Self::Keep => Some(Given { series, client: client.filter(|client| *client == 1) }),
            Self::NoLabels => Some(Given { series: None, client: None }),
            Self::Bounds => {
                let is_within = point.n.abs() <= 20_000.0 && point.p.is_none_or(|p| p <= 20_000.0);
                (is_within && point.t >= now_s - 18_000.0).then_some(given)
            }
        }
    }
}

impl Model {
    pub(super) fn rule_for_writer(&self) -> Rule {
        if self.class == Class::Owner { Rule::None } else { self.rule }
    }

    pub(super) fn binding(&self) -> Binding {
        let who = match self.class {
            Class::Open => Who::Open,
            Class::Keyed => Who::Keyed(KeyHash::from_bytes([1; 32])),
            Class::Owner => Who::Owner,
        };
        Binding::of(&self.engine.record().config.accept, who).expect("reads")
    }

    /// The owner sets other rules.
    pub(super) fn have_rule(&mut self, rule: Rule) {
        let mut record = self.engine.record().clone();
        record.config.accept = rule.accept();
        self.engine.set_record(record, self.now_ms).expect("sets");
        self.rule = rule;
    }

    /// The values of `series` that exist.
    pub(super) fn values(&self) -> BTreeSet<u8> {
        let clients = (0..CLIENTS).map(|client| Some(client).filter(|client| *client > 0));
        let sets = clients.flat_map(|client| (0..SERIES).map(move |series| (series, client)));
        sets.filter(|(series, client)| self.engine.has_series(&Given { series: Some(*series), client: *client }.text()))
            .map(|(series, _)| series)
            .collect()
    }

    /// What is stored of a point: its labels then, or nothing.
    pub(super) fn ruled(&self, point: &Point, given: Given, values: &mut BTreeSet<u8>) -> Option<Given> {
        #[expect(clippy::cast_precision_loss, reason = "seconds since 1970")]
        let now_s = self.now_ms as f64 / 1000.0;
        let rule = self.rule_for_writer();
        let mut allowed = rule.allowed(point, now_s, given)?;
        if rule == Rule::Max {
            let told = self.told.get(&(rule, given.text().into_bytes()));
            if let Some((_, labels)) = told.filter(|(number, _)| self.engine.knows(*number)) {
                return Some(*labels);
            }
            allowed.series = allowed.series.filter(|series| {
                let has_room = values.len() < 2 || values.contains(series);
                if has_room {
                    values.insert(*series);
                }
                has_room
            });
        }
        Some(allowed)
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    #[test]
    fn points_allowed_by_rules_count_once_with_the_remaining_labels(
        steps in proptest::collection::vec(prop_oneof![3 => any_step(), 2 => any_rule().prop_map(Step::Rule)], 1..20),
        class in prop::sample::select(vec![Class::Open, Class::Keyed]),
        step_s in prop::sample::select(vec![10i64, 90, 3600]),
    ) {
        let mut model = Model::new(Limits { open_cells: 40, ..Limits::DEFAULT });
        model.class = class;
        for step in &steps {
            model.take(step);
        }
        model.check(step_s, By::All);
        model.check_totals(&By::All);
        model.crash();
        model.check(step_s, By::All);
        model.check_totals(&By::All);
        prop_assert_eq!(model.engine.totals().accepted, model.points.len() as u64);
    }
}

pub(super) fn any_rule() -> impl Strategy<Value = Rule> {
    prop::sample::select(Rule::ALL.to_vec())
}
