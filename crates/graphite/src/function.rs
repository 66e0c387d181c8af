//! What a function is: its names and parameters, as `/functions` lists them, and how arguments are converted.

use super::aggregate::AggFunc;
use super::error::{Result, refuse};
use super::evaluate::{Evaluator, Scope, Variables};
use super::series::Series;
use super::target::{Expr, Literal};
use super::text::repr;
use super::time::{offset_s, parse_time};

/// A function of the language.
pub(super) struct Function {
    /// Its names, the documented one first.
    pub(super) names: &'static [&'static str],
    /// Its group in a menu.
    pub(super) group: &'static str,
    pub(super) params: &'static [Param],
    /// What it does, in one sentence.
    pub(super) about: &'static str,
    pub(super) run: fn(&mut Call<'_, '_>) -> Result<Vec<Series>>,
}

/// What a parameter accepts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Any,
    AggFunc,
    AggregateOrSeries,
    Boolean,
    Date,
    Float,
    Integer,
    IntOrInf,
    Interval,
    IntOrInterval,
    Node,
    NodeOrTag,
    SeriesList,
    Text,
    Tag,
}

impl Kind {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Any => "any",
            Self::AggFunc => "aggFunc",
            Self::AggregateOrSeries => "aggOrSeriesFunc",
            Self::Boolean => "boolean",
            Self::Date => "date",
            Self::Float => "float",
            Self::Integer => "integer",
            Self::IntOrInf => "intOrInf",
            Self::Interval => "interval",
            Self::IntOrInterval => "intOrInterval",
            Self::Node => "node",
            Self::NodeOrTag => "nodeOrTag",
            Self::SeriesList => "seriesList",
            Self::Text => "string",
            Self::Tag => "tag",
        }
    }
}

/// A parameter.
#[derive(Clone, Copy, Debug)]
pub(super) struct Param {
    pub(super) name: &'static str,
    pub(super) kind: Kind,
    pub(super) is_required: bool,
    pub(super) is_multiple: bool,
    /// As JSON; empty if there is none.
    pub(super) default: &'static str,
    pub(super) options: &'static [&'static str],
}

impl Param {
    /// An optional parameter.
    pub(super) const fn new(name: &'static str, kind: Kind) -> Self {
        Self { name, kind, is_required: false, is_multiple: false, default: "", options: &[] }
    }

    pub(super) const fn required(self) -> Self {
        Self { is_required: true, ..self }
    }

    pub(super) const fn multiple(self) -> Self {
        Self { is_multiple: true, ..self }
    }

    pub(super) const fn or(self, default: &'static str) -> Self {
        Self { default, ..self }
    }

    pub(super) const fn one_of(self, options: &'static [&'static str]) -> Self {
        Self { options, ..self }
    }
}

/// The first parameter of most functions.
pub(super) const SERIES: Param = Param::new("seriesList", Kind::SeriesList).required();
/// The only parameter of functions that take any number of series lists.
pub(super) const LISTS: &[Param] = &[Param::new("seriesLists", Kind::SeriesList).required().multiple()];

/// An evaluated argument.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Value {
    Series(Vec<Series>),
    Int(i64),
    Float(f64),
    Text(String),
    Bool(bool),
    None,
}

impl From<&Literal> for Value {
    fn from(literal: &Literal) -> Self {
        match literal {
            Literal::Int(value) => Self::Int(*value),
            Literal::Float(value) => Self::Float(*value),
            Literal::Text(value) => Self::Text(value.clone()),
            Literal::Bool(value) => Self::Bool(*value),
            Literal::None => Self::None,
        }
    }
}

impl Value {
    /// As Python's `str` writes it.
    #[inline(never)]
    pub(super) fn text(&self) -> String {
        match self {
            Self::Series(_) => "series".to_owned(),
            Self::Int(value) => value.to_string(),
            Self::Float(value) => repr(*value),
            Self::Text(value) => value.clone(),
            Self::Bool(true) => "True".to_owned(),
            Self::Bool(false) => "False".to_owned(),
            Self::None => "None".to_owned(),
        }
    }

