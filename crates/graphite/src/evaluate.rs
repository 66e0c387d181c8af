//! Evaluates a target: fetches leaves and calls functions.

use std::collections::BTreeMap;

use super::error::{BadRequest, Result, refuse};
use super::function::{Call, Function, Value};
use super::functions;
use super::series::Series;
use super::target;
use super::target::{Expr, Literal};
use super::time::Zone;
use model::budget::Budget;
use model::pattern::MAX_STEPS;

/// The most function calls in a request, including repeated calls for another time.
const MAX_CALLS: u32 = 2_000;
/// The most values that a target's functions make in one evaluation: ten functions over everything that a request
/// may read...
const MAX_VALUES: usize = 20_000_000;
/// ...and the most that those of all targets of a request make, over all evaluations. A target is evaluated again
/// when its leaves arrive and when its steps change, mostly over little data.
const MAX_REQUEST_VALUES: u64 = 2 * MAX_VALUES as u64;

/// The most evaluations of a target in a round: in each but the last its steps have changed.
const MAX_PASSES: usize = 32;

/// What is left of a request's allowance, however often its targets are evaluated.
#[derive(Clone, Debug)]
pub struct Work {
    /// Steps of its regular expressions.
    pub steps: Budget,
    /// Values of the series that functions make.
    pub values: Budget,
}

impl Default for Work {
    fn default() -> Self {
        Self { steps: Budget::new(MAX_STEPS), values: Budget::new(MAX_REQUEST_VALUES) }
    }
}

/// Where leaves are fetched from.
pub trait Source {
    /// The series of a leaf in `scope`. If they haven't been fetched yet, the leaf is noted as wanted and the
    /// result is empty.
    ///
    /// # Errors
    /// If the leaf can't be answered.
    fn fetch(&mut self, leaf: &Leaf<'_>, scope: Scope) -> Result<Vec<Series>>;

    /// Whether any leaf was noted as wanted.
    fn is_waiting(&self) -> bool;

    /// What is left of the request's allowance.
    fn work(&self) -> Work {
        Work::default()
    }

    /// From now on, leaves belong to the request's target at this index, which is evaluated in `scope`.
    fn begin(&mut self, _target: usize, _scope: Scope) {}

    /// The target's steps should divide this interval, if they can.
    fn divide_steps(&mut self, _interval_s: i64) {}

    /// The target sets its own consolidation.
    fn keep_points(&mut self) {}

    /// Ends a target. Returns whether all its leaves had the same steps; if not, the target must be evaluated
    /// again.
    fn end(&mut self) -> bool {
        true
    }
}

/// What selects series in a target.
#[derive(Clone, Debug, PartialEq)]
pub enum Leaf<'a> {
    /// A path, which may have wildcards.
    Path(&'a str),
    /// The expressions of `seriesByTag`.
    Tags(Vec<String>),
    /// The same, if the series are then grouped by these tags with this callback: the source may group them
    /// earlier.
    Grouped(Vec<String>, Vec<String>, &'a str),
}

/// The time range of a query: after `from_s`, up to and including `until_s`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Scope {
    /// Unix second.
    pub from_s: i64,
    /// Unix second.
    pub until_s: i64,
}

impl Scope {
    /// The same, starting this many seconds earlier.
    pub(super) fn begun(self, earlier_s: i64) -> Self {
        Self { from_s: self.from_s - earlier_s, ..self }
    }

    /// The same, shifted this many seconds later.
    pub(super) fn moved(self, by_s: i64) -> Self {
        Self { from_s: self.from_s + by_s, until_s: self.until_s + by_s }
    }
}

/// The values of `$name` within a template.
pub(super) type Variables<'a> = &'a [(String, Literal)];

/// Evaluates the targets of a request.
pub struct Evaluator<'a> {
    source: &'a mut dyn Source,
    pub(super) now_s: i64,
    pub(super) zone: Zone<'a>,
    /// The value of `setXFilesFactor`, once it was called.
    pub(super) x_files_factor: f64,
    /// What is stacked already, by the name of the stack.
    pub(super) stacks: BTreeMap<String, Vec<f64>>,
    /// The request's values for templates.
    template: Vec<(String, Literal)>,
    calls_left: u32,
    values_left: usize,
    /// Shared with earlier evaluations for the same request.
    pub(super) work: Work,
}

