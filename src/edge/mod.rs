//! The stateless side: routes, CORS, credentials, limits, and the calls to objects. Nothing is stored here.

mod author;
mod bell;
mod body;
mod client;
mod cors;
mod credential;
mod directory;
mod events;
mod face;
mod fan_out;
mod form;
mod gather;
mod graphite;
mod gunzip;
mod held;
mod identity;
mod kept;
mod known;
mod last_size;
mod live;
mod looks;
mod network_part;
mod objects;
mod otlp;
mod own;
mod pace;
mod problem;
mod prometheus;
mod proven;
mod read;
mod refused;
mod removal;
mod reply;
mod request;
mod room;
mod route;
mod sending;
mod shaper;
mod shards;
mod stay;
mod stream_id;
mod uploads;
mod wasted;
mod write;
mod write_keys;

use std::cell::{Cell, OnceCell};

use wasm_bindgen::{JsCast, JsValue};
use worker::{Context, Env, Result, console_error, wasm_bindgen, web_sys};

use crate::clock::now_ms;

use cors::Cors;
use credential::Keys;
use problem::Problem;
use reply::Reply;
use request::Request;
use route::{Action, Route};
use shaper::Shaped;
use stay::Stay;
use stream_id::StreamId;
use uploads::Sender;
use wasted::Payer;

/// A request and what it is answered with.
struct Exchange {
    request: Request,
    url: String,
    /// See [`Exchange::origin`], which few requests need.
    origin: OnceCell<String>,
    env: Env,
    /// Keeps work in the background alive.
    context: Context,
    keys: Keys,
    /// When the request arrived, Unix milliseconds.
    now_ms: i64,
    /// Whether the password of basic auth may be a read key: of Graphite's and Prometheus' clients.
    takes_password: bool,
    /// Whether tokens may be in `access_token`: of app.net's clients.
    takes_access_token: bool,
    /// How many bytes its body has after gunzip, as far as it was read.
    body_bytes: Cell<usize>,
    /// Whom it is charged to if nothing of it is stored.
    payer: Cell<Option<Payer>>,
    /// Who sends its body, where that is known already.
    sender: Cell<Option<Sender>>,
    /// Whose refusals are counted with it, if it is to be refused.
    shaped: Cell<Option<Shaped>>,
}

/// Answers a request.
pub(crate) async fn handle(request: web_sys::Request, env: Env, context: Context) -> Result<web_sys::Response> {
    let url = request.url();
    let path = route::path(&url).to_owned();
    let Some(route) = Route::of(&path) else {
        return env.assets("ASSETS")?.fetch_request(worker::Request::from(request)).await.map(Into::into);
    };
    let stay = Stay::new(&context)?;
    let keys = Keys::of(&env);
    let exchange = Exchange {
        request: Request::new(request),
        url,
        origin: OnceCell::new(),
        env,
        context,
        keys,
        now_ms: now_ms(),
        takes_password: false,
        takes_access_token: false,
        body_bytes: Cell::default(),
        payer: Cell::default(),
        sender: Cell::default(),
        shaped: Cell::default(),
    };
    let (reply, cors) = exchange.answer(route).await;
    drop(stay);
    reply.into_response(cors)
}

impl Exchange {
    /// The same request, for what goes on when it is answered.
    fn again(&self) -> Self {
        let Self { request, url, origin, env, context, keys, now_ms, takes_password, takes_access_token, .. } = self;
        let context: &JsValue = context.as_ref().as_ref();
        Self {
            request: request.again(),
            url: url.clone(),
            origin: origin.clone(),
            env: env.clone(),
            context: Context::new(context.clone().unchecked_into()),
            keys: keys.clone(),
            now_ms: *now_ms,
            takes_password: *takes_password,
            takes_access_token: *takes_access_token,
            body_bytes: Cell::default(),
            payer: Cell::default(),
            sender: Cell::default(),
            shaped: Cell::default(),
        }
    }

    async fn answer(mut self, route: Route<'_>) -> (Reply, Cors) {
        let is_otlp = matches!(route, Route::Otlp(_));
        let is_face = matches!(route, Route::Face(_));
        let is_prometheus = matches!(route, Route::Prometheus(..));
        self.takes_password = matches!(route, Route::Graphite(..) | Route::Metrics(_) | Route::Prometheus(..));
        self.takes_access_token = is_face;
        let mut cors = if is_face { Cors::Face } else { Cors::Any };
        let mut reply = match route.action(&self.request.method()) {
            Ok(action) => self.act(action, &mut cors).await,
            Err(allow) => Err(Problem::MethodNotAllowed(allow)),
        };
        if let Err(problem) = &mut reply {
            if !problem.leaves_body() {
                self.drain().await;
            }
            self.charge_refused(problem);
        }
        self.had_turn(reply.as_ref().err().map(Problem::status));
        if reply.as_ref().is_err_and(|problem| *problem == Problem::OriginNotAllowed) && !is_face {
            cors = Cors::Nobody;
        }
        let refusal = |problem: Problem| match () {
            () if is_face => face::error_reply(&problem, self.access_token().is_some()),
            () if is_otlp => self.otlp_refusal(&problem),
            () if is_prometheus => prometheus::error_reply(&problem),
            () => problem.reply(self.origin()),
        };
        (reply.unwrap_or_else(refusal), cors)
    }

