//! Parses a query, and rejects what Prometheus rejects: the grammar and the types of all of `PromQL`.

use super::ast::{Expr, Grouping, Operator, Selector};
use super::error::{BadQuery, Result, refuse};
use super::functions::{Function, aggregation};
use super::lexer::{Token, Word, words};
use super::lower::lower;
use super::syntax::{AnyOperator, Binary, Kind, Node, Type, When};

/// The most bytes in a query.
pub const MAX_QUERY_BYTES: usize = 8_192;
/// The deepest nesting of expressions.
const MAX_DEPTH: usize = 32;
/// The most operators in a query: a chain of them nests as deep, and is work that is planned before the key is
/// checked.
const MAX_OPERATORS: usize = 200;
/// Lower-case keywords; the names of aggregations are keywords as well.
const KEYWORDS: [&str; 14] = [
    "and",
    "or",
    "unless",
    "atan2",
    "bool",
    "on",
    "ignoring",
    "group_left",
    "group_right",
    "by",
    "without",
    "offset",
    "start",
    "end",
];
/// Words that can't be a metric's name.
const RESERVED: [&str; 6] = ["atan2", "bool", "on", "ignoring", "group_left", "group_right"];
/// The label that holds a metric's name.
pub const NAME: &str = "__name__";

/// Parses a query to an expression.
///
/// # Errors
/// Reports what is invalid or not supported, and where.
pub fn parse(query: &str) -> Result<Expr> {
    let mut parser = Parser::new(query)?;
    let node = parser.whole()?;
    lower(&parser, &node)
}

/// Parses a `match[]` to a selector.
///
/// # Errors
/// As [`parse`].
pub fn parse_selector(text: &str) -> Result<Selector> {
    match Parser::new(text)?.whole()? {
        Node { at: 0, kind: Kind::Selector(matchers, when) } if when == When::default() => {
            Ok(Selector { matchers, offset_ms: 0 })
        }
        _ => refuse(format!("not a series selector: {text}")),
    }
}

/// The tokens of a query, and the position in them.
pub(super) struct Parser<'a> {
    query: &'a str,
    tokens: Vec<Token>,
    pub(super) at: usize,
    depth: usize,
    operators: usize,
}

impl<'a> Parser<'a> {
    fn new(query: &'a str) -> Result<Self> {
        if query.len() > MAX_QUERY_BYTES {
            return refuse(format!("a query can have at most {MAX_QUERY_BYTES} bytes, this one has {}", query.len()));
        }
        Ok(Self { query, tokens: words(query)?, at: 0, depth: 0, operators: 0 })
    }

    fn whole(&mut self) -> Result<Node> {
        let node = self.expression(1)?;
        if self.at < self.tokens.len() { self.unexpected("the end") } else { Ok(node) }
    }

    pub(super) fn peek(&self) -> Option<&Word> {
        self.tokens.get(self.at).map(|token| &token.word)
    }

    pub(super) fn is_sign(&self, sign: &str) -> bool {
        matches!(self.peek(), Some(Word::Sign(there)) if *there == sign)
    }

    pub(super) fn takes(&mut self, sign: &str) -> bool {
        let is_there = self.is_sign(sign);
        self.at += usize::from(is_there);
        is_there
    }

    pub(super) fn expect(&mut self, sign: &str) -> Result<()> {
        if self.takes(sign) { Ok(()) } else { self.unexpected(sign) }
    }

