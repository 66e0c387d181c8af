//! Forwards points: sends what the forwarder, a consumer of the log, has packed to the upstream, one message at a time,
//! at the pace of its token. Runs as a task of the alarm (see [`super::alarm`]), never in a write.

use std::time::Duration;

use worker::{Delay, Env, Method, console_error};

use crate::clock::now_ms;
use crate::random::hash_key;
use appnet::answer::{Expects, hold_after, outcome, redact};
use appnet::channel::{
    Audience, Writable, audience, channel_path, channels_path, create_body, created_id, messages_path, writable,
};
use config::forward::{ForwardConfig, Token, allowed_root};
use model::delivery::Outcome;
use protocol::pacing::{GrantRequest, PaceAnswer, PaceRequest, WriteDone};
use protocol::refusal::Refusal;

use super::pacer::pace;
use super::secret::{open, pacer_name};
use super::stream::{Answer, Stream, internal, set_record, to_json};
use super::upstream::{Outgoing, send};
use engine::{Engine, Packed, Record};

/// The longest time that one task forwards; then the next one continues.
const MAX_RUN_MS: i64 = 30_000;
/// How often a shard asks home for the channel that home creates.
const ASK_HOME_MS: i64 = 60_000;
/// The wait before a retry if this deployment itself is at fault.
const RETRY_MS: i64 = 30_000;

/// The upstream of a stream, and the token for it.
struct Upstream {
    config: ForwardConfig,
    token: String,
    /// In its encrypted form.
    sealed: Token,
    /// The name of the object that paces the token's writes.
    pacer: String,
    /// The version of the record: what is learned with an older one says nothing about a newer one.
    version: u64,
}

/// The result of a step.
enum Next {
    Go,
    /// There is nothing more to do now.
    Rest,
}

type Step = Result<Next, Refusal>;

impl Stream {
    /// Forwards what is due.
    pub(super) async fn forward(&self) {
        let begun = now_ms();
        while now_ms() - begun < MAX_RUN_MS {
            match self.forward_step().await {
                Ok(Next::Go) => {}
                Ok(Next::Rest) => return,
                Err(_) => {
                    let until_ms = now_ms() + RETRY_MS;
                    let put_off = self.shared.with_engine(|engine| {
                        engine.put_off_coarsening(until_ms);
                        engine.wait_until(until_ms)
                    });
                    return match put_off {
                        Ok(()) | Err(Refusal::NoSuchStream) => (),
                        Err(error) => console_error!("forward: {error}"),
                    };
                }
            }
        }
    }

    async fn forward_step(&self) -> Step {
        let now = now_ms();
        if self.shared.with_engine(|engine| Ok(engine.should_coarsen(now)))? {
            self.coarsen().await?;
        }
        let (is_due, needs_channel) = self.shared.with_engine(|engine| {
            Ok((engine.forward_due().is_some_and(|due_ms| due_ms <= now), engine.needs_channel()))
        })?;
        if !is_due {
            return Ok(Next::Rest);
        }
        let Some(upstream) = self.upstream().await? else { return Ok(Next::Rest) };
        match (needs_channel, upstream.config.channel.clone()) {
            (true, Some(channel)) => self.check_channel(&upstream, &channel).await,
            (true, None) if self.is_home() => self.make_channel(&upstream).await,
            (_, None) => self.ask_home().await,
            (false, Some(channel)) => self.send_next(&upstream, &channel).await,
        }
    }

    /// The upstream and the token; `None` if the owner must change something first.
    async fn upstream(&self) -> Result<Option<Upstream>, Refusal> {
        let Record { config, forward_token, version, .. } = self.shared.record()?;
        let (Some(config), Some(sealed)) = (config.forward, forward_token) else { return Ok(None) };
        let now = now_ms();
        let pause = |reason: &str| self.shared.with_engine(|engine| engine.pause(reason, now)).map(|()| None);
        if let Err(error) =
            allowed_root(&config.api_root, variable(&self.env, "FORWARD_ROOTS").as_deref(), is_dev(&self.env))
        {
            return pause(&error.to_string());
        }
        let Some(secret) = signing_key(&self.env) else { return pause("the deployment has no SIGNING_KEY") };
        let (stream, _) = self.shared.place()?;
        match open(&secret, &stream, &sealed.0).await {
            Ok(token) => Ok(Some(Upstream { config, pacer: pacer_name(&secret, &token), token, sealed, version })),
            Err(_) if self.shared.record()?.version != version => Ok(None),
            Err(error) => pause(&error.to_string()),
        }
    }