impl<'a> Evaluator<'a> {
    /// An evaluator of a request that arrived at `now_s`.
    pub fn new(source: &'a mut dyn Source, now_s: i64, zone: Zone<'a>) -> Self {
        let (stacks, template) = (BTreeMap::new(), Vec::new());
        let (calls_left, values_left, work) = (MAX_CALLS, MAX_VALUES, source.work());
        Self { source, now_s, zone, x_files_factor: 0.0, stacks, template, calls_left, values_left, work }
    }

    /// With the request's `xFilesFactor` and `template[..]`.
    #[must_use]
    pub fn with(mut self, x_files_factor: f64, template: &[(String, String)]) -> Self {
        self.x_files_factor = x_files_factor;
        let literal = |(name, text): &(String, String)| (name.clone(), Literal::Text(text.clone()));
        self.template = template.iter().map(literal).collect();
        self
    }

    /// The series of a request's targets.
    ///
    /// # Errors
    /// See [`BadRequest`].
    pub fn targets(&mut self, targets: &[Expr], scope: Scope) -> Result<Vec<Series>> {
        let mut all = Vec::new();
        for (at, target) in targets.iter().enumerate() {
            all.extend(self.target(at, target, scope)?);
        }
        Ok(all)
    }

    /// The series of one target, evaluated until all its leaves have the same steps.
    fn target(&mut self, at: usize, target: &Expr, scope: Scope) -> Result<Vec<Series>> {
        for _ in 0..MAX_PASSES {
            let (share, stacks) = (self.x_files_factor, self.stacks.clone());
            (self.calls_left, self.values_left) = (MAX_CALLS, MAX_VALUES);
            self.source.begin(at, scope);
            let made = self.series(target, scope, &[]);
            if self.source.end() {
                return made;
            }
            (self.x_files_factor, self.stacks) = (share, stacks);
        }
        refuse("the target's windows need more steps as its steps get wider: use shorter windows")
    }

    /// The series of a target that a function has written.
    pub(super) fn text(&mut self, text: &str, scope: Scope) -> Result<Vec<Series>> {
        // A function writes one such target for each of its series.
        self.pay_values(text.len())?;
        self.series(&target::parse(text)?, scope, &[])
    }

    /// Asks for steps of the target that divide an interval.
    pub(super) fn divide_steps(&mut self, interval_s: i64) {
        self.source.divide_steps(interval_s);
    }

    /// Asks for all points of the target.
    pub(super) fn keep_points(&mut self) {
        self.source.keep_points();
    }

    /// Reports that something is missing, unless it may only not have been fetched yet.
    pub(super) fn missing(&self, text: String) -> Result<()> {
        if self.source.is_waiting() { Ok(()) } else { refuse(text) }
    }

    pub(super) fn series(&mut self, expr: &Expr, scope: Scope, variables: Variables<'_>) -> Result<Vec<Series>> {
        match self.value(expr, scope, variables)? {
            Value::Series(series) => Ok(series),
            value => refuse(format!("a target is a path or a function, not {}", value.text())),
        }
    }

    fn value(&mut self, expr: &Expr, scope: Scope, variables: Variables<'_>) -> Result<Value> {
        match expr {
            Expr::Literal(literal) => Ok(literal.into()),
            Expr::Path(path) => self.path(path, scope, variables),
            Expr::Call(call) => self.call(call, scope, variables).map(Value::Series),
            Expr::Template(inner, own) => {
                let mut all: Vec<(String, Literal)> = self.template.clone();
                all.extend(
                    own.iter().filter(|(name, _)| !self.template.iter().any(|(known, _)| known == name)).cloned(),
                );
                self.value(inner, scope, &all)
            }
        }
    }

    fn path(&mut self, path: &str, scope: Scope, variables: Variables<'_>) -> Result<Value> {
        let mut path = path.to_owned();
        for (name, literal) in variables {
            let (variable, value) = (format!("${name}"), Value::from(literal));
            if path == variable {
                let is_number = |text: &str| text.parse::<f64>().is_ok_and(f64::is_finite);
                match value {
                    Value::Text(text) if is_number(&text) => return Ok(Value::Float(text.parse().unwrap_or_default())),
                    value => return Ok(value),
                }
            }
            path = path.replace(&variable, &value.text());
            if path.len() > target::MAX_TARGET_BYTES {
                return refuse(format!(
                    "the path that a template makes can have at most {} bytes",
                    target::MAX_TARGET_BYTES
                ));
            }
        }
        self.fetch(&Leaf::Path(&path), &path, scope).map(Value::Series)
    }

