//! A self-hosted server behind a reverse proxy: headers of a trusted proxy count, and those of a stranger do not.

use std::process::Command;

use serde_json::{Value, json};

use crate::channel::TIMESERIES;
use crate::http::{Answer, Call, call};
use crate::server::{OWNER_TOKEN, Server, State};
use crate::stream::Stream;

const POINT: &str = r#"{"n":1}"#;

fn server(settings: &[(&str, &str)]) -> Server {
    let usual = [("OWNER_TOKEN", OWNER_TOKEN), ("SIGNING_KEY", "test-signing-key"), ("HEARTBEAT_WRITE_LIMIT", "1")];
    Server::start_with(State::new(), &[&usual[..], settings].concat())
}

/// An address that other machines can reach.
fn open_server(settings: &[(&str, &str)]) -> Server {
    server(&[&[("HOST", "0.0.0.0")], settings].concat())
}

fn with(call: Call, headers: &[(&str, &str)]) -> Call {
    headers.iter().fold(call, |call, (name, value)| call.header(name, *value))
}

/// The scheme and host of every URL in the answers to a client with these headers.
fn origins(server: &Server, headers: &[(&str, &str)]) -> Vec<String> {
    let create = call("POST", format!("{}/v1/streams", server.url)).bearer(OWNER_TOKEN);
    let created = with(create, headers).body(r#"{"name":"test"}"#).send().expect(201).json();
    let problem = with(call("GET", format!("{}/v1/nothing", server.url)), headers).send().json();
    let token = with(call("GET", format!("{}/stream/0/token", server.url)), headers).bearer(OWNER_TOKEN).send();
    let channel = call("POST", format!("{}/stream/0/channels", server.url)).bearer(OWNER_TOKEN);
    let channel = with(channel, headers).header("Content-Type", "application/json");
    let channel = channel.body(json!({"type": TIMESERIES}).to_string()).send().json();
    let links = |links: &Value| links.as_object().expect("links").values().cloned().collect::<Vec<Value>>();
    let of_channel = links(&channel["data"]["annotations"][0]["value"]["links"]);
    let urls = [
        links(&created["links"]),
        of_channel,
        vec![problem["type"].clone(), token.json()["data"]["app"]["link"].clone()],
    ];
    let origin = |url: &Value| {
        let url = url.as_str().expect("a URL");
        url.splitn(4, '/').take(3).collect::<Vec<&str>>().join("/")
    };
    let mut origins: Vec<String> = urls.concat().iter().map(origin).collect();
    origins.sort();
    origins.dedup();
    origins
}

/// Checks whether a client of each of these is admitted, in sequence, if each may write once.
#[track_caller]
fn assert_admitted<const CLIENTS: usize>(
    server: &Server,
    clients: [&[(&str, &str)]; CLIENTS],
    wanted: [bool; CLIENTS],
) {
    assert_always_admitted(wanted, || {
        let stream = Stream::on(server);
        let written =
            |headers: &[(&str, &str)]| -> Answer { with(stream.call("POST", "/points"), headers).body(POINT).send() };
        clients.map(|headers| written(headers).status == 202)
    });
}

/// Checks which clients are admitted in every round. A period of 10 s may end in a round and admit others as well, so
/// there are more rounds, on another stream each, while too many were admitted in all of them.
#[track_caller]
fn assert_always_admitted<const CLIENTS: usize>(wanted: [bool; CLIENTS], round: impl Fn() -> [bool; CLIENTS]) {
    const ROUNDS: usize = 20;
    let mut always = [true; CLIENTS];
    for number in 0..ROUNDS {
        let admitted = round();
        always.iter_mut().zip(admitted).for_each(|(always, admitted)| *always &= admitted);
        // At least two.
        if number > 0 && always == wanted {
            return;
        }
    }
    assert_eq!(always, wanted);
}

#[test]
fn links_have_the_scheme_and_host_given_by_the_proxy() {
    let server = server(&[]);
    let own_host = server.url.trim_start_matches("http://");
    for (headers, origin) in [
        (&[][..], format!("http://{own_host}")),
        (&[("X-Forwarded-Proto", "https")], format!("https://{own_host}")),
        (&[("X-Forwarded-Proto", "https"), ("X-Forwarded-Host", "h.example")], "https://h.example".to_owned()),
        (&[("X-Forwarded-Proto", "http, HTTPS"), ("Host", "h.example:8443")], "https://h.example:8443".to_owned()),
        (&[("X-Forwarded-Proto", "gopher"), ("X-Forwarded-Host", "a/b")], format!("http://{own_host}")),
    ] {
        assert_eq!(origins(&server, headers), [origin], "{headers:?}");
    }
}

#[test]
fn a_stranger_chooses_neither_scheme_nor_host() {
    let server = open_server(&[]);
    let headers = [("X-Forwarded-Proto", "https"), ("X-Forwarded-Host", "h.example")];
    assert_eq!(origins(&server, &headers), [&*server.url]);
    let proxied = open_server(&[("TRUSTED_PROXIES", "1")]);
    assert_eq!(origins(&proxied, &headers), ["https://h.example"]);
}

#[test]
fn the_limit_is_per_client_behind_a_proxy() {
    let clients: [&[(&str, &str)]; 8] = [
        &[("X-Forwarded-For", "192.0.2.1")],
        &[("X-Forwarded-For", "192.0.2.1")],
        &[("X-Forwarded-For", "192.0.2.2")],
        &[("X-Forwarded-For", "203.0.113.9, 192.0.2.1")],
        &[("X-Forwarded-For", "192.0.2.2:4711")],
        &[("X-Forwarded-For", "2001:db8::1")],
        &[("X-Forwarded-For", "[2001:db8::2]:4711")],
        &[("X-Forwarded-For", "192.0.2.1"), ("CF-Connecting-IP", "192.0.2.7")],
    ];
    assert_admitted(&server(&[]), clients, [true, false, true, false, false, true, false, false]);
}

#[test]
fn behind_two_proxies_the_first_names_the_client() {
    let clients: [&[(&str, &str)]; 4] = [
        &[("X-Forwarded-For", "192.0.2.1, 198.51.100.1")],
        &[("X-Forwarded-For", "192.0.2.2, 198.51.100.1")],
        &[("X-Forwarded-For", "203.0.113.9, 192.0.2.1, 198.51.100.2")],
        &[("X-Forwarded-For", "203.0.113.9, 192.0.2.2, 198.51.100.3")],
    ];
    assert_admitted(&server(&[("TRUSTED_PROXIES", "2")]), clients, [true, true, false, false]);
}

#[test]
fn a_stranger_cannot_choose_an_address() {
    let clients: [&[(&str, &str)]; 4] = [
        &[],
        &[("X-Forwarded-For", "192.0.2.1")],
        &[("CF-Connecting-IP", "192.0.2.2")],
        &[("X-Real-IP", "192.0.2.3"), ("Forwarded", "for=192.0.2.3")],
    ];
    for server in [open_server(&[]), server(&[("TRUSTED_PROXIES", "0")])] {
        assert_admitted(&server, clients, [true, false, false, false]);
    }
}

/// The status of a write from an address of this machine.
fn write_from(stream: &Stream, address: &str, header: &str) -> String {
    let url = format!("{}/v1/streams/{}/points", stream.url, stream.id);
    let curl = Command::new("curl")
        .args(["--silent", "--output", "/dev/null", "--write-out", "%{http_code}", "--interface", address])
        .args(["--header", header, "--data", POINT, &url])
        .output()
        .expect("curl is there");
    String::from_utf8(curl.stdout).expect("a number")
}

#[test]
fn without_a_trusted_proxy_a_client_is_its_socket() {
    for server in [open_server(&[]), server(&[("TRUSTED_PROXIES", "0")]), server(&[])] {
        let invented =
            ["CF-Connecting-IP: 192.0.2.1", "MF-CF-Blob: {\"clientIp\":\"192.0.2.2\"}", "X-Real-IP: 192.0.2.3"];
        assert_always_admitted([true, false, false, true], || {
            let stream = Stream::on(&server);
            let write = |address: &str, header: &str| write_from(&stream, address, header) == "202";
            let of_one = invented.map(|header| write("127.0.0.2", header));
            [of_one[0], of_one[1], of_one[2], write("127.0.0.3", invented[0])]
        });
    }
}

#[test]
fn an_operator_chooses_the_header_with_the_client_address() {
    let clients: [&[(&str, &str)]; 6] = [
        &[("X-Client", "192.0.2.1")],
        &[("X-Client", "192.0.2.1"), ("X-Forwarded-For", "192.0.2.7"), ("CF-Connecting-IP", "192.0.2.8")],
        &[("X-Client", "192.0.2.2")],
        &[("X-Client", "unknown"), ("X-Forwarded-For", "192.0.2.9")],
        &[("X-Forwarded-For", "192.0.2.10")],
        &[("X-Client", "192.0.2.3, 192.0.2.4")],
    ];
    let server = server(&[("TRUSTED_HEADER", "X-Client")]);
    assert_admitted(&server, clients, [true, false, true, true, false, false]);
}
