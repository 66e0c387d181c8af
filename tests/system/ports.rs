//! Ports for programs that can't take any free one themselves.

use std::net::TcpListener;
use std::sync::atomic::{AtomicU16, Ordering};

/// A port where nobody listens. It is below those that a system gives to whoever asks for any, so no other test gets
/// it.
pub(crate) fn unused() -> u16 {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    let first = u16::try_from(std::process::id() % 10_000).expect("is small");
    let mut candidates = (0..1_000).map(|_| 20_000 + (first + NEXT.fetch_add(1, Ordering::Relaxed)) % 12_000);
    candidates.find(|port: &u16| TcpListener::bind(("127.0.0.1", *port)).is_ok()).expect("a port is free")
}
