//! The memory that a body takes on its way through the edge, together with the body.

use std::ops::Deref;

use memory::{NoRoom, Reservation, Share, reserve, used};

use super::problem::Problem;

/// Most pages' bodies are at most this large: there is memory for them when larger ones find none.
pub(super) const TINY_BYTES: usize = 4 << 10;
/// Arriving bodies leave half of the share, 8 MiB, to bodies that have arrived, so uploads that never end block no
/// others...
const ARRIVING_REST: usize = Share::Writes.bytes() / 2;
/// ...but tiny ones only leave 4 MiB: the thousand that may be unfinished take 4.
const TINY_REST: usize = Share::Writes.bytes() / 4;
/// Bodies that have arrived leave 2 MiB to objects' frames, without which nothing can proceed.
const HELD_REST: usize = Share::Writes.bytes() / 8;
/// Above this, slow uploads must make room: half of what arriving ones may take.
const CROWDED_BYTES: usize = ARRIVING_REST / 2;

/// How far a body has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stage {
    Arriving,
    /// Complete, and kept until the request is answered, together with what is built from it.
    InFlight,
}

/// Bytes of the isolate's memory: from the share of writes or, if that is full and the stream or the deployment knows
/// the sender, from the owner's.
#[derive(Debug)]
pub(super) struct Room {
    reservation: Reservation,
    is_trusted: bool,
}

/// A body, and the memory that it takes.
#[derive(Debug, Default)]
pub(super) struct Body {
    pub(super) bytes: Vec<u8>,
    pub(super) room: Room,
}

impl Room {
    pub(super) const fn of(is_trusted: bool) -> Self {
        Self { reservation: Reservation::none(Share::Writes), is_trusted }
    }

    /// Changes the reservation to this size. Shrinking always succeeds.
    pub(super) fn resize(&mut self, bytes: usize, stage: Stage) -> Result<(), NoRoom> {
        let rest = match stage {
            _ if self.reservation.share() == Share::Owner => 0,
            Stage::Arriving if bytes <= TINY_BYTES => TINY_REST,
            Stage::Arriving => ARRIVING_REST,
            Stage::InFlight => HELD_REST,
        };
        let resized = self.reservation.resize_leaving(bytes, rest);
        if resized.is_err() && self.is_trusted {
            self.reservation = reserve(Share::Owner, bytes)?;
            return Ok(());
        }
        resized
    }
}

impl Default for Room {
    fn default() -> Self {
        Self::of(false)
    }
}

impl Body {
    /// Bytes that did not arrive as a body: a query string, or a part of one that was read already.
    pub(super) fn of(bytes: Vec<u8>, mut room: Room) -> Result<Self, Problem> {
        room.resize(bytes.capacity(), Stage::InFlight)?;
        Ok(Self { bytes, room })
    }
}

impl Deref for Body {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.bytes
    }
}

impl From<NoRoom> for Problem {
    fn from(_: NoRoom) -> Self {
        Self::NoRoomForBody
    }
}

/// Whether bodies take so much memory that slow ones must make room.
pub(super) fn is_crowded() -> bool {
    used(Share::Writes) > CROWDED_BYTES
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIB: usize = 1 << 20;

    fn filled(bytes: usize, stage: Stage) -> Vec<Room> {
        let room = || {
            let mut room = Room::of(false);
            room.resize(bytes, stage).ok().map(|()| room)
        };
        std::iter::from_fn(room).collect()
    }

    #[test]
    fn large_bodies_leave_room_for_small_ones() {
        let large = filled(MIB, Stage::Arriving);
        assert_eq!(large.len(), 6);
        let small = filled(64 << 10, Stage::Arriving);
        assert_eq!(small.len(), 32);
        let tiny = filled(TINY_BYTES, Stage::Arriving);
        assert_eq!(tiny.len(), 1_024);
        assert!(is_crowded());
        let held = filled(64 << 10, Stage::InFlight);
        assert_eq!(held.len(), 32);
        assert!(reserve(Share::Writes, 64 << 10).is_ok(), "objects have the rest");
        drop((large, small, tiny, held));
        assert_eq!((used(Share::Writes), is_crowded()), (0, false));
    }

    #[test]
    fn trusted_senders_use_the_owners_share_when_writes_are_full() {
        let (arriving, held) = (filled(MIB, Stage::Arriving), filled(64 << 10, Stage::InFlight));
        let mut stranger = Room::of(false);
        let mut owner = Room::of(true);
        assert_eq!(stranger.resize(1 << 10, Stage::InFlight), Err(NoRoom));
        assert_eq!((owner.resize(MIB, Stage::InFlight), used(Share::Owner)), (Ok(()), MIB));
        assert_eq!((owner.resize(2 * MIB, Stage::InFlight), used(Share::Owner)), (Ok(()), 2 * MIB));
        drop((arriving, held, owner));
        assert_eq!((used(Share::Writes), used(Share::Owner)), (0, 0));
    }
}
