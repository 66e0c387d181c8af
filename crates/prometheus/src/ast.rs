//! A parsed query: the subset of `PromQL` that a stream answers.

/// An expression.
#[derive(Clone, Debug, PartialEq)]
pub enum Expr {
    /// A number.
    Number(f64),
    /// The values of counters at a time.
    Instant(Selector),
    /// The increase of counters within a range before a time.
    Range(RangeFunction, Selector, i64),
    /// Aggregated series.
    Aggregate(Aggregation, Box<Expr>),
    /// A binary operation.
    Binary(Operation, Box<Expr>, Box<Expr>),
}

/// Selects series.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Selector {
    /// Conditions on labels, including `__name__`.
    pub matchers: Vec<LabelMatcher>,
    /// The offset into the past, in milliseconds.
    pub offset_ms: i64,
}

/// A condition on a label.
#[derive(Clone, Debug, PartialEq)]
pub struct LabelMatcher {
    /// Its name in Prometheus.
    pub name: String,
    /// `=`, `!=`, `=~` or `!~`.
    pub operator: &'static str,
    /// Its value, or a pattern.
    pub value: String,
}

/// A function of a range.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RangeFunction {
    /// The increase per second.
    Rate,
    /// The increase in the whole range.
    Increase,
    /// The same, as the samples that it adds up are the increases.
    SumOverTime,
}

/// An aggregation of series.
#[derive(Clone, Debug, PartialEq)]
pub struct Aggregation {
    /// The aggregated value.
    pub operator: Aggregator,
    /// The parameter of `topk` and `bottomk`.
    pub count: usize,
    /// The grouping labels.
    pub grouping: Grouping,
}

/// The aggregated value of a group.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "as in PromQL")]
pub enum Aggregator {
    Sum,
    Avg,
    Min,
    Max,
    Count,
    Topk,
    Bottomk,
}

/// The labels that form groups.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Grouping {
    /// Whether these are the labels to ignore.
    pub is_without: bool,
    /// Their names in Prometheus.
    pub labels: Vec<String>,
}

/// A binary operation.
#[derive(Clone, Debug, PartialEq)]
pub struct Operation {
    /// Its operator.
    pub operator: Operator,
    /// Whether a comparison returns 0 or 1.
    pub is_bool: bool,
    /// `on`, or `ignoring` as [`Grouping::is_without`].
    pub matching: Option<Grouping>,
}

/// A binary operator.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "as in PromQL")]
pub enum Operator {
    Add,
    Subtract,
    Multiply,
    Divide,
    Modulo,
    Power,
    Equal,
    NotEqual,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

impl Operator {
    /// The operator that a token stands for.
    #[must_use]
    pub fn of(token: &str) -> Option<Self> {
        Some(match token {
            "+" => Self::Add,
            "-" => Self::Subtract,
            "*" => Self::Multiply,
            "/" => Self::Divide,
            "%" => Self::Modulo,
            "^" => Self::Power,
            "==" => Self::Equal,
            "!=" => Self::NotEqual,
            "<" => Self::Less,
            "<=" => Self::LessOrEqual,
            ">" => Self::Greater,
            ">=" => Self::GreaterOrEqual,
            _ => return None,
        })
    }

    /// The precedence; higher ones bind more tightly.
    #[must_use]
    pub fn precedence(self) -> u8 {
        match self {
            Self::Power => 4,
            Self::Multiply | Self::Divide | Self::Modulo => 3,
            Self::Add | Self::Subtract => 2,
            _ => 1,
        }
    }

    /// Whether it is a comparison.
    #[must_use]
    pub fn compares(self) -> bool {
        self.precedence() == 1
    }

    /// Its value; for a comparison, 1 if it holds.
    #[must_use]
    pub fn of_two(self, left: f64, right: f64) -> f64 {
        let holds = |holds: bool| f64::from(u8::from(holds));
        match self {
            Self::Add => left + right,
            Self::Subtract => left - right,
            Self::Multiply => left * right,
            Self::Divide => left / right,
            Self::Modulo => left % right,
            Self::Power => left.powf(right),
            Self::Equal => holds(left == right),
            Self::NotEqual => holds(left != right),
            Self::Less => holds(left < right),
            Self::LessOrEqual => holds(left <= right),
            Self::Greater => holds(left > right),
            Self::GreaterOrEqual => holds(left >= right),
        }
    }
}