    /// The keyword at the current position, if there is one.
    #[inline(never)]
    pub(super) fn keyword(&self) -> &'static str {
        let Some(Word::Name(name)) = self.peek() else { return "" };
        KEYWORDS.into_iter().find(|keyword| keyword.eq_ignore_ascii_case(name)).unwrap_or_default()
    }

    /// Consumes a duration.
    #[inline(never)]
    fn duration(&mut self) -> Result<i64> {
        let Some(Word::Duration(ms)) = self.peek() else { return self.unexpected("a duration") };
        let ms = *ms;
        self.at += 1;
        Ok(ms)
    }

    /// The rest of the query, truncated.
    fn rest(&self, at: usize) -> String {
        let rest = self.tokens.get(at).map_or("", |token| &self.query[token.at..]);
        if rest.is_empty() { "the end of the query".to_owned() } else { rest.chars().take(80).collect() }
    }

    pub(super) fn unexpected<T>(&self, wanted: &str) -> Result<T> {
        Err(self.refusal("parse error: expected ", wanted, " before: ", self.at))
    }

    /// Something that is well-formed but that Prometheus rejects.
    pub(super) fn wrong<T>(&self, why: &str, at: usize) -> Result<T> {
        Err(self.refusal("parse error: ", why, ", in: ", at))
    }

    /// Something that Prometheus answers but a stream does not.
    pub(super) fn unsupported<T>(&self, what: &str, at: usize) -> Result<T> {
        Err(self.refusal("not supported here: ", what, ", in: ", at))
    }

    #[inline(never)]
    pub(super) fn refusal(&self, why: &str, what: &str, place: &str, at: usize) -> BadQuery {
        BadQuery([why, what, place, &self.rest(at)].concat())
    }

    /// Parses operators of this precedence and higher.
    fn expression(&mut self, lowest: u8) -> Result<Node> {
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            return refuse(format!("expressions are nested more than {MAX_DEPTH} deep"));
        }
        let mut left = self.unary()?;
        while let Some(operator) = self.operator().filter(|operator| operator.precedence() >= lowest) {
            self.operators += 1;
            if self.operators > MAX_OPERATORS {
                return refuse(format!("a query can have at most {MAX_OPERATORS} operators"));
            }
            left = self.binary(operator, left)?;
        }
        self.depth -= 1;
        Ok(left)
    }

    fn operator(&self) -> Option<AnyOperator> {
        match self.peek()? {
            Word::Sign(sign) => Operator::of(sign).map(AnyOperator::Plain),
            _ => AnyOperator::of_keyword(self.keyword()),
        }
    }

    fn binary(&mut self, operator: AnyOperator, left: Node) -> Result<Node> {
        let at = self.at;
        self.at += 1;
        let is_bool = self.keyword() == "bool";
        self.at += usize::from(is_bool);
        let matching = match self.keyword() {
            keyword @ ("on" | "ignoring") => {
                self.at += 1;
                Some(Grouping { is_without: keyword == "ignoring", labels: self.labels()? })
            }
            _ => None,
        };
        let (mut group, mut included) = (None, Vec::new());
        if let keyword @ ("group_left" | "group_right") = self.keyword()
            && matching.is_some()
        {
            group = Some((keyword, self.at));
            self.at += 1;
            if self.is_sign("(") {
                included = self.labels()?;
            }
        }
        // Powers associate to the right.
        let is_power = operator == AnyOperator::Plain(Operator::Power);
        let right = self.expression(operator.precedence() + u8::from(!is_power))?;
        let is_scalar = left.ty() == Type::Scalar && right.ty() == Type::Scalar;
        let binary = Binary { operator, is_bool, matching, group, left, right, is_scalar };
        match binary.fault(&included) {
            Some(why) => self.wrong(why, at),
            None => Ok(Node { at, kind: Kind::Binary(Box::new(binary)) }),
        }
    }

    fn unary(&mut self) -> Result<Node> {
        let at = self.at;
        let is_negative = self.is_sign("-");
        if !is_negative && !self.is_sign("+") {
            return self.operand();
        }
        self.at += 1;
        // Only powers bind more tightly than a sign.
        let node = self.expression(AnyOperator::Plain(Operator::Power).precedence())?;
        if !matches!(node.ty(), Type::Scalar | Type::Vector) {
            return self.wrong("a sign is allowed only before numbers and instant vectors", at);
        }
        Ok(match node.kind {
            _ if !is_negative => node,
            Kind::Number(number) => Node { at, kind: Kind::Number(-number) },
            _ => Node { at, kind: Kind::Negative(Box::new(node)) },
        })
    }

    fn operand(&mut self) -> Result<Node> {
        let at = self.at;
        let kind = match self.peek() {
            Some(Word::Number(number)) => {
                let number = *number;
                self.at += 1;
                Kind::Number(number)
            }
            Some(Word::Text(_)) => {
                self.at += 1;
                Kind::Text
            }
            Some(Word::Sign("(")) => {
                self.at += 1;
                let inner = self.expression(1)?;
                self.expect(")")?;
                Kind::Parentheses(Box::new(inner))
            }
            Some(Word::Sign("{")) => self.selector(None)?,
            Some(Word::Name(name)) => {
                let name = name.clone();
                self.named(name)?
            }
            _ => return self.unexpected("an expression"),
        };
        self.modified(Node { at, kind })
    }

    /// Parses the ranges, offsets and times after an expression.
    fn modified(&mut self, mut node: Node) -> Result<Node> {
        loop {
            let at = self.at;
            if self.takes("[") {
                node = Node { at: node.at, kind: self.range(node, at)? };
            } else if self.keyword() == "offset" {
                self.at += 1;
                let sign = if self.takes("-") { -1 } else { 1 };
                let ms = sign * self.duration()?;
                let why = "offset is allowed once, after a selector, a range or a subquery";
                let Some(when) = node.when().filter(|when| when.offset_ms.is_none()) else {
                    return self.wrong(why, at);
                };
                when.offset_ms = Some(ms);
            } else if self.takes("@") {
                self.moment()?;
                let why = "@ is allowed once, after a selector, a range or a subquery";
                let Some(when) = node.when().filter(|when| when.at.is_none()) else { return self.wrong(why, at) };
                when.at = Some(at);
            } else {
                return Ok(node);
            }
        }
    }

    fn range(&mut self, node: Node, at: usize) -> Result<Kind> {
        let ms = self.duration()?;
        let (ty, is_subquery) = (node.ty(), self.takes(":"));
        if is_subquery && !self.is_sign("]") {
            self.duration()?;
        }
        self.expect("]")?;
        match node.kind {
            _ if is_subquery && ty == Type::Vector => Ok(Kind::Subquery(When::default())),
            _ if is_subquery => self.wrong("a subquery is allowed only on an instant vector", at),
            Kind::Selector(matchers, when) if when == When::default() => Ok(Kind::Range(matchers, ms, when)),
            Kind::Selector(..) => self.wrong("offset and @ must come after a range, not before it", at),
            _ => self.wrong("a range is allowed only after a selector", at),
        }
    }

    /// Parses what follows an `@`.
    fn moment(&mut self) -> Result<()> {
        if let "start" | "end" = self.keyword() {
            self.at += 1;
            self.expect("(")?;
            return self.expect(")");
        }
        let _is_negative = self.takes("-") || self.takes("+");
        match self.peek() {
            Some(Word::Number(number)) if number.abs() < 9_223_372_036_854_775_808.0 => {
                self.at += 1;
                Ok(())
            }
            _ => self.unexpected("a timestamp, start() or end()"),
        }
    }

    /// Parses what starts with a name.
    fn named(&mut self, name: String) -> Result<Kind> {
        let (start, keyword) = (self.at, self.keyword());
        self.at += 1;
        if let Some((name, parameter)) = aggregation(&name)
            && (self.is_sign("(") || matches!(self.keyword(), "by" | "without"))
        {
            return self.aggregate(name, parameter, start);
        }
        if self.is_sign("(") && keyword.is_empty() && !name.contains(':') && aggregation(&name).is_none() {
            return self.call(&name, start);
        }
        if RESERVED.contains(&keyword) {
            self.at = start;
            return self.unexpected("an expression");
        }
        self.selector(Some(name))
    }

    fn call(&mut self, name: &str, start: usize) -> Result<Kind> {
        let Some(function) = Function::of(name) else {
            return self.wrong("unknown function", start);
        };
        let arguments = self.arguments()?;
        let (least, most) = function.arguments();
        if !(least..=most).contains(&arguments.len()) {
            return self.wrong("wrong number of arguments for the function", start);
        }
        for (place, argument) in arguments.iter().enumerate() {
            let wanted = function.takes[place.min(function.takes.len() - 1)];
            self.check_type(argument, wanted)?;
        }
        Ok(Kind::Call(function, arguments))
    }

    fn aggregate(&mut self, name: &'static str, parameter: Option<Type>, start: usize) -> Result<Kind> {
        let mut grouping = self.grouping()?;
        let arguments = self.arguments()?;
        if grouping.is_none() {
            grouping = self.grouping()?;
        }
        match (parameter, &arguments[..]) {
            (None, [series]) => self.check_series(series)?,
            (Some(wanted), [parameter, series]) => {
                self.check_series(series)?;
                self.check_type(parameter, wanted)?;
            }
            _ => return self.wrong("wrong number of arguments for the aggregation", start),
        }
        Ok(Kind::Aggregation { name, grouping: grouping.unwrap_or_default(), arguments })
    }

    fn check_series(&self, node: &Node) -> Result<()> {
        if node.ty() != Type::Scalar {
            return self.check_type(node, Type::Vector);
        }
        Err(self.refusal("parse error: expected ", "series, not a number, to aggregate", " before: ", node.at))
    }

    fn check_type(&self, node: &Node, wanted: Type) -> Result<()> {
        let is = node.ty();
        if is == wanted {
            return Ok(());
        }
        self.wrong(&["expected type ", wanted.name(), ", got ", is.name()].concat(), node.at)
    }

    /// Parses expressions in parentheses.
    fn arguments(&mut self) -> Result<Vec<Node>> {
        self.expect("(")?;
        let mut arguments = Vec::new();
        if self.takes(")") {
            return Ok(arguments);
        }
        loop {
            arguments.push(self.expression(1)?);
            if !self.takes(",") {
                self.expect(")")?;
                return Ok(arguments);
            }
        }
    }

    fn grouping(&mut self) -> Result<Option<Grouping>> {
        let is_without = match self.keyword() {
            "by" => false,
            "without" => true,
            _ => return Ok(None),
        };
        self.at += 1;
        Ok(Some(Grouping { is_without, labels: self.labels()? }))
    }
}
