//! Heartbeat: a time-series monitoring API for the edge, as a Cloudflare Worker.
//!
//! Everyone may write labelled datapoints, only the owner and who has the read key may read them. See ARCHITECTURE.md.

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
