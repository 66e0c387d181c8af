//! The target language: paths, calls with positional and named arguments, pipes, templates.
//!
//! Source: graphite-web 1.1.10, `render/grammar_unsafe.py`. Unlike there, nothing may follow a target.

use super::error::{BadRequest, Result, refuse};

/// A target has at most this many bytes.
pub const MAX_TARGET_BYTES: usize = 16 << 10;
/// The deepest nesting of calls allowed: each level uses a few hundred bytes of stack, both in parsing and in
/// evaluation.
pub const MAX_DEPTH: usize = 32;

/// An expression of a target.
#[derive(Clone, Debug, PartialEq)]
pub enum Expr {
    /// Series by name, with wildcards; backslashes are removed.
    Path(String),
    /// A function's call.
    Call(Box<Call>),
    /// The expression in `template(..)`, and the values of its variables.
    Template(Box<Expr>, Vec<(String, Literal)>),
    /// A value.
    Literal(Literal),
}

/// A literal value.
#[derive(Clone, Debug, PartialEq)]
pub enum Literal {
    /// `1`
    Int(i64),
    /// `1.5` or `1e3`
    Float(f64),
    /// `'a'` or `"a"`; backslashes are kept.
    Text(String),
    /// `true`
    Bool(bool),
    /// `none`
    None,
}

/// A function's call; a pipe's left side is the first argument.
#[derive(Clone, Debug, PartialEq)]
pub struct Call {
    /// The function's name.
    pub name: String,
    /// Positional arguments.
    pub args: Vec<Expr>,
    /// Named arguments.
    pub kwargs: Vec<(String, Expr)>,
    /// Its source.
    pub raw: String,
}

/// Parses a target.
///
/// # Errors
/// Reports where the string is not a target.
pub fn parse(text: &str) -> Result<Expr> {
    if text.len() > MAX_TARGET_BYTES {
        return refuse(format!("a target can have at most {MAX_TARGET_BYTES} bytes, not {}", text.len()));
    }
    let mut parser = Parser { text, at: 0, depth: 0 };
    let expr = parser.expression()?;
    parser.skip_spaces();
    if parser.at == text.len() { Ok(expr) } else { Err(parser.unexpected("the end")) }
}

struct Parser<'a> {
    text: &'a str,
    at: usize,
    depth: usize,
}

/// Characters that a path can contain only after a backslash.
const SYMBOLS: &str = "(){},.'\"\\|";

fn is_path_char(char: char) -> bool {
    !SYMBOLS.contains(char) && !char.is_whitespace() && !char.is_control()
}

