//! Reads a request's body within limits: on its bytes, which are counted as they arrive, on its time, and on the number
//! of unfinished bodies.

use js_sys::Uint8Array;
use wasm_bindgen::{JsCast, JsValue};
use worker::{js_sys, wasm_bindgen};

use config::who::Who;

use super::gunzip::{Packed, gunzip};
use super::pace::{MAX_DRAIN_TICKS, Pace};
use super::problem::Problem;
use super::request::Pieces;
use super::room::{Body, Room, Stage, TINY_BYTES};
use super::uploads::{Drain, Sender, Upload};
use super::{Exchange, internal, room, wasted};

/// The most that is read and discarded of a refused request. A client that sends its body before it reads can so learn
/// the reason; beyond this, the connection may break.
const MAX_DRAINED_BYTES: usize = 8 << 20;
/// Bodies of at most this length reserve all their memory at once and are read whole, which takes a third less time
/// than reading pieces. When memory is scarce, only tiny bodies are.
const AT_ONCE_BYTES: usize = 64 << 10;
/// The size of the pieces that are requested: small at first, larger once the client has delivered that much.
const PIECE_BYTES: [usize; 2] = [4 << 10, 64 << 10];
/// The first bytes of a gzip file; nothing else is unpacked.
const GZIP: &[u8] = &[0x1f, 0x8b];
/// The most bytes that one byte of a gzip file can become.
const MAX_RATIO: usize = 1_032;

impl Exchange {
    /// The body, gunzipped if the headers say so; neither form may exceed `max_bytes`.
    pub(super) async fn body(&mut self, max_bytes: usize) -> Result<Body, Problem> {
        let encoding = self.header("Content-Encoding").unwrap_or_default().trim().to_ascii_lowercase();
        let read = self.read_body(&encoding, max_bytes).await;
        match &read {
            Ok(body) => self.body_bytes.set(body.len()),
            Err(Problem::TooLarge(_)) => self.body_bytes.set(max_bytes),
            Err(_) => (),
        }
        read
    }

    async fn read_body(&mut self, encoding: &str, max_bytes: usize) -> Result<Body, Problem> {
        let body = self.raw_body(max_bytes).await?;
        self.body_bytes.set(body.len());
        match encoding {
            "" | "identity" => Ok(body),
            "gzip" | "x-gzip" => {
                if body.starts_with(GZIP) {
                    // A broken file does not reveal how much of it was unpacked.
                    self.body_bytes.set(max_bytes.min(body.len() * MAX_RATIO));
                }
                unpacked(body, max_bytes)
            }
            other => Err(Problem::UnsupportedMediaType(format!(
                "Content-Encoding {other:?} is not supported; use gzip, or send the body without compression"
            ))),
        }
    }

    async fn raw_body(&mut self, max_bytes: usize) -> Result<Body, Problem> {
        let length = self.content_length();
        if length.is_none() && !self.request.has_body() {
            return Ok(Body::default());
        }
        let sender = self.sender();
        let is_tiny = length.is_some_and(|length| length <= TINY_BYTES);
        let _upload = Upload::begin(sender, is_tiny)?;
        let room = Room::of(sender == Sender::Trusted);
        match length {
            Some(length) if length > max_bytes => Err(too_large(max_bytes)),
            Some(length) if length <= TINY_BYTES || length <= AT_ONCE_BYTES && !room::is_crowded() => {
                self.whole_body(length, room).await
            }
            _ => self.large_body(length, max_bytes, room).await,
        }
    }

    /// Reads a body whose memory is reserved all at once, with the fewest crossings into JavaScript.
    async fn whole_body(&mut self, length: usize, mut room: Room) -> Result<Body, Problem> {
        room.resize(length, Stage::Arriving)?;
        let bytes = self.request.bytes().map_err(|error| internal(&error))?;
        let mut pace = Pace::begin();
        loop {
            match pace.race(&bytes).await.map_err(|error| broken_off(&error))? {
                Some(bytes) => return Ok(Body { bytes: bytes.unchecked_into::<Uint8Array>().to_vec(), room }),
                None => pace.tick()?,
            }
        }
    }

    /// Reads a body that reserves memory as it arrives, whatever length it announces.
    async fn large_body(&mut self, length: Option<usize>, max_bytes: usize, room: Room) -> Result<Body, Problem> {
        let Some(mut pieces) = self.request.pieces().map_err(|error| internal(&error))? else {
            return Ok(Body::default());
        };
        let mut body = Body { bytes: Vec::new(), room };
        match fill(&mut body, &mut pieces, length, max_bytes).await {
            Ok(()) => Ok(body),
            Err(problem) => {
                drop(body);
                // A client that is too slow is not read any further.
                if problem.leaves_body() {
                    end(pieces);
                } else {
                    drain(pieces).await;
                }
                Err(problem)
            }
        }
    }