    /// Asks for a grant to write with the token; returns its ticket.
    async fn permit(&self, upstream: &Upstream) -> Result<Option<u64>, Refusal> {
        let ask = GrantRequest { who: self.shared.name(), limit: upstream.config.policy.writes_per_minute };
        let request = PaceRequest { ask: Some(ask), ..PaceRequest::default() };
        match pace(&self.env, &upstream.pacer, &request).await.map_err(|error| internal(&error))? {
            PaceAnswer::Granted(ticket) => Ok(Some(ticket)),
            PaceAnswer::WaitUntil(until_ms) if self.is_current(upstream)? => {
                self.shared.with_engine(|engine| engine.wait_until(until_ms))?;
                Ok(None)
            }
            PaceAnswer::WaitUntil(_) | PaceAnswer::Noted => Ok(None),
        }
    }

    /// Whether the owner has changed nothing since.
    fn is_current(&self, upstream: &Upstream) -> Result<bool, Refusal> {
        Ok(self.shared.record()?.version == upstream.version)
    }

    /// Returns a grant.
    async fn release(&self, upstream: &Upstream, ticket: u64, hold_ms: Option<i64>) {
        let request = PaceRequest { done: Some(WriteDone { ticket, hold_ms }), ..PaceRequest::default() };
        if let Err(error) = pace(&self.env, &upstream.pacer, &request).await {
            // It expires on its own.
            console_error!("forward: {error}");
        }
    }

    /// Sends a paced request, unless there is no grant now; returns its outcome.
    async fn send_paced(
        &self,
        upstream: &Upstream,
        ticket: u64,
        outgoing: Outgoing<'_>,
        expects: Expects,
    ) -> (Outcome, Vec<u8>) {
        let sent = send(outgoing).await;
        let hold_ms = match &sent {
            Ok(received) => match outcome(upstream.config.dialect, received, expects) {
                Outcome::Held { for_ms } => Some(for_ms),
                _ => hold_after(received),
            },
            Err(_) => None,
        };
        self.release(upstream, ticket, hold_ms).await;
        match sent {
            Ok(received) => {
                let outcome = redacted(outcome(upstream.config.dialect, &received, expects), &upstream.token);
                (outcome, received.body)
            }
            Err(reason) => (Outcome::Failed(reason), Vec::new()),
        }
    }

    async fn send_next(&self, upstream: &Upstream, channel: &str) -> Step {
        let Some(ticket) = self.permit(upstream).await? else { return Ok(Next::Rest) };
        if !self.is_current(upstream)? {
            self.release(upstream, ticket, None).await;
            return Ok(Next::Go);
        }
        if self.shared.with_engine(Engine::pack)? == Packed::Backlog {
            self.coarsen().await?;
        }
        let name = self.shared.name();
        let parcel = self.shared.with_engine(|engine| engine.parcel(&name, now_ms()))?;
        let Some(mut parcel) = parcel else {
            self.release(upstream, ticket, None).await;
            return Ok(Next::Rest);
        };
        // What is sent is durable: if this object dies now, the same is sent again.
        self.shared.state.storage().sync().await.map_err(|error| internal(&error))?;
        let outgoing = Outgoing {
            method: Method::Post,
            url: format!("{}{}", upstream.config.api_root, messages_path(channel)),
            token: &upstream.token,
            body: Some(std::mem::take(&mut parcel.body)),
        };
        let (outcome, _) = self.send_paced(upstream, ticket, outgoing, Expects::Envelope).await;
        if outcome != Outcome::Delivered && !self.is_current(upstream)? {
            // A response to an earlier token or upstream says nothing about the new one.
            return Ok(Next::Go);
        }
        let is_suspect = self.shared.with_engine(|engine| Ok(engine.is_suspect(&outcome)))?;
        let outcome = match outcome {
            Outcome::Erred(reason) if is_suspect && self.is_well(upstream, channel).await => Outcome::Refused(reason),
            other => other,
        };
        self.shared.with_engine(|engine| engine.settle(&parcel, &outcome, jitter(), now_ms()))?;
        Ok(Next::Go)
    }

    /// Creates the channel, and stores it in the owner's configuration.
    async fn make_channel(&self, upstream: &Upstream) -> Step {
        let Some(ticket) = self.permit(upstream).await? else { return Ok(Next::Rest) };
        let Upstream { config, token, sealed, .. } = upstream;
        let url = format!("{}{}", config.api_root, channels_path());
        let body = Some(create_body(config.dialect).to_owned());
        let outgoing = Outgoing { method: Method::Post, url, token, body };
        let (mut outcome, answer) = self.send_paced(upstream, ticket, outgoing, Expects::Data).await;
        let made = created_id(&answer).filter(|_| outcome == Outcome::Delivered);
        let mut record = self.shared.record()?;
        let is_wanted = record.forward_token.as_ref() == Some(sealed)
            && record.config.forward.as_ref().is_some_and(|now| now.is_same_place(config) && now.channel.is_none());
        if !is_wanted {
            return Ok(Next::Go);
        }
        let Some(channel) = made else {
            if outcome == Outcome::Delivered {
                outcome = Outcome::Failed("the response does not contain the channel's id".into());
            }
            self.shared.with_engine(|engine| engine.settle_channel(&outcome, jitter(), now_ms()))?;
            return Ok(Next::Go);
        };
        if let Some(forward) = &mut record.config.forward {
            forward.channel = Some(channel);
        }
        record.version += 1;
        record.untold.directory = true;
        self.shared.try_with_engine(|engine| {
            set_record(engine, record)?;
            engine.mark_checked(audience(config.dialect, &answer)).map_err(|error| internal(&error))
        })?;
        Ok(Next::Go)
    }

