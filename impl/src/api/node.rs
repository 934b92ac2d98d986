//! The handle to a running server.

use std::future::Future;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use rafttree_model::{Position, ServerId, Term};
use tokio::sync::{mpsc, oneshot, watch};

use super::builder::Builder;
use super::command::Command;
use super::epoch::Epoch;
use super::error::{Error, Failure, LeadError, Stopped};
use super::leadership::{EpochGuard, Leadership, Then};
use super::status::{Leader, Status, Work};
use crate::machine::apply::SnapshotError;

/// A running server of a group. Clones are handles to the same server; when the last one is
/// dropped the server stops at once, as if its process had ended: prefer
/// [`shutdown`](Node::shutdown). Its methods are called within a tokio runtime with timers; the
/// server itself runs on threads of its own.
///
/// There is no `is_leader`: a cached flag is wrong exactly when it matters. What there is, from
/// weak to strong: the latest that was heard ([`leader`](Node::leader)), what the lease proves
/// ([`Leadership::check`]), what a majority has just confirmed ([`Leadership::verify`]), and what
/// needs no clock at all, the [`fence`](Leadership::fence).
#[derive(Clone, Debug)]
pub struct Node {
    shared: Arc<Shared>,
}

/// A handle that does not keep its server running.
#[derive(Clone, Debug)]
pub(crate) struct WeakNode(Weak<Shared>);

impl WeakNode {
    /// The handle, if there is another one still.
    pub(crate) fn upgrade(&self) -> Option<Node> {
        Some(Node { shared: self.0.upgrade()? })
    }
}

/// The state that all handles to one server share.
#[derive(Debug)]
struct Shared {
    id: ServerId,
    commands: mpsc::UnboundedSender<Command>,
    leader: watch::Receiver<Leader>,
    epochs: watch::Receiver<Option<Arc<Epoch>>>,
    changes: watch::Receiver<()>,
    stopped: watch::Receiver<Option<Stopped>>,
    lead_in_use: AtomicBool,
    /// How long a successor may take.
    takeover_timeout: Duration,
}

/// The server's ends of what connects it with its handles.
#[derive(Debug)]
pub(crate) struct Ends {
    pub(crate) commands: mpsc::UnboundedReceiver<Command>,
    pub(crate) leader: watch::Sender<Leader>,
    pub(crate) epochs: watch::Sender<Option<Arc<Epoch>>>,
    pub(crate) changes: watch::Sender<()>,
}

impl Node {
    /// A server whose data is in this directory.
    pub fn builder(directory: impl AsRef<Path>) -> Builder {
        Builder::new(directory.as_ref())
    }

    /// A handle, and the server's ends of its channels. `stopped` is told how the server has ended.
    pub(crate) fn connect(
        id: ServerId,
        term: Term,
        takeover_timeout: Duration,
        stopped: watch::Receiver<Option<Stopped>>,
    ) -> (Node, Ends) {
        let (commands, asked) = mpsc::unbounded_channel();
        let (leader, leader_view) = watch::channel(Leader { leader: None, term });
        let (epochs, epoch_view) = watch::channel(None);
        let (changes, changes_view) = watch::channel(());
        let shared = Shared {
            id,
            commands,
            leader: leader_view,
            epochs: epoch_view,
            changes: changes_view,
            stopped,
            lead_in_use: AtomicBool::new(false),
            takeover_timeout,
        };
        (Node { shared: Arc::new(shared) }, Ends { commands: asked, leader, epochs, changes })
    }

    pub(crate) fn downgrade(&self) -> WeakNode {
        WeakNode(Arc::downgrade(&self.shared))
    }

    /// Lets the server make a snapshot, and waits until it is durable.
    pub(crate) async fn make_snapshot(&self) -> Result<Position, SnapshotError> {
        self.ask(Command::Snapshot).await.unwrap_or(Err(SnapshotError::Stopped))
    }

    /// This server's id.
    pub fn id(&self) -> ServerId {
        self.shared.id
    }

