//! The owner's endpoints: creating, listing, changing and deleting streams, with the deployment's `OWNER_TOKEN`.

use serde_json::{Value, json};

use config::carbon::{CarbonConfig, CarbonPatch, allowed_host};
use config::forward::{ForwardConfig, allowed_root};
use config::retention;
use config::stream::{MAX_OWNER_BODY_BYTES, StreamConfig};
use config::stream_patch::StreamPatch;
use model::time::duration_text;
use protocol::command::Command;
use protocol::params::ParamError;

use super::credential::{hash, new_read_key, random};
use super::problem::Problem;
use super::reply::Reply;
use super::{Exchange, StreamId, other_version};

/// The most streams on a page of the list, which is also KV's limit.
const MAX_PAGE: usize = 1_000;

pub(super) async fn create_stream(exchange: &mut Exchange) -> Result<Reply, Problem> {
    let patch = exchange.patch().await?;
    let (id, config, read_key) = exchange.new_stream(patch).await?;
    let mut view = exchange.view(&id, &config);
    view["links"] = exchange.links(&id, Some(&read_key));
    view["read_key"] = read_key.into();
    Ok(Reply::json(201, view.to_string())
        .with("Location", format!("/v1/streams/{}", id.as_str()))
        .with("Cache-Control", "no-store"))
}

pub(super) async fn list_streams(exchange: &Exchange) -> Result<Reply, Problem> {
    let (limit, cursor) = list_params(exchange.query_string())?;
    let page = exchange.page(limit, cursor).await?;
    let streams: Vec<Value> = page
        .streams
        .into_iter()
        .map(|(id, listing)| json!({ "id": id, "name": listing.name, "created": seconds(listing.created_ms) }))
        .collect();
    Ok(no_store(&json!({ "streams": streams, "cursor": page.cursor })))
}

pub(super) async fn describe_stream(exchange: &Exchange, id: &StreamId) -> Result<Reply, Problem> {
    let config = exchange.config_of_home(id).await?;
    Ok(no_store(&exchange.view(id, &config)))
}

pub(super) async fn patch_stream(exchange: &mut Exchange, id: &StreamId) -> Result<Reply, Problem> {
    let patch = exchange.patch().await?;
    let config = exchange.change(id, &Command::Patch(Box::new(patch))).await?;
    Ok(no_store(&exchange.view(id, &config)))
}

pub(super) async fn delete_stream(exchange: &Exchange, id: &StreamId) -> Result<Reply, Problem> {
    let shards = match exchange.command(id, &Command::Delete).await {
        Err(problem @ Problem::NotFound(_)) => {
            // An earlier version may have left its entry.
            exchange.unpublish(id).await.ok();
            return Err(problem);
        }
        answer => answer?,
    };
    // The stream is closed now, and ends on its own if it can't end at once.
    if exchange.announce(id).await.is_err_and(|problem| problem.is_of_earlier_home()) {
        exchange.unpublish(id).await?;
        if shards != b"1" {
            return Err(Problem::OtherVersion);
        }
    }
    Ok(Reply::empty(204))
}

pub(super) async fn replace_read_key(exchange: &Exchange, id: &StreamId) -> Result<Reply, Problem> {
    let read_key = new_read_key()?;
    exchange.command(id, &Command::Rekey { read_key_hash: hash(&read_key) }).await?;
    // The old key is dead, so from here on nothing may keep the new one from the owner. Home admits its readers.
    exchange.announce(id).await.ok();
    Ok(no_store(&json!({ "read_key": read_key })))
}

pub(super) async fn retry_forward(exchange: &Exchange, id: &StreamId) -> Result<Reply, Problem> {
    exchange.command_all(id, &Command::RetryForward).await?;
    Ok(Reply::json(202, "{}".to_owned()).with("Cache-Control", "no-store"))
}

impl Exchange {
    /// Creates a stream; returns its id, its configuration, and its read key, which cannot be retrieved later.
    pub(super) async fn new_stream(&self, patch: StreamPatch) -> Result<(StreamId, StreamConfig, String), Problem> {
        let id = StreamId::sign(random()?, self.keys.signing()?);
        let forward_token = patch.token().cloned();
        let config = patch.into_config(u64::try_from(self.now_ms).unwrap_or_default())?;
        let read_key = new_read_key()?;
        let create =
            Command::Create { config: Box::new(config.clone()), read_key_hash: hash(&read_key), forward_token };
        self.command(&id, &create).await?;
        let config = match self.announce(&id).await {
            Ok(config) => config,
            Err(problem) if problem.is_of_earlier_home() => {
                if let Err(problem) = self.publish(&id, &config).await {
                    // Nobody has the id yet, so nobody could ever find or delete the stream.
                    self.command(&id, &Command::Forget).await.ok();
                    return Err(problem);
                }
                config
            }
            Err(_) => config,
        };
        Ok((id, config, read_key))
    }

