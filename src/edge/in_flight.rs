//! What the writes of this isolate hold while they are in progress.

use std::cell::RefCell;

use ingest::frame::NewLabels;
use protocol::command::WriteRequest;
use protocol::writer::Writer;

use super::identity::Identity;
use super::problem::Problem;
use super::room::{Body, Room, Stage};

/// What a write holds until nobody needs it any more. A request whose client has left continues for at most half a
/// minute (see [`super::run_to_end`]); if it has not ended by then, it would keep its memory for ever. So whoever has the
/// answer frees it.
#[derive(Default)]
pub(super) struct InFlight {
    /// The memory of everything here.
    room: RefCell<Room>,
    /// The body as it arrived, in case another frame is built.
    pub(super) body: RefCell<Vec<u8>>,
    /// The request for the object, as [`WriteRequest`] encodes it.
    pub(super) request: RefCell<Vec<u8>>,
    /// The labels whose series numbers the object's answer contains.
    pub(super) new_labels: RefCell<NewLabels>,
}

impl InFlight {
    /// # Errors
    /// [`Problem::NoRoomForBody`]
    pub(super) fn of(Body { bytes, mut room }: Body) -> Result<Self, Problem> {
        room.resize(bytes.capacity(), Stage::InFlight)?;
        Ok(Self { room: RefCell::new(room), body: RefCell::new(bytes), ..Self::default() })
    }

    /// Takes what is to be sent, if there is memory for two copies: this one, and the one on its way to the object.
    ///
    /// # Errors
    /// [`Problem::NoRoomForBody`]
    pub(super) fn set_batch(
        &self,
        shards: u16,
        (identity, writer): (Option<Identity>, &Writer<'_>),
        frame: &[u8],
        new_labels: NewLabels,
    ) -> Result<(), Problem> {
        let body_bytes = self.body.borrow().capacity();
        self.room.borrow_mut().resize(body_bytes + 2 * frame.len(), Stage::InFlight)?;
        let (earlier_key, body_bytes) = (identity.and_then(|it| it.earlier()), self.body.borrow().len() as u64);
        let request = WriteRequest { shards, writer: writer.clone(), earlier_key, body_bytes, frame };
        self.request.replace(request.encode());
        self.new_labels.replace(new_labels);
        Ok(())
    }

    pub(super) fn let_go(&self) {
        drop((self.body.take(), self.request.take(), self.new_labels.take(), self.room.take()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use config::who::Who;
    use memory::{Share, used};

    const NOBODY: Writer<'_> = Writer { who: Who::Open, network: "", place: "", origin: None };

    fn held(bytes: usize) -> Result<InFlight, Problem> {
        InFlight::of(Body { bytes: vec![0; bytes], room: Room::default() })
    }

    #[test]
    fn bodies_are_held_up_to_the_limit_and_freed_for_others() {
        let all: Vec<_> = std::iter::from_fn(|| held(1 << 20).ok()).collect();
        assert_eq!(all.len(), 10);
        let small: Vec<_> = std::iter::from_fn(|| held(64 << 10).ok()).collect();
        assert_eq!(small.len(), 64, "large ones leave room for small ones");
        all[3].let_go();
        all[3].let_go();
        assert_eq!(used(Share::Writes), (9 << 20) + 64 * (64 << 10));
        drop((all, small));
        assert_eq!(used(Share::Writes), 0);
    }

    #[test]
    fn a_frame_larger_than_its_body_counts_in_full() {
        let write = held(10).expect("has room");
        let set = |bytes: usize| write.set_batch(1, (None, &NOBODY), &vec![0; bytes], NewLabels::default());
        assert_eq!((set(1 << 20), used(Share::Writes)), (Ok(()), 10 + (2 << 20)));
        assert_eq!(set(6 << 20), Err(Problem::NoRoomForBody));
        assert_eq!((set(5), used(Share::Writes)), (Ok(()), 20));
        let request = write.request.borrow();
        assert_eq!(WriteRequest::parse(&request).map(|it| it.body_bytes), Ok(10));
        drop(request);
        drop(write);
        assert_eq!(used(Share::Writes), 0);
    }
}
