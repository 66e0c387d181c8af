//! How each request is answered.

use std::collections::{BTreeMap, VecDeque};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::channels::{Access, Channel, Message, Paging};
use super::connection::{Ending, Reply, Request};
use super::dialect::Ids;
use super::limits::{Left, Window};
use super::{Dialect, Exchange, Fault, Objection, Plan};
use crate::clock::now_whole_s;

/// The mutable state of a double.
pub(super) struct State {
    pub(super) plan: Plan,
    pub(super) script: VecDeque<Option<Fault>>,
    /// By their tokens.
    pub(super) users: BTreeMap<String, u64>,
    pub(super) channels: BTreeMap<u64, Channel>,
    pub(super) messages: Vec<Message>,
    last_id: u64,
    windows: BTreeMap<String, Window>,
    /// The windows of writes, by token.
    pub(super) arrivals: BTreeMap<String, Vec<Instant>>,
    pub(super) exchanges: Vec<Exchange>,
    pub(super) failed: BTreeMap<Fault, usize>,
    pub(super) exceeded: usize,
    pub(super) hanging: usize,
    /// Grows with each change.
    pub(super) version: u64,
}

/// An answer before it is put into its envelope: its status, its data, and the extra fields of `meta`.
struct Answer {
    status: u16,
    data: Value,
    meta: Value,
}

/// An error, with its message.
struct Refused(u16, String);

impl From<String> for Refused {
    fn from(message: String) -> Self {
        Self(400, message)
    }
}

/// The parts of a request that determine its meaning.
struct Target<'a> {
    path: Vec<&'a str>,
    query: Vec<(String, String)>,
}

impl Target<'_> {
    fn is_set(&self, name: &str) -> bool {
        self.query.iter().any(|(other, value)| other == name && value == "1")
    }
}

impl State {
    pub(super) fn new(plan: Plan, users: BTreeMap<String, u64>) -> Self {
        Self {
            plan,
            script: VecDeque::new(),
            users,
            channels: BTreeMap::new(),
            messages: Vec::new(),
            last_id: 0,
            windows: BTreeMap::new(),
            arrivals: BTreeMap::new(),
            exchanges: Vec::new(),
            failed: BTreeMap::new(),
            exceeded: 0,
            hanging: 0,
            version: 0,
        }
    }

    pub(super) fn handle(&mut self, request: &Request) -> Ending {
        let token = request.header("Authorization").and_then(|value| value.strip_prefix("Bearer ")).unwrap_or_default();
        let mut left = None;
        if matches!(request.method.as_str(), "POST" | "DELETE") {
            self.arrivals.entry(token.to_owned()).or_default().push(request.at);
            match self.take_write(token, request.at) {
                Ok(taken) => left = Some(taken),
                Err(wait) => return Ending::Answer(self.over_limit(wait)),
            }
        }
        let scripted = self.script.pop_front();
        let fault = scripted.unwrap_or_else(|| self.plan.faults.as_mut()?.draw());
        if let Some(fault) = fault {
            *self.failed.entry(fault).or_default() += 1;
            if !fault.is_after() {
                return self.fail(fault, token);
            }
        }
        let deviates = |kind: Fault| fault == Some(kind) || self.plan.always.contains(&kind);
        let (numeric, paging) = (deviates(Fault::NumericIds), !deviates(Fault::NoPaging));
        let rate_headers = self.plan.rate_headers && !deviates(Fault::NoRateHeaders);
        let mut reply = self.answer(request, token, Ids { are_numbers: numeric }, paging);
        if let Some(left) = left.filter(|_| rate_headers) {
            reply.headers.extend(self.rate_headers(&left));
        }
        match fault {
            Some(Fault::CutAfter) => Ending::Close,
            Some(Fault::HangAfter) => Ending::Hang,
            Some(Fault::CutInside) => Ending::Cut(reply),
            _ => Ending::Answer(reply),
        }
    }

    fn take_write(&mut self, token: &str, now: Instant) -> Result<Left, Duration> {
        let is_pnut = self.plan.dialect == Dialect::Pnut;
        let window = self.windows.entry(token.to_owned()).or_insert_with(|| Window::new(now));
        window.take(self.plan.limit, self.plan.window, is_pnut, now)
    }