    /// Runs the closure whenever this server has become leader, once for each leadership, until
    /// it asks to stop or the server is shut down.
    ///
    /// - The closure starts only when the server's log holds whatever was ever committed, never
    ///   merely because an election was won.
    /// - Runs never overlap, and each start belongs to one end: a leadership that was won and lost
    ///   while the closure was still busy with the one before is not started.
    /// - Leadership is given up only after the closure has returned, unless it is lost: then
    ///   [`lost`](Leadership::lost) resolves and [`check`](Leadership::check) fails. The closure
    ///   is not interrupted; let it watch one of the two, or run its work in
    ///   [`bound`](Leadership::bound).
    /// - An error that the closure returns after its leadership was lost is taken for a
    ///   consequence of that: it is logged, and the closure runs again upon the next win. Any
    ///   other error resigns the leadership and is returned.
    ///
    /// To drop this future is to end the closure: leadership is resigned.
    ///
    /// Without a [state machine](crate::StateMachine) a server does not campaign while nobody waits here: before the first call, after the last one
    /// has returned, panicked or was dropped, and while a closure goes on whose leadership has
    /// ended. It votes and follows as before. If it is made leader all the same, by a transfer, and
    /// no closure begins within an election timeout, it gives the leadership up.
    /// [`Status::work`](crate::Status::work) shows what holds.
    pub fn lead<E, W>(&self, work: W) -> impl Future<Output = Result<(), LeadError<E>>> + use<E, W>
    where
        E: std::fmt::Debug,
        W: AsyncFnMut(Leadership) -> Result<Then, E>,
    {
        // A future that borrows nothing may be spawned.
        self.clone().run_lead(work)
    }

    async fn run_lead<E, W>(self, mut work: W) -> Result<(), LeadError<E>>
    where
        E: std::fmt::Debug,
        W: AsyncFnMut(Leadership) -> Result<Then, E>,
    {
        let turn = Turn::take(&self.shared).ok_or(LeadError::Server(Error::LeadInUse))?;
        let mut epochs = self.shared.epochs.clone();
        epochs.mark_changed();
        while epochs.changed().await.is_ok() {
            let epoch = epochs.borrow_and_update().clone();
            let commands = self.shared.commands.downgrade();
            let Some(guard) = epoch.and_then(|epoch| EpochGuard::claim(&epoch, commands)) else { continue };
            turn.tell(Work::Running);
            let outcome = work(guard.leadership()).await;
            let lost = guard.is_lost();
            drop(guard);
            turn.tell(Work::Waiting);
            match outcome {
                Ok(Then::Resign) => {}
                Ok(Then::Stop) => return Ok(()),
                Err(error) if lost => tracing::info!(?error, "the work ended with its leadership"),
                Err(error) => return Err(LeadError::Work(error)),
            }
        }
        match why_stopped(self.shared.stopped.clone()).await {
            Error::ShutDown => Ok(()),
            error => Err(LeadError::Server(error)),
        }
    }

    /// The leader as this server knows it: the latest value, and a wait for the next one. A slow
    /// reader misses values in between, never the last one, and delays nobody.
    ///
    /// After a start nothing is known until a leader was heard: a server that led before it was
    /// restarted does not claim to lead. A group elects nobody while nobody waits in
    /// [`lead`](Node::lead) on any of its servers.
    pub fn leader(&self) -> watch::Receiver<Leader> {
        self.shared.leader.clone()
    }

    /// The server's status, and its peers' as far as it is known.
    pub async fn status(&self) -> Result<Status, Error> {
        self.ask(Command::Status).await
    }

    /// A wait for what of the [`status`](Node::status) seldom changes: role, term, leader, transfer,
    /// what the service does, why a snapshot failed, and which peers are connected or refused.
    pub fn changes(&self) -> watch::Receiver<()> {
        self.shared.changes.clone()
    }

    /// Transfers leadership to this peer, after the closure of [`lead`](Node::lead) has returned:
    /// [`lost`](Leadership::lost) asks it to. Returns when the peer leads.
    ///
    /// A peer that has not answered for an election timeout is refused, and so is one that does not
    /// catch up with the log within a few of them, or whose disk has lost what it held: then
    /// leadership stays.
    pub async fn transfer_to(&self, peer: impl Into<ServerId>) -> Result<(), Error> {
        let target = peer.into();
        let mut leader = self.leader();
        self.ask_for_transfer(target).await?;
        let taken = leader.wait_for(|view| view.leader.is_some_and(|leader| leader != self.id()));
        let taken = async { taken.await.map(|view| view.leader) };
        let leader = match tokio::time::timeout(self.shared.takeover_timeout, taken).await {
            Ok(Ok(leader)) => leader,
            Ok(Err(_)) => return Err(self.why_stopped().await),
            Err(_) => None,
        };
        if leader == Some(target) { Ok(()) } else { Err(Error::NotTakenOver { target, leader }) }
    }