    #[expect(clippy::cast_precision_loss, reason = "as Python does")]
    fn float(&self) -> Option<f64> {
        match self {
            Self::Int(value) => Some(*value as f64),
            Self::Float(value) => Some(*value),
            Self::Text(text) => text.trim().parse().ok(),
            Self::Bool(value) => Some(f64::from(u8::from(*value))),
            Self::Series(_) | Self::None => None,
        }
    }

    fn int(&self) -> Option<i64> {
        match self {
            Self::Int(value) => Some(*value),
            Self::Text(text) => text.trim().parse().ok(),
            Self::Bool(value) => Some(i64::from(*value)),
            _ => None,
        }
    }

    fn boolean(&self) -> Option<bool> {
        match self {
            Self::Bool(value) => Some(*value),
            Self::Text(text) if text.eq_ignore_ascii_case("true") => Some(true),
            Self::Text(text) if text.eq_ignore_ascii_case("false") => Some(false),
            Self::Int(value @ (0 | 1)) => Some(*value == 1),
            _ => None,
        }
    }

    /// Converted to a parameter of this kind; `None` if it can't be.
    fn checked(self, kind: Kind) -> Option<Self> {
        Some(match kind {
            Kind::SeriesList => return matches!(self, Self::Series(_)).then_some(self),
            Kind::Any => self,
            _ if matches!(self, Self::Series(_)) => return None,
            Kind::Boolean => Self::Bool(self.boolean()?),
            Kind::Float => Self::Float(self.float().filter(|value| !value.is_nan())?),
            Kind::Integer | Kind::Node => Self::Int(self.int()?),
            Kind::IntOrInf => match self.int() {
                Some(value) => Self::Int(value),
                None => Self::Float(self.float().filter(|value| *value == f64::INFINITY)?),
            },
            Kind::Interval => return matches!(&self, Self::Text(text) if offset_s(text).is_ok()).then_some(self),
            Kind::IntOrInterval => match &self {
                Self::Text(text) => return offset_s(text).is_ok().then_some(self),
                _ => self,
            },
            Kind::AggFunc => {
                return matches!(&self, Self::Text(text) if AggFunc::of_series(text).is_ok()).then_some(self);
            }
            _ => self,
        })
    }
}

/// A call that is being evaluated.
pub(super) struct Call<'c, 'e> {
    pub(super) evaluator: &'c mut Evaluator<'e>,
    pub(super) scope: Scope,
    function: &'static Function,
    args: Vec<Vec<Value>>,
    /// The first argument, for functions that evaluate it for another time range.
    first: Option<&'c Expr>,
    variables: Variables<'c>,
}

