//! A query taken apart: the subset of `PromQL` that a stream answers.

/// An expression.
#[derive(Clone, Debug, PartialEq)]
pub enum Expr {
    /// A number.
    Number(f64),
    /// Counters as they are at a time.
    Instant(Selector),
    /// What counters got within a range before a time.
    Range(RangeFunction, Selector, i64),
    /// Series put together.
    Aggregate(Aggregation, Box<Expr>),
    /// Two sides and what is made of them.
    Binary(Operation, Box<Expr>, Box<Expr>),
}

/// Which series.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Selector {
    /// What labels must be like, `__name__` among them.
    pub matchers: Vec<LabelMatcher>,
    /// So many milliseconds before.
    pub offset_ms: i64,
}

/// What a label must be like.
#[derive(Clone, Debug, PartialEq)]
pub struct LabelMatcher {
    /// Its name in Prometheus.
    pub name: String,
    /// `=`, `!=`, `=~` or `!~`.
    pub operator: &'static str,
    /// Its value, or a pattern.
    pub value: String,
}

/// What is made of a range.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RangeFunction {
    /// A second.
    Rate,
    /// In the whole range.
    Increase,
    /// Likewise, as the samples that are added are what came.
    SumOverTime,
}

/// How series are put together.
#[derive(Clone, Debug, PartialEq)]
pub struct Aggregation {
    /// Which number.
    pub operator: Aggregator,
    /// Of `topk` and `bottomk`.
    pub count: usize,
    /// By which labels.
    pub grouping: Grouping,
}

/// The number of a group.
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

/// Labels that make groups.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Grouping {
    /// Whether they are those that do not.
    pub is_without: bool,
    /// Their names in Prometheus.
    pub labels: Vec<String>,
}

/// What is made of two sides.
#[derive(Clone, Debug, PartialEq)]
pub struct Operation {
    /// Which.
    pub operator: Operator,
    /// Whether a comparison gives 0 or 1.
    pub is_bool: bool,
    /// `on`, or `ignoring` as [`Grouping::is_without`].
    pub matching: Option<Grouping>,
}

/// An operator of two sides.
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
    /// The operator that a token is.
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

    /// Those of a higher one come first.
    #[must_use]
    pub fn precedence(self) -> u8 {
        match self {
            Self::Power => 4,
            Self::Multiply | Self::Divide | Self::Modulo => 3,
            Self::Add | Self::Subtract => 2,
            _ => 1,
        }
    }

    /// Whether it compares.
    #[must_use]
    pub fn compares(self) -> bool {
        self.precedence() == 1
    }

    /// The number; of a comparison 1 where it holds.
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
