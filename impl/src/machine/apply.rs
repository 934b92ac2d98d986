//! The thread that applies: the service's code takes as long as it likes, and nobody else waits for it.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;
use std::{io, thread};

use bytes::Bytes;
use rafttree_model::{Payload, Position};
use tokio::sync::{mpsc, oneshot};
use tokio::time::timeout;

use super::codec::encode;
use super::failure::MachineFailure;
use super::gathering::Gathering;
use super::interface::Snapshot;
use super::sessions::{Applied, Sessions};
use crate::core::request::{Job, MAX_COMMAND_BYTES, Outcome, Proposer};
use crate::core::service::Committed;
use crate::core::stamp::Stamp;
use crate::storage::disk::Disk;
use crate::storage::snapshot::Snapshots;

/// What a batch of entries costs the log at least, whatever is in it.
const BATCH_BYTES: u64 = 8 << 10;

/// What the thread is to do, in this order.
#[derive(Debug)]
pub(crate) enum Task {
    /// Apply these entries.
    Apply(Vec<Committed>),
    /// Let this look at the state machine.
    Read(Job),
    /// Replace the state machine by the snapshot that ends with this entry.
    Restore(Position),
    /// Make a snapshot now.
    Snapshot(SnapshotReply),
    /// Remove the snapshots that a log which begins behind this entry has no use for.
    RemoveOlder(Position),
}

impl Task {
    /// Whether somebody waits for it. A server that does not lead applies most entries for nobody.
    fn is_awaited(&self) -> bool {
        let Task::Apply(committed) = self else { return true };
        committed.iter().any(|entry| entry.proposer.is_some())
    }
}

/// The way back to whoever wants a snapshot: the last entry in it.
pub(crate) type SnapshotReply = oneshot::Sender<Result<Position, SnapshotError>>;

/// Why a snapshot was not made.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SnapshotError {
    /// One is being written.
    #[error("a snapshot is being written already: wait for it")]
    UnderWay,
    /// Nothing was applied since the last one.
    #[error("nothing was applied since the last snapshot")]
    NothingNew,
    /// The state machine's snapshot did not write itself, or the disk did not take it.
    #[error("the snapshot was not written: {0}")]
    NotWritten(Arc<io::Error>),
    /// The server has stopped.
    #[error("the server has stopped")]
    Stopped,
}

/// A report of the thread.
#[derive(Debug)]
pub(crate) enum Report {
    /// What became of a command that another server has forwarded.
    Answered(Proposer, Outcome),
    /// A snapshot is durable, and this one before it was.
    Snapshotted {
        /// The last entry in the new one.
        last: Position,
        /// The last entry in the one before, up to which the log may go: so a follower that gets this one
        /// finds the entries behind it.
        previous: Option<Position>,
    },
    /// A snapshot was given up.
    SnapshotFailed(Arc<io::Error>),
    /// The state machine cannot go on.
    Failed(MachineFailure),
}

/// The handle to the thread. When this is dropped the thread ends with what it was told before.
pub(crate) struct Apply {
    tasks: Gathering<Task>,
    applied: Arc<AtomicU64>,
}

/// Starts what takes its time and is waited for by nobody: the writing of a snapshot.
pub(crate) type Begin = fn(Box<dyn FnOnce() + Send>) -> io::Result<()>;

/// Starts a thread for it.
fn begin_thread(body: Box<dyn FnOnce() + Send>) -> io::Result<()> {
    let span = tracing::Span::current();
    let body = move || span.in_scope(body);
    thread::Builder::new().name("rafttree-snapshot".into()).spawn(body).map(drop)
}

/// The state machine, which does one task after the other: on its thread, or whenever a simulation lets it.
pub(crate) struct Applier<B, D: Disk> {
    sessions: Sessions,
    snapshots: Arc<Snapshots<D>>,
    begin: B,
    applied: Position,
    told: Arc<AtomicU64>,
    /// The log's bytes since the last snapshot, about, and how many make the next one.
    bytes: u64,
    snapshot_after: u64,
    is_writing: Arc<AtomicBool>,
    reports: mpsc::UnboundedSender<Report>,
}

/// The state machine as a server starts with it: as the newest snapshot has it, if there is one.
pub(crate) fn recover<D: Disk>(
    sessions: &mut Sessions,
    snapshots: &Snapshots<D>,
) -> Result<Option<Position>, MachineFailure> {
    let Some(newest) = snapshots.newest() else { return Ok(None) };
    restore(sessions, snapshots, newest.last)?;
    Ok(Some(newest.last))
}

