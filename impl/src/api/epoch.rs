//! One leadership as the server and the holders of its handle share it: its lease, and its end.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::sleep;

use super::fence::Fence;
use crate::clock;
use crate::core::stamp::Stamp;

/// A timer of tokio that is later than this says that the process stood still.
const TOKIO_STALL_THRESHOLD: Duration = Duration::from_millis(4);

/// Time for a server that stood still as well, to hear its peers and to renew the lease.
const RENEWAL_GRACE: Duration = Duration::from_millis(2);

/// Why a leadership ended, or is about to.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum Lost {
    /// No majority was heard for so long that another server may lead.
    #[error("leadership lost: no majority was heard in time")]
    LeaseExpired,
    /// The group has, or may have, another leader.
    #[error("leadership lost: this server was deposed")]
    Deposed,
    /// The server was asked to transfer its leadership: it still leads until the closure returns.
    #[error("leadership is to be transferred")]
    Transferring,
    /// The closure has returned.
    #[error("leadership was resigned")]
    Resigned,
    /// The server has stopped.
    #[error("leadership lost: the server stopped")]
    Stopped,
}

impl Lost {
    /// The former name of [`Lost::Transferring`].
    #[doc(hidden)]
    #[deprecated(note = "it is called `Transferring` now")]
    #[allow(non_upper_case_globals, reason = "it stands for a variant")]
    pub const HandingOver: Lost = Lost::Transferring;
}

/// The state that the server and the holders of a [`Leadership`](crate::Leadership) share.
#[derive(Debug)]
pub(crate) struct Epoch {
    fence: Fence,
    /// The lease's end, before which nobody else can lead; zero once this epoch has ended, for ever.
    deadline: AtomicU64,
    state: watch::Sender<State>,
}

#[derive(Debug)]
struct State {
    claim: Claim,
    end: Option<Lost>,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Claim {
    Open,
    Taken,
    Released,
}

impl Epoch {
    /// An epoch whose lease runs until `deadline`.
    pub(crate) fn new(fence: Fence, deadline: Stamp) -> Arc<Epoch> {
        let state = watch::Sender::new(State { claim: Claim::Open, end: None });
        Arc::new(Epoch { fence, deadline: AtomicU64::new(deadline.0), state })
    }

    pub(crate) fn fence(&self) -> Fence {
        self.fence
    }

    /// Moves the lease's end; `false` if the epoch is over and nothing can revive it.
    pub(crate) fn extend(&self, deadline: Stamp) -> bool {
        let extended = |old| (old != 0).then_some(deadline.0);
        self.deadline.fetch_update(Ordering::AcqRel, Ordering::Acquire, extended).is_ok()
    }

    /// The rest of the lease.
    pub(crate) fn remaining(&self) -> Duration {
        Stamp(self.deadline.load(Ordering::Acquire)).since(clock::now())
    }

    /// Ends the epoch for ever. The first reason stays, unless it only announced the end.
    pub(crate) fn end(&self, lost: Lost) {
        self.deadline.store(0, Ordering::Release);
        self.state.send_modify(|state| {
            state.end = state.end.filter(|&end| end != Lost::Transferring).or(Some(lost));
        });
    }

    /// Asks whoever runs under this epoch to come to an end; `false` if nobody does, and nobody
    /// will.
    pub(crate) fn ask(&self) -> bool {
        self.state.send_modify(|state| {
            state.end.get_or_insert(Lost::Transferring);
        });
        self.state.borrow().claim == Claim::Taken
    }

    /// Whether somebody runs under this epoch.
    pub(crate) fn is_at_work(&self) -> bool {
        self.state.borrow().claim == Claim::Taken
    }

    /// Whether nobody has begun to work under this epoch.
    pub(crate) fn is_unclaimed(&self) -> bool {
        self.state.borrow().claim == Claim::Open
    }

    /// Whether somebody has seen the lease run out.
    pub(crate) fn has_lapsed(&self) -> bool {
        self.state.borrow().end == Some(Lost::LeaseExpired)
    }

    /// Each epoch is taken once at most, and not once it has ended or is about to.
    pub(super) fn claim(&self) -> bool {
        self.check().is_ok()
            && self.state.send_if_modified(|state| {
                let is_free = state.claim == Claim::Open && state.end.is_none();
                if is_free {
                    state.claim = Claim::Taken;
                }
                is_free
            })
    }

