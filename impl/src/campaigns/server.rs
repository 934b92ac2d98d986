//! A server, as far as its disk can tell: it starts, does the steps of a history, and stops where a server does.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::panic::{AssertUnwindSafe, catch_unwind};

use bytes::Bytes;
use rafttree_model::{Entry, Index, Members, Payload, Position, Record, ServerId, Term};

use super::history::{History, Step, content, received};
use super::promise::Promise;
use super::report::Violation;
use crate::storage::layout::Layout;
use crate::storage::simulate::whole::Whole;
use crate::storage::simulate::{SimulatedDisk, audit};
use crate::storage::snapshot::{ArrivalError, Outgoing, Snapshots};
use crate::storage::{ClusterId, Identity, Incarnation, Recovered, StorageError};

const OWNER: Incarnation = Incarnation::from_bytes([7; 16]);
const SENDER: Incarnation = Incarnation::from_bytes([9; 16]);
const IDENTITY: Identity = Identity { cluster: ClusterId::from_bytes([1; 16]), id: ServerId::new(1) };

/// Bytes of a part of a snapshot that is sent, at most: one chunk and its frame.
const PART_BYTES: usize = (64 << 10) + 8;

/// Files by their names.
type Files = BTreeMap<String, Vec<u8>>;

/// How a run ended.
#[derive(Debug)]
pub(super) enum End {
    /// Everything was done.
    Done(Box<Whole>),
    /// The disk has failed, so the server has stopped.
    Stopped,
}

/// Runs histories: what they need beside the directory is made once.
#[derive(Debug)]
pub(super) struct Runner<'a> {
    history: &'a History,
    /// The disks of the servers that send snapshots.
    senders: BTreeMap<Position, Snapshots<SimulatedDisk>>,
    /// The disk before the first step, and what was promised on it.
    begin: (SimulatedDisk, Promise),
}

