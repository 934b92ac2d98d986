//! The log of a directory as people look at it: read, and never written.

use std::fs::File;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use bytes::Bytes;
use rafttree_model::{Position, Record, ServerId, Term};
use rustix::fs::FlockOperation;

use super::directory::{self, LOCK_FILE};
use super::disk::{Disk, FileSystem};
use super::error::{Attempt, StorageError};
use super::format1;
use super::identity::{Identity, Incarnation};
use super::interface::Recovered;
use super::record::{self, Written};
use super::recovery::{self, Link, Recovery};

/// What a directory's log holds, and what is wrong with it.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct LogReport {
    /// Whose log it is.
    pub identity: Identity,
    /// Which directory of that server's it is.
    pub incarnation: Incarnation,
    /// Whether a process uses the directory, so that what it writes just now may look cut short.
    pub is_in_use: bool,
    /// The version of the files.
    pub format: u32,
    /// The state. Entries of which the names alone can be read are faulty; if not even those can, the log
    /// goes up to there, and no server starts.
    pub recovered: Recovered,
    /// The batches that count, in their order; none are told of format 1.
    pub batches: Vec<LoggedBatch>,
    /// Whether a crash cut a batch short that was never acknowledged.
    pub is_cut_short: bool,
    /// Sectors that are neither legible nor empty: the file, and the byte at which each begins.
    pub illegible: Vec<(PathBuf, u64)>,
}

/// One batch of a log.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct LoggedBatch {
    /// Its number.
    pub number: u64,
    /// The file that it is in.
    pub file: PathBuf,
    /// The byte at which it begins.
    pub offset: u64,
    /// What can be read of it.
    pub condition: Condition,
    /// Its records, if they can be read.
    pub records: Vec<LoggedRecord>,
    /// Term behind it, if that is known.
    pub term: Option<Term>,
    /// Vote behind it.
    pub vote: Option<ServerId>,
}

/// What can be read of a batch.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum Condition {
    /// All.
    Sound,
    /// All of it, but not its slot. The next start writes that again.
    SlotLost,
    /// What its slot says of it, and that is enough: no entry was in it that is still in the log, or all
    /// were repaired since.
    Superseded,
    /// The names of its entries alone.
    Damaged {
        /// The first entry that is lost.
        first: Position,
        /// The last one.
        last: Position,
        /// Whether it is known that they were acknowledged.
        is_acknowledged: bool,
    },
}

/// A record of a log.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum LoggedRecord {
    /// One of the protocol's.
    Protocol(Record<Bytes>),
    /// Every entry up to this one is in a snapshot.
    Base(Position),
    /// A segment begins: where the log began and ended before it.
    Start {
        /// The last entry that was compacted.
        base: Position,
        /// The last entry.
        last: Position,
    },
}

impl LogReport {
    /// The batches of which entries are lost.
    pub fn damaged(&self) -> impl Iterator<Item = &LoggedBatch> {
        self.batches.iter().filter(|batch| matches!(batch.condition, Condition::Damaged { .. }))
    }
}

/// Reads the log of a directory, and changes nothing. If no server uses the directory none can start
/// meanwhile; if one does, it is not disturbed.
pub fn inspect(path: impl AsRef<Path>) -> Result<LogReport, StorageError> {
    let path = path.as_ref();
    let missing = || StorageError::NoIdentity { directory: path.to_owned() };
    let (_held_while_reading, is_in_use) = borrow_lock(path)?;
    let disk = FileSystem::new(path);
    let (identity, incarnation) = directory::read_identity(&disk)?.ok_or_else(missing)?;
    let mut report = LogReport {
        identity,
        incarnation,
        is_in_use,
        format: super::layout::FORMAT,
        recovered: Recovered::default(),
        batches: Vec::new(),
        is_cut_short: false,
        illegible: Vec::new(),
    };
    if disk.names().attempt("list", path)?.iter().any(|name| name == format1::FILE) {
        (report.format, report.recovered) = (1, format1::read(&disk, incarnation)?);
        return Ok(report);
    }
    let recovery = recovery::recover(&disk, incarnation)?;
    report.batches = recovery.chain.iter().map(|link| logged(&recovery, link)).collect();
    report.is_cut_short = recovery.chain.last().map_or(0, |link| link.sequence) < recovery.highest;
    for segment in &recovery.segments {
        let places = segment.spoiled_sectors().chain(segment.spoiled_slots());
        report.illegible.extend(places.map(|offset| (segment.path.clone(), offset)));
    }
    report.recovered = recovery.recovered;
    Ok(report)
}

/// Takes the directory's lock if nobody has it; whether somebody has. It makes no file.
fn borrow_lock(directory: &Path) -> Result<(Option<File>, bool), StorageError> {
    let path = directory.join(LOCK_FILE);
    let file = match File::open(&path) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok((None, false)),
        opened => opened.attempt("open", &path)?,
    };
    match rustix::fs::flock(&file, FlockOperation::NonBlockingLockShared) {
        Err(rustix::io::Errno::WOULDBLOCK) => Ok((None, true)),
        locked => locked.attempt("lock", &path).map(|()| (Some(file), false)),
    }
}

fn logged(recovery: &Recovery, link: &Link) -> LoggedBatch {
    let segment = &recovery.segments[link.segment];
    let hard = link.batch.as_ref().map(|batch| batch.header.hard).or(link.slot.map(|slot| slot.effect.hard));
    LoggedBatch {
        number: link.sequence,
        file: segment.path.clone(),
        offset: segment.layout.offset(link.block),
        condition: condition(recovery, link),
        records: records(link),
        term: hard.map(|hard| hard.term),
        vote: hard.and_then(|hard| hard.vote),
    }
}

fn condition(recovery: &Recovery, link: &Link) -> Condition {
    let damage = recovery.damaged.iter().find(|damage| damage.slot.sequence == link.sequence);
    match damage {
        Some(damage) => {
            let (first, last) = (damage.slot.effect.first, damage.slot.effect.last);
            Condition::Damaged { first, last, is_acknowledged: damage.is_acknowledged }
        }
        None if link.batch.is_none() => Condition::Superseded,
        None if link.lacks_slot => Condition::SlotLost,
        None => Condition::Sound,
    }
}

/// The records of a batch, which were all read before.
fn records(link: &Link) -> Vec<LoggedRecord> {
    let mut bytes = link.batch.as_ref().map(|batch| batch.records.clone()).unwrap_or_default();
    let mut records = Vec::new();
    while let Ok(record) = record::decode_written(&mut bytes) {
        records.push(match record {
            Written::Record(record) => LoggedRecord::Protocol(record),
            Written::Base(base) => LoggedRecord::Base(base),
            Written::Start { base, last } => LoggedRecord::Start { base, last },
        });
    }
    records
}
