//! A request to `render`: the parameters of query string and form together.

use super::error::{Result, refuse};
use super::evaluate::Scope;
use super::target::{Expr, parse};
use super::time::{Zone, parse_time};

/// The most targets in a request.
pub const MAX_TARGETS: usize = 64;

/// A parameter's name and value.
pub type Pair = (String, String);

/// The format of a response.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// `[{"target","tags","datapoints"}]`
    Json,
    /// A row for each point.
    Csv,
    /// A line for each series.
    Raw,
    /// For the chart library Dygraphs.
    Dygraph,
    /// For the chart library Rickshaw.
    Rickshaw,
    /// `MessagePack`.
    Msgpack,
}

/// A request for series.
#[derive(Clone, Debug)]
pub struct Request {
    /// The parsed targets.
    pub targets: Vec<Expr>,
    /// The time range.
    pub scope: Scope,
    /// The request's current time.
    pub now_s: i64,
    /// The format of the response.
    pub format: Format,
    /// The most points per series.
    pub max_points: Option<i64>,
    /// Whether points without a value are left out.
    pub skips_null: bool,
    /// The share of values that must be present to consolidate them.
    pub x_files_factor: f64,
    /// The variables of templates.
    pub template: Vec<Pair>,
    /// The function to call with the response.
    pub jsonp: Option<String>,
}

/// The last value of a parameter, as in graphite-web.
#[must_use]
pub fn value<'a>(pairs: &'a [Pair], name: &str) -> Option<&'a str> {
    pairs.iter().rev().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
}

/// All values of a parameter, or of `name[]`.
#[must_use]
pub fn values(pairs: &[Pair], name: &str) -> Vec<String> {
    let all = |name: &str| pairs.iter().filter(|(known, _)| known == name).map(|(_, value)| value.clone()).collect();
    let plain: Vec<String> = all(name);
    if plain.is_empty() { all(&format!("{name}[]")) } else { plain }
}

impl Request {
    /// Parses a request with these parameters that arrived at `now_s`.
    ///
    /// # Errors
    /// The first invalid parameter.
    pub fn parse(pairs: &[Pair], now_s: i64, zone: Zone<'_>) -> Result<Self> {
        let time = |name, now_s, default: &str| parse_time(value(pairs, name).unwrap_or(default), now_s, zone);
        let now_s = time("now", now_s, "now")?;
        let (from_s, until_s) = (time("from", now_s, "-1d")?, time("until", now_s, "now")?);
        if from_s == until_s {
            return refuse("Invalid empty time range");
        }
        let targets = values(pairs, "target");
        if targets.len() > MAX_TARGETS {
            return refuse(format!("at most {MAX_TARGETS} targets are allowed"));
        }
        let is_set = |name| value(pairs, name).is_some();
        let positive = |name: &str| value(pairs, name).and_then(|text| text.parse().ok()).filter(|number| *number > 0);
        let x_files_factor = value(pairs, "xFilesFactor").map_or(Some(0.0), |text| text.parse().ok());
        let Some(x_files_factor) = x_files_factor else { return refuse("xFilesFactor must be a number") };
        let variable = |(name, value): &Pair| {
            let name = name.strip_prefix("template[")?.strip_suffix(']')?;
            Some((name.to_owned(), value.clone()))
        };
        Ok(Self {
            targets: targets
                .iter()
                .filter(|text| !text.trim().is_empty())
                .map(|text| parse(text))
                .collect::<Result<_>>()?,
            scope: Scope { from_s: from_s.min(until_s), until_s: from_s.max(until_s) },
            now_s,
            format: if is_set("rawData") { Format::Raw } else { format(value(pairs, "format"))? },
            max_points: positive("maxDataPoints"),
            skips_null: is_set("noNullPoints"),
            x_files_factor,
            template: pairs.iter().filter_map(variable).collect(),
            jsonp: jsonp(value(pairs, "jsonp"))?,
        })
    }
}

fn format(text: Option<&str>) -> Result<Format> {
    Ok(match text.unwrap_or("json") {
        "json" => Format::Json,
        "csv" => Format::Csv,
        "raw" => Format::Raw,
        "dygraph" => Format::Dygraph,
        "rickshaw" => Format::Rickshaw,
        "msgpack" => Format::Msgpack,
        other => {
            return refuse(format!(
                "unknown format {other:?}; supported are json, csv, raw, dygraph, rickshaw and msgpack, but not images"
            ));
        }
    })
}

/// A callback's name, which must not be any other code.
///
/// # Errors
/// If it may be more than a name.
pub fn jsonp(name: Option<&str>) -> Result<Option<String>> {
    let is_name = |name: &str| {
        name.len() <= 100 && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_$.".contains(&byte))
    };
    match name {
        Some(name) if !is_name(name) => refuse("jsonp must be the name of a function"),
        name => Ok(name.filter(|name| !name.is_empty()).map(str::to_owned)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(query: &str) -> Result<Request> {
        let pairs: Vec<Pair> = form_urlencoded::parse(query.as_bytes()).into_owned().collect();
        Request::parse(&pairs, 1_792_540_800, &|_| 0)
    }

    #[test]
    fn parameters_default_as_in_graphite() {
        let request = parsed("target=a.b&target=sum(c)").expect("valid");
        assert_eq!(request.targets.len(), 2);
        assert_eq!(request.scope, Scope { from_s: 1_792_454_400, until_s: 1_792_540_800 });
        assert_eq!((request.format, request.max_points, request.skips_null), (Format::Json, None, false));
        let request = parsed(
            "target[]=a&from=now&until=-1h&maxDataPoints=300&noNullPoints=1&format=csv&template[x]=1&now=1000000000",
        )
        .expect("valid");
        assert_eq!(request.scope, Scope { from_s: 999_996_400, until_s: 1_000_000_000 });
        assert_eq!((request.format, request.max_points, request.skips_null), (Format::Csv, Some(300), true));
        assert_eq!(request.template, [("x".to_owned(), "1".to_owned())]);
    }

    #[test]
    fn invalid_parameters_are_rejected() {
        for query in [
            "target=(",
            "from=never",
            "from=now",
            "format=png",
            "format=pickle",
            "jsonp=a()",
            "xFilesFactor=x",
            &"target=a&".repeat(65),
        ] {
            assert!(parsed(query).is_err(), "{query}");
        }
    }
}
