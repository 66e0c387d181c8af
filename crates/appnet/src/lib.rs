//! The formats of app.net and pnut.io: points as annotations of channel messages. Sources: the repositories
//! appdotnet/api-spec and pnut-api/api-spec.

pub mod answer;
pub mod channel;
pub mod channel_in;
pub mod channel_view;
pub mod envelope;
pub mod message;
pub mod message_in;
pub mod message_view;
pub mod messages;
mod object;
pub mod paging;
pub mod points;
pub mod posted;
pub mod search;
pub mod shape;
pub mod user;
pub mod value;

/// The type of a channel of points, and of an annotation that is a point.
pub const TIMESERIES: &str = "net.app.contrib.timeseries";
/// The type of the annotation that names the points' batch, so that a reader can recognise a redelivery.
pub const BATCH: &str = "net.app.contrib.timeseries.batch";
/// The most bytes in a message's annotations, as compact JSON.
pub const MAX_ANNOTATIONS_BYTES: usize = 8_192;
/// The most characters in a message's text.
pub const MAX_TEXT_CHARS: usize = 2_048;