impl Apply {
    /// Starts the thread, with a state machine that has applied so much.
    pub(crate) fn start<D: Disk + Sync>(
        sessions: Sessions,
        snapshots: Arc<Snapshots<D>>,
        applied: Position,
        snapshot_after: u64,
    ) -> io::Result<(Apply, mpsc::UnboundedReceiver<Report>)> {
        let (tasks, work) = mpsc::unbounded_channel();
        let (reports, reported) = mpsc::unbounded_channel();
        let begin: Begin = begin_thread;
        let applier = Applier::new(sessions, snapshots, begin, applied, snapshot_after, reports);
        let handle = Apply { tasks: Gathering::new(tasks), applied: applier.told.clone() };
        let span = tracing::Span::current();
        thread::Builder::new().name("rafttree-apply".into()).spawn(move || span.in_scope(|| applier.run(work)))?;
        Ok((handle, reported))
    }

    /// Lets the thread do this, after what it was told before: now, or a little later if nobody waits for it.
    pub(crate) fn tell(&mut self, task: Task, now: Stamp) {
        if task.is_awaited() { self.tasks.tell(task) } else { self.tasks.keep(task, now) }
    }

    /// When [`tell_due`](Apply::tell_due) has something to do.
    pub(crate) fn next_deadline(&self) -> Option<Stamp> {
        self.tasks.next_deadline()
    }

    /// Lets the thread do what nobody waits for, if it is time for that.
    pub(crate) fn tell_due(&mut self, now: Stamp) {
        self.tasks.tell_due(now);
    }

    /// The index of the last entry that the state machine has applied.
    pub(crate) fn applied(&self) -> u64 {
        self.applied.load(Ordering::Acquire)
    }

    /// Lets the thread end, and waits for that, but not for ever: the service's code may hang. Whether it
    /// has.
    pub(crate) async fn close(mut self, mut reports: mpsc::UnboundedReceiver<Report>, patience: Duration) -> bool {
        self.tasks.tell_kept();
        drop(self);
        // What it still reports interests nobody.
        let end = async { while reports.recv().await.is_some() {} };
        timeout(patience, end).await.is_ok()
    }
}

impl<B: Fn(Box<dyn FnOnce() + Send>) -> io::Result<()>, D: Disk + Sync> Applier<B, D> {
    /// A state machine that has applied so much.
    pub(crate) fn new(
        sessions: Sessions,
        snapshots: Arc<Snapshots<D>>,
        begin: B,
        applied: Position,
        snapshot_after: u64,
        reports: mpsc::UnboundedSender<Report>,
    ) -> Applier<B, D> {
        let told = Arc::new(AtomicU64::new(applied.index.number()));
        let is_writing = Arc::default();
        Applier { sessions, snapshots, begin, applied, told, bytes: 0, snapshot_after, is_writing, reports }
    }

    fn run(mut self, mut work: mpsc::UnboundedReceiver<Task>) {
        while let Some(task) = work.blocking_recv() {
            if let Err(failure) = self.perform(task) {
                let _ = self.reports.send(Report::Failed(failure));
                return;
            }
        }
    }

    /// Does one task.
    pub(crate) fn perform(&mut self, task: Task) -> Result<(), MachineFailure> {
        match task {
            Task::Apply(committed) => {
                self.bytes += committed.iter().map(bytes_of).sum::<u64>().max(BATCH_BYTES);
                for entry in committed {
                    self.apply(entry)?;
                }
                if self.snapshot_after <= self.bytes && !self.is_writing.load(Ordering::Acquire) {
                    self.snapshot(None)?;
                }
            }
            Task::Read(Job(look)) => {
                // A look that panics is its caller's affair: it gets no answer, and has changed nothing.
                if catch_unwind(AssertUnwindSafe(|| look(self.sessions.machine().as_any()))).is_err() {
                    tracing::error!("a read of the state machine has panicked");
                }
            }
            Task::Restore(last) => {
                restore(&mut self.sessions, &self.snapshots, last)?;
                self.has_applied(last);
                self.bytes = 0;
            }
            Task::Snapshot(reply) => self.snapshot(Some(reply))?,
            Task::RemoveOlder(base) => {
                if let Err(error) = self.snapshots.remove_older(base) {
                    tracing::warn!(%error, "an old snapshot stays");
                }
            }
        }
        Ok(())
    }

    fn apply(&mut self, Committed { position, payload, proposer }: Committed) -> Result<(), MachineFailure> {
        if let Payload::Command(command) = payload {
            let applied = self.apply_command(position, command)?;
            if let Some(proposer) = proposer {
                self.answer(proposer, &applied);
            }
        }
        self.has_applied(position);
        Ok(())
    }