impl<'a> Parser<'a> {
    fn rest(&self) -> &'a str {
        &self.text[self.at..]
    }

    fn unexpected(&self, wanted: &str) -> BadRequest {
        let shown: String = self.rest().chars().take(20).collect();
        let shown = if shown.is_empty() { "its end".to_owned() } else { format!("{shown:?}") };
        BadRequest(format!("invalid target at byte {}: expected {wanted} before {shown}", self.at))
    }

    fn skip_spaces(&mut self) {
        self.at += self.rest().len() - self.rest().trim_start().len();
    }

    /// Whether this token comes next, after spaces; if so, moves past it.
    fn takes(&mut self, token: &str) -> bool {
        self.skip_spaces();
        let found = self.rest().starts_with(token);
        self.at += if found { token.len() } else { 0 };
        found
    }

    fn wants(&mut self, token: &str) -> Result<()> {
        if self.takes(token) { Ok(()) } else { Err(self.unexpected(&format!("`{token}`"))) }
    }

    fn expression(&mut self) -> Result<Expr> {
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            return refuse(format!("calls in a target can be nested at most {MAX_DEPTH} deep"));
        }
        let mut expr = if self.is_call() { self.call_or_template()? } else { self.path()? };
        let mut pipes = 0;
        while self.takes("|") {
            pipes += 1;
            if !self.is_call() {
                return Err(self.unexpected("a function"));
            }
            if self.depth + pipes > MAX_DEPTH {
                return refuse(format!("calls in a target can be nested at most {MAX_DEPTH} deep"));
            }
            let mut call = self.call()?;
            call.args.insert(0, expr);
            expr = Expr::Call(Box::new(call));
        }
        self.depth -= 1;
        Ok(expr)
    }

    /// The name that comes next, if there is one.
    fn identifier(&self) -> &'a str {
        let rest = self.rest();
        let is_first = |char: char| char.is_ascii_alphabetic() || char == '_';
        let end = rest.find(|char: char| !char.is_ascii_alphanumeric() && char != '_').unwrap_or(rest.len());
        if rest.starts_with(is_first) { &rest[..end] } else { "" }
    }

    /// Whether a name comes next, followed by this token.
    fn is_named(&mut self, token: char) -> bool {
        self.skip_spaces();
        let name = self.identifier();
        !name.is_empty() && self.rest()[name.len()..].trim_start().starts_with(token)
    }

    fn is_call(&mut self) -> bool {
        self.is_named('(')
    }

    fn call_or_template(&mut self) -> Result<Expr> {
        if self.identifier() == "template" { self.template() } else { Ok(Expr::Call(Box::new(self.call()?))) }
    }

    fn call(&mut self) -> Result<Call> {
        self.skip_spaces();
        let start = self.at;
        let name = self.identifier().to_owned();
        self.at += name.len();
        self.wants("(")?;
        let (mut args, mut kwargs) = (Vec::new(), Vec::new());
        if !self.takes(")") {
            loop {
                if self.is_named('=') {
                    let name = self.identifier().to_owned();
                    self.at += name.len();
                    self.wants("=")?;
                    kwargs.push((name, self.argument()?));
                } else if kwargs.is_empty() {
                    args.push(self.argument()?);
                } else {
                    return Err(self.unexpected("a named argument"));
                }
                if !self.takes(",") {
                    break;
                }
            }
            self.wants(")")?;
        }
        Ok(Call { name, args, kwargs, raw: self.text[start..self.at].to_owned() })
    }

    fn template(&mut self) -> Result<Expr> {
        self.at += "template".len();
        self.wants("(")?;
        let inner = if self.is_call() { Expr::Call(Box::new(self.call()?)) } else { self.path()? };
        let mut variables = Vec::new();
        while self.takes(",") {
            let name = if self.is_named('=') {
                let name = self.identifier().to_owned();
                self.at += name.len();
                self.wants("=")?;
                name
            } else {
                (variables.len() + 1).to_string()
            };
            let Some(literal) = self.literal()? else {
                return refuse("invalid template() syntax, only string/numeric arguments are allowed");
            };
            variables.push((name, literal));
        }
        self.wants(")")?;
        Ok(Expr::Template(Box::new(inner), variables))
    }

    fn argument(&mut self) -> Result<Expr> {
        match self.literal()? {
            Some(literal) => Ok(Expr::Literal(literal)),
            None => self.expression(),
        }
    }

    fn literal(&mut self) -> Result<Option<Literal>> {
        self.skip_spaces();
        if self.rest().starts_with(['\'', '"']) {
            return self.text_literal().map(Some);
        }
        let end = self.rest().find([',', ')']).unwrap_or(self.rest().len());
        let word = self.rest()[..end].trim_end();
        let literal = match word.to_ascii_lowercase().as_str() {
            "true" => Some(Literal::Bool(true)),
            "false" => Some(Literal::Bool(false)),
            "none" => Some(Literal::None),
            "inf" => Some(Literal::Float(f64::INFINITY)),
            _ => number(word),
        };
        self.at += if literal.is_some() { word.len() } else { 0 };
        Ok(literal)
    }

    fn text_literal(&mut self) -> Result<Literal> {
        let quote = self.rest().as_bytes()[0];
        let start = self.at + 1;
        let mut bytes = self.text.bytes().enumerate().skip(start);
        while let Some((at, byte)) = bytes.next() {
            let is_doubled = byte == quote && self.text.as_bytes().get(at + 1) == Some(&quote);
            if byte == b'\\' || is_doubled {
                bytes.next();
            } else if byte == quote {
                self.at = at + 1;
                return Ok(Literal::Text(self.text[start..at].to_owned()));
            }
        }
        refuse(format!("the string that starts at byte {} of the target is not closed", start - 1))
    }

    fn path(&mut self) -> Result<Expr> {
        self.skip_spaces();
        let mut path = String::new();
        let mut chars = self.rest().char_indices();
        let (mut in_braces, mut end) = (false, self.rest().len());
        while let Some((at, char)) = chars.next() {
            match char {
                '\\' => match chars.next() {
                    Some((_, escaped)) if SYMBOLS.contains(escaped) || escaped == '=' => path.push(escaped),
                    _ => return refuse(format!("the backslash at byte {} escapes nothing", self.at + at)),
                },
                '{' if !in_braces => {
                    in_braces = true;
                    path.push(char);
                }
                '}' if in_braces => {
                    in_braces = false;
                    path.push(char);
                }
                ',' if in_braces => path.push(char),
                '.' => path.push(char),
                char if is_path_char(char) => path.push(char),
                _ => {
                    end = at;
                    break;
                }
            }
        }
        let is_whole = !path.is_empty() && !in_braces && !path.starts_with('.') && !path.ends_with('.');
        if !is_whole || path.contains("..") {
            return Err(self.unexpected("a path, a function or a value"));
        }
        self.at += end;
        Ok(Expr::Path(path))
    }
}

