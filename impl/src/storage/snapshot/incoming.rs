//! A snapshot that another server sends: its file grows part by part, through interruptions and
//! restarts of either side.
//!
//! The name of the file says what it is to become, so that a later attempt goes on with it and with
//! nothing else. How far it came is found by its checksums: nothing of it counts before all of it
//! was read back. One arrives at a time, and what was begun of another is removed then.

use std::io;
use std::path::PathBuf;
use std::sync::{MutexGuard, PoisonError};

use rafttree_model::Position;

use super::format::{
    Checker, Content, Damage, END_BYTES, HEADER_BYTES, MAX_PART_BYTES, MIN_PART_BYTES, Offer, arriving_name,
    arriving_position, header,
};
use super::reader::Snapshot;
use super::store::Snapshots;
use super::writer::FLUSH_BYTES;
use crate::storage::disk::{Disk, DiskFile, lacks_room};
use crate::storage::error::{Attempt, StorageError};

/// A snapshot that arrives. When it is dropped, what has arrived stays for a later attempt.
#[derive(Debug)]
pub(crate) struct Arrival<'a, D: Disk> {
    snapshots: &'a Snapshots<D>,
    offer: Offer,
    name: String,
    path: PathBuf,
    file: D::File,
    checker: Checker,
    flushed: u64,
    _alone: MutexGuard<'a, ()>,
}

/// Why a snapshot does not arrive.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ArrivalError {
    /// The sender says what no sender should.
    #[error("the sender of a snapshot {0}")]
    Nonsense(&'static str),
    /// What was sent is damaged, or what the disk keeps of it. It has to begin anew.
    #[error(transparent)]
    Damaged(#[from] Damage),
    #[error(transparent)]
    Disk(#[from] StorageError),
}

impl<D: Disk> Snapshots<D> {
    /// Takes an offer, and goes on where an earlier attempt at the same stopped. Nothing arrives if
    /// this or a later snapshot is there. Waits for another arrival to be dropped; `progress` is
    /// called while what is there already is read.
    pub(crate) fn receive(&self, offer: Offer, progress: impl FnMut()) -> Result<Option<Arrival<'_, D>>, ArrivalError> {
        if !is_possible(offer.bytes) {
            return Err(ArrivalError::Nonsense("offers a file of a length that none has"));
        }
        let _alone = self.arriving.lock().unwrap_or_else(PoisonError::into_inner);
        if self.newest().is_some_and(|newest| offer.last <= newest.last) {
            return Ok(None);
        }
        let name = arriving_name(offer);
        let is_other = |other: &&String| arriving_position(other).is_some() && **other != name;
        self.names()?.iter().filter(is_other).try_for_each(|other| self.remove(other))?;
        let path = self.disk.path(&name);
        let begun = self.begin(&name, offer, progress);
        let (file, checker) = begun.inspect_err(|_| drop(self.disk.remove(&name))).attempt("write", &path)?;
        let flushed = checker.offset();
        Ok(Some(Arrival { snapshots: self, offer, name, path, file, checker, flushed, _alone }))
    }

    /// The file that an earlier attempt has begun, or a new one; with room for all that is to come.
    fn begin(&self, name: &str, offer: Offer, progress: impl FnMut()) -> io::Result<(D::File, Checker)> {
        let header = header(self.owner, offer.last);
        let found = match self.disk.open(name) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            found => Some(found?),
        };
        let begun = match found {
            Some(file) if file.read_up_to(header.len(), 0)? == header => {
                file.write_all_at(&header, 0)?;
                let checker = arrived(&file, offer.last, progress)?;
                (file, checker)
            }
            _ => {
                let file = self.disk.create(name)?;
                file.write_all_at(&header, 0)?;
                (file, Checker::new(offer.last))
            }
        };
        begun.0.reserve(offer.bytes)?;
        Ok(begun)
    }
}