    fn over_limit(&mut self, wait: Duration) -> Reply {
        self.exceeded += 1;
        let seconds = u32::try_from(wait.as_millis().div_ceil(1_000)).expect("minutes");
        let mut reply = match self.plan.dialect {
            _ if !self.plan.tells_wait => self.too_many(&[], None),
            Dialect::AppNet => self.too_many(&[("Retry-After", seconds)], None),
            Dialect::Pnut => self.too_many(&[], Some(seconds)),
        };
        if self.plan.rate_headers {
            reply.headers.extend(self.rate_headers(&Left { remaining: 0, reset: wait }));
        }
        reply
    }

    fn rate_headers(&self, left: &Left) -> [(&'static str, String); 3] {
        [
            ("X-RateLimit-Limit", self.plan.limit.to_string()),
            ("X-RateLimit-Remaining", left.remaining.to_string()),
            ("X-RateLimit-Reset", left.reset.as_millis().div_ceil(1_000).to_string()),
        ]
    }

    fn too_many(&self, headers: &[(&'static str, u32)], retry_in: Option<u32>) -> Reply {
        let mut body = self.plan.dialect.error(429, "Too Many Requests");
        if let Some(retry_in) = retry_in {
            body["meta"]["retry_in"] = json!(retry_in);
        }
        let mut reply = envelope(429, &body);
        reply.headers.extend(headers.iter().map(|(name, value)| (*name, value.to_string())));
        reply
    }

    fn fail(&self, fault: Fault, token: &str) -> Ending {
        let page = |status| Reply {
            status,
            headers: vec![("Content-Type", "text/html; charset=utf-8".to_owned())],
            body: "<!doctype html><title>Sign in</title><p>Sorry.".to_owned(),
        };
        let error = |status, message: &str| envelope(status, &self.plan.dialect.error(status, message));
        Ending::Answer(match fault {
            Fault::RetryAfter(seconds) => self.too_many(&[("Retry-After", seconds)], None),
            Fault::RetryIn(seconds) => self.too_many(&[], Some(seconds)),
            Fault::TooMany => self.too_many(&[], None),
            Fault::ServerError => error(500, "Internal Server Error"),
            Fault::Telltale => error(500, &format!("{:170} Bearer {token}", format!("no luck with {token}:"))),
            Fault::Unavailable => page(503),
            Fault::Html => page(200),
            Fault::Redirect => {
                let mut reply = page(302);
                reply.headers.push(("Location", self.plan.redirect_to.clone()));
                reply
            }
            Fault::Status(status) => error(status, &format!("Status {status} as the test asked for")),
            Fault::Hang => return Ending::Hang,
            Fault::Endless => return Ending::Endless,
            _ => return Ending::Close,
        })
    }

    fn answer(&mut self, request: &Request, token: &str, ids: Ids, with_paging: bool) -> Reply {
        let dialect = self.plan.dialect;
        match self.carry_out(request, token, ids) {
            Ok(Answer { status, data, mut meta }) => {
                if !with_paging && let Some(meta) = meta.as_object_mut() {
                    meta.clear();
                }
                meta["code"] = json!(status);
                envelope(status, &json!({ "data": data, "meta": meta }))
            }
            Err(Refused(status, message)) => envelope(status, &dialect.error(status, &message)),
        }
    }

    fn carry_out(&mut self, request: &Request, token: &str, ids: Ids) -> Result<Answer, Refused> {
        let not_found = || Refused(404, "Not Found".to_owned());
        let (path, query) = request.target.split_once('?').unwrap_or((&request.target, ""));
        let path = path.strip_prefix(self.plan.dialect.root()).ok_or_else(not_found)?;
        let query = form_urlencoded::parse(query.as_bytes()).into_owned().collect();
        let target = Target { path: path.split('/').skip(1).collect(), query };
        let user = *self.users.get(token).ok_or(Refused(401, "Call requires authentication".to_owned()))?;
        match (request.method.as_str(), target.path.as_slice()) {
            ("POST", ["channels"]) => self.create_channel(&json_body(request)?, user, ids),
            ("GET", ["channels", channel]) => {
                let (id, channel) = self.channel(channel)?;
                let view = self.plan.dialect.channel(id, channel, user, ids);
                channel.may_read(user).then_some(()).ok_or(Refused(403, "Forbidden".to_owned()))?;
                Ok(Answer { status: 200, data: view, meta: json!({}) })
            }
            ("POST", ["channels", channel, "messages"]) => {
                let id = self.channel(channel)?.0;
                self.post_message(id, &json_body(request)?, user, &target, ids)
            }
            ("GET", ["channels", channel, "messages"]) => {
                let id = self.channel(channel)?.0;
                self.list_messages(id, user, &target, ids)
            }
            _ => Err(not_found()),
        }
    }

    fn channel(&self, id: &str) -> Result<(u64, &Channel), Refused> {
        let found = id.parse().ok().and_then(|id: u64| Some((id, self.channels.get(&id)?)));
        found.ok_or(Refused(404, "Channel not found".to_owned()))
    }

    pub(super) fn add_channel(&mut self, owner: u64, access: Access) -> u64 {
        self.last_id += 1;
        self.channels.insert(self.last_id, Channel { owner, access, messages: 0 });
        self.last_id
    }

    fn create_channel(&mut self, body: &Value, user: u64, ids: Ids) -> Result<Answer, Refused> {
        let access = self.plan.dialect.new_channel(body)?;
        let id = self.add_channel(user, access);
        let data = self.plan.dialect.channel(id, &self.channels[&id], user, ids);
        Ok(Answer { status: self.plan.dialect.created(), data, meta: json!({}) })
    }

    fn post_message(
        &mut self,
        channel: u64,
        body: &Value,
        user: u64,
        target: &Target<'_>,
        ids: Ids,
    ) -> Result<Answer, Refused> {
        let dialect = self.plan.dialect;
        let found = self.channels.get_mut(&channel).expect("it was found");
        if !found.may_write(user) || found.access.is_inactive {
            return Err(Refused(403, "Forbidden: you may not write in this channel".to_owned()));
        }
        for objection in self.plan.objections {
            let (objects, status, message) = match objection {
                Objection::NoText(status, message) => (body["text"].is_null(), *status, *message),
                Objection::MachineOnly(status, message) => (body["machine_only"] == true, *status, *message),
            };
            if objects {
                return Err(Refused(status, message.to_owned()));
            }
        }
        let content = dialect.new_message(body)?;
        if let Some((label, value)) = self.plan.offender {
            let offends = |(_, point): &(String, Value)| point["v"][label] == value;
            if content.annotations.iter().any(offends) {
                return Err(Refused(400, "Bad Request: this annotation offends us".to_owned()));
            }
        }
        found.messages += 1;
        self.last_id += 1;
        let now = i64::try_from(now_whole_s()).ok().and_then(|now| chrono::DateTime::from_timestamp(now, 0));
        let created_at = now.expect("a date").format("%Y-%m-%dT%H:%M:%SZ").to_string();
        let message = Message { id: self.last_id, channel, user, created_at, content };
        let data = dialect.message(&message, dialect.wants_annotations().iter().any(|name| target.is_set(name)), ids);
        self.messages.push(message);
        Ok(Answer { status: dialect.created(), data, meta: json!({}) })
    }

    fn list_messages(&self, channel: u64, user: u64, target: &Target<'_>, ids: Ids) -> Result<Answer, Refused> {
        let dialect = self.plan.dialect;
        self.channels[&channel].may_read(user).then_some(()).ok_or(Refused(403, "Forbidden".to_owned()))?;
        let with_machine = dialect == Dialect::Pnut || target.is_set("include_machine");
        let is_shown =
            |message: &&Message| message.channel == channel && (with_machine || !message.content.is_machine_only);
        let (page, more) = Paging::new(&target.query)?.page(self.messages.iter().filter(is_shown));
        let with_annotations = dialect.wants_annotations().iter().any(|name| target.is_set(name));
        let data = page.iter().map(|message| dialect.message(message, with_annotations, ids)).collect();
        let mut meta = json!({ "more": more });
        if let (Some(newest), Some(oldest)) = (page.first(), page.last()) {
            (meta["max_id"], meta["min_id"]) = (json!(newest.id.to_string()), json!(oldest.id.to_string()));
        }
        Ok(Answer { status: 200, data, meta })
    }
}

fn json_body(request: &Request) -> Result<Value, Refused> {
    let is_json = request.header("Content-Type").is_some_and(|kind| kind.starts_with("application/json"));
    let body = serde_json::from_slice(&request.body).ok().filter(|_| is_json);
    body.filter(Value::is_object).ok_or(Refused(400, "Bad Request: the body must be a JSON object".to_owned()))
}

fn envelope(status: u16, body: &Value) -> Reply {
    Reply { status, headers: vec![("Content-Type", "application/json".to_owned())], body: body.to_string() }
}
