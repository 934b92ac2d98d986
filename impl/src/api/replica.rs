//! The handle to a server that replicates a service's state machine.

use std::future::Future;
use std::marker::PhantomData;
use std::ops::Deref;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use rafttree_model::{Position, ServerId};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};
use tokio::time::{Instant, sleep_until, timeout_at};

use super::command::Command;
use super::error::{Error, ProposeError, ReadError};
use super::node::Node;
use crate::core::request::{Job, MAX_COMMAND_BYTES, Outcome, Reply};
use crate::machine::apply::SnapshotError;
use crate::machine::sessions::{Applied, Sent};
use crate::machine::{StateMachine, decode, encode};

/// Bytes of commands that may be open at a server at a time; whoever proposes more waits.
const MAX_OPEN_BYTES: usize = 64 << 20;

/// What an open proposal costs beside its bytes, about.
const BOOKKEEPING_BYTES: usize = 256;

/// Between two attempts while no leader is known, unless one becomes known earlier.
const RETRY_DELAY: Duration = Duration::from_millis(20);

/// A running server of a group that replicates a state machine. It is a [`Node`] as well. Clones are
/// handles to the same server; when the last one is dropped the server stops at once.
///
/// Every server takes commands and reads, whoever leads: those that do not lead ask the leader.
#[derive(Debug)]
pub struct Replica<M: StateMachine> {
    node: Node,
    open: Arc<Semaphore>,
    answer_timeout: Duration,
    machine: PhantomData<fn() -> M>,
}

impl<M: StateMachine> Clone for Replica<M> {
    fn clone(&self) -> Self {
        let Replica { node, open, answer_timeout, machine } = self;
        Replica { node: node.clone(), open: open.clone(), answer_timeout: *answer_timeout, machine: *machine }
    }
}

impl<M: StateMachine> Deref for Replica<M> {
    type Target = Node;

    fn deref(&self) -> &Node {
        &self.node
    }
}

impl<M: StateMachine> Replica<M> {
    pub(crate) fn new(node: Node, answer_timeout: Duration) -> Replica<M> {
        Replica { node, open: Arc::new(Semaphore::new(MAX_OPEN_BYTES)), answer_timeout, machine: PhantomData }
    }

    /// Proposes a command, and waits until it is committed and applied: the state machine's answer.
    ///
    /// While no leader is known, and when it was not committed, it is proposed again until the
    /// [`answer_timeout`](crate::ReplicaBuilder::answer_timeout). Commands that are proposed at the same
    /// time, by one caller or by several, are applied in any order. To drop the future is to learn
    /// nothing: the command may be applied all the same.
    ///
    /// # Errors
    ///
    /// After [`NotCommitted`](ProposeError::NotCommitted) the command may be proposed again; it was not
    /// applied, and will not be. After [`Unknown`](ProposeError::Unknown) it may have been, or may be
    /// yet: propose it again only if it does no harm twice, or in a [`session`](Replica::session).
    pub async fn propose(&self, command: M::Command) -> Result<M::Answer, ProposeError> {
        let command = encode(&command).map_err(ProposeError::NotEncoded)?;
        match self.submit(&Sent::Plain(command.into())).await? {
            Applied::Answer(answer) => decode(&answer).map_err(ProposeError::AnswerNotDecoded),
            Applied::Opened(_) | Applied::Expired | Applied::Passed => Err(ProposeError::Unknown),
        }
    }

    /// Opens a session, in which each command is applied exactly once although it is proposed again
    /// after a failure.
    ///
    /// # Errors
    ///
    /// As for [`propose`](Replica::propose). It may be tried again after each of them.
    pub async fn session(&self) -> Result<Session<M>, ProposeError> {
        match self.submit(&Sent::Open).await? {
            Applied::Opened(id) => Ok(Session { replica: self.clone(), id, number: 0 }),
            Applied::Answer(_) | Applied::Expired | Applied::Passed => Err(ProposeError::Unknown),
        }
    }

