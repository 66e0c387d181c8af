//! A hostile upstream: an HTTP server that speaks the documented dialects of app.net and pnut, with their
//! limits, and fails in every way that a test asks for.

mod channels;
mod connection;
mod dialect;
mod faults;
mod itself;
mod limits;
mod records;
mod state;

use std::collections::BTreeMap;
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

pub(crate) use channels::{Access, Group};
pub(crate) use dialect::Dialect;
pub(crate) use faults::{Fault, Faults, Random};
pub(crate) use records::{Exchange, Sums, sums_of};
use state::State;

/// The prefix of tokens. Not even a part of a token may appear in the product's output.
pub(crate) const TOKENS_BEGIN: &str = "tokenThat";

/// How a double behaves.
#[derive(Clone)]
pub(crate) struct Plan {
    pub(crate) dialect: Dialect,
    /// How many writes a token gets per window.
    pub(crate) limit: usize,
    pub(crate) window: Duration,
    /// Whether a 429 that is not an injected fault says how long to wait.
    pub(crate) tells_wait: bool,
    pub(crate) rate_headers: bool,
    pub(crate) faults: Option<Faults>,
    /// Faults of every answer; only those that carry out the request.
    pub(crate) always: &'static [Fault],
    /// A message with a point that has this label is answered with 400.
    pub(crate) offender: Option<(&'static str, &'static str)>,
    /// Its objection to messages in app.net's form.
    pub(crate) objections: &'static [Objection],
    /// The target of redirects.
    pub(crate) redirect_to: String,
}

