//! A stream's configuration: what an owner sends, what is kept of it, and why it can be rejected. Pure.

pub mod accept;
pub mod blocked;
pub mod carbon;
pub mod forward;
pub mod layout;
pub mod limits;
pub mod listing;
pub mod retention;
pub mod stream;
pub mod stream_patch;
pub mod who;
pub mod write_keys;