    /// Lets the closure look at this server's copy of the state, once that has applied everything that was
    /// committed before the call, on whichever server (a linearizable read, section 8 of the paper). It
    /// costs a round of heartbeats, which concurrent reads share, and nothing in the log.
    ///
    /// The closure runs where commands are applied, so it should be short.
    ///
    /// # Errors
    ///
    /// [`Unavailable`](ReadError::Unavailable) if no leader was confirmed in time.
    pub async fn read<R: Send + 'static>(&self, look: impl FnOnce(&M) -> R + Send + 'static) -> Result<R, ReadError> {
        let look = Look::new(look);
        let until = Instant::now() + self.answer_timeout;
        loop {
            let (sender, answer) = oneshot::channel();
            self.send(Command::Read(look.job(sender))).await?;
            match timeout_at(until, answer).await {
                Ok(Ok(seen)) => return Ok(seen),
                Ok(Err(_)) if look.is_spent() => return Err(ReadError::Panicked),
                Ok(Err(_)) if self.await_leader(until).await => {}
                Ok(Err(_)) | Err(_) => return Err(ReadError::Unavailable { leader: self.known_leader() }),
            }
        }
    }

    /// The same with what this server has applied by now, whatever the others have: it may be behind for as
    /// long as this server is cut off.
    ///
    /// # Errors
    ///
    /// If the server has stopped.
    pub async fn read_stale<R: Send + 'static>(
        &self,
        look: impl FnOnce(&M) -> R + Send + 'static,
    ) -> Result<R, ReadError> {
        let (sender, answer) = oneshot::channel();
        self.send(Command::ReadStale(Look::new(look).job(sender))).await?;
        match answer.await {
            Ok(seen) => Ok(seen),
            Err(_) if self.node.is_stopped() => Err(ReadError::Server(self.node.why_stopped().await)),
            Err(_) => Err(ReadError::Panicked),
        }
    }

    /// Makes a snapshot now, and waits until it is durable: the last entry in it. Snapshots are made without
    /// being asked for as well, as [`snapshot_after`](crate::ReplicaBuilder::snapshot_after) says. The log
    /// keeps the entries since the snapshot before, for followers that are a little behind.
    ///
    /// # Errors
    ///
    /// If one is being written, nothing is new, or the disk did not take it.
    pub async fn snapshot(&self) -> Result<Position, SnapshotError> {
        self.node.make_snapshot().await
    }

    /// Proposes until it is committed, or time is up.
    async fn submit(&self, sent: &Sent) -> Result<Applied, ProposeError> {
        let command = sent.encode();
        if MAX_COMMAND_BYTES < command.len() {
            return Err(ProposeError::TooLong { bytes: command.len(), most: MAX_COMMAND_BYTES });
        }
        let until = Instant::now() + self.answer_timeout;
        loop {
            match self.submit_once(&command, until).await? {
                Outcome::Answer(answer) => return decode(&answer).map_err(ProposeError::AnswerNotDecoded),
                Outcome::Unknown => return Err(ProposeError::Unknown),
                Outcome::NotCommitted if self.await_leader(until).await => {}
                Outcome::NotCommitted => return Err(self.not_committed()),
            }
        }
    }

    async fn submit_once(&self, command: &Bytes, until: Instant) -> Result<Outcome, ProposeError> {
        let Ok(permit) = timeout_at(until, self.permit(command)).await else { return Err(self.not_committed()) };
        let (sender, answer) = oneshot::channel();
        let reply = Reply { sender, permit };
        self.send(Command::Propose { command: command.clone(), reply }).await?;
        Ok(match timeout_at(until, answer).await {
            Ok(Ok(outcome)) => outcome,
            // The server has stopped, or lost whoever it had asked; or it takes longer than we wait.
            Ok(Err(_)) | Err(_) => Outcome::Unknown,
        })
    }

    /// A share of what may be open at a time.
    async fn permit(&self, command: &Bytes) -> Option<OwnedSemaphorePermit> {
        let bytes = u32::try_from(command.len() + BOOKKEEPING_BYTES).ok()?;
        self.open.clone().acquire_many_owned(bytes).await.ok()
    }

    /// Waits a little, or until another leader is known. Whether there is time for another attempt.
    async fn await_leader(&self, until: Instant) -> bool {
        let mut leader = self.node.leader();
        leader.mark_unchanged();
        let retry = Instant::now() + RETRY_DELAY;
        tokio::select! {
            _ = leader.changed() => {}
            () = sleep_until(retry.min(until)) => {}
        }
        Instant::now() < until
    }

    async fn send(&self, command: Command) -> Result<(), Error> {
        if self.node.send(command) { Ok(()) } else { Err(self.node.why_stopped().await) }
    }

    fn known_leader(&self) -> Option<ServerId> {
        self.node.leader().borrow().leader
    }

    fn not_committed(&self) -> ProposeError {
        ProposeError::NotCommitted { leader: self.known_leader() }
    }
}