    /// The end of the work under this epoch, which ends the epoch as well.
    pub(super) fn release(&self) {
        self.end(Lost::Resigned);
        self.state.send_modify(|state| state.claim = Claim::Released);
    }

    /// Whether the epoch has ended, or was asked to.
    pub(super) fn is_ending(&self) -> bool {
        self.check().is_err() || self.state.borrow().end.is_some()
    }

    /// Whether the lease runs.
    pub(crate) fn check(&self) -> Result<(), Lost> {
        let deadline = self.deadline.load(Ordering::Acquire);
        if clock::now() < Stamp(deadline) {
            return Ok(());
        }
        // Whoever was told so once must never be told otherwise.
        self.end(Lost::LeaseExpired);
        Err(self.state.borrow().end.unwrap_or(Lost::LeaseExpired))
    }

    /// Resolves when the epoch has ended.
    pub(super) async fn over(&self) -> Lost {
        let mut state = self.state.subscribe();
        loop {
            if let Err(lost) = self.check() {
                return lost;
            }
            let deadline = Stamp(self.deadline.load(Ordering::Acquire));
            tokio::select! {
                _ = state.changed() => {}
                () = sleep(deadline.since(clock::now())) => {}
            }
            // Whoever looks ends a leadership whose lease ran out. Where the process stood still,
            // this one, who does not act but tells others, leaves the server the moment it needs.
            if deadline != Stamp(0) && deadline.after(TOKIO_STALL_THRESHOLD) < clock::now() {
                sleep(RENEWAL_GRACE).await;
            }
        }
    }

    /// Resolves when the epoch has ended or should end.
    pub(super) async fn asked(&self) -> Lost {
        let mut state = self.state.subscribe();
        let ended = state.wait_for(|state| state.end.is_some()).await;
        ended.ok().and_then(|state| state.end).unwrap_or(Lost::Stopped)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn epoch() -> Arc<Epoch> {
        Epoch::new(Fence::new(3), clock::now().after(Duration::from_secs(60)))
    }

    #[test]
    fn an_epoch_that_was_seen_to_end_is_never_revived() {
        let epoch = epoch();
        epoch.check().unwrap();
        assert!(epoch.extend(Stamp(1)));
        assert_eq!(epoch.check(), Err(Lost::LeaseExpired));
        assert!(!epoch.extend(clock::now().after(Duration::from_secs(60))));
        epoch.end(Lost::Deposed);
        assert_eq!((epoch.check(), epoch.has_lapsed()), (Err(Lost::LeaseExpired), true));
    }

    #[test]
    fn an_epoch_is_claimed_once_and_not_when_it_is_about_to_end() {
        let first = epoch();
        assert!(first.claim() && !first.claim());
        assert!(first.ask() && first.is_at_work());
        assert_eq!(first.check(), Ok(()), "it leads until the work has ended");
        let second = epoch();
        assert!(!second.ask() && !second.claim());
    }

    #[test]
    fn the_end_replaces_its_announcement() {
        let epoch = epoch();
        epoch.ask();
        epoch.end(Lost::Stopped);
        assert_eq!(epoch.check(), Err(Lost::Stopped));
    }

    /// A waiting task that stood still is not told of an end that the server has averted by then; a caller of `check` is.
    #[tokio::test]
    async fn a_lease_that_is_renewed_after_everything_stood_still_goes_on() {
        for renewed in [true, false] {
            let epoch = Epoch::new(Fence::new(3), clock::now().after(Duration::from_millis(1)));
            let server = async {
                std::thread::sleep(Duration::from_millis(10));
                tokio::task::yield_now().await;
                if renewed {
                    epoch.extend(clock::now().after(Duration::from_secs(60)));
                }
                sleep(10 * RENEWAL_GRACE).await;
            };
            let lost = tokio::select! {
                biased;
                lost = epoch.over() => Some(lost),
                () = server => None,
            };
            assert_eq!(lost, (!renewed).then_some(Lost::LeaseExpired));
            assert_eq!(epoch.check().is_ok(), renewed);
        }
    }
}
