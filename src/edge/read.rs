//! Reading: rollups, labels and status, with the stream's read key.

use std::rc::Rc;

use sha2::{Digest, Sha256};

use answers::merged::{Names, Status, Values};
use answers::parts::{Ranked, ranking_bytes};
use answers::rollup::Rollup;
use config::stream::StreamConfig;
use model::pieces::{PIECE_BYTES, Pieces};
use model::point::MAX_PERIOD_S;
use model::retention::Retention;
use model::window::Window;
use protocol::command::Read;
use protocol::format::Format;
use protocol::params::{ParamError, RollupParams, ValuesParams, no_params};
use protocol::partial::PartialError;

use super::problem::Problem;
use super::read_memory::ReadMemory;
use super::reply::Reply;
use super::stream_id::base32;
use super::{Exchange, StreamId, other_version};

pub(super) async fn read_rollup(exchange: &Exchange, id: &StreamId) -> Result<Reply, Problem> {
    let (config, params) = exchange.rollup_params(id).await?;
    let (window, format) = (params.window, params.format);
    let format = format.unwrap_or_else(|| Format::accepted(&exchange.header("Accept").unwrap_or_default()));
    let (mut kept, mut parts) = (exchange.read_memory(&config), Vec::new());
    let mut take = |part: Vec<u8>| {
        kept.grow(part.capacity())?;
        parts.push(part);
        Ok(())
    };
    exchange.read_parts(id, Read::Rollup(params.query.clone()), &mut take).await?;
    let parts_bytes = kept.bytes();
    kept.grow(ranking_bytes(&parts).map_err(|error| other_version(&error))?)?;
    let groups = Ranked::new(parts, params.top, &params.aggregates, &window).map_err(|error| match error {
        PartialError::TooLarge(error) => Problem::QueryTooLarge(error.to_string()),
        PartialError::Malformed(error) => other_version(&error),
    })?;
    kept.resize(parts_bytes + groups.extra_bytes() + PIECE_BYTES)?;
    let totals_at_ms = params.has_totals.then_some(exchange.now_ms);
    let (stream, aggregates) = (id.as_str().to_owned(), params.aggregates);
    let rollup = Rollup { stream, window, aggregates, groups, totals_at_ms };
    rollup.check(format).map_err(|error| Problem::QueryTooLarge(error.to_string()))?;
    Ok(exchange.cacheable(&Rc::new(rollup), format, kept, config.lateness_s))
}

pub(super) async fn read_labels(exchange: &Exchange, id: &StreamId) -> Result<Reply, Problem> {
    no_params(exchange.query_string())?;
    let mut names = Names::default();
    exchange.read_all(id, Read::Labels, &mut |part| names.merge(part).map_err(|error| other_version(&error))).await?;
    Ok(fresh(names.into_json()))
}

pub(super) async fn read_label_values(exchange: &Exchange, id: &StreamId, name: &str) -> Result<Reply, Problem> {
    let params = ValuesParams::parse(exchange.query_string())?;
    // A name in a path is percent-encoded, and `+` is a literal plus there.
    let name = percent_decoded(name);
    let mut values = Values::new(&name, params.limit);
    let mut merge = |part: &[u8]| values.merge(part).map_err(|error| other_version(&error));
    exchange.read_all(id, Read::LabelValues { name: name.clone(), params }, &mut merge).await?;
    Ok(fresh(values.into_json()))
}

pub(super) async fn read_status(exchange: &Exchange, id: &StreamId) -> Result<Reply, Problem> {
    no_params(exchange.query_string())?;
    let mut status = Status::default();
    let mut merge = |part: &[u8]| status.merge(part).map_err(|error| other_version(&error));
    let shards = exchange.read_all(id, Read::Status, &mut merge).await?;
    Ok(fresh(status.into_json(shards)))
}

