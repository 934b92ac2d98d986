//! One leadership, from the moment this server may act as leader to the moment it may not.

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;

use tokio::sync::{mpsc, oneshot};

use super::command::Command;
use super::epoch::{Epoch, Lost};
use super::fence::Fence;

/// The next step of [`lead`](crate::Node::lead) when the closure has returned.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum Then {
    /// Leadership is transferred to another server, if one is there; the closure runs again when this
    /// server wins again.
    Resign,
    /// The same, but `lead` returns and the closure runs no more.
    Stop,
}

/// A leadership that this server has won. It begins when the first entry of its own term is
/// committed, never before: by then this server's log holds whatever was ever committed.
#[derive(Clone, Debug)]
pub struct Leadership {
    epoch: Arc<Epoch>,
    commands: mpsc::WeakUnboundedSender<Command>,
}

impl Leadership {
    /// The fencing token, to be sent with every request to the protected resource: see [`Fence`].
    ///
    /// It prevents what no lease can: a leader that is paused between its check and its action.
    pub fn fence(&self) -> Fence {
        self.epoch.fence()
    }

    /// Resolves when this leadership ends, or when it should end because somebody asked the
    /// server to transfer it or to shut down. Return from the closure then.
    ///
    /// Losing a leadership always looks like an error: nobody goes on as a phantom leader.
    pub fn lost(&self) -> impl Future<Output = Lost> + Send + use<> {
        let epoch = self.epoch.clone();
        async move {
            tokio::select! {
                lost = epoch.over() => lost,
                lost = epoch.asked() => lost,
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
        self.epoch.check()
    }

    /// Asks a majority: `Ok` means that this server was the leader at some moment after the call.
    /// Callers share rounds, so thousands cost a few; each waits for two round trips at most, unless
    /// messages are lost.
    pub async fn verify(&self) -> Result<(), Lost> {
        let (reply, answer) = oneshot::channel();
        let commands = self.commands.upgrade().ok_or(Lost::Stopped)?;
        let verify = Command::Verify { epoch: self.epoch.clone(), reply };
        commands.send(verify).map_err(|_| Lost::Stopped)?;
        answer.await.unwrap_or(Err(Lost::Stopped))
    }

    /// Runs the work for as long as this server may act as leader, and drops it where it stands
    /// when the leadership is lost or the lease runs out. Needs a tokio runtime with timers.
    ///
    /// Work that was merely asked to end, because leadership is to be transferred, is not dropped.
    pub async fn bound<F: Future>(&self, work: F) -> Result<F::Output, Lost> {
        let mut over = pin!(self.epoch.over());
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
pub(crate) struct EpochGuard {
    leadership: Leadership,
}

impl EpochGuard {
    /// Takes a leadership, if it has not ended and nobody took it before.
    pub(crate) fn claim(epoch: &Arc<Epoch>, commands: mpsc::WeakUnboundedSender<Command>) -> Option<EpochGuard> {
        epoch.claim().then(|| EpochGuard { leadership: Leadership { epoch: epoch.clone(), commands } })
    }

    pub(crate) fn leadership(&self) -> Leadership {
        self.leadership.clone()
    }

    /// Whether the leadership has ended, or was asked to.
    pub(crate) fn is_lost(&self) -> bool {
        self.leadership.epoch.is_ending()
    }
}

impl Drop for EpochGuard {
    fn drop(&mut self) {
        let epoch = &self.leadership.epoch;
        epoch.release();
        if let Some(commands) = self.leadership.commands.upgrade() {
            // A server that has stopped resigned already.
            let _ = commands.send(Command::Released(epoch.clone()));
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::clock;

    #[tokio::test]
    async fn bound_work_is_dropped_at_the_end_but_not_at_its_announcement() {
        let (commands, _asked) = mpsc::unbounded_channel();
        let epoch = Epoch::new(Fence::new(3), clock::now().after(Duration::from_secs(60)));
        let leadership = Leadership { epoch, commands: commands.downgrade() };
        leadership.epoch.ask();
        assert_eq!(leadership.lost().await, Lost::Transferring);
        assert_eq!(leadership.bound(async { 7 }).await, Ok(7));
        let ends = async {
            tokio::task::yield_now().await;
            leadership.epoch.end(Lost::Deposed);
        };
        let (bound, ()) = tokio::join!(leadership.bound(std::future::pending::<()>()), ends);
        assert_eq!(bound, Err(Lost::Deposed));
    }
}