    /// A peer that was just started may need a moment to catch up.
    async fn ask_for_transfer(&self, target: ServerId) -> Result<(), Error> {
        let until = Instant::now() + self.shared.takeover_timeout;
        loop {
            match self.ask(|reply| Command::Transfer { to: Some(target), reply }).await? {
                Err(Error::PeerBehind(_)) if Instant::now() < until => {
                    tokio::time::sleep(self.shared.takeover_timeout / 100).await;
                }
                answer => return answer,
            }
        }
    }

    /// Gives up leadership, after the closure of [`lead`](Node::lead) has returned. The peer that
    /// was heard last is asked to take over, if there is one.
    pub async fn step_down(&self) -> Result<(), Error> {
        self.ask(|reply| Command::Transfer { to: None, reply }).await?
    }

    /// Shuts the server down, and returns when its port and its directory are free.
    ///
    /// A leader first lets the closure of [`lead`](Node::lead) return, for at most the transfer
    /// timeout, then transfers leadership to the peer that was heard last, and waits for it to lead, for at
    /// most three election timeouts. So a planned restart costs the group milliseconds.
    ///
    /// It returns whatever hangs: a write that the disk has not finished then gets at most five more
    /// seconds, or the longest flush if that is shorter. If it needs longer, the error is
    /// [`Failure::DiskStalled`]: the server has ended and its port is free, but the directory stays
    /// locked until the disk lets go of it. Names that are being resolved are not waited for.
    pub async fn shutdown(&self) -> Result<(), Error> {
        // A server that has stopped already is shut down.
        let _ = self.shared.commands.send(Command::ShutDown);
        self.closed().await
    }

    /// Ends the server at once, as if its process had ended, although there are handles: as when the last of them
    /// is dropped. Leadership is not transferred. [`closed`](Node::closed) returns once the server has ended.
    pub fn halt(&self) {
        // A server that has stopped already has ended.
        let _ = self.shared.commands.send(Command::Halt);
    }

    /// Waits for the server to stop: `Ok` if it was shut down, an error if it failed. Between the
    /// failure and the return lie at most the five seconds that a write may still take.
    pub async fn closed(&self) -> Result<(), Error> {
        match self.why_stopped().await {
            Error::ShutDown => Ok(()),
            error => Err(error),
        }
    }

    /// Whether the server has stopped.
    pub(super) fn is_stopped(&self) -> bool {
        self.shared.stopped.borrow().is_some()
    }

    pub(super) async fn why_stopped(&self) -> Error {
        why_stopped(self.shared.stopped.clone()).await
    }

    /// Tells the server, unless that has stopped.
    pub(super) fn send(&self, command: Command) -> bool {
        self.shared.commands.send(command).is_ok()
    }

    async fn ask<T>(&self, command: impl FnOnce(oneshot::Sender<T>) -> Command) -> Result<T, Error> {
        let (reply, answer) = oneshot::channel();
        let sent = self.shared.commands.send(command(reply)).is_ok();
        match answer.await {
            Ok(answer) if sent => Ok(answer),
            _ => Err(self.why_stopped().await),
        }
    }
}

/// Waits for the server to stop.
async fn why_stopped(mut stopped: watch::Receiver<Option<Stopped>>) -> Error {
    let stopped = stopped.wait_for(Option::is_some).await.ok().and_then(|stopped| stopped.clone());
    match stopped {
        Some(Ok(())) => Error::ShutDown,
        Some(Err(failure)) => Error::Failed(failure),
        None => Error::Failed(Arc::new(Failure::Panicked)),
    }
}

/// One call of `lead` at a time.
struct Turn(Arc<Shared>);

impl Turn {
    fn take(shared: &Arc<Shared>) -> Option<Turn> {
        let turn = (!shared.lead_in_use.swap(true, Ordering::AcqRel)).then(|| Turn(shared.clone()))?;
        turn.tell(Work::Waiting);
        Some(turn)
    }

    /// Tells the server, unless that has stopped.
    fn tell(&self, work: Work) {
        let _ = self.0.commands.send(Command::Work(work));
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        // Before the next one may tell otherwise.
        self.tell(Work::Nobody);
        self.0.lead_in_use.store(false, Ordering::Release);
    }
}