    async fn act(&mut self, action: Action<'_>, cors: &mut Cors) -> std::result::Result<Reply, Problem> {
        match action {
            Action::Preflight(route) => self.preflight(&route, cors).await,
            Action::CreateStream => self.create_stream().await,
            Action::ListStreams => self.list_streams().await,
            Action::DescribeStream(id) => self.describe_stream(&self.stream(id)?).await,
            Action::PatchStream(id) => self.patch_stream(&self.stream(id)?).await,
            Action::DeleteStream(id) => self.delete_stream(&self.stream(id)?).await,
            Action::NewReadKey(id) => self.new_read_key(&self.stream(id)?).await,
            Action::NewWriteKey(id) => self.new_write_key(&self.stream(id)?).await,
            Action::ListWriteKeys(id) => self.list_write_keys(&self.stream(id)?).await,
            Action::EndWriteKey(id, key) => self.end_write_key(&self.stream(id)?, key).await,
            Action::ReadWriters(id) => self.read_writers(&self.stream(id)?).await,
            Action::RetryForward(id) => self.retry_forward(&self.stream(id)?).await,
            Action::WritePoints(id) => self.write_points(&self.stream(id)?, cors).await,
            Action::RemovePoints(id) => self.remove_points(&self.stream(id)?).await,
            Action::WriteStatsd(id) => self.write_statsd(&self.stream(id)?, cors).await,
            Action::WriteOtlp(id) => self.write_otlp(&self.stream(id)?, cors).await,
            Action::WritePixel(id) => self.write_pixel(&self.stream(id)?, cors).await,
            Action::ReadRollup(id) => self.read_rollup(&self.stream(id)?).await,
            Action::ReadLabels(id) => self.read_labels(&self.stream(id)?).await,
            Action::ReadLabelValues(id, name) => self.read_label_values(&self.stream(id)?, name).await,
            Action::ReadStatus(id) => self.read_status(&self.stream(id)?).await,
            Action::ReadLive(id) => self.read_live(&self.stream(id)?).await,
            Action::ReadDeltas(id) => self.read_deltas(&self.stream(id)?).await,
            Action::Face(action) => self.act_on_face(action).await,
            Action::Graphite(id, action) => self.act_on_graphite(&self.stream(id)?, action).await,
            Action::Prometheus(id, action) => self.act_on_prometheus(&self.stream(id)?, action).await,
            Action::NotFound => Err(Problem::NotFound("there is nothing at this path")),
        }
    }

    /// Charges a request that was refused for what it wanted; what went wrong here is not its fault.
    fn charge_refused(&self, problem: &mut Problem) {
        if !(400..500).contains(&problem.status()) {
            return;
        }
        let wait_s = self.charge_wasted();
        if let Problem::Limited(limited) = problem {
            wasted::prolong(limited, wait_s);
        }
    }

    /// Charges a request of which nothing is stored. In how many seconds its network may send such again.
    fn charge_wasted(&self) -> u32 {
        let Some(payer) = self.payer.take() else { return 0 };
        payer.charge(self.body_bytes.get(), self.now_ms);
        payer.wait_s(self.now_ms)
    }

    /// The stream that an id names, if this deployment made the id.
    fn stream(&self, id: &str) -> std::result::Result<StreamId, Problem> {
        self.keys.verify(id)?.ok_or(Problem::NO_SUCH_STREAM)
    }

    fn header(&self, name: &'static str) -> Option<String> {
        self.request.header(name)
    }

    fn query_string(&self) -> &str {
        route::query_string(&self.url)
    }
}

/// Tells the log what an object said that this version does not understand. It may be an earlier or a later one.
fn other_version(error: &dyn std::fmt::Display) -> Problem {
    console_error!("edge: of another version: {error}");
    Problem::OtherVersion
}

/// Tells the log what went wrong, and the other side only that something did.
fn internal(error: &dyn std::fmt::Display) -> Problem {
    console_error!("edge: {error}");
    Problem::Internal
}
