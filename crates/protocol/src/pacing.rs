//! The protocol between a stream and the pacer of its token. Nothing of it is kept, and both belong to one
//! deployment.

use codec::{Malformed, Reader, put_bytes, put_signed, put_varint};

const DONE: u8 = 1;
const HOLD: u8 = 2;
const ASK: u8 = 4;
const LIFT: u8 = 8;
const GRANTED: u8 = 1;
const WAIT: u8 = 2;
const NOTED: u8 = 3;

/// A stream's request to the pacer, which handles its parts in this order: `lift`, `done`, `ask`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PaceRequest {
    /// The owner wants a retry although the upstream asked for a pause.
    pub lift: bool,
    /// A granted write that is over.
    pub done: Option<WriteDone>,
    /// Another write.
    pub ask: Option<GrantRequest>,
}

/// A write that is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WriteDone {
    /// The ticket of its grant.
    pub ticket: u64,
    /// For how long from now the upstream accepts nothing.
    pub hold_ms: Option<i64>,
}

/// A request for a write.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GrantRequest {
    /// The stream's shard.
    pub who: String,
    /// The most writes in any minute.
    pub limit: u16,
}

/// The pacer's answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PaceAnswer {
    /// One write may be sent now; its ticket.
    Granted(u64),
    /// It may not yet; when to ask again, Unix milliseconds.
    WaitUntil(i64),
    /// Nothing was asked for.
    Noted,
}

impl PaceRequest {
    /// The bytes that are sent.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut out = vec![if self.lift { LIFT } else { 0 }];
        if let Some(WriteDone { ticket, hold_ms }) = &self.done {
            out[0] |= DONE;
            put_varint(&mut out, *ticket);
            if let Some(hold_ms) = hold_ms {
                out[0] |= HOLD;
                put_signed(&mut out, *hold_ms);
            }
        }
        if let Some(GrantRequest { who, limit }) = &self.ask {
            out[0] |= ASK;
            put_bytes(&mut out, who.as_bytes());
            put_varint(&mut out, (*limit).into());
        }
        out
    }

    /// Decodes what [`Self::to_bytes`] made.
    ///
    /// # Errors
    /// [`Malformed`] if it is something else.
    pub fn parse(bytes: &[u8]) -> Result<Self, Malformed> {
        let mut reader = Reader::new(bytes);
        let flags = reader.byte()?;
        let mut request = Self { lift: flags & LIFT > 0, ..Self::default() };
        if flags & DONE > 0 {
            let ticket = reader.varint()?;
            let hold_ms = if flags & HOLD > 0 { Some(reader.signed()?) } else { None };
            request.done = Some(WriteDone { ticket, hold_ms });
        }
        if flags & ASK > 0 {
            let who = reader.text()?.to_owned();
            let limit = u16::try_from(reader.varint()?).map_err(|_| Malformed(0))?;
            request.ask = Some(GrantRequest { who, limit });
        }
        Ok(request)
    }
}

impl PaceAnswer {
    /// The bytes that are sent.
    #[must_use]
    pub fn to_bytes(self) -> Vec<u8> {
        let mut out = Vec::new();
        match self {
            Self::Granted(ticket) => {
                out.push(GRANTED);
                put_varint(&mut out, ticket);
            }
            Self::WaitUntil(at_ms) => {
                out.push(WAIT);
                put_signed(&mut out, at_ms);
            }
            Self::Noted => out.push(NOTED),
        }
        out
    }

    /// Decodes what [`Self::to_bytes`] made.
    ///
    /// # Errors
    /// [`Malformed`] if it is something else.
    pub fn parse(bytes: &[u8]) -> Result<Self, Malformed> {
        let mut reader = Reader::new(bytes);
        match reader.byte()? {
            GRANTED => reader.varint().map(Self::Granted),
            WAIT => reader.signed().map(Self::WaitUntil),
            NOTED => Ok(Self::Noted),
            _ => Err(Malformed(0)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_and_answers_survive_a_round_trip() {
        for done in [
            None,
            Some(WriteDone { ticket: u64::MAX, hold_ms: None }),
            Some(WriteDone { ticket: 7, hold_ms: Some(-1) }),
        ] {
            for ask in [None, Some(GrantRequest { who: "s/0".into(), limit: u16::MAX })] {
                for lift in [false, true] {
                    let request = PaceRequest { lift, done, ask: ask.clone() };
                    assert_eq!(PaceRequest::parse(&request.to_bytes()), Ok(request));
                }
            }
        }
        for answer in [PaceAnswer::Granted(7), PaceAnswer::WaitUntil(1_792_540_800_000), PaceAnswer::Noted] {
            assert_eq!(PaceAnswer::parse(&answer.to_bytes()), Ok(answer));
        }
        assert!(PaceRequest::parse(&[]).is_err() && PaceRequest::parse(&[ASK, 1, 97, 0xff, 0xff, 4]).is_err());
        assert!(PaceAnswer::parse(&[]).is_err() && PaceAnswer::parse(&[9]).is_err());
    }
}
