//! The table of endpoints. Routing, `Allow`, preflights, credentials and the description at `/openapi.json` follow from
//! it, and a test compares it with the list in docs/api.md. A new endpoint needs a row here, a function, and a line
//! there.
//!
//! The first path that matches wins. Rows of the same path are next to each other.

use std::future::ready;

use super::endpoint::Access::{Open, Owner, OwnerInBody, Reader, Writer};
use super::endpoint::Handler::{Name, Nothing, Part, Plain, Stream};
use super::endpoint::{Access, Dialect, Endpoint, Handler, JSON, Methods};
use super::face::{account, channels, listing, messages};
use super::{form, graphite, live, openapi, otlp, prometheus, read, removal, streams, write, write_keys};

const STREAMING: &str = "app.net's streams are not supported here: poll /stream/0/channels/{id}/messages with since_id and count=-200, or read /v1/streams/{id}/live";
const ELSEWHERE: &str = "this is not supported here: of app.net's API, this server supports channels and their messages, channels/search, users/me, token and config";
const POINTS: &str = "application/json application/x-ndjson text/plain application/x-www-form-urlencoded";
const FORM: &str = "application/x-www-form-urlencoded";
const OTLP: &str = "application/x-protobuf application/json";
const SCRAPED: &str = "text/plain application/openmetrics-text";
const RENDERED: &str = "application/json text/csv text/plain text/javascript application/x-msgpack";
/// `202` if the removal continues after the answer.
const REMOVED: &[(u16, &str)] = &[(200, JSON), (202, JSON)];
/// JSON, or JavaScript if `jsonp` names a function.
const JSONP: &[(u16, &str)] = &[(200, "application/json text/javascript")];

