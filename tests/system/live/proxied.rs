//! Events through a proxy that buffers answers unless a header forbids it, and that header.

use std::net::TcpStream;
use std::process::{Child, Command, Stdio};
use std::time::Instant;

use super::events::Events;
use super::socket::DEADLINE;
use super::view::View;
use crate::server::{Server, State};
use crate::stream::Stream;
use crate::{debian, ports};

/// Debian's nginx with a bare `proxy_pass`, as its beginners' guide has it.
struct Nginx {
    child: Child,
    url: String,
    _folder: State,
}

impl Nginx {
    /// `None`, with a message, if it is not available.
    fn before(server: &Server, more: &str) -> Option<Self> {
        let program = debian::program("nginx", "usr/sbin/nginx", "-v")?;
        let folder = State::new();
        let port = ports::unused();
        let paths =
            ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"].map(|kind| format!("{kind}_temp_path {kind};"));
        let site = format!("server {{ listen 127.0.0.1:{port}; location / {{ proxy_pass {}; }} }}", server.url);
        let http = format!("http {{ access_log off; {} {more} {site} }}", paths.concat());
        let text = format!("daemon off; master_process off; pid pid; error_log stderr; events {{}} {http}");
        std::fs::write(folder.path().join("nginx.conf"), text).expect("writable");
        let child = Command::new(program)
            .args(["-e", "stderr", "-c", "nginx.conf", "-p"])
            .arg(folder.path())
            .stdin(Stdio::null())
            .spawn()
            .expect("it runs");
        let nginx = Self { child, url: format!("http://127.0.0.1:{port}"), _folder: folder };
        let deadline = Instant::now() + DEADLINE;
        while TcpStream::connect(("127.0.0.1", port)).is_err() {
            assert!(Instant::now() < deadline, "nginx does not listen");
        }
        Some(nginx)
    }
}

impl Drop for Nginx {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

#[test]
fn events_pass_a_buffering_proxy_without_delay() {
    let stream = Stream::new();
    for more in ["", "gzip on; gzip_types text/event-stream; gzip_proxied any;"] {
        let Some(nginx) = Nginx::before(Server::shared(), more) else { return };
        let behind = Stream { url: nginx.url.clone(), ..stream.clone() };
        let mut view = View::default();
        let mut events = Events::of(&behind, "by=a", "Accept-Encoding: identity\r\n");
        assert_eq!(events.next(), ["retry: 1000"]);
        assert_eq!(events.take(&mut view), "snapshot");
        for n in 2..5 {
            behind.write(format!(r#"{{"n":{n},"v":{{"a":"x"}}}}"#));
            assert_eq!(events.take(&mut view), "delta");
        }
    }
}

#[test]
fn events_forbid_buffering_caching_and_transforming() {
    let stream = Stream::new();
    for headers in ["", "Accept: text/event-stream\r\nAccept-Encoding: gzip\r\n", "Last-Event-ID: 1\r\n"] {
        let events = Events::of(&stream, "", headers);
        let head = events.head.to_ascii_lowercase();
        for line in ["x-accel-buffering: no\r\n", "cache-control: no-store, no-transform\r\n"] {
            assert!(head.contains(line), "{head}");
        }
        assert!(!head.contains("content-encoding"), "{head}");
    }
}
