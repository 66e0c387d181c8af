//! Heartbeat: a time-series monitoring API for the edge, as a Cloudflare Worker.
//!
//! Everyone can write labelled datapoints; only the owner and holders of the read key can read them. See ARCHITECTURE.md.

mod clock;
mod edge;
mod object;
mod random;

use worker::{Context, Env, Result, event, web_sys};

#[event(start)]
fn start() {
    console_error_panic_hook::set_once();
}

#[event(fetch)]
async fn fetch(request: web_sys::Request, env: Env, context: Context) -> Result<web_sys::Response> {
    edge::handle(request, env, context).await
}
