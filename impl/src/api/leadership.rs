//! One leadership, from the moment this server may act as leader to the moment it may not.

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::Poll;
use std::time::Duration;

use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::sleep;

use crate::api::fence::Fence;
use crate::clock;
use crate::core::stamp::Stamp;
use crate::server::Command;

/// A timer of tokio that is later than this says that the process stood still.
const LATE: Duration = Duration::from_millis(4);

/// So long a server that stood still as well has to hear its peers and to renew the lease.
const MOMENT: Duration = Duration::from_millis(2);

/// What [`lead`](crate::Node::lead) does when the closure has returned.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum Then {
    /// Leadership is handed to another server, if one is there; the closure runs again when this
    /// server wins again.
    Resign,
    /// The same, but `lead` returns and the closure runs no more.
    Stop,
}

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
    /// The server was asked to hand over: it still leads until the closure returns.
    #[error("leadership is to be handed over")]
    HandingOver,
    /// The closure has returned.
    #[error("leadership was resigned")]
    Resigned,
    /// The server has stopped.
    #[error("leadership lost: the server stopped")]
    Stopped,
}

/// A leadership that this server has won. It begins when the first entry of its own term is
/// committed, never before: by then this server's log holds whatever was ever committed.
#[derive(Clone, Debug)]
pub struct Leadership {
    reign: Arc<Reign>,
    commands: mpsc::WeakUnboundedSender<Command>,
}

impl Leadership {
    /// What the protected resource must see with every request: see [`Fence`].
    ///
    /// It prevents what no lease can: a leader that is paused between its check and its action.
    pub fn fence(&self) -> Fence {
        self.reign.fence
    }

    /// Resolves when this leadership ends, or when it should end because somebody asked the
    /// server to hand over or to shut down. Return from the closure then.
    ///
    /// Losing a leadership always looks like an error: nobody goes on as a phantom leader.
    pub fn lost(&self) -> impl Future<Output = Lost> + Send + use<> {
        let reign = self.reign.clone();
        async move {
            tokio::select! {
                lost = reign.over() => lost,
                lost = reign.asked() => lost,
            }
        }
    }

    /// Whether this server may still act as leader: no other can have been elected yet. Costs no
    /// I/O; asks the clock and the lease, not a flag that was set some time ago.
    ///
    /// The lease runs from the time at which the messages were *sent* that a majority answered,
    /// and ends a tenth before that majority's election timeouts do. It assumes that clocks keep
    /// that tenth, that a machine's clock goes on while it sleeps, that no server is restarted with
    /// a shorter timeout within the longer one, and of networks what
    /// [`ElectOnDisconnect`](crate::ElectOnDisconnect) says; where a violation must do no harm, use
    /// the [`fence`](Leadership::fence).
    pub fn check(&self) -> Result<(), Lost> {
        self.reign.check()
    }

    /// Asks a majority: `Ok` means that this server was the leader at some moment after the call.
    /// Callers share rounds, so thousands cost a few; each waits for two round trips at most, unless
    /// messages are lost.
    pub async fn verify(&self) -> Result<(), Lost> {
        let (reply, answer) = oneshot::channel();
        let commands = self.commands.upgrade().ok_or(Lost::Stopped)?;
        let verify = Command::Verify { reign: self.reign.clone(), reply };
        commands.send(verify).map_err(|_| Lost::Stopped)?;
        answer.await.unwrap_or(Err(Lost::Stopped))
    }

    /// Runs the work for as long as this server may act as leader, and drops it where it stands
    /// when the leadership is lost or the lease runs out. Needs a tokio runtime with timers.
    ///
    /// Work that was merely asked to end, because the server hands over, is not dropped.
    pub async fn bound<F: Future>(&self, work: F) -> Result<F::Output, Lost> {
        let mut over = pin!(self.reign.over());
        let mut work = pin!(work);
        poll_fn(|context| {
            // The timer in `over` may be late; the clock is not.
            if let Err(lost) = self.check() {
                return Poll::Ready(Err(lost));
            }
            if let Poll::Ready(lost) = over.as_mut().poll(context) {
                return Poll::Ready(Err(lost));
            }
            work.as_mut().poll(context).map(Ok)
        })
        .await
    }
}

/// The one who runs the closure under a leadership; dropping it tells the server that it ended.
pub(crate) struct Tenure {
    leadership: Leadership,
}

impl Tenure {
    /// Takes a leadership, if it has not ended and nobody took it before.
    pub(crate) fn claim(reign: &Arc<Reign>, commands: mpsc::WeakUnboundedSender<Command>) -> Option<Tenure> {
        reign.claim().then(|| Tenure { leadership: Leadership { reign: reign.clone(), commands } })
    }

    pub(crate) fn leadership(&self) -> Leadership {
        self.leadership.clone()
    }

    /// Whether the leadership has ended, or was asked to.
    pub(crate) fn is_lost(&self) -> bool {
        self.leadership.check().is_err() || self.leadership.reign.state.borrow().end.is_some()
    }
}

impl Drop for Tenure {
    fn drop(&mut self) {
        let reign = &self.leadership.reign;
        reign.end(Lost::Resigned);
        reign.state.send_modify(|state| state.claim = Claim::Released);
        if let Some(commands) = self.leadership.commands.upgrade() {
            // A server that has stopped resigned already.
            let _ = commands.send(Command::Released(reign.clone()));
        }
    }
}

/// What the server and the holders of a [`Leadership`] share.
#[derive(Debug)]
pub(crate) struct Reign {
    fence: Fence,
    /// Until when nobody else can lead; zero once this reign has ended, for ever.
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

impl Reign {
    /// A reign whose lease runs until `deadline`.
    pub(crate) fn new(fence: Fence, deadline: Stamp) -> Arc<Reign> {
        let state = watch::Sender::new(State { claim: Claim::Open, end: None });
        Arc::new(Reign { fence, deadline: AtomicU64::new(deadline.0), state })
    }