impl<'a> Runner<'a> {
    pub(super) fn new(history: &'a History) -> Result<Runner<'a>, Violation> {
        let made = |error: StorageError| Violation::new(format!("the beginning cannot be made: {error}"));
        let sender = |(last, bytes): (Position, Vec<u8>)| {
            let snapshots = Snapshots::within(SimulatedDisk::default(), SENDER, None)?;
            write_snapshot(&snapshots, last, &bytes)?;
            Ok((last, snapshots))
        };
        let senders: Result<_, StorageError> = received(&history.steps).into_iter().map(sender).collect();
        Ok(Runner { history, senders: senders.map_err(made)?, begin: begin(history).map_err(made)? })
    }

    pub(super) fn layout(&self) -> Layout {
        self.history.layout
    }

    /// The disk before the first step, for another run.
    pub(super) fn begin(&self) -> (SimulatedDisk, Promise) {
        (self.begin.0.restarted(), self.begin.1.clone())
    }

    /// Does the whole history.
    pub(super) fn run(&self, disk: &SimulatedDisk, promise: &mut Promise) -> Result<End, Violation> {
        guarded(|| {
            let End::Done(mut whole) = start(disk, self.layout(), promise)? else { return Ok(End::Stopped) };
            for step in &self.history.steps {
                if let Step::Restart = step {
                    drop(whole);
                    let End::Done(again) = start(disk, self.layout(), promise)? else { return Ok(End::Stopped) };
                    whole = again;
                } else if !self.perform(step, &mut whole, promise)? {
                    return Ok(End::Stopped);
                }
            }
            Ok(End::Done(whole))
        })
    }

    /// A start after something had gone wrong. What is found must be what was promised, and what is written then must
    /// be where nothing was, and outlive a loss of power. So must a snapshot that had begun to arrive.
    pub(super) fn go_on(&self, disk: &SimulatedDisk, promise: &mut Promise) -> Result<End, Violation> {
        guarded(|| {
            // What a failed flush has forgotten is not on the disk, whatever reads still find.
            let before = disk.crashed(|| true).files();
            let begun = promise.coming.last().copied().filter(|last| self.senders.contains_key(last));
            let End::Done(mut whole) = start(disk, self.layout(), promise)? else { return Ok(End::Stopped) };
            let mut goes_on = true;
            for records in more(&promise.held) {
                goes_on = goes_on && write(&records, &mut whole, promise)?;
            }
            if let Some(last) = begun.filter(|_| goes_on) {
                self.receive(last, usize::MAX, &whole, promise)?;
                goes_on = !disk.is_dead();
            }
            audit(&before, &disk.files())?;
            if !goes_on {
                return Ok(End::Stopped);
            }
            outlives_power(disk, self.layout(), promise)?;
            Ok(End::Done(whole))
        })
    }

    /// Does one step. Whether the server goes on.
    fn perform(&self, step: &Step, whole: &mut Whole, promise: &mut Promise) -> Result<bool, Violation> {
        match step {
            Step::Write(records) if !may_be_written(records, whole, promise) => {
                let may_go_on = !records.iter().any(|record| matches!(record, Record::Restore { .. }));
                return Ok(may_go_on);
            }
            Step::Write(records) => return write(records, whole, promise),
            Step::Snapshot(last) => snapshot(*last, whole, promise),
            Step::Receive { last, parts } => self.receive(*last, *parts, whole, promise)?,
            // That an old snapshot stays harms nobody.
            Step::RemoveOlder => drop(whole.snapshots.remove_older(promise.held.durable.log().base())),
            Step::Pin(peer, incarnation) => pin(*peer, *incarnation, whole, promise),
            Step::KeepGroup => return Ok(keep_group(whole, promise)),
            Step::Restart => {}
        }
        Ok(!whole.disk().is_dead())
    }

    /// Takes a snapshot part by part. One that does not arrive is none.
    fn receive(&self, last: Position, parts: usize, whole: &Whole, promise: &mut Promise) -> Result<(), Violation> {
        let Some(from) = self.senders.get(&last).and_then(|sender| sender.send(last).ok().flatten()) else {
            return Err(Violation::new("a sender has no snapshot"));
        };
        promise.coming.insert(last);
        match take(&from, parts, &whole.snapshots) {
            Ok(true) => promise.acknowledge_snapshot(last),
            Ok(false) => {}
            Err(ArrivalError::Nonsense(what)) => return Err(Violation::new(format!("an honest sender {what}"))),
            // What a failed flush has lost shows when it is read back.
            Err(_) if whole.disk().has_failed() || whole.disk().is_dead() => {}
            Err(error) => return Err(Violation::new(format!("a snapshot does not arrive: {error}"))),
        }
        Ok(())
    }
}

/// Starts on this disk; makes the directory before, if nobody has.
pub(super) fn start(disk: &SimulatedDisk, layout: Layout, promise: &mut Promise) -> Result<End, Violation> {
    if !promise.is_made {
        match Whole::init(disk, IDENTITY, OWNER, layout) {
            Ok(is_made) => promise.is_made = is_made,
            Err(error) => return stopped(disk, &error),
        }
    }
    match Whole::open(disk, layout) {
        Ok(whole) => {
            promise.settle(&whole)?;
            promise.is_made = true;
            let is_ours = (whole.identity, whole.owner) == (IDENTITY, OWNER);
            if is_ours { Ok(End::Done(Box::new(whole))) } else { Err(Violation::new("the identity is another one")) }
        }
        Err(error) => stopped(disk, &error),
    }
}

/// A start after something had gone wrong: what is found must be what was promised.
pub(super) fn recover(disk: &SimulatedDisk, layout: Layout, promise: &mut Promise) -> Result<End, Violation> {
    guarded(|| start(disk, layout, promise))
}

/// Nothing of a batch was written over, and no number used twice.
fn audit(before: &Files, after: &Files) -> Result<(), Violation> {
    if let Some((name, offset)) = audit::overwritten_sector(before, after) {
        return Err(Violation::new(format!("byte {offset} of {name} was written over")));
    }
    match audit::reused_number(after, OWNER) {
        Some(number) => Err(Violation::new(format!("the number of batch {number} was used twice"))),
        None => Ok(()),
    }
}

/// What was acknowledged is there after a loss of power that keeps nothing but what was flushed.
fn outlives_power(disk: &SimulatedDisk, layout: Layout, promise: &Promise) -> Result<(), Violation> {
    match start(&disk.crashed(|| false), layout, &mut promise.clone()) {
        Ok(End::Done(found)) if found.recovered == promise.held => Ok(()),
        Ok(_) => Err(Violation::new("what was written after the start does not outlive a loss of power")),
        Err(violation) => Err(violation.after("a start, some writes, and a loss of power that keeps what was flushed")),
    }
}

/// Batches that a server may go on with.
pub(super) fn more(held: &Recovered) -> [Vec<Record<Bytes>>; 2] {
    let (durable, last) = (&held.durable, held.durable.log().last());
    let term = Term::new(durable.term().number() + 1);
    let entry = |more: u64, length: usize| {
        let position = Position { term, index: Index::new(last.index.number() + more) };
        Record::Append(Entry { position, payload: Payload::Command(Bytes::from(vec![more as u8; length])) })
    };
    // The first takes several sectors, so that only parts of it may be there after another crash.
    [vec![Record::Term(term), Record::Vote(ServerId::new(3)), entry(1, 1300)], vec![entry(2, 10), entry(3, 0)]]
}

/// A log is compacted only up to a snapshot, and replaced only by one that is there.
fn may_be_written(records: &[Record<Bytes>], whole: &Whole, promise: &Promise) -> bool {
    let newest = whole.snapshots.newest().map(|newest| newest.last);
    let base = promise.held.durable.log().base().index.number();
    records.iter().all(|record| match record {
        Record::Compact { through } => {
            let is_covered = newest.is_some_and(|last| through.number() <= last.index.number());
            is_covered && base < through.number()
        }
        Record::Restore { last } => newest == Some(*last),
        _ => true,
    })
}

/// Writes a batch. Whether the server goes on.
fn write(records: &[Record<Bytes>], whole: &mut Whole, promise: &mut Promise) -> Result<bool, Violation> {
    promise.writing = records.to_vec();
    let written = whole.log.write(records);
    if written.is_ok() {
        promise.acknowledge_batch();
    }
    let Err(error) = written.and_then(|()| whole.log.prepare().map(drop)) else { return Ok(true) };
    let before = whole.disk().files();
    let again = [whole.log.write(records), whole.log.prepare().map(drop)];
    if again.iter().any(|again| !matches!(again, Err(StorageError::Sealed))) || whole.disk().files() != before {
        return Err(Violation::new("something is written after an error"));
    }
    stopped(whole.disk(), &error).map(|_| false)
}

fn snapshot(last: Position, whole: &Whole, promise: &mut Promise) {
    if whole.snapshots.newest().is_none_or(|newest| newest.last < last) {
        promise.coming.insert(last);
        if write_snapshot(&whole.snapshots, last, &content(last)).is_ok() {
            promise.acknowledge_snapshot(last);
        }
    }
}

fn write_snapshot(snapshots: &Snapshots<SimulatedDisk>, last: Position, bytes: &[u8]) -> Result<(), StorageError> {
    let mut writer = snapshots.write(last)?;
    // A service may not look at what becomes of its writes.
    bytes.chunks(40_000).for_each(|some| drop(writer.write_all(some)));
    writer.finish().map(drop)
}

/// Whether all of it has arrived.
fn take(from: &Outgoing<SimulatedDisk>, parts: usize, to: &Snapshots<SimulatedDisk>) -> Result<bool, ArrivalError> {
    let Some(mut arrival) = to.receive(from.offer, || {})? else { return Ok(true) };
    for _ in 0..parts {
        let offset = arrival.offset();
        let sent = from.read(offset).map_err(|_| ArrivalError::Nonsense("cannot read its own snapshot"))?;
        if sent.is_empty() {
            return arrival.finish(|| {}).map(|_| true);
        }
        arrival.add(offset, &sent[..sent.len().min(PART_BYTES)])?;
    }
    Ok(false)
}

fn pin(peer: ServerId, incarnation: Incarnation, whole: &mut Whole, promise: &mut Promise) {
    let mut pins = promise.pins.clone();
    pins.entry(peer).or_insert(incarnation);
    promise.pinning.push(pins.clone());
    if whole.pin(peer, incarnation).is_ok() {
        (promise.pins, promise.pinning) = (pins, Vec::new());
    }
}

/// Whether the server goes on: it does not start where its group cannot be written down.
fn keep_group(whole: &mut Whole, promise: &mut Promise) -> bool {
    let group = Members::new([1, 2, 3].map(ServerId::new)).ok();
    promise.grouping = group;
    let is_kept = group.is_some_and(|group| whole.keep_group(&group).is_ok());
    if is_kept {
        promise.group = group;
    }
    is_kept
}

/// A server stops where its disk fails, and nowhere else.
fn stopped(disk: &SimulatedDisk, error: &StorageError) -> Result<End, Violation> {
    if disk.has_failed() { Ok(End::Stopped) } else { Err(Violation::new(format!("it is refused: {error}"))) }
}

/// The disk that a history begins with.
fn begin(history: &History) -> Result<(SimulatedDisk, Promise), StorageError> {
    let Some(batches) = &history.former else { return Ok((SimulatedDisk::default(), Promise::default())) };
    let mut promise = Promise::default();
    promise.is_made = true;
    batches.iter().flatten().for_each(|record| promise.held.apply(record));
    let disk = SimulatedDisk::default();
    Whole::former(&disk, IDENTITY, OWNER, batches)?;
    let base = promise.held.durable.log().base();
    if base != Position::default() {
        write_snapshot(&Snapshots::within(disk.clone(), OWNER, None)?, base, &content(base))?;
        promise.snapshot = Some(base);
    }
    Ok((SimulatedDisk::holding(&disk.files()), promise))
}

/// A panic of the code under test is a violation as well.
pub(super) fn guarded<T>(code: impl FnOnce() -> Result<T, Violation>) -> Result<T, Violation> {
    catch_unwind(AssertUnwindSafe(code)).unwrap_or_else(|panic| {
        let text = panic.downcast_ref::<&str>().copied().or(panic.downcast_ref::<String>().map(String::as_str));
        Err(Violation::new(format!("it panics: {}", text.unwrap_or("no message"))))
    })
}