    fn apply_command(&mut self, position: Position, command: Bytes) -> Result<Applied, MachineFailure> {
        let doing = || format!("applied entry {position}");
        let applied = guard(doing, || self.sessions.apply(position.index.number(), command))?;
        applied.map_err(|source| MachineFailure::Undecodable { position, source })
    }

    fn answer(&self, proposer: Proposer, applied: &Applied) {
        let outcome = encode(applied).map_or(Outcome::Unknown, |answer| Outcome::Answer(answer.into()));
        match (proposer, outcome) {
            (Proposer::Here(reply), outcome) => reply.send(outcome),
            (peer, Outcome::Answer(answer)) if MAX_COMMAND_BYTES < answer.len() => {
                let _ = self.reports.send(Report::Answered(peer, Outcome::Unknown));
            }
            (peer, outcome) => {
                let _ = self.reports.send(Report::Answered(peer, outcome));
            }
        }
    }

    fn has_applied(&mut self, position: Position) {
        self.applied = position;
        self.told.store(position.index.number(), Ordering::Release);
    }

    /// Takes the state as it is now, and has it written by a thread of its own.
    fn snapshot(&mut self, reply: Option<SnapshotReply>) -> Result<(), MachineFailure> {
        let refuse = |reply: Option<SnapshotReply>, error| reply.map(|reply| reply.send(Err(error)));
        let previous = self.snapshots.newest().map(|newest| newest.last);
        if previous.unwrap_or_default() == self.applied {
            refuse(reply, SnapshotError::NothingNew);
            return Ok(());
        }
        if self.is_writing.swap(true, Ordering::AcqRel) {
            refuse(reply, SnapshotError::UnderWay);
            return Ok(());
        }
        let snapshot = guard(|| "took a snapshot".to_owned(), || self.sessions.snapshot())?;
        self.bytes = 0;
        let (snapshots, reports, last) = (self.snapshots.clone(), self.reports.clone(), self.applied);
        let is_over = IsOver(self.is_writing.clone());
        let body = move || {
            let written = write(&snapshots, last, snapshot).map_err(Arc::new);
            drop(is_over);
            let _ = reports.send(match &written {
                Ok(()) => Report::Snapshotted { last, previous },
                Err(error) => Report::SnapshotFailed(error.clone()),
            });
            if let Some(reply) = reply {
                let _ = reply.send(written.map(|()| last).map_err(SnapshotError::NotWritten));
            }
        };
        if let Err(error) = (self.begin)(Box::new(body)) {
            // The next batch tries again.
            self.bytes = self.snapshot_after;
            let _ = self.reports.send(Report::SnapshotFailed(Arc::new(error)));
        }
        Ok(())
    }
}

/// Says at its end that no snapshot is being written, also where that has panicked.
struct IsOver(Arc<AtomicBool>);

impl Drop for IsOver {
    fn drop(&mut self) {
        self.0.store(false, Ordering::Release);
    }
}

fn write<D: Disk>(snapshots: &Snapshots<D>, last: Position, snapshot: Box<dyn Snapshot>) -> io::Result<()> {
    let mut writer = snapshots.write(last).map_err(io::Error::other)?;
    match catch_unwind(AssertUnwindSafe(|| snapshot.write(&mut writer))) {
        Ok(written) => written?,
        Err(panic) => return Err(io::Error::other(format!("it has panicked: {}", message_of(&*panic)))),
    }
    writer.finish().map(drop).map_err(io::Error::other)
}

fn restore<D: Disk>(sessions: &mut Sessions, snapshots: &Snapshots<D>, last: Position) -> Result<(), MachineFailure> {
    let failed = |source| MachineFailure::NotRestored { last, source };
    let found = snapshots.all().into_iter().find(|snapshot| snapshot.last == last);
    let missing = || failed(io::Error::new(io::ErrorKind::NotFound, "it is not in the data directory"));
    let mut reader = snapshots.read(&found.ok_or_else(missing)?).map_err(|error| failed(io::Error::other(error)))?;
    guard(|| format!("restored the snapshot that ends with entry {last}"), || sessions.restore(&mut reader))?
        .map_err(failed)
}

/// Calls the service's code, which may panic.
fn guard<T>(doing: impl Fn() -> String, code: impl FnOnce() -> T) -> Result<T, MachineFailure> {
    catch_unwind(AssertUnwindSafe(code))
        .map_err(|panic| MachineFailure::Panicked { doing: doing(), message: message_of(&*panic) })
}

fn message_of(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().copied().or(panic.downcast_ref::<String>().map(String::as_str));
    text.unwrap_or("no message").to_owned()
}

fn bytes_of(entry: &Committed) -> u64 {
    match &entry.payload {
        Payload::Blank => 0,
        Payload::Command(command) => command.len() as u64,
    }
}

#[cfg(test)]
mod tests;