impl Exchange {
    async fn rollup_params(&self, id: &StreamId) -> Result<(Rc<StreamConfig>, RollupParams), Problem> {
        let mut parsed = None;
        let mut parse = |text: &str, retention: &_| {
            parsed = Some(RollupParams::parse(text, self.now_ms, retention)?);
            Ok(())
        };
        let config = self.with_retention(id, &mut parse).await?;
        Ok((config, parsed.ok_or(Problem::Internal)?))
    }

    /// Parses parameters that depend on the stream's retention.
    pub(super) async fn with_retention(
        &self,
        id: &StreamId,
        parse: &mut dyn FnMut(&str, &Retention) -> Result<(), ParamError>,
    ) -> Result<Rc<StreamConfig>, Problem> {
        let mut parse = |config: &StreamConfig| parse(self.query_string(), &config.retention);
        let mut config = self.config(id).await?;
        let mut parsed = parse(&config);
        if matches!(&parsed, Err(ParamError::Window(error)) if error.is_of_retention()) {
            // The copy may be older than the owner's longer retention.
            config = self.newer_config(id, config).await?;
            parsed = parse(&config);
        }
        parsed?;
        Ok(config)
    }

    /// An answer that may be cached for a while if only a removal can still change its window. Its tag is a hash of the
    /// whole answer, which is generated a second time for it and is never in memory as a whole.
    fn cacheable(&self, rollup: &Rc<Rollup>, format: Format, kept: ReadMemory, lateness_s: i64) -> Reply {
        let reply = || Reply::pieces(format.media_type(), rollup.pieces(format), kept, &self.context);
        if !is_closed(&rollup.window, lateness_s, self.now_ms / 1000) {
            return reply().with("Cache-Control", "no-store");
        }
        let etag = etag(rollup.pieces(format));
        let is_known = self.header("If-None-Match").is_some_and(|known| known.contains(&etag));
        let reply = if is_known { Reply::empty(304) } else { reply() };
        reply.with("ETag", etag).with("Cache-Control", "private, max-age=300").with("Vary", "Accept, Authorization")
    }
}

/// A hash that distinguishes one answer from another.
fn etag(mut pieces: Pieces) -> String {
    let mut hash = Sha256::new();
    loop {
        let (piece, is_last) = pieces.piece();
        hash.update(&piece);
        if is_last {
            return format!("\"{}\"", base32(&hash.finalize()[..10]));
        }
    }
}

/// Whether nothing can fall into a window any more: not even the latest and longest point that is allowed.
#[expect(clippy::cast_possible_truncation, reason = "a day")]
fn is_closed(window: &Window, lateness_s: i64, now_s: i64) -> bool {
    window.to_s() + lateness_s + MAX_PERIOD_S as i64 <= now_s
}

pub(super) fn fresh(body: String) -> Reply {
    Reply::json(200, body).with("Cache-Control", "no-store")
}

pub(super) fn percent_decoded(text: &str) -> String {
    let query = format!("name={}", text.replace('+', "%2B").replace('&', "%26"));
    form_urlencoded::parse(query.as_bytes()).next().map_or_else(String::new, |(_, name)| name.into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_window_is_closed_when_no_point_can_reach_it() {
        let now = 1_792_540_800;
        let window = Window::aligned(now - 3600, now, 60).expect("valid");
        assert!(!is_closed(&window, 3600, now + 3600 + 86_400 - 1));
        assert!(is_closed(&window, 3600, now + 3600 + 86_400));
    }

    #[test]
    fn an_etag_covers_the_whole_answer_and_nothing_else() {
        let pieces = |last: u32| {
            let mut made = 0;
            Pieces::of_text(move |out| {
                made += 1;
                out.extend(format!("{:0999}", if made == 200 { last } else { made }).chars());
                made < 200
            })
        };
        let whole = pieces(7).whole();
        assert_eq!(etag(pieces(7)), format!("\"{}\"", base32(&Sha256::digest(&whole)[..10])));
        assert_ne!(etag(pieces(7)), etag(pieces(8)));
    }

    #[test]
    fn a_name_in_a_path_is_decoded() {
        assert_eq!(percent_decoded("a%2Fb+c&d=e%20f"), "a/b+c&d=e f");
    }
}
