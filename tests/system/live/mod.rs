//! Live reading over sockets, events and polling: what a reader adds up is the rollup.

mod events;
mod many;
mod polling;
mod proxied;
mod removed;
mod sharing;
mod socket;
mod view;
