//! The syntax tree of a query: the whole language, with the types of its parts. The module `lower` decides what is
//! answered.

use super::ast::{Grouping, LabelMatcher, Operator};
use super::functions::Function;

/// The type of an expression.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Type {
    Scalar,
    Vector,
    Matrix,
    Text,
}

impl Type {
    /// Its name in Prometheus.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Scalar => "scalar",
            Self::Vector => "instant vector",
            Self::Matrix => "range vector",
            Self::Text => "string",
        }
    }
}

/// A node of the tree.
#[derive(Debug, PartialEq)]
pub(super) struct Node {
    /// Its first token; the operator of a binary operation.
    pub(super) at: usize,
    pub(super) kind: Kind,
}

/// The kind of a node.
#[derive(Debug, PartialEq)]
pub(super) enum Kind {
    Number(f64),
    Text,
    Selector(Vec<LabelMatcher>, When),
    /// The offset of a selector, in milliseconds.
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

/// A binary operation.
#[derive(Debug, PartialEq)]
pub(super) struct Binary {
    pub(super) operator: AnyOperator,
    pub(super) is_bool: bool,
    pub(super) matching: Option<Grouping>,
    /// `group_left` or `group_right`, and where it is.
    pub(super) group: Option<(&'static str, usize)>,
    pub(super) left: Node,
    pub(super) right: Node,
    /// Whether both operands are numbers.
    pub(super) is_scalar: bool,
}

/// The modifiers of a selector.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct When {
    pub(super) offset_ms: Option<i64>,
    /// The position of the token `@`.
    pub(super) at: Option<usize>,
}

/// A binary operator, of numbers or of sets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum AnyOperator {
    /// An arithmetic or comparison operator.
    Plain(Operator),
    Atan2,
    /// `and`, `or` or `unless`.
    Set(&'static str),
}

impl AnyOperator {
    /// The operator that a lower-case keyword stands for.
    pub(super) fn of_keyword(keyword: &'static str) -> Option<Self> {
        Some(match keyword {
            "and" | "or" | "unless" => Self::Set(keyword),
            "atan2" => Self::Atan2,
            _ => return None,
        })
    }

    /// The precedence; higher ones bind more tightly.
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

    /// The node without enclosing parentheses.
    pub(super) fn inner(&self) -> &Self {
        match &self.kind {
            Kind::Parentheses(inner) => inner.inner(),
            _ => self,
        }
    }

    /// The modifiers of a node that can have them.
    pub(super) fn when(&mut self) -> Option<&mut When> {
        match &mut self.kind {
            Kind::Selector(_, when) | Kind::Range(_, _, when) | Kind::Subquery(when) => Some(when),
            _ => None,
        }
    }
}

impl Binary {
    /// Why the operands don't fit together, given the labels of their group.
    pub(super) fn fault(&self, included: &[String]) -> Option<&'static str> {
        let Binary { operator, is_bool, matching, group, left, right, is_scalar } = self;
        let types = [left.ty(), right.ty()];
        let matched: &[String] = matching.as_ref().map_or(&[], |matching| &matching.labels);
        let is_on = matching.as_ref().is_some_and(|matching| !matching.is_without);
        let is_set = matches!(operator, AnyOperator::Set(_));
        if *is_bool && !operator.compares() {
            return Some("bool is allowed only after comparisons");
        }
        if operator.compares() && !is_bool && *is_scalar {
            return Some("comparisons between scalars must use bool");
        }
        if is_on && matched.iter().any(|label| included.contains(label)) {
            return Some("a label is both in on and in the group");
        }
        if types.iter().any(|ty| !matches!(ty, Type::Scalar | Type::Vector)) {
            return Some("an operator's operands must be numbers or instant vectors");
        }
        let are_vectors = types == [Type::Vector; 2];
        if !are_vectors && !matched.is_empty() {
            return Some("on and ignoring are allowed only between instant vectors");
        }
        if !are_vectors && is_set {
            return Some("and, or and unless are allowed only between instant vectors");
        }
        (is_set && group.is_some()).then_some("and, or and unless can't have group_left or group_right")
    }
}
