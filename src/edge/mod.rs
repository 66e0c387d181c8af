//! The stateless side: routes, CORS, credentials, limits, and the calls to objects. Nothing is stored here.

mod author;
mod bell;
mod body;
mod client;
mod cors;
mod credential;
mod directory;
mod endpoint;
mod endpoints;
mod events;
mod face;
mod fan_out;
mod form;
mod gather;
mod graphite;
mod gunzip;
mod identity;
mod in_flight;
mod known;
mod last_size;
mod live;
mod looks;
mod network_part;
mod objects;
mod openapi;
mod otlp;
mod pace;
mod problem;
mod prometheus;
mod proven;
mod read;
mod read_memory;
mod refused;
mod removal;
mod reply;
mod request;
mod room;
mod route;
mod run_to_end;
mod sending;
mod shaper;
mod shards;
mod stream_id;
mod streams;
mod uploads;
mod wasted;
mod write;
mod write_keys;

use std::cell::{Cell, OnceCell};

use wasm_bindgen::{JsCast, JsValue};
use worker::{Context, Env, Method, Result, console_error, wasm_bindgen, web_sys};

use crate::clock::now_ms;

use cors::Cors;
use credential::Keys;
use endpoint::{Access, Dialect, Handler};
use problem::Problem;
use reply::Reply;
use request::Request;
use route::Route;
use run_to_end::RunToEnd;
use shaper::Shaped;
use stream_id::StreamId;
use uploads::Sender;
use wasted::Payer;

/// A request, and what is known about its answer.
struct Exchange {
    request: Request,
    url: String,
    /// See [`Exchange::origin`]; few requests need it.
    origin: OnceCell<String>,
    env: Env,
    /// Keeps background work alive.
    context: Context,
    keys: Keys,
    /// When the request arrived, Unix milliseconds.
    now_ms: i64,
    /// The dialect of its endpoint.
    dialect: Dialect,
    /// Which pages may read the answer, as far as is known.
    cors: Cors,
    /// The size of the body after gunzip, as far as it was read.
    body_bytes: Cell<usize>,
    /// Who is charged if nothing of the request is stored.
    payer: Cell<Option<Payer>>,
    /// The sender of the body, if it is already known.
    sender: Cell<Option<Sender>>,
    /// The buckets that count the request if it is refused.
    shaped: Cell<Option<Shaped>>,
}

/// Answers a request.
pub(crate) async fn handle(request: web_sys::Request, env: Env, context: Context) -> Result<web_sys::Response> {
    let url = request.url();
    let path = route::path(&url).to_owned();
    let Some(route) = Route::of(&path) else {
        return env.assets("ASSETS")?.fetch_request(worker::Request::from(request)).await.map(Into::into);
    };
    let run_to_end = RunToEnd::new(&context)?;
    let keys = Keys::of(&env);
    let exchange = Exchange {
        request: Request::new(request),
        url,
        origin: OnceCell::new(),
        env,
        context,
        keys,
        now_ms: now_ms(),
        dialect: route.dialect(),
        cors: Cors::default(),
        body_bytes: Cell::default(),
        payer: Cell::default(),
        sender: Cell::default(),
        shaped: Cell::default(),
    };
    let (reply, cors) = exchange.answer(&route).await;
    drop(run_to_end);
    reply.into_response(cors)
}

impl Exchange {
    /// The same request, for work that continues after the answer.
    fn again(&self) -> Self {
        let Self { request, url, origin, env, context, keys, now_ms, dialect, .. } = self;
        let context: &JsValue = context.as_ref().as_ref();
        Self {
            request: request.again(),
            url: url.clone(),
            origin: origin.clone(),
            env: env.clone(),
            context: Context::new(context.clone().unchecked_into()),
            keys: keys.clone(),
            now_ms: *now_ms,
            dialect: *dialect,
            cors: Cors::default(),
            body_bytes: Cell::default(),
            payer: Cell::default(),
            sender: Cell::default(),
            shaped: Cell::default(),
        }
    }

    async fn answer(mut self, route: &Route<'_>) -> (Reply, Cors) {
        let mut reply = self.act(route).await;
        if let Err(problem) = &mut reply {
            if !problem.leaves_body() {
                self.drain().await;
            }
            self.charge_refused(problem);
        }
        self.had_turn(reply.as_ref().err().map(Problem::status));
        if reply.as_ref().is_err_and(|problem| *problem == Problem::OriginNotAllowed) {
            self.cors = Cors::Nobody;
        }
        // Every page may read the answers of app.net's API, even the one that its origin may not write.
        let cors = if self.dialect == Dialect::AppNet { Cors::Face } else { std::mem::take(&mut self.cors) };
        (reply.unwrap_or_else(|problem| self.refusal(&problem)), cors)
    }

    /// Calls the handler for the path and the method.
    async fn act(&mut self, route: &Route<'_>) -> std::result::Result<Reply, Problem> {
        let method = self.request.method();
        if method == Method::Options {
            return self.preflight(route).await;
        }
        let endpoint = route.endpoint(&method).map_err(Problem::MethodNotAllowed)?;
        let [first, second] = route.names();
        let stream = match endpoint.handler {
            Handler::Nothing(why) => return Err(Problem::NotFound(why)),
            Handler::Stream(_) | Handler::Part(_) => Some(self.stream(first)?),
            Handler::Plain(_) | Handler::Name(_) => None,
        };
        if endpoint.access == Access::Owner {
            self.check_owner()?;
        }
        match (endpoint.handler, &stream) {
            (Handler::Stream(handle), Some(id)) => handle(self, id).await,
            (Handler::Part(handle), Some(id)) => handle(self, id, second).await,
            (Handler::Plain(handle), _) => handle(self).await,
            (Handler::Name(handle), _) => handle(self, first).await,
            (Handler::Nothing(_) | Handler::Stream(_) | Handler::Part(_), _) => Err(Problem::Internal),
        }
    }

    /// A problem in the form of the dialect.
    fn refusal(&self, problem: &Problem) -> Reply {
        match self.dialect {
            Dialect::AppNet => face::error_reply(problem, self.access_token().is_some()),
            Dialect::Otlp => self.otlp_refusal(problem),
            Dialect::Prometheus => prometheus::error_reply(problem),
            Dialect::Own | Dialect::Graphite | Dialect::Scrape => problem.reply(self.origin()),
        }
    }

    /// Charges a request that was refused for its content; our own failures are not charged.
    fn charge_refused(&self, problem: &mut Problem) {
        if !(400..500).contains(&problem.status()) {
            return;
        }
        let wait_s = self.charge_wasted();
        if let Problem::Limited(limited) = problem {
            wasted::prolong(limited, wait_s);
        }
    }

    /// Charges a request of which nothing is stored. Returns the seconds until its network may send another one like
    /// it.
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

/// Logs what an object said that this version does not understand. The object may be of an earlier or a later version.
fn other_version(error: &dyn std::fmt::Display) -> Problem {
    console_error!("edge: of another version: {error}");
    Problem::OtherVersion
}

/// Logs the error, and only reports that something failed.
fn internal(error: &dyn std::fmt::Display) -> Problem {
    console_error!("edge: {error}");
    Problem::Internal
}
