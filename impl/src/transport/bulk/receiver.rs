//! The side that lacks the snapshot.

use std::io;
use std::sync::{Mutex, MutexGuard, PoisonError};

use rafttree_model::Position;

use super::failure::SnapshotFailure;
use super::line::{Closer, Line, SessionEnd};
use super::words::Word;
use crate::storage::disk::Disk;
use crate::storage::snapshot::{Arrival, ArrivalError, Offer, Snapshots};

/// The snapshot that arrives: one at a time, whoever sends it.
#[derive(Default)]
pub(in crate::transport) struct Receiving(Mutex<State>);

#[derive(Default)]
struct State {
    claims: u64,
    current: Option<Current>,
}

struct Current {
    number: u64,
    offer: Offer,
    closer: Closer,
}

/// The right of one connection to be the one on which a snapshot arrives.
struct Claim<'a> {
    receiving: &'a Receiving,
    number: u64,
}

/// Takes a snapshot; which one, unless it was there already. `may_go_on` is asked after each chunk.
pub(in crate::transport) fn receive<D: Disk>(
    line: &mut Line,
    snapshots: &Snapshots<D>,
    receiving: &Receiving,
    may_go_on: impl Fn() -> bool,
) -> Result<Option<Position>, SessionEnd> {
    let received = receive_all(line, snapshots, receiving, may_go_on);
    if let Err(SessionEnd::Tell(failure)) = &received {
        line.tell(failure.clone());
    }
    received
}

fn receive_all<D: Disk>(
    line: &mut Line,
    snapshots: &Snapshots<D>,
    receiving: &Receiving,
    may_go_on: impl Fn() -> bool,
) -> Result<Option<Position>, SessionEnd> {
    let offer = match line.hear()? {
        Word::Offer(offer) => offer,
        other => return Err(SessionEnd::unexpected(other)),
    };
    let claim = receiving.claim(offer, line.closer()).ok_or(SessionEnd::Tell(SnapshotFailure::Busy))?;
    let Some(mut arrival) = snapshots.receive(offer, || line.show_life())? else {
        line.say(Word::Have)?;
        return Ok(None);
    };
    if !claim.holds() {
        return Err(SessionEnd::Lost(io::Error::other("another connection has taken its place")));
    }
    line.say(Word::From(arrival.offset()))?;
    take_chunks(line, &mut arrival, may_go_on)?;
    arrival.finish(|| line.show_life())?;
    // If the sender does not hear it, it asks again, and hears that it is there.
    let _ = line.say(Word::Arrived);
    Ok(Some(offer.last))
}

fn take_chunks<D: Disk>(
    line: &mut Line,
    arrival: &mut Arrival<'_, D>,
    may_go_on: impl Fn() -> bool,
) -> Result<(), SessionEnd> {
    loop {
        match line.hear()? {
            _ if !may_go_on() => return Err(SessionEnd::Lost(io::Error::other("its sender is not heard any more"))),
            Word::Chunk { offset, bytes } => arrival.add(offset, &bytes)?,
            Word::End => return Ok(()),
            other => return Err(SessionEnd::unexpected(other)),
        }
    }
}

impl Receiving {
    /// Takes the place of the connection on which a snapshot arrives now: if it is the same, whose
    /// sender has called again, or an older one. Two senders must not throw away each other's in turn.
    fn claim(&self, offer: Offer, closer: Closer) -> Option<Claim<'_>> {
        let mut state = self.state();
        let gives_way = |other: Offer| other == offer || other.last < offer.last;
        if state.current.as_ref().is_some_and(|current| !gives_way(current.offer)) {
            return None;
        }
        state.claims += 1;
        let number = state.claims;
        if let Some(former) = state.current.replace(Current { number, offer, closer }) {
            former.closer.close();
        }
        Some(Claim { receiving: self, number })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Claim<'_> {
    fn holds(&self) -> bool {
        self.receiving.state().current.as_ref().is_some_and(|current| current.number == self.number)
    }
}

impl Drop for Claim<'_> {
    fn drop(&mut self) {
        self.receiving.state().current.take_if(|current| current.number == self.number);
    }
}

impl From<ArrivalError> for SessionEnd {
    fn from(error: ArrivalError) -> SessionEnd {
        SessionEnd::Tell(error.into())
    }
}
