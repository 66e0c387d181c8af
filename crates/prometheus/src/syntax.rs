//! A query as it is written: the whole language, with the types that its parts have. What of it is answered is in `lower`.

use super::ast::{Grouping, LabelMatcher, Operator};
use super::functions::Function;

/// What an expression is when it is evaluated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Type {
    Scalar,
    Vector,
    Matrix,
    Text,
}

impl Type {
    /// As Prometheus calls it.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Scalar => "scalar",
            Self::Vector => "instant vector",
            Self::Matrix => "range vector",
            Self::Text => "string",
        }
    }
}

/// A part of a query.
#[derive(Debug, PartialEq)]
pub(super) struct Node {
    /// The word with which it begins; of two sides, their operator.
    pub(super) at: usize,
    pub(super) kind: Kind,
}

/// What a part is.
#[derive(Debug, PartialEq)]
pub(super) enum Kind {
    Number(f64),
    Text,
    Selector(Vec<LabelMatcher>, When),
    /// Of a selector, in milliseconds.
    Range(Vec<LabelMatcher>, i64, When),
    Subquery(When),
    Parentheses(Box<Node>),
    Negative(Box<Node>),
    Call(Function, Vec<Node>),
    Aggregation {
        name: &'static str,
        grouping: Grouping,
        /// The parameter, if it has one, and the series.
        arguments: Vec<Node>,
    },
    Binary(Box<Binary>),
}

/// Two sides and what is made of them.
#[derive(Debug, PartialEq)]
pub(super) struct Binary {
    pub(super) operator: AnyOperator,
    pub(super) is_bool: bool,
    pub(super) matching: Option<Grouping>,
    /// `group_left` or `group_right`, and where it stands.
    pub(super) group: Option<(&'static str, usize)>,
    pub(super) left: Node,
    pub(super) right: Node,
    /// Whether both are numbers.
    pub(super) is_scalar: bool,
}

/// The modifiers of a selector.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct When {
    pub(super) offset_ms: Option<i64>,
    /// The word `@`.
    pub(super) at: Option<usize>,
}

/// An operator of two sides.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum AnyOperator {
    /// One that numbers have.
    Plain(Operator),
    Atan2,
    /// `and`, `or` or `unless`.
    Set(&'static str),
}

impl AnyOperator {
    /// The operator that a keyword in lower case is.
    pub(super) fn of_keyword(keyword: &'static str) -> Option<Self> {
        Some(match keyword {
            "and" | "or" | "unless" => Self::Set(keyword),
            "atan2" => Self::Atan2,
            _ => return None,
        })
    }

    /// Those of a higher one come first.
    pub(super) fn precedence(self) -> u8 {
        match self {
            Self::Set("or") => 1,
            Self::Set(_) => 2,
            Self::Atan2 => Self::Plain(Operator::Multiply).precedence(),
            Self::Plain(operator) => operator.precedence() + 2,
        }
    }

    pub(super) fn compares(self) -> bool {
        matches!(self, Self::Plain(operator) if operator.compares())
    }
}

impl Node {
    /// Its type.
    pub(super) fn ty(&self) -> Type {
        match &self.kind {
            Kind::Number(_) => Type::Scalar,
            Kind::Text => Type::Text,
            Kind::Range(..) | Kind::Subquery(_) => Type::Matrix,
            Kind::Parentheses(inner) | Kind::Negative(inner) => inner.ty(),
            Kind::Call(function, _) => function.gives,
            Kind::Binary(binary) if binary.is_scalar => Type::Scalar,
            Kind::Selector(..) | Kind::Aggregation { .. } | Kind::Binary(_) => Type::Vector,
        }
    }

    /// What is within its parentheses.
    pub(super) fn inner(&self) -> &Self {
        match &self.kind {
            Kind::Parentheses(inner) => inner.inner(),
            _ => self,
        }
    }

    /// The modifiers of what can have them.
    pub(super) fn when(&mut self) -> Option<&mut When> {
        match &mut self.kind {
            Kind::Selector(_, when) | Kind::Range(_, _, when) | Kind::Subquery(when) => Some(when),
            _ => None,
        }
    }
}

impl Binary {
    /// Why they do not go together, given the labels of their group.
    pub(super) fn fault(&self, included: &[String]) -> Option<&'static str> {
        let Binary { operator, is_bool, matching, group, left, right, is_scalar } = self;
        let types = [left.ty(), right.ty()];
        let matched: &[String] = matching.as_ref().map_or(&[], |matching| &matching.labels);
        let is_on = matching.as_ref().is_some_and(|matching| !matching.is_without);
        let is_set = matches!(operator, AnyOperator::Set(_));
        if *is_bool && !operator.compares() {
            return Some("bool stands only behind comparisons");
        }
        if operator.compares() && !is_bool && *is_scalar {
            return Some("comparisons between scalars must use bool");
        }
        if is_on && matched.iter().any(|label| included.contains(label)) {
            return Some("a label is in on and in the group at once");
        }
        if types.iter().any(|ty| !matches!(ty, Type::Scalar | Type::Vector)) {
            return Some("an operator has only numbers and instant vectors at its sides");
        }
        let are_vectors = types == [Type::Vector; 2];
        if !are_vectors && !matched.is_empty() {
            return Some("on and ignoring stand only between instant vectors");
        }
        if !are_vectors && is_set {
            return Some("and, or and unless stand only between instant vectors");
        }
        (is_set && group.is_some()).then_some("and, or and unless have no group_left or group_right")
    }
}
