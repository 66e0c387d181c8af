//! The format of a response, and how it is negotiated.

use super::params::ParamError;

/// The format of a response.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// One JSON object.
    Json,
    /// RFC 4180, a row per group and step.
    Csv,
    /// One JSON object per line, per group and step.
    Ndjson,
}

impl Format {
    /// The format that an `Accept` header asks for (RFC 9110): the one with the highest weight; JSON in doubt.
    #[must_use]
    pub fn accepted(accept: &str) -> Self {
        let mut best = (Self::Json, 0.0);
        for range in accept.to_ascii_lowercase().split(',') {
            let (media_type, parameters) = range.split_once(';').unwrap_or((range, ""));
            let weight = parameters.split(';').find_map(|parameter| parameter.trim().strip_prefix("q=")?.parse().ok());
            let weight: f64 = weight.unwrap_or(1.0);
            let format = match media_type.trim() {
                "text/csv" => Self::Csv,
                "application/x-ndjson" => Self::Ndjson,
                "application/json" | "application/*" | "*/*" => Self::Json,
                _ => continue,
            };
            if weight > best.1 || (weight == best.1 && format == Self::Json) {
                best = (format, weight);
            }
        }
        best.0
    }

    /// The content type of a response.
    #[must_use]
    pub fn media_type(self) -> &'static str {
        match self {
            Self::Json => "application/json",
            Self::Csv => "text/csv; charset=utf-8",
            Self::Ndjson => "application/x-ndjson",
        }
    }

    pub(super) fn parse(text: &str) -> Result<Self, ParamError> {
        match text {
            "json" => Ok(Self::Json),
            "csv" => Ok(Self::Csv),
            "ndjson" => Ok(Self::Ndjson),
            _ => Err(ParamError::Format(text.to_owned())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_accept_header_picks_a_format() {
        assert_eq!(Format::accepted("text/csv"), Format::Csv);
        assert_eq!(Format::accepted("application/x-ndjson, */*;q=0.1"), Format::Ndjson);
        assert_eq!(Format::accepted("text/html,*/*;q=0.8"), Format::Json);
        assert_eq!(Format::accepted("text/csv;q=0.5, application/json"), Format::Json);
        assert_eq!(Format::accepted("application/json;q=0.5, Text/CSV"), Format::Csv);
        assert_eq!(Format::accepted("text/csv;q=0, */*"), Format::Json);
        assert_eq!(Format::accepted("text/csv;q=0"), Format::Json);
        assert_eq!(Format::accepted(""), Format::Json);
    }
}