/// All endpoints.
pub(super) static ENDPOINTS: &[Endpoint] = &[
    post("/v1/streams/{stream}/points", Writer, Stream(|x, id| Box::pin(write::write_points(x, id))))
        .takes(POINTS)
        .answers(&[(202, JSON), (204, ""), (303, "")])
        .says("Write points"),
    delete("/v1/streams/{stream}/points", Owner, Stream(|x, id| Box::pin(removal::remove_points(x, id))))
        .answers(REMOVED)
        .says("Remove points"),
    post("/v1/streams/{stream}/statsd", Writer, Stream(|x, id| Box::pin(write::write_body(x, id, write::statsd))))
        .takes("text/plain")
        .answers(&[(202, JSON)])
        .says("Write statsd, DogStatsD or Graphite lines"),
    post("/v1/streams/{stream}/otlp/v1/metrics", Writer, Stream(|x, id| Box::pin(otlp::write_otlp(x, id))))
        .of(Dialect::Otlp)
        .takes(OTLP)
        .answers(&[(200, OTLP)])
        .says("Write OpenTelemetry's metrics"),
    only_get("/v1/streams/{stream}/pixel.gif", Writer, Stream(|x, id| Box::pin(form::write_pixel(x, id))))
        .answers(&[(200, "image/gif")])
        .says("Write a point as an image"),
    get("/v1/streams/{stream}/rollup", Reader, Stream(|x, id| Box::pin(read::read_rollup(x, id))))
        .answers(&[(200, "application/json text/csv application/x-ndjson"), (304, "")])
        .says("Read aggregates over time"),
    get("/v1/streams/{stream}/labels", Reader, Stream(|x, id| Box::pin(read::read_labels(x, id)))).says("List labels"),
    get(
        "/v1/streams/{stream}/labels/{label}",
        Reader,
        Part(|x, id, name| Box::pin(read::read_label_values(x, id, name))),
    )
    .says("List the values of a label"),
    get("/v1/streams/{stream}/status", Reader, Stream(|x, id| Box::pin(read::read_status(x, id))))
        .says("Read counts, sizes and bounds"),
    get("/v1/streams/{stream}/deltas", Reader, Stream(|x, id| Box::pin(live::read_deltas(x, id))))
        .says("Read what changed after a cursor"),
    only_get("/v1/streams/{stream}/live", Reader, Stream(|x, id| Box::pin(live::read_live(x, id))))
        .answers(&[(101, ""), (200, "text/event-stream")])
        .says("Read live, by server-sent events or WebSocket"),
    get("/v1/streams/{stream}/metrics", Reader, Stream(|x, id| Box::pin(prometheus::read_metrics(x, id))))
        .of(Dialect::Scrape)
        .answers(&[(200, SCRAPED)])
        .says("Scrape totals"),
    get("/v1/streams", Owner, Plain(|x| Box::pin(streams::list_streams(x)))).says("List streams"),
    post("/v1/streams", Owner, Plain(|x| Box::pin(streams::create_stream(x))))
        .takes(JSON)
        .answers(&[(201, JSON)])
        .says("Create a stream"),
    get("/v1/streams/{stream}", Owner, Stream(|x, id| Box::pin(streams::describe_stream(x, id))))
        .says("Read the configuration"),
    patch("/v1/streams/{stream}", Owner, Stream(|x, id| Box::pin(streams::patch_stream(x, id))))
        .takes(JSON)
        .says("Change the configuration"),
    delete("/v1/streams/{stream}", Owner, Stream(|x, id| Box::pin(streams::delete_stream(x, id))))
        .answers(&[(204, "")])
        .says("Delete the stream and its data"),
    post("/v1/streams/{stream}/read-key", Owner, Stream(|x, id| Box::pin(streams::replace_read_key(x, id))))
        .says("Replace the read key"),
    get("/v1/streams/{stream}/write-keys", Owner, Stream(|x, id| Box::pin(write_keys::list_write_keys(x, id))))
        .says("List write keys"),
    post("/v1/streams/{stream}/write-keys", Owner, Stream(|x, id| Box::pin(write_keys::add_write_key(x, id))))
        .takes(JSON)
        .answers(&[(201, JSON)])
        .says("Create a write key"),
    delete(
        "/v1/streams/{stream}/write-keys/{key}",
        Owner,
        Part(|x, id, key| Box::pin(write_keys::end_write_key(x, id, key))),
    )
    .answers(&[(204, "")])
    .says("Revoke a write key"),
    get("/v1/streams/{stream}/writers", Owner, Stream(|x, id| Box::pin(write_keys::read_writers(x, id))))
        .says("List the most active writers"),
    post("/v1/streams/{stream}/forward/retry", Owner, Stream(|x, id| Box::pin(streams::retry_forward(x, id))))
        .answers(&[(202, JSON)])
        .says("Forward now"),
    graphite("/v1/streams/{stream}/graphite/render", Stream(|x, id| Box::pin(graphite::render(x, id))))
        .answers(&[(200, RENDERED)])
        .says("Evaluate targets"),
    graphite("/v1/streams/{stream}/graphite/metrics/find", Stream(|x, id| Box::pin(graphite::find(x, id))))
        .says("Find nodes of the tree"),
    graphite("/v1/streams/{stream}/graphite/metrics/expand", Stream(|x, id| Box::pin(graphite::expand(x, id))))
        .says("Expand patterns"),
    graphite("/v1/streams/{stream}/graphite/functions", Stream(|x, id| Box::pin(graphite::functions(x, id))))
        .says("Describe all functions"),
    graphite(
        "/v1/streams/{stream}/graphite/functions/{function}",
        Part(|x, id, name| Box::pin(graphite::function(x, id, name))),
    )
    .says("Describe a function"),
    graphite("/v1/streams/{stream}/graphite/version", Stream(|x, id| Box::pin(graphite::version(x, id))))
        .answers(&[(200, "text/plain")])
        .says("Return the version"),
    graphite("/v1/streams/{stream}/graphite/events/get_data", Stream(|x, id| Box::pin(graphite::events(x, id))))
        .says("List events: none"),
    graphite("/v1/streams/{stream}/graphite/tags", Stream(|x, id| Box::pin(graphite::tag_list(x, id))))
        .says("List tags"),
    graphite("/v1/streams/{stream}/graphite/tags/findSeries", Stream(|x, id| Box::pin(graphite::find_series(x, id))))
        .says("Find series by tags"),
    graphite(
        "/v1/streams/{stream}/graphite/tags/autoComplete/tags",
        Stream(|x, id| Box::pin(graphite::complete_tags(x, id))),
    )
    .says("Complete a tag"),
    graphite(
        "/v1/streams/{stream}/graphite/tags/autoComplete/values",
        Stream(|x, id| Box::pin(graphite::complete_values(x, id))),
    )
    .says("Complete a value"),
    graphite(
        "/v1/streams/{stream}/graphite/tags/{tag}",
        Part(|x, id, name| Box::pin(graphite::tag_values(x, id, name))),
    )
    .says("List the values of a tag"),
    graphite("/v1/streams/{stream}/graphite/{*}", Stream(|x, id| Box::pin(graphite::nothing(x, id)))),
    prometheus("/v1/streams/{stream}/prometheus/api/v1/query", Stream(|x, id| Box::pin(prometheus::query(x, id))))
        .says("Evaluate at a time"),
    prometheus(
        "/v1/streams/{stream}/prometheus/api/v1/query_range",
        Stream(|x, id| Box::pin(prometheus::query_range(x, id))),
    )
    .says("Evaluate over a range"),
    prometheus("/v1/streams/{stream}/prometheus/api/v1/series", Stream(|x, id| Box::pin(prometheus::series(x, id))))
        .says("Find series"),
    prometheus("/v1/streams/{stream}/prometheus/api/v1/labels", Stream(|x, id| Box::pin(prometheus::labels(x, id))))
        .says("List labels"),
    prometheus(
        "/v1/streams/{stream}/prometheus/api/v1/label/{label}/values",
        Part(|x, id, name| Box::pin(prometheus::label_values(x, id, name))),
    )
    .says("List the values of a label"),
    prometheus(
        "/v1/streams/{stream}/prometheus/api/v1/metadata",
        Stream(|x, id| Box::pin(prometheus::metadata(x, id))),
    )
    .says("Describe metrics"),
    prometheus(
        "/v1/streams/{stream}/prometheus/api/v1/status/buildinfo",
        Stream(|x, id| Box::pin(prometheus::build_info(x, id))),
    )
    .says("Return the version"),
    prometheus("/v1/streams/{stream}/prometheus/api/v1/rules", Stream(|x, id| Box::pin(prometheus::rules(x, id))))
        .says("List rules: none"),
    prometheus("/v1/streams/{stream}/prometheus/api/v1/alerts", Stream(|x, id| Box::pin(prometheus::alerts(x, id))))
        .says("List alerts: none"),
    prometheus(
        "/v1/streams/{stream}/prometheus/api/v1/query_exemplars",
        Stream(|x, id| Box::pin(prometheus::exemplars(x, id))),
    )
    .says("List exemplars: none"),
    prometheus("/v1/streams/{stream}/prometheus/{*}", Stream(|x, id| Box::pin(prometheus::nothing(x, id)))),
    nothing("/v1/{*}", Dialect::Own, "there is nothing at this path"),
    app_net(Methods::GET, "/stream/0/channels", Open, Plain(|x| Box::pin(listing::list_channels(x))))
        .says("List channels by their ids, or the owner's"),
    app_net(Methods::POST, "/stream/0/channels", OwnerInBody, Plain(|x| Box::pin(channels::create_channel(x))))
        .takes(JSON)
        .says("Create a channel, which is a stream"),
    app_net(Methods::GET, "/stream/0/channels/search", Owner, Plain(|x| Box::pin(listing::search_channels(x))))
        .says("Search the owner's channels"),
    nothing("/stream/0/channels/messages/{*}", Dialect::AppNet, ELSEWHERE),
    nothing("/stream/0/channels/pm/{*}", Dialect::AppNet, ELSEWHERE),
    nothing("/stream/0/channels/subscribers/{*}", Dialect::AppNet, ELSEWHERE),
    nothing("/stream/0/users/search/{*}", Dialect::AppNet, ELSEWHERE),
    app_net(
        Methods::GET,
        "/stream/0/channels/{channel}",
        Open,
        Stream(|x, id| Box::pin(channels::describe_channel(x, id))),
    )
    .says("Read a channel"),
    app_net(
        Methods::GET,
        "/stream/0/channels/{channel}/messages",
        Reader,
        Stream(|x, id| Box::pin(messages::list_messages(x, id))),
    )
    .says("Read messages"),
    app_net(
        Methods::POST,
        "/stream/0/channels/{channel}/messages",
        Writer,
        Stream(|x, id| Box::pin(messages::post_message(x, id))),
    )
    .takes(JSON)
    .says("Write points as a message"),
    app_net(
        Methods::GET,
        "/stream/0/channels/{channel}/messages/{message}",
        Reader,
        Part(|x, id, message| Box::pin(messages::read_message(x, id, message))),
    )
    .says("Read a message"),
    app_net(Methods::GET, "/stream/0/users", Open, Plain(|x| Box::pin(ready(Ok(account::tell_users(x))))))
        .says("Read users by their ids"),
    app_net(Methods::GET, "/stream/0/users/me/channels", Open, Plain(|x| Box::pin(listing::list_channels(x))))
        .says("List channels, as above"),
    app_net(Methods::GET, "/stream/0/users/{user}", Open, Name(|x, name| Box::pin(ready(account::tell_user(x, name)))))
        .says("Read a user; me is the owner"),
    app_net(Methods::GET, "/stream/0/config", Open, Plain(|_| Box::pin(ready(Ok(account::tell_config())))))
        .says("Read the limits"),
    app_net(Methods::GET, "/stream/0/token", Owner, Plain(|x| Box::pin(ready(Ok(account::tell_token(x))))))
        .says("Describe the token"),
    nothing("/stream/0/streams/{*}", Dialect::AppNet, STREAMING),
    nothing("/stream/0/filters/{*}", Dialect::AppNet, STREAMING),
    nothing("/stream/{*}", Dialect::AppNet, ELSEWHERE),
    get("/openapi.json", Open, Plain(|_| Box::pin(ready(Ok(openapi::describe())))))
        .says("Read the description of this API"),
];

