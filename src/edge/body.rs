//! Reading a request's body within limits: of its bytes, which are counted as they arrive, of its time, and of how many bodies
//! are unfinished.

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

/// What is read and thrown away of a request that is refused, so that a client that sends before it listens gets to
/// hear why; beyond, the connection may break.
const MAX_DRAINED_BYTES: usize = 8 << 20;
/// Bodies of such a length have room at once and are read whole, which takes a third less time than in pieces; where there is little
/// room, only tiny ones.
const AT_ONCE_BYTES: usize = 64 << 10;
/// How much is asked for at a time: at first little, and more of a client that has delivered as much.
const PIECE_BYTES: [usize; 2] = [4 << 10, 64 << 10];
/// How a gzip file begins, without which nothing is unpacked.
const GZIP: &[u8] = &[0x1f, 0x8b];
/// A byte of it becomes at most so many.
const MAX_RATIO: usize = 1_032;

impl Exchange {
    /// The body, gunzipped if the headers say so; neither form may be larger than `max_bytes`.
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
                    // If it is not whole, nobody knows how much of it was unpacked.
                    self.body_bytes.set(max_bytes.min(body.len() * MAX_RATIO));
                }
                unpacked(body, max_bytes)
            }
            other => {
                Err(Problem::UnsupportedMediaType(format!("Content-Encoding {other:?} is not supported; gzip is")))
            }
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

    /// A body with room for all of it at once, and with the fewest crossings into JavaScript.
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

    /// A body that takes room as it arrives, whatever length it announces.
    async fn large_body(&mut self, length: Option<usize>, max_bytes: usize, room: Room) -> Result<Body, Problem> {
        let Some(mut pieces) = self.request.pieces().map_err(|error| internal(&error))? else {
            return Ok(Body::default());
        };
        let mut body = Body { bytes: Vec::new(), room };
        match fill(&mut body, &mut pieces, length, max_bytes).await {
            Ok(()) => Ok(body),
            Err(problem) => {
                drop(body);
                // Who comes too slowly is not listened to any longer.
                if problem.leaves_body() {
                    end(pieces);
                } else {
                    drain(pieces).await;
                }
                Err(problem)
            }
        }
    }

    /// Reads the body if nobody has. Else the runtime closes the connection, and a client that is still sending may never hear why. A small
    /// one is read whole, with the fewest crossings into JavaScript: in a flood most requests are refused.
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

    /// What the client says that the body has.
    fn content_length(&self) -> Option<usize> {
        self.header("Content-Length").and_then(|length| length.parse().ok())
    }

    /// Who sends the body.
    pub(super) fn sender(&self) -> Sender {
        self.sender.get().unwrap_or_else(|| match self.who_writes() {
            Who::Owner => Sender::Trusted,
            _ => Sender::Stranger(wasted::networks("", &self.network())),
        })
    }
}

/// Reads to the end of a body, or to where it may not go on.
async fn fill(body: &mut Body, pieces: &mut Pieces, length: Option<usize>, max_bytes: usize) -> Result<(), Problem> {
    let (mut pace, mut size) = (Pace::begin(), PIECE_BYTES[0]);
    // What is announced is not taken beforehand, but nothing beyond it either.
    let most = length.unwrap_or(max_bytes);
    loop {
        // The piece is memory of the isolate as well.
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

/// The next piece, at most so large.
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

/// Reads what still comes for a few seconds, if not too many are read so already.
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
    // What becomes of it changes nothing.
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

/// The client has gone, or the connection was lost.
fn broken_off(_: &JsValue) -> Problem {
    Problem::InvalidRequest("the body ends before its end".to_owned())
}

fn too_large(max_bytes: usize) -> Problem {
    Problem::TooLarge(format!("the body may have at most {max_bytes} bytes, also after gunzip"))
}