/// A number as in graphite-web: without `+`, and with digits on both sides of the point.
fn number(word: &str) -> Option<Literal> {
    let (mantissa, exponent) = word.split_once(['e', 'E']).unwrap_or((word, "0"));
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, "0"));
    let is_digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let unsigned = |text: &'_ str| is_digits(text.strip_prefix('-').unwrap_or(text));
    if !unsigned(whole) || !is_digits(fraction) || !unsigned(exponent) {
        return None;
    }
    match word.parse() {
        Ok(integer) => Some(Literal::Int(integer)),
        Err(_) => word.parse().ok().filter(|float: &f64| float.is_finite()).map(Literal::Float),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn called(text: &str) -> Call {
        match parse(text).expect("a target") {
            Expr::Call(call) => *call,
            other => panic!("{other:?}"),
        }
    }

    fn path(text: &str) -> Expr {
        Expr::Path(text.to_owned())
    }

    #[test]
    fn paths_have_wildcards_lists_and_escapes() {
        for text in ["a.b.c", "a.*.c?", "a.[0-9]x", "a.{b,c*}d.e", "{a,b}", "visits.sum;country=US", "a-b_c:d$1"] {
            assert_eq!(parse(text), Ok(path(text)));
        }
        assert_eq!(parse(r"a\.b\(c\)"), Ok(path("a.b(c)")));
        for text in
            ["", " ", ".a", "a.", "a..b", "a b", "{a", "a}", "a,b", "'a'", "a\\", "a\\b", "f(", "f(a", "f(a))", "f(a,)"]
        {
            assert!(parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn calls_have_values_names_and_pipes() {
        let call = called(r#"f(a.b, -1, 2.5, 1e3, 'x"\'y', "z", true, None, inf, g(), k = 1, m=a)"#);
        let literal = Expr::Literal;
        assert_eq!(
            call.args[..4],
            [path("a.b"), literal(Literal::Int(-1)), literal(Literal::Float(2.5)), literal(Literal::Float(1000.0))]
        );
        assert_eq!(call.args[4], literal(Literal::Text(r#"x"\'y"#.into())));
        assert_eq!(call.args[6..9], [Literal::Bool(true), Literal::None, Literal::Float(f64::INFINITY)].map(literal));
        assert_eq!(call.kwargs, [("k".into(), Expr::Literal(Literal::Int(1))), ("m".into(), path("a"))]);
        let piped = called("a.b | f(1) | g( )");
        assert_eq!((piped.name.as_str(), piped.raw.as_str()), ("g", "g( )"));
        assert!(matches!(&piped.args[0], Expr::Call(inner) if inner.name == "f" && inner.args[0] == path("a.b")));
        assert!(parse("f(k=1, a)").is_err() && parse("a|b").is_err());
        // A number only if nothing else is attached to it.
        assert_eq!(called("f(1a, 1.2.3)").args, [path("1a"), path("1.2.3")]);
    }

    #[test]
    fn template_variables_are_literals() {
        let wanted = Expr::Template(
            Box::new(path("a.$1.$x")),
            vec![("1".into(), Literal::Text("b".into())), ("x".into(), Literal::Int(2))],
        );
        assert_eq!(parse("template(a.$1.$x, 'b', x=2)"), Ok(wanted));
        assert!(parse("template(a, b)").is_err());
    }

    #[test]
    fn depth_and_length_are_limited() {
        let nested = |depth: usize| format!("{}a{}", "f(".repeat(depth), ")".repeat(depth));
        assert!(parse(&nested(MAX_DEPTH - 1)).is_ok());
        assert_eq!(parse(&nested(MAX_DEPTH)), refuse("calls in a target can be nested at most 32 deep"));
        assert!(parse(&format!("a{}", "|f()".repeat(MAX_DEPTH))).is_err());
        assert!(parse(&"a".repeat(MAX_TARGET_BYTES + 1)).is_err());
    }
}