    /// The owner's patch; it may only forward to places that the deployment allows.
    async fn patch(&mut self) -> Result<StreamPatch, Problem> {
        let mut patch = StreamPatch::parse(&self.body(MAX_OWNER_BODY_BYTES).await?)?;
        let variable = |name| self.env.var(name).ok().map(|var| var.to_string());
        let is_dev = variable("HEARTBEAT_DEV").is_some_and(|text| text == "1");
        if let Some(forward) = patch.forward_mut() {
            let root = allowed_root(&forward.api_root, variable("FORWARD_ROOTS").as_deref(), is_dev);
            forward.api_root = root.map_err(|error| Problem::InvalidRequest(format!("`forward.api_root`: {error}")))?;
        }
        if let Some(CarbonPatch(Some(carbon))) = &mut patch.carbon {
            let host = allowed_host(carbon, variable("CARBON_HOSTS").as_deref(), is_dev);
            carbon.host = host.map_err(|error| Problem::InvalidRequest(error.to_string()))?;
        }
        Ok(patch)
    }

    /// Changes a stream at home, which completes the change, and announces it as far as possible now. Returns the
    /// configuration.
    async fn change(&self, id: &StreamId, command: &Command) -> Result<StreamConfig, Problem> {
        let changed = self.command(id, command).await?;
        let config: StreamConfig = serde_json::from_slice(&changed).map_err(|error| other_version(&error))?;
        match self.announce(id).await {
            Err(problem) if problem.is_of_earlier_home() => {
                self.publish(id, &config).await.ok();
                if config.layout.shards() > 1 { Err(Problem::NotEverywhere) } else { Ok(config) }
            }
            Err(_) => Ok(config),
            announced => announced,
        }
    }

    fn view(&self, id: &StreamId, config: &StreamConfig) -> Value {
        json!({
            "id": id.as_str(),
            "name": config.name,
            "public_read": config.public_read,
            "origins": config.origins,
            "retention": retention_view(config),
            "lateness": duration_text(config.lateness_s),
            "distinct": config.distinct,
            "shards": config.layout.shards(),
            "forward": config.forward.as_ref().map(ForwardConfig::view),
            "limits": config.limits.view(),
            "accept": config.accept.view(),
            "carbon": config.carbon.as_ref().map(CarbonConfig::view),
            "writers": config.writers,
            "blocked": config.blocked,
            "created": seconds(config.created_ms),
            "links": self.links(id, None),
        })
    }

    /// The addresses where a stream is written, read and shown.
    pub(super) fn links(&self, id: &StreamId, read_key: Option<&str>) -> Value {
        let (id, origin) = (id.as_str(), self.origin());
        // The fragment stays in the browser, so the key ends up in no log.
        let key = read_key.map(|key| format!("#key={key}")).unwrap_or_default();
        json!({
            "points": format!("{origin}/v1/streams/{id}/points"),
            "rollup": format!("{origin}/v1/streams/{id}/rollup"),
            "live": format!("{origin}/v1/streams/{id}/live"),
            "dashboard": format!("{origin}/?stream={id}{key}"),
        })
    }
}

fn retention_view(config: &StreamConfig) -> Value {
    let mut view = retention::view(&config.retention);
    view.insert("messages".into(), duration_text(config.messages_s).into());
    view.into()
}

fn no_store(body: &Value) -> Reply {
    Reply::json(200, body.to_string()).with("Cache-Control", "no-store")
}

#[expect(clippy::cast_precision_loss, reason = "milliseconds since 1970 fit 53 bits")]
fn seconds(ms: u64) -> f64 {
    ms as f64 / 1000.0
}

fn list_params(query_string: &str) -> Result<(usize, Option<String>), Problem> {
    let (mut limit, mut cursor) = (MAX_PAGE, None);
    for (name, value) in form_urlencoded::parse(query_string.as_bytes()) {
        match name.as_ref() {
            "cursor" => cursor = Some(value.into_owned()),
            "limit" => {
                limit = value.parse().ok().filter(|limit| (1..=MAX_PAGE).contains(limit)).ok_or_else(|| {
                    Problem::InvalidRequest(format!(
                        "`limit` must be a whole number from 1 to {MAX_PAGE}, not {value:?}"
                    ))
                })?;
            }
            other => return Err(ParamError::Unknown(other.to_owned(), "limit and cursor").into()),
        }
    }
    Ok((limit, cursor))
}