    /// Reads the body if nothing has read it. Otherwise the runtime closes the connection, and a client that is still
    /// sending may never learn the reason. A small body is read whole, with the fewest crossings into JavaScript: in a
    /// flood most requests are refused.
    pub(super) async fn drain(&mut self) {
        if self.request.is_body_read() {
            return;
        }
        if self.content_length().is_some_and(|length| length <= AT_ONCE_BYTES) {
            if let (Some(_drain), Ok(bytes)) = (Drain::begin(), self.request.bytes()) {
                let mut pace = Pace::begin();
                while matches!(pace.race(&bytes).await, Ok(None)) && pace.tick().is_ok() {
                    if pace.ticks() == MAX_DRAIN_TICKS {
                        break;
                    }
                }
            }
        } else if let Ok(Some(pieces)) = self.request.pieces() {
            drain(pieces).await;
        }
    }

    /// The length that the client announces.
    fn content_length(&self) -> Option<usize> {
        self.header("Content-Length").and_then(|length| length.parse().ok())
    }

    /// The sender of the body.
    pub(super) fn sender(&self) -> Sender {
        self.sender.get().unwrap_or_else(|| match self.who_writes() {
            Who::Owner => Sender::Trusted,
            _ => Sender::Stranger(wasted::networks("", &self.network())),
        })
    }
}

/// Reads a body to its end, or until a limit stops it.
async fn fill(body: &mut Body, pieces: &mut Pieces, length: Option<usize>, max_bytes: usize) -> Result<(), Problem> {
    let (mut pace, mut size) = (Pace::begin(), PIECE_BYTES[0]);
    // Memory for the announced length is not reserved in advance, but nothing beyond that length is read.
    let most = length.unwrap_or(max_bytes);
    loop {
        // The piece occupies the isolate's memory as well.
        body.room.resize(body.bytes.capacity() + size, Stage::Arriving)?;
        let piece = next(pieces, &mut pace, size).await?;
        let Some(bytes) = Pieces::length(&piece).map_err(|error| internal(&error))? else { break };
        pace.arrived(bytes);
        let wanted = body.len() + bytes;
        if wanted > max_bytes {
            return Err(too_large(max_bytes));
        }
        if wanted > body.bytes.capacity() {
            let capacity = (2 * body.bytes.capacity()).clamp(wanted, most.max(wanted));
            body.room.resize(capacity + size, Stage::Arriving)?;
            body.bytes.reserve_exact(capacity - body.len());
        }
        let is_last = pieces.take(&piece, &mut body.bytes).map_err(|error| internal(&error))?;
        if is_last || length == Some(body.len()) {
            break;
        }
        if bytes == size {
            size = PIECE_BYTES[1];
        }
    }
    body.room.resize(body.bytes.capacity(), Stage::Arriving)?;
    Ok(())
}

/// The next piece, of at most this size.
async fn next(pieces: &mut Pieces, pace: &mut Pace, size: usize) -> Result<JsValue, Problem> {
    let size = u32::try_from(size).map_err(|error| internal(&error))?;
    let read = pieces.read(size).map_err(|error| internal(&error))?;
    loop {
        match pace.race(&read).await.map_err(|error| broken_off(&error))? {
            Some(piece) => return Ok(piece),
            None => pace.tick()?,
        }
    }
}

/// Reads what still arrives for a few seconds, unless too many bodies are being drained already.
async fn drain(mut pieces: Pieces) {
    let drain = Drain::begin();
    let (mut pace, mut drained_bytes) = (Pace::begin(), 0);
    while drain.is_some() && drained_bytes <= MAX_DRAINED_BYTES && pace.ticks() < MAX_DRAIN_TICKS {
        let Ok(piece) = next(&mut pieces, &mut pace, PIECE_BYTES[1]).await else { break };
        let Ok(Some(bytes)) = Pieces::length(&piece) else { return };
        drained_bytes += bytes;
    }
    end(pieces);
}

fn end(pieces: Pieces) {
    // The result does not matter.
    pieces.cancel().ok();
}

fn unpacked(packed: Body, max_bytes: usize) -> Result<Body, Problem> {
    let Body { bytes: file, mut room } = packed;
    let unpacked = gunzip(&file, max_bytes, |bytes| room.resize(file.capacity() + bytes, Stage::Arriving));
    let bytes = unpacked.map_err(|why| match why {
        Packed::Broken(why) => Problem::InvalidRequest(format!("the body is not valid gzip: {why}")),
        Packed::TooLarge => too_large(max_bytes),
        Packed::NoRoom => Problem::NoRoomForBody,
    })?;
    drop(file);
    room.resize(bytes.capacity(), Stage::Arriving)?;
    Ok(Body { bytes, room })
}

/// The client has left, or the connection was lost.
fn broken_off(_: &JsValue) -> Problem {
    Problem::InvalidRequest("the connection closed before the body was complete".to_owned())
}

fn too_large(max_bytes: usize) -> Problem {
    Problem::TooLarge(format!("the body can have at most {max_bytes} bytes, before and after gunzip"))
}
