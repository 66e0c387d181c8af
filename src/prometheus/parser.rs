//! Reads a query. What Prometheus knows and a stream does not answer is refused with the part of the query that it is.

use super::ast::{Aggregation, Aggregator, Expr, Grouping, LabelMatcher, Operation, Operator, RangeFunction, Selector};
use super::error::{Refusal, Result, refuse};
use super::lexer::{Token, Word, words};

/// A query has at most so many bytes.
pub const MAX_QUERY_BYTES: usize = 8_192;
/// Expressions stand in each other at most so deep.
const MAX_DEPTH: usize = 32;
/// Operators of a query: as deep as a chain of them stands, and work that is planned before the key is looked at.
const MAX_OPERATORS: usize = 200;
/// So many series are kept by `topk` at most.
const MAX_KEPT: usize = 500;
/// In lower case.
const KEYWORDS: [&str; 12] =
    ["and", "or", "unless", "atan2", "bool", "on", "ignoring", "group_left", "group_right", "by", "without", "offset"];
/// The label that has a metric's name.
pub const NAME: &str = "__name__";

/// The expression of a query.
///
/// # Errors
/// What is not understood, or not supported, and where.
pub fn parse(query: &str) -> Result<Expr> {
    let mut parser = Parser::new(query)?;
    let expr = parser.expression(1)?;
    if parser.at < parser.tokens.len() { parser.unexpected("the end") } else { Ok(expr) }
}

/// The selector that a `match[]` is.
///
/// # Errors
/// As [`parse`].
pub fn parse_selector(text: &str) -> Result<Selector> {
    match parse(text)? {
        Expr::Instant(selector) if selector.offset_ms == 0 => Ok(selector),
        _ => refuse(format!("not a selector of series: {text}")),
    }
}

struct Parser<'a> {
    query: &'a str,
    tokens: Vec<Token>,
    at: usize,
    depth: usize,
    operators: usize,
}

impl<'a> Parser<'a> {
    fn new(query: &'a str) -> Result<Self> {
        if query.len() > MAX_QUERY_BYTES {
            return refuse(format!("a query has at most {MAX_QUERY_BYTES} bytes, this one has {}", query.len()));
        }
        Ok(Self { query, tokens: words(query)?, at: 0, depth: 0, operators: 0 })
    }

    fn peek(&self) -> Option<&Word> {
        self.tokens.get(self.at).map(|token| &token.word)
    }

    fn is_sign(&self, sign: &str) -> bool {
        matches!(self.peek(), Some(Word::Sign(there)) if *there == sign)
    }

    fn takes(&mut self, sign: &str) -> bool {
        let is_there = self.is_sign(sign);
        self.at += usize::from(is_there);
        is_there
    }

    fn expect(&mut self, sign: &str) -> Result<()> {
        if self.takes(sign) { Ok(()) } else { self.unexpected(sign) }
    }