/// Commands of which each is applied exactly once, in the order in which they are proposed, although they
/// are proposed again after failures and by way of other leaders (dissertation 6.3).
///
/// The group remembers the 10,000 sessions that were used last, with the answer to the last command of
/// each; which one it forgets depends on the log alone.
#[derive(Debug)]
pub struct Session<M: StateMachine> {
    replica: Replica<M>,
    id: u64,
    number: u64,
}

impl<M: StateMachine> Session<M> {
    /// Proposes a command until it is answered, for as long as that takes.
    ///
    /// To drop the future is to give the command up: it is applied once or not at all, and not after the
    /// next command of the session.
    ///
    /// # Errors
    ///
    /// [`SessionExpired`](ProposeError::SessionExpired) if the group has forgotten the session: then it is
    /// not known whether a command of which an earlier attempt failed was applied. And if the server of
    /// this handle stops.
    pub fn propose(&mut self, command: M::Command) -> impl Future<Output = Result<M::Answer, ProposeError>> + Send {
        self.number += 1;
        let encoded = encode(&command).map_err(ProposeError::NotEncoded);
        let (session, number) = (self.id, self.number);
        let sent = encoded.map(|command| Sent::InSession { session, number, command: command.into() });
        let replica = &self.replica;
        async move {
            let sent = sent?;
            loop {
                match replica.submit(&sent).await {
                    Ok(Applied::Answer(answer)) => {
                        return decode(&answer).map_err(ProposeError::AnswerNotDecoded);
                    }
                    Ok(Applied::Expired) => return Err(ProposeError::SessionExpired),
                    Ok(Applied::Opened(_) | Applied::Passed) => return Err(ProposeError::Unknown),
                    Err(ProposeError::Unknown) if replica.node.is_stopped() => return Err(ProposeError::Unknown),
                    Err(ProposeError::Unknown | ProposeError::NotCommitted { .. }) => {}
                    Err(error) => return Err(error),
                }
            }
        }
    }
}

/// A closure that looks at the state machine, which may have to be sent several times until it runs once.
struct Look<F>(Arc<Mutex<Option<F>>>);

impl<F> Look<F> {
    fn new(look: F) -> Look<F> {
        Look(Arc::new(Mutex::new(Some(look))))
    }

    /// Whether it has run.
    fn is_spent(&self) -> bool {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).is_none()
    }

    fn job<M: StateMachine, R: Send + 'static>(&self, sender: oneshot::Sender<R>) -> Job
    where
        F: FnOnce(&M) -> R + Send + 'static,
    {
        let look = self.0.clone();
        Job(Box::new(move |machine| {
            let look = look.lock().unwrap_or_else(PoisonError::into_inner).take();
            if let (Some(look), Some(machine)) = (look, machine.downcast_ref::<M>()) {
                let _ = sender.send(look(machine));
            }
        }))
    }
}
