//! What app.net and pnut.io speak: points as annotations of channel messages. The facts are those of the appdotnet/api-spec
//! and pnut-api/api-spec repositories.

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
/// The type of the annotation beside the points that names their batch, so that a reader can tell a redelivery.
pub const BATCH: &str = "net.app.contrib.timeseries.batch";
/// The annotations of a message, as compact JSON, have at most this many bytes.
pub const MAX_ANNOTATIONS_BYTES: usize = 8_192;
/// The text of a message has at most this many characters.
pub const MAX_TEXT_CHARS: usize = 2_048;