    fn fetch(&mut self, leaf: &Leaf<'_>, text: &str, scope: Scope) -> Result<Vec<Series>> {
        let mut series = self.source.fetch(leaf, scope)?;
        for one in &mut series {
            text.clone_into(&mut one.path);
            one.x_files_factor = self.x_files_factor;
        }
        self.pay(&series)?;
        Ok(series)
    }

    fn call(&mut self, call: &target::Call, scope: Scope, variables: Variables<'_>) -> Result<Vec<Series>> {
        self.calls_left = self.calls_left.checked_sub(1).ok_or_else(too_much)?;
        let name = call.name.as_str();
        if name == "seriesByTag" {
            return self.fetch(&Leaf::Tags(texts(&call.args)?), &call.raw, scope);
        }
        let function = find(name)?;
        let (mut positional, mut named) = (Vec::new(), Vec::new());
        if let Some((leaf, raw)) = self.grouped(call) {
            positional.push(Value::Series(self.fetch(&leaf, raw, scope)?));
        }
        for arg in call.args.iter().skip(positional.len()) {
            positional.push(self.value(arg, scope, variables)?);
        }
        for (name, arg) in &call.kwargs {
            named.push((name.as_str(), self.value(arg, scope, variables)?));
        }
        let first = call.args.first().or_else(|| call.kwargs.first().map(|(_, first)| first));
        let made = Call::new(self, (scope, variables), (function, name), (positional, named), first)?.run();
        let series = made.map_err(|BadRequest(text)| BadRequest(with_function(name, &text)))?;
        self.pay(&series)?;
        Ok(series)
    }

    /// The leaf of a `groupByTags` over one, and its source.
    fn grouped<'c>(&self, call: &'c target::Call) -> Option<(Leaf<'c>, &'c str)> {
        let [Expr::Call(inner), Expr::Literal(Literal::Text(callback)), tags @ ..] = call.args.as_slice() else {
            return None;
        };
        let is_grouped = call.name == "groupByTags" && inner.name == "seriesByTag" && self.x_files_factor == 0.0;
        let leaf = || Some(Leaf::Grouped(texts(&inner.args).ok()?, texts(tags).ok()?, callback));
        if is_grouped { Some((leaf()?, &inner.raw)) } else { None }
    }

    /// Counts what was made against the limit.
    pub(super) fn pay(&mut self, series: &[Series]) -> Result<()> {
        let values: usize = series.iter().map(|one| one.values.len()).sum();
        self.pay_values(values)
    }

    pub(super) fn pay_values(&mut self, values: usize) -> Result<()> {
        self.values_left = self.values_left.checked_sub(values).ok_or_else(too_much)?;
        if self.work.values.take(values as u64) { Ok(()) } else { Err(too_much()) }
    }
}

/// Arguments that are all strings.
fn texts(args: &[Expr]) -> Result<Vec<String>> {
    let text = |arg: &Expr| match arg {
        Expr::Literal(Literal::Text(text)) => Ok(text.clone()),
        _ => refuse("seriesByTag requires quoted tag expressions, such as 'name=visits.sum'"),
    };
    args.iter().map(text).collect()
}

fn too_much() -> BadRequest {
    BadRequest(format!(
        "the request is too expensive: the functions of a target make more than {MAX_VALUES} values, those of all targets more than {MAX_REQUEST_VALUES}, or functions are called more than {MAX_CALLS} times; use a shorter time range, fewer series or fewer functions"
    ))
}

/// Adds the name of the innermost function that fails, once.
fn with_function(name: &str, text: &str) -> String {
    if text.contains("function") || text.contains("target") {
        text.to_owned()
    } else {
        format!("function {name}: {text}")
    }
}

/// The function with this name.
fn find(name: &str) -> Result<&'static Function> {
    let found = functions::all().find(|function| function.names.contains(&name));
    found.map_or_else(|| refuse(format!("Received request for unknown function: {name}")), Ok)
}
