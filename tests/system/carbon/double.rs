//! A carbon that takes lines, or fails in the way that a test asks for.

use std::collections::{BTreeMap, VecDeque};
use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

/// What a double does with a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Manner {
    /// Reads to the end and closes, as carbon does.
    Takes,
    /// Reads a little and disconnects without the rest: the connection is reset.
    Resets,
    /// Closes its side immediately, and reads.
    ClosesEarly,
    /// Reads all, and does not close.
    Hangs,
    /// Sends something.
    Talks,
}

#[derive(Default)]
struct State {
    script: VecDeque<Manner>,
    /// The contents of the connections whose lines it took, in their order.
    taken: Vec<String>,
    /// What was done with each connection.
    seen: Vec<Manner>,
    is_over: bool,
}

/// A running double, which stops when dropped.
pub(crate) struct Carbon {
    shared: Arc<(Mutex<State>, Condvar)>,
    address: SocketAddr,
    pub(crate) port: u16,
}

impl Carbon {
    /// A double that takes everything except on the next connections.
    pub(crate) fn start(script: &[Manner]) -> Self {
        Self::on(0, script)
    }

    /// The same, on this port.
    pub(crate) fn on(port: u16, script: &[Manner]) -> Self {
        Self::of(TcpListener::bind(("127.0.0.1", port)).expect("the port is free"), script)
    }

    /// The same, at an IPv6 address; `None` where the machine has none.
    pub(crate) fn on_ipv6() -> Option<Self> {
        TcpListener::bind(("::1", 0)).ok().map(|listener| Self::of(listener, &[]))
    }

    fn of(listener: TcpListener, script: &[Manner]) -> Self {
        let address = listener.local_addr().expect("the listener is bound");
        let state = State { script: script.iter().copied().collect(), ..State::default() };
        let shared = Arc::new((Mutex::new(state), Condvar::new()));
        let inner = Arc::clone(&shared);
        thread::spawn(move || {
            for socket in listener.incoming().map_while(Result::ok) {
                let manner =
                    change(&inner, |state| (!state.is_over).then(|| state.script.pop_front().unwrap_or(Manner::Takes)));
                let Some(manner) = manner else { return };
                let inner = Arc::clone(&inner);
                thread::spawn(move || serve(&inner, socket, manner));
            }
        });
        Self { shared, address, port: address.port() }
    }

    /// The configuration that pushes here.
    pub(crate) fn config(&self) -> Value {
        config(self.port)
    }

    /// The first result of a look at it, once there is one.
    #[track_caller]
    pub(crate) fn until<T>(&self, patience: Duration, look: impl Fn(&Lines) -> Option<T>) -> T {
        let deadline = Instant::now() + patience;
        let (state, changed) = &*self.shared;
        let mut state = state.lock().unwrap_or_else(PoisonError::into_inner);
        loop {
            let lines = Lines { batches: state.taken.clone(), seen: state.seen.clone() };
            if let Some(found) = look(&lines) {
                return found;
            }
            let left = deadline.saturating_duration_since(Instant::now());
            assert!(!left.is_zero(), "not within {patience:?}: {:?} {:?}", state.taken, state.seen);
            state = changed.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// Its current lines.
    pub(crate) fn lines(&self) -> Lines {
        let (state, _) = &*self.shared;
        let state = state.lock().unwrap_or_else(PoisonError::into_inner);
        Lines { batches: state.taken.clone(), seen: state.seen.clone() }
    }
}

impl Drop for Carbon {
    fn drop(&mut self) {
        change(&self.shared, |state| state.is_over = true);
        // Wakes the listener, so that it ends and the port is free.
        TcpStream::connect(self.address).ok();
    }
}

pub(crate) fn config(port: u16) -> Value {
    at("127.0.0.1", port)
}

pub(crate) fn at(host: &str, port: u16) -> Value {
    json!({ "host": host, "port": port, "interval_s": 10 })
}

/// Everything received.
pub(crate) struct Lines {
    pub(crate) batches: Vec<String>,
    pub(crate) seen: Vec<Manner>,
}

impl Lines {
    /// Name, value and time of each line in the order in which they came.
    pub(crate) fn all(&self) -> impl Iterator<Item = (&str, f64, i64)> {
        self.batches.iter().flat_map(|batch| batch.lines()).map(|line| {
            let fields: Vec<&str> = line.split_whitespace().collect();
            let [name, value, time] = fields[..] else { panic!("not three fields: {line:?}") };
            (name, value.parse().expect("a number"), time.parse().expect("a time"))
        })
    }

    /// The last value of each name and time, which carbon keeps.
    pub(crate) fn kept(&self) -> BTreeMap<(&str, i64), f64> {
        self.all().map(|(name, value, time)| ((name, time), value)).collect()
    }

    /// The sum of a name over all times.
    pub(crate) fn sum(&self, name: &str) -> f64 {
        self.kept().iter().filter(|((other, _), _)| *other == name).map(|(_, value)| value).sum()
    }
}

fn change<T>(shared: &(Mutex<State>, Condvar), change: impl FnOnce(&mut State) -> T) -> T {
    let changed = change(&mut shared.0.lock().unwrap_or_else(PoisonError::into_inner));
    shared.1.notify_all();
    changed
}

fn serve(shared: &(Mutex<State>, Condvar), mut socket: TcpStream, manner: Manner) {
    let mut text = String::new();
    let read = match manner {
        Manner::Takes | Manner::Hangs => socket.read_to_string(&mut text),
        Manner::Resets => socket.read(&mut [0; 8]),
        Manner::ClosesEarly => {
            socket.shutdown(Shutdown::Write).and_then(|()| socket.read_to_string(&mut String::new()))
        }
        Manner::Talks => socket.write(b"ready\n").and_then(|_| socket.read_to_string(&mut String::new())),
    };
    let kept = (manner == Manner::Hangs).then(|| socket.try_clone());
    change(shared, |state| {
        state.seen.push(manner);
        if matches!(manner, Manner::Takes | Manner::Hangs) && read.is_ok() {
            state.taken.push(text);
        }
    });
    if kept.is_some() {
        let (state, changed) = shared;
        let state = state.lock().unwrap_or_else(PoisonError::into_inner);
        drop(changed.wait_while(state, |state| !state.is_over).unwrap_or_else(PoisonError::into_inner));
    }
}