    /// The keyword that stands here, if any.
    #[inline(never)]
    fn keyword(&self) -> &'static str {
        let Some(Word::Name(name)) = self.peek() else { return "" };
        KEYWORDS.into_iter().find(|keyword| keyword.eq_ignore_ascii_case(name)).unwrap_or_default()
    }

    /// Takes a name, or, if it may be quoted, a text.
    #[inline(never)]
    fn take_name(&mut self, may_be_quoted: bool) -> Option<String> {
        let name = match self.peek()? {
            Word::Name(name) => name.clone(),
            Word::Text(text) if may_be_quoted => text.clone(),
            _ => return None,
        };
        self.at += 1;
        Some(name)
    }

    /// Takes a duration.
    #[inline(never)]
    fn duration(&mut self) -> Result<i64> {
        let Some(Word::Duration(ms)) = self.peek() else { return self.unexpected("a duration") };
        let ms = *ms;
        self.at += 1;
        Ok(ms)
    }

    /// What is left of the query, cut.
    fn rest(&self, at: usize) -> String {
        let rest = self.tokens.get(at).map_or("", |token| &self.query[token.at..]);
        if rest.is_empty() { "the end of the query".to_owned() } else { rest.chars().take(80).collect() }
    }

    fn unexpected<T>(&self, wanted: &str) -> Result<T> {
        Err(self.refusal("parse error: expected ", wanted, " before: ", self.at))
    }

    fn unsupported<T>(&self, what: &str, at: usize) -> Result<T> {
        Err(self.refusal("not supported here: ", what, ", in: ", at))
    }

    #[inline(never)]
    fn refusal(&self, why: &str, what: &str, place: &str, at: usize) -> Refusal {
        Refusal([why, what, place, &self.rest(at)].concat())
    }

    /// Operators of this precedence and higher.
    fn expression(&mut self, lowest: u8) -> Result<Expr> {
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            return refuse(format!("expressions stand in each other deeper than {MAX_DEPTH}"));
        }
        let mut left = self.unary()?;
        loop {
            if let set @ ("and" | "or" | "unless" | "atan2") = self.keyword() {
                return self.unsupported(set, self.at);
            }
            let Some(Word::Sign(sign)) = self.peek() else { break };
            let Some(operator) = Operator::of(sign).filter(|operator| operator.precedence() >= lowest) else { break };
            self.at += 1;
            self.operators += 1;
            if self.operators > MAX_OPERATORS {
                return refuse(format!("a query has at most {MAX_OPERATORS} operators"));
            }
            let operation = self.operation(operator)?;
            // Powers are taken from the right.
            let right = self.expression(operator.precedence() + u8::from(operator != Operator::Power))?;
            if operator.compares() && !operation.is_bool && is_scalar(&left) && is_scalar(&right) {
                return refuse("comparisons between scalars must use bool");
            }
            left = Expr::Binary(operation, Box::new(left), Box::new(right));
        }
        self.depth -= 1;
        Ok(left)
    }

    fn operation(&mut self, operator: Operator) -> Result<Operation> {
        let is_bool = self.keyword() == "bool";
        if is_bool && !operator.compares() {
            return self.unexpected("an operand");
        }
        self.at += usize::from(is_bool);
        let matching = match self.keyword() {
            keyword @ ("on" | "ignoring") => {
                self.at += 1;
                Some(Grouping { is_without: keyword == "ignoring", labels: self.labels()? })
            }
            _ => None,
        };
        if let group @ ("group_left" | "group_right") = self.keyword() {
            return self.unsupported(group, self.at);
        }
        Ok(Operation { operator, is_bool, matching })
    }

    fn unary(&mut self) -> Result<Expr> {
        if self.takes("+") {
            return self.unary_operand();
        }
        if self.takes("-") {
            return Ok(match self.unary_operand()? {
                Expr::Number(number) => Expr::Number(-number),
                expr => {
                    let operation = Operation { operator: Operator::Multiply, is_bool: false, matching: None };
                    Expr::Binary(operation, Box::new(Expr::Number(-1.0)), Box::new(expr))
                }
            });
        }
        self.operand()
    }

    /// Only powers come before a sign.
    fn unary_operand(&mut self) -> Result<Expr> {
        self.expression(Operator::Power.precedence())
    }

    fn operand(&mut self) -> Result<Expr> {
        let start = self.at;
        if let Some(Word::Number(number)) = self.peek() {
            let number = *number;
            self.at += 1;
            return Ok(Expr::Number(number));
        }
        let expr = if self.takes("(") {
            let expr = self.expression(1)?;
            self.expect(")")?;
            expr
        } else if self.is_sign("{") {
            self.selector(None)?
        } else if let Some(name) = self.take_name(false) {
            self.named(name, start)?
        } else if matches!(self.peek(), Some(Word::Text(_))) {
            return self.unsupported("a text as an expression", start);
        } else {
            return self.unexpected("an expression");
        };
        if self.is_sign("[") {
            return self.unsupported("a range outside of rate, increase and sum_over_time, or a subquery", start);
        }
        if self.is_sign("@") || self.keyword() == "offset" {
            return self.unsupported("a modifier of time here", start);
        }
        Ok(expr)
    }

    /// What begins with a name.
    fn named(&mut self, name: String, start: usize) -> Result<Expr> {
        let lower = name.to_ascii_lowercase();
        let is_call = self.is_sign("(");
        match aggregator(&lower) {
            Some(operator) if is_call || matches!(self.keyword(), "by" | "without") => self.aggregate(operator),
            _ if is_call => self.call(&name, start),
            _ if lower == "inf" => Ok(Expr::Number(f64::INFINITY)),
            _ if lower == "nan" => Ok(Expr::Number(f64::NAN)),
            _ => self.selector(Some(name)),
        }
    }

    fn call(&mut self, name: &str, start: usize) -> Result<Expr> {
        let function = match name {
            "rate" => RangeFunction::Rate,
            "increase" => RangeFunction::Increase,
            "sum_over_time" => RangeFunction::SumOverTime,
            _ => return self.unsupported("this function", start),
        };
        self.expect("(")?;
        let name = self.take_name(false);
        if self.is_sign("(") || (name.is_none() && !self.is_sign("{")) {
            return self.unsupported("anything but a selector with a range in a function", start);
        }
        let mut selector = self.matchers(name)?;
        self.expect("[")?;
        let range_ms = self.duration()?;
        if range_ms == 0 {
            return refuse("a range must be longer than nothing");
        }
        if self.is_sign(":") {
            return self.unsupported("a subquery", start);
        }
        self.expect("]")?;
        self.offset(&mut selector)?;
        self.expect(")")?;
        Ok(Expr::Range(function, selector, range_ms))
    }

    fn aggregate(&mut self, operator: Aggregator) -> Result<Expr> {
        let mut grouping = self.grouping()?;
        self.expect("(")?;
        let mut count = 0;
        if matches!(operator, Aggregator::Topk | Aggregator::Bottomk) {
            let Some(Word::Number(number)) = self.peek() else { return self.unexpected("a number") };
            #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "saturates")]
            {
                count = *number as usize;
            }
            if count > MAX_KEPT {
                return refuse(format!("topk and bottomk keep at most {MAX_KEPT} series"));
            }
            self.at += 1;
            self.expect(",")?;
        }
        let expr = self.expression(1)?;
        if is_scalar(&expr) {
            return self.unexpected("series and no number to aggregate");
        }
        self.expect(")")?;
        if grouping.is_none() {
            grouping = self.grouping()?;
        }
        let grouping = grouping.unwrap_or_default();
        Ok(Expr::Aggregate(Aggregation { operator, count, grouping }, Box::new(expr)))
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

    /// Names of labels in parentheses.
    fn labels(&mut self) -> Result<Vec<String>> {
        self.expect("(")?;
        let mut labels = Vec::new();
        while !self.takes(")") {
            let Some(name) = self.take_name(true) else { return self.unexpected("the name of a label") };
            labels.push(name);
            if !self.takes(",") && !self.is_sign(")") {
                return self.unexpected(",");
            }
        }
        Ok(labels)
    }

    fn selector(&mut self, name: Option<String>) -> Result<Expr> {
        let mut selector = self.matchers(name)?;
        if !self.is_sign("[") {
            self.offset(&mut selector)?;
        }
        Ok(Expr::Instant(selector))
    }

    fn offset(&mut self, selector: &mut Selector) -> Result<()> {
        if self.keyword() == "offset" {
            self.at += 1;
            let sign = if self.takes("-") { -1 } else { 1 };
            selector.offset_ms = sign * self.duration()?;
        }
        if self.is_sign("@") { self.unsupported("the modifier @", self.at) } else { Ok(()) }
    }

    fn matchers(&mut self, name: Option<String>) -> Result<Selector> {
        let start = self.at;
        let named = |value| LabelMatcher { name: NAME.to_owned(), operator: "=", value };
        let mut matchers: Vec<LabelMatcher> = name.into_iter().map(named).collect();
        if self.takes("{") {
            while !self.takes("}") {
                // A quoted name, of Prometheus 3, is that of the metric, or of a label as the stream has it.
                let is_quoted = matches!(self.peek(), Some(Word::Text(_)));
                let Some(name) = self.take_name(true) else { return self.unexpected("the name of a label") };
                if is_quoted && (self.is_sign(",") || self.is_sign("}")) {
                    matchers.push(named(name));
                } else {
                    matchers.push(self.matcher(name)?);
                }
                if !self.takes(",") && !self.is_sign("}") {
                    return self.unexpected(",");
                }
            }
        }
        let says_something = |one: &LabelMatcher| {
            one.name == NAME || !matches!((one.operator, one.value.as_str()), ("=", "") | ("=~", ".*"))
        };
        if !matchers.iter().any(says_something) {
            return refuse(format!(
                "a selector must have a matcher that does not match the empty string: {}",
                self.rest(start)
            ));
        }
        Ok(Selector { matchers, offset_ms: 0 })
    }

    fn matcher(&mut self, name: String) -> Result<LabelMatcher> {
        let operator = match self.peek() {
            Some(Word::Sign(sign @ ("=" | "!=" | "=~" | "!~"))) => *sign,
            _ => return self.unexpected("=, !=, =~ or !~"),
        };
        self.at += 1;
        let Some(Word::Text(value)) = self.peek().cloned() else { return self.unexpected("a text in quotes") };
        self.at += 1;
        Ok(LabelMatcher { name, operator, value })
    }
}

/// Whether an expression is a number at each time and no series.
#[must_use]
pub fn is_scalar(expr: &Expr) -> bool {
    match expr {
        Expr::Number(_) => true,
        Expr::Binary(_, left, right) => is_scalar(left) && is_scalar(right),
        _ => false,
    }
}

fn aggregator(name: &str) -> Option<Aggregator> {
    Some(match name {
        "sum" => Aggregator::Sum,
        "avg" => Aggregator::Avg,
        "min" => Aggregator::Min,
        "max" => Aggregator::Max,
        "count" => Aggregator::Count,
        "topk" => Aggregator::Topk,
        "bottomk" => Aggregator::Bottomk,
        _ => return None,
    })
}