impl<D: Disk> Arrival<'_, D> {
    /// Where the parts begin that are still to come.
    pub(crate) fn offset(&self) -> u64 {
        self.checker.offset()
    }

    /// Adds parts that begin at this place of the file. What is damaged is never written, and all that
    /// has arrived goes with it.
    pub(crate) fn add(&mut self, offset: u64, bytes: &[u8]) -> Result<(), ArrivalError> {
        if offset != self.offset() {
            return Err(ArrivalError::Nonsense("sends another part than the next"));
        }
        if bytes.is_empty() || self.offer.bytes - offset < bytes.len() as u64 {
            return Err(ArrivalError::Nonsense("sends nothing, or more than it has offered"));
        }
        let added = self.check(bytes).and_then(|()| Ok(self.write(bytes, offset).attempt("write", &self.path)?));
        added.inspect_err(|error| self.forget_after(error))
    }

    /// Makes it durable, reads it back, and gives it its name; `progress` is called meanwhile.
    pub(crate) fn finish(self, progress: impl FnMut()) -> Result<Snapshot, ArrivalError> {
        if !self.checker.is_over() {
            return Err(ArrivalError::Nonsense("ends before the end of what it has offered"));
        }
        self.keep(progress).inspect_err(|error| self.forget_after(error))
    }

    fn check(&mut self, bytes: &[u8]) -> Result<(), ArrivalError> {
        let mut taken = 0;
        while taken < bytes.len() {
            let part = self.checker.take(&bytes[taken..])?.ok_or(ArrivalError::Nonsense("cuts a part in two"))?;
            taken += part.bytes.len();
            match part.content {
                Content::End(hash) if hash != self.offer.hash => {
                    return Err(Damage("it is not what was offered").into());
                }
                Content::End(_) if self.checker.offset() != self.offer.bytes => {
                    return Err(ArrivalError::Nonsense("has offered another length"));
                }
                _ => {}
            }
        }
        Ok(())
    }

    fn write(&mut self, bytes: &[u8], offset: u64) -> io::Result<()> {
        self.file.write_all_at(bytes, offset)?;
        if FLUSH_BYTES <= self.offset() - self.flushed {
            self.file.sync_data()?;
            self.flushed = self.offset();
        }
        Ok(())
    }

    fn keep(&self, progress: impl FnMut()) -> Result<Snapshot, ArrivalError> {
        self.file.sync_all().attempt("flush", &self.path)?;
        let kept = self.snapshots.keep(&self.name, self.offer.last, progress)?;
        Ok(kept.ok_or(Damage("what was written does not read back"))?)
    }

    /// After an error of the disk nobody knows what is on it: a later attempt begins anew. So it does
    /// with what is damaged. And what lacks room must not take that of the log.
    fn forget_after(&self, error: &ArrivalError) {
        if matches!(error, ArrivalError::Damaged(_) | ArrivalError::Disk(_)) {
            let _ = self.snapshots.disk.remove(&self.name);
        }
    }
}

impl ArrivalError {
    /// Whether the disk is full, and nothing of it broken.
    pub(crate) fn is_lack_of_room(&self) -> bool {
        matches!(self, ArrivalError::Disk(StorageError::Io { source, .. }) if lacks_room(source))
    }
}

/// How far a file has come: up to the first part that is not whole. What is found is written again: it may exist in the
/// operating system's memory alone, if a flush failed before the server ended.
fn arrived<F: DiskFile>(file: &F, last: Position, mut progress: impl FnMut()) -> io::Result<Checker> {
    let mut checker = Checker::new(last);
    while !checker.is_over() {
        let bytes = file.read_up_to(MAX_PART_BYTES, checker.offset())?;
        let offset = checker.offset();
        let Ok(Some(part)) = checker.take(&bytes) else { break };
        file.write_all_at(part.bytes, offset)?;
        progress();
    }
    Ok(checker)
}

/// Whether a file can have so many bytes.
fn is_possible(bytes: u64) -> bool {
    let parts = bytes.checked_sub((HEADER_BYTES + END_BYTES) as u64);
    let is_framed = |rest| rest == 0 || MIN_PART_BYTES as u64 <= rest;
    bytes < i64::MAX as u64 && parts.is_some_and(|parts| is_framed(parts % MAX_PART_BYTES as u64))
}
