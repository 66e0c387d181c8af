//! Reading live, over sockets, events and polling: what a reader adds up is what the rollup says.

mod events;
mod many;
mod polling;
mod proxied;
mod removed;
mod sharing;
mod socket;
mod view;