const fn get(path: &'static str, access: Access, handler: Handler) -> Endpoint {
    Endpoint::new(Methods::GET, path, access, handler)
}

const fn post(path: &'static str, access: Access, handler: Handler) -> Endpoint {
    Endpoint::new(Methods::POST, path, access, handler)
}

const fn patch(path: &'static str, access: Access, handler: Handler) -> Endpoint {
    Endpoint::new(Methods::PATCH, path, access, handler)
}

const fn delete(path: &'static str, access: Access, handler: Handler) -> Endpoint {
    Endpoint::new(Methods::DELETE, path, access, handler)
}

/// A GET that writes or waits for events.
const fn only_get(path: &'static str, access: Access, handler: Handler) -> Endpoint {
    Endpoint::new(Methods::GET_WITHOUT_HEAD, path, access, handler)
}

const fn app_net(methods: Methods, path: &'static str, access: Access, handler: Handler) -> Endpoint {
    Endpoint::new(methods, path, access, handler).of(Dialect::AppNet)
}

/// GET and POST have the same effect.
const fn graphite(path: &'static str, handler: Handler) -> Endpoint {
    Endpoint::new(Methods::GET_OR_POST, path, Reader, handler).of(Dialect::Graphite).takes(FORM).answers(JSONP)
}

/// GET and POST have the same effect.
const fn prometheus(path: &'static str, handler: Handler) -> Endpoint {
    Endpoint::new(Methods::GET_OR_POST, path, Reader, handler).of(Dialect::Prometheus).takes(FORM)
}

const fn nothing(path: &'static str, dialect: Dialect, why: &'static str) -> Endpoint {
    Endpoint::new(Methods::ANY, path, Open, Nothing(why)).of(dialect)
}