impl<'c, 'e> Call<'c, 'e> {
    /// Checks arguments against the parameters of a function.
    pub(super) fn new(
        evaluator: &'c mut Evaluator<'e>,
        (scope, variables): (Scope, Variables<'c>),
        (function, name): (&'static Function, &str),
        (positional, named): (Vec<Value>, Vec<(&str, Value)>),
        first: Option<&'c Expr>,
    ) -> Result<Self> {
        let params = function.params;
        let mut args = vec![Vec::new(); params.len()];
        let mut take = |at: usize, value: Value| {
            let param = &params[at];
            if value == Value::None && !param.is_required {
                return Ok(());
            }
            let is_option = param.options.is_empty() || param.options.contains(&value.text().as_str());
            let shown = value.text();
            let Some(value) = value.checked(param.kind).filter(|_| is_option) else {
                let (kind, param) = (param.kind.name(), param.name);
                return refuse(format!(
                    "Invalid \"{kind}\" value specified for function \"{name}\" parameter \"{param}\": {shown}"
                ));
            };
            args[at].push(value);
            Ok(())
        };
        for (at, value) in positional.into_iter().enumerate() {
            let last = params.len().wrapping_sub(1);
            if at > last && !params.last().is_some_and(|param| param.is_multiple) || params.is_empty() {
                return refuse(format!("Too many parameters specified for function \"{name}\""));
            }
            take(at.min(last), value)?;
        }
        for (keyword, value) in named {
            match params.iter().position(|param| param.name == keyword) {
                Some(at) => take(at, value)?,
                None => return refuse(format!("Unexpected key word arguments: {keyword}")),
            }
        }
        let missing = params.iter().zip(&args).find(|(param, given)| param.is_required && given.is_empty());
        if let Some((param, _)) = missing {
            return refuse(format!("Missing required parameter \"{}\" for function \"{name}\"", param.name));
        }
        if let Some((param, _)) = params.iter().zip(&args).find(|(param, given)| given.len() > 1 && !param.is_multiple)
        {
            return refuse(format!("parameter \"{}\" of function \"{name}\" is given twice", param.name));
        }
        Ok(Self { evaluator, scope, function, args, first, variables })
    }

    pub(super) fn run(mut self) -> Result<Vec<Series>> {
        (self.function.run)(&mut self)
    }

    /// The series of a parameter, from all its arguments.
    #[inline(never)]
    pub(super) fn series(&mut self, at: usize) -> Vec<Series> {
        self.lists(at).into_iter().flatten().collect()
    }

    /// The series of each argument.
    #[inline(never)]
    pub(super) fn lists(&mut self, at: usize) -> Vec<Vec<Series>> {
        let values = std::mem::take(&mut self.args[at]).into_iter();
        values.filter_map(|value| if let Value::Series(series) = value { Some(series) } else { None }).collect()
    }

    /// The argument of a parameter, if it is given.
    pub(super) fn value(&self, at: usize) -> Option<&Value> {
        self.args[at].first()
    }

    /// All arguments of a parameter that takes several.
    pub(super) fn values(&self, at: usize) -> &[Value] {
        &self.args[at]
    }

    #[inline(never)]
    pub(super) fn float_or_none(&self, at: usize) -> Option<f64> {
        self.value(at).and_then(Value::float)
    }

    /// The number of a parameter that is required or has a default.
    #[inline(never)]
    pub(super) fn float(&self, at: usize) -> f64 {
        let default = self.function.params[at].default;
        self.float_or_none(at).unwrap_or_else(|| default.parse().unwrap_or(f64::INFINITY))
    }

    #[inline(never)]
    pub(super) fn int(&self, at: usize) -> i64 {
        let default = self.function.params[at].default;
        self.value(at).and_then(Value::int).unwrap_or_else(|| default.parse().unwrap_or(0))
    }

    /// A number of series or of values.
    #[inline(never)]
    pub(super) fn flag(&self, at: usize) -> bool {
        self.value(at).and_then(Value::boolean).unwrap_or(self.function.params[at].default == "true")
    }

    #[inline(never)]
    pub(super) fn text_or_none(&self, at: usize) -> Option<String> {
        self.value(at).map(Value::text)
    }

    #[inline(never)]
    pub(super) fn text(&self, at: usize) -> String {
        let default = self.function.params[at].default;
        self.text_or_none(at).unwrap_or_else(|| default.trim_matches('"').to_owned())
    }

    /// A duration in seconds, without its sign.
    #[inline(never)]
    pub(super) fn interval_s(&self, at: usize) -> Result<i64> {
        let text = self.text(at);
        match offset_s(&text)?.abs() {
            0 => refuse(format!("{text:?} is not a valid interval: it must be greater than zero")),
            seconds => Ok(seconds),
        }
    }

    /// A time in Unix seconds.
    pub(super) fn time_s(&self, at: usize) -> Result<i64> {
        parse_time(&self.text(at), self.evaluator.now_s, self.evaluator.zone)
    }

    /// What a function makes of series alone.
    pub(super) fn apply(
        &mut self,
        function: &'static Function,
        name: &str,
        series: Vec<Series>,
    ) -> Result<Vec<Series>> {
        let given = (vec![Value::Series(series)], Vec::new());
        Call::new(self.evaluator, (self.scope, self.variables), (function, name), given, None)?.run()
    }

    /// The first argument, evaluated for another time range.
    #[inline(never)]
    pub(super) fn first_of(&mut self, scope: Scope) -> Result<Vec<Series>> {
        let Some(first) = self.first else { return Ok(Vec::new()) };
        self.evaluator.series(first, scope, self.variables)
    }
}