    pub(crate) fn fence(&self) -> Fence {
        self.fence
    }

    /// Moves the lease's end; `false` if the reign is over and nothing can revive it.
    pub(crate) fn extend(&self, deadline: Stamp) -> bool {
        let extended = |old| (old != 0).then_some(deadline.0);
        self.deadline.fetch_update(Ordering::AcqRel, Ordering::Acquire, extended).is_ok()
    }

    /// How much longer the lease runs.
    pub(crate) fn remaining(&self) -> std::time::Duration {
        Stamp(self.deadline.load(Ordering::Acquire)).since(clock::now())
    }

    /// Ends the reign for ever. The first reason stays, unless it only announced the end.
    pub(crate) fn end(&self, lost: Lost) {
        self.deadline.store(0, Ordering::Release);
        self.state.send_modify(|state| {
            state.end = state.end.filter(|&end| end != Lost::HandingOver).or(Some(lost));
        });
    }

    /// Asks whoever runs under this reign to come to an end; `false` if nobody does, and nobody
    /// will.
    pub(crate) fn ask(&self) -> bool {
        self.state.send_modify(|state| {
            state.end.get_or_insert(Lost::HandingOver);
        });
        self.state.borrow().claim == Claim::Taken
    }

    /// Whether somebody runs under this reign.
    pub(crate) fn is_at_work(&self) -> bool {
        self.state.borrow().claim == Claim::Taken
    }

    /// Whether nobody has begun to work under this reign.
    pub(crate) fn is_unclaimed(&self) -> bool {
        self.state.borrow().claim == Claim::Open
    }

    /// Whether somebody has seen the lease run out.
    pub(crate) fn has_lapsed(&self) -> bool {
        self.state.borrow().end == Some(Lost::LeaseExpired)
    }

    /// Each reign is taken once at most, and not once it has ended or is about to.
    fn claim(&self) -> bool {
        self.check().is_ok()
            && self.state.send_if_modified(|state| {
                let is_free = state.claim == Claim::Open && state.end.is_none();
                if is_free {
                    state.claim = Claim::Taken;
                }
                is_free
            })
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

    /// Resolves when the reign has ended.
    async fn over(&self) -> Lost {
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
            if deadline != Stamp(0) && deadline.after(LATE) < clock::now() {
                sleep(MOMENT).await;
            }
        }
    }

    /// Resolves when the reign has ended or should end.
    async fn asked(&self) -> Lost {
        let mut state = self.state.subscribe();
        let ended = state.wait_for(|state| state.end.is_some()).await;
        ended.ok().and_then(|state| state.end).unwrap_or(Lost::Stopped)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reign() -> Arc<Reign> {
        Reign::new(Fence::new(3), clock::now().after(Duration::from_secs(60)))
    }

    #[test]
    fn a_reign_that_was_seen_to_end_is_never_revived() {
        let reign = reign();
        reign.check().unwrap();
        assert!(reign.extend(Stamp(1)));
        assert_eq!(reign.check(), Err(Lost::LeaseExpired));
        assert!(!reign.extend(clock::now().after(Duration::from_secs(60))));
        reign.end(Lost::Deposed);
        assert_eq!((reign.check(), reign.has_lapsed()), (Err(Lost::LeaseExpired), true));
    }

    #[test]
    fn a_reign_is_claimed_once_and_not_when_it_is_about_to_end() {
        let first = reign();
        assert!(first.claim() && !first.claim());
        assert!(first.ask() && first.is_at_work());
        assert_eq!(first.check(), Ok(()), "it leads until the work has ended");
        let second = reign();
        assert!(!second.ask() && !second.claim());
    }

    #[test]
    fn the_end_replaces_its_announcement() {
        let reign = reign();
        reign.ask();
        reign.end(Lost::Stopped);
        assert_eq!(reign.check(), Err(Lost::Stopped));
    }

    /// Who stood still is not told of an end that the server has averted by then; who asks is.
    #[tokio::test]
    async fn a_lease_that_is_renewed_after_everything_stood_still_goes_on() {
        for renewed in [true, false] {
            let reign = Reign::new(Fence::new(3), clock::now().after(Duration::from_millis(1)));
            let server = async {
                std::thread::sleep(Duration::from_millis(10));
                tokio::task::yield_now().await;
                if renewed {
                    reign.extend(clock::now().after(Duration::from_secs(60)));
                }
                sleep(10 * MOMENT).await;
            };
            let lost = tokio::select! {
                biased;
                lost = reign.over() => Some(lost),
                () = server => None,
            };
            assert_eq!(lost, (!renewed).then_some(Lost::LeaseExpired));
            assert_eq!(reign.check().is_ok(), renewed);
        }
    }

    #[tokio::test]
    async fn bound_work_is_dropped_at_the_end_but_not_at_its_announcement() {
        let (commands, _asked) = mpsc::unbounded_channel();
        let leadership = Leadership { reign: reign(), commands: commands.downgrade() };
        leadership.reign.ask();
        assert_eq!(leadership.lost().await, Lost::HandingOver);
        assert_eq!(leadership.bound(async { 7 }).await, Ok(7));
        let ends = async {
            tokio::task::yield_now().await;
            leadership.reign.end(Lost::Deposed);
        };
        let (bound, ()) = tokio::join!(leadership.bound(std::future::pending::<()>()), ends);
        assert_eq!(bound, Err(Lost::Deposed));
    }
}