/// What a server that deviates from app.net refuses, with its status and message.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Objection {
    /// A message without a text.
    NoText(u16, &'static str),
    /// A machine-only message.
    MachineOnly(u16, &'static str),
}

impl Default for Plan {
    fn default() -> Self {
        Self {
            dialect: Dialect::AppNet,
            limit: 20,
            window: Duration::from_mins(1),
            tells_wait: true,
            rate_headers: true,
            faults: None,
            always: &[],
            offender: None,
            objections: &[],
            redirect_to: String::new(),
        }
    }
}

/// A running double. Stops when dropped.
pub(crate) struct Peer {
    inner: Arc<Inner>,
    port: u16,
    dialect: Dialect,
    /// A token of user 1 that no other double knows, as writers with one token share its limit.
    pub(crate) token: String,
    /// A token of user 2.
    pub(crate) other_token: String,
}

/// The state that the threads of connections share.
struct Inner {
    state: Mutex<State>,
    changed: Condvar,
    is_over: AtomicBool,
    /// Open connections, so that none outlives the double.
    sockets: Mutex<Vec<TcpStream>>,
}

impl Inner {
    /// Locks despite a panic: the panicking thread reports it, and others continue.
    fn look<T>(&self, look: impl FnOnce(&State) -> T) -> T {
        look(&self.state.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn change<T>(&self, change: impl FnOnce(&mut State) -> T) -> T {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.version += 1;
        let changed = change(&mut state);
        self.changed.notify_all();
        changed
    }

    fn is_over(&self) -> bool {
        self.is_over.load(Ordering::Relaxed)
    }
}

impl Peer {
    pub(crate) fn start(plan: Plan) -> Self {
        static STARTED: AtomicUsize = AtomicUsize::new(0);
        let listener = TcpListener::bind(("127.0.0.1", 0)).expect("a port is free");
        let port = listener.local_addr().expect("the listener is bound").port();
        let dialect = plan.dialect;
        let number = STARTED.fetch_add(1, Ordering::Relaxed);
        let [token, other_token] = ["One", "Other"].map(|name| format!("{TOKENS_BEGIN}NobodyMaySee{name}{number}"));
        let users = BTreeMap::from([(token.clone(), 1), (other_token.clone(), 2)]);
        let inner = Arc::new(Inner {
            state: Mutex::new(State::new(plan, users)),
            changed: Condvar::new(),
            is_over: AtomicBool::new(false),
            sockets: Mutex::new(Vec::new()),
        });
        let accepting = Arc::clone(&inner);
        thread::spawn(move || accept(&accepting, &listener));
        Self { inner, port, dialect, token, other_token }
    }

    /// A double that allows more writes per minute than any test makes.
    pub(crate) fn generous() -> Self {
        Self::start(Plan { limit: 6_000, ..Plan::default() })
    }

    /// The root of the API.
    pub(crate) fn root(&self) -> String {
        format!("http://127.0.0.1:{}{}", self.port, self.dialect.root())
    }

    /// The configuration that forwards here as fast as the contract allows.
    pub(crate) fn forward(&self) -> Value {
        json!({ "dialect": self.dialect.name(), "api_root": self.root(), "token": self.token,
            "policy": { "writes_per_minute": 6_000 } })
    }

    /// The fate of the next requests of any kind: a fault each, or none.
    pub(crate) fn next(&self, faults: impl IntoIterator<Item = Option<Fault>>) {
        self.inner.change(|state| state.script.extend(faults));
    }

    /// Another plan, starting with the next request.
    pub(crate) fn replan(&self, change: impl FnOnce(&mut Plan)) {
        self.inner.change(|state| change(&mut state.plan));
    }

    /// Revokes the token.
    pub(crate) fn revoke(&self, token: &str) {
        self.inner.change(|state| state.users.remove(token));
    }

    /// Gives the token to this user.
    pub(crate) fn admit(&self, token: &str, user: u64) {
        self.inner.change(|state| state.users.insert(token.to_owned(), user));
    }

    /// Creates a channel of a user, and returns its id.
    pub(crate) fn add_channel(&self, owner: u64, readers: Group, writers: Group) -> String {
        let access = Access { kind: "x".to_owned(), readers, writers, is_inactive: false };
        self.inner.change(|state| state.add_channel(owner, access)).to_string()
    }

    /// Gives a channel to a user.
    pub(crate) fn give_channel(&self, id: &str, owner: u64, writers: Group) {
        self.inner.change(|state| {
            let channel = state.channels.get_mut(&id.parse().expect("an id")).expect("it is there");
            (channel.owner, channel.access.writers) = (owner, writers);
        });
    }

    /// Waits until a condition on its state is true.
    #[track_caller]
    pub(crate) fn until(&self, patience: Duration, what: &str, is_true: impl Fn(&Self) -> bool) {
        let deadline = Instant::now() + patience;
        loop {
            let version = self.inner.look(|state| state.version);
            if is_true(self) {
                return;
            }
            let left = deadline.saturating_duration_since(Instant::now());
            assert!(!left.is_zero(), "not within {patience:?}: {what}; the last requests: {:?}", self.last_requests());
            self.wait_for_change(version, left);
        }
    }

    /// Waits for the next event, at most this long.
    pub(crate) fn until_something_happens(&self, patience: Duration) {
        let version = self.inner.look(|state| state.version);
        self.wait_for_change(version, patience);
    }

    fn wait_for_change(&self, version: u64, patience: Duration) {
        let state = self.inner.state.lock().unwrap_or_else(PoisonError::into_inner);
        let waited = self.inner.changed.wait_timeout_while(state, patience, |state| state.version == version);
        drop(waited.unwrap_or_else(PoisonError::into_inner));
    }

    fn last_requests(&self) -> Vec<String> {
        let requests = self.requests();
        requests[requests.len().saturating_sub(5)..].to_vec()
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        self.inner.is_over.store(true, Ordering::Relaxed);
        // Wakes the listener, which then sees it.
        TcpStream::connect(("127.0.0.1", self.port)).ok();
        for socket in self.inner.sockets.lock().unwrap_or_else(PoisonError::into_inner).drain(..) {
            socket.shutdown(std::net::Shutdown::Both).ok();
        }
    }
}

fn accept(inner: &Arc<Inner>, listener: &TcpListener) {
    for socket in listener.incoming().flatten() {
        if inner.is_over() {
            return;
        }
        let copy = socket.try_clone().expect("a descriptor is free");
        inner.sockets.lock().unwrap_or_else(PoisonError::into_inner).push(copy);
        let inner = Arc::clone(inner);
        thread::spawn(move || connection::serve(&inner, socket));
    }
}