    /// Asks whether the channel can be written to.
    async fn check_channel(&self, upstream: &Upstream, channel: &str) -> Step {
        let Upstream { config, token, version, .. } = upstream;
        let url = format!("{}{}", config.api_root, channel_path(channel));
        let received = send(Outgoing { method: Method::Get, url, token, body: None }).await;
        let outcome = match &received {
            Ok(received) => redacted(outcome(config.dialect, received, Expects::Data), token),
            Err(reason) => Outcome::Failed(reason.clone()),
        };
        if self.shared.record()?.version != *version {
            return Ok(Next::Go);
        }
        let body = received.map(|received| received.body).unwrap_or_default();
        let may_write = writable(config.dialect, &body) != Writable::No;
        let (audience, now) = (audience(config.dialect, &body), now_ms());
        self.shared.with_engine(|engine| match outcome {
            Outcome::Delivered if may_write => engine.mark_checked(audience),
            // The channel is known to be writable, so an upstream that does not describe it blocks nothing.
            Outcome::Denied(_) | Outcome::Refused(_) if engine.is_checked() => engine.mark_checked(Audience::Unknown),
            Outcome::Delivered => engine.pause("the token may not write to the channel", now),
            outcome => engine.settle_channel(&outcome, jitter(), now),
        })?;
        Ok(Next::Go)
    }

    /// Whether an upstream that fails at a message still answers requests about the channel.
    async fn is_well(&self, Upstream { config, token, .. }: &Upstream, channel: &str) -> bool {
        let url = format!("{}{}", config.api_root, channel_path(channel));
        let received = send(Outgoing { method: Method::Get, url, token, body: None }).await;
        received.is_ok_and(|received| outcome(config.dialect, &received, Expects::Data) == Outcome::Delivered)
    }

    /// Home creates the channel; the other shards adopt it.
    async fn ask_home(&self) -> Step {
        self.adopt().await?;
        if self.shared.record()?.config.forward.is_some_and(|forward| forward.channel.is_some()) {
            return Ok(Next::Go);
        }
        self.shared.with_engine(|engine| engine.wait_until(now_ms() + ASK_HOME_MS))?;
        Ok(Next::Rest)
    }

    /// Coarsens everything that waits, one row of the log at a time, so that others get their turn in between.
    async fn coarsen(&self) -> Result<(), Refusal> {
        let mut coarsening = self.shared.with_engine(|engine| engine.begin_coarsening(hash_key()))?;
        while self.shared.with_engine(|engine| engine.coarsen_row(&mut coarsening))? {
            Delay::from(Duration::ZERO).await;
        }
        self.shared.with_engine(|engine| engine.finish_coarsening(coarsening))
    }

    /// Retries now, including what was paused or set aside, even if the upstream asked for a pause.
    pub(super) async fn retry_forward(&self) -> Answer {
        // First, so that nobody is told to wait again after the reason for waiting was forgotten.
        if let Some(upstream) = self.upstream().await? {
            let request = PaceRequest { lift: true, ..PaceRequest::default() };
            pace(&self.env, &upstream.pacer, &request).await.map_err(|error| internal(&error))?;
        }
        if !self.shared.with_engine(Engine::retry_forward)? {
            return Err(Refusal::Conflict("the stream has no `forward`".into()));
        }
        self.shared.set_alarm(1).await;
        Ok(to_json(&serde_json::json!({})))
    }

    fn is_home(&self) -> bool {
        self.shared.place().is_ok_and(|(_, shard)| shard == 0)
    }
}

/// Removes the token from anything that the upstream says.
fn redacted(outcome: Outcome, token: &str) -> Outcome {
    match outcome {
        Outcome::Refused(message) => Outcome::Refused(redact(&message, token)),
        Outcome::Denied(message) => Outcome::Denied(redact(&message, token)),
        Outcome::Failed(message) => Outcome::Failed(redact(&message, token)),
        Outcome::Erred(message) => Outcome::Erred(redact(&message, token)),
        other => other,
    }
}

pub(super) fn signing_key(env: &Env) -> Option<String> {
    env.secret("SIGNING_KEY").ok().map(|secret| secret.to_string()).filter(|text| !text.is_empty())
}

pub(super) fn variable(env: &Env, name: &str) -> Option<String> {
    env.var(name).ok().map(|var| var.to_string())
}

pub(super) fn is_dev(env: &Env) -> bool {
    variable(env, "HEARTBEAT_DEV").is_some_and(|text| text == "1")
}

pub(super) fn jitter() -> f64 {
    worker::js_sys::Math::random()
}
