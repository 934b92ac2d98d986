//! Reading a log back: which batches are good, and what a bad one means.
//!
//! One batch is in flight at most, so whatever proves that another one follows a bad batch proves
//! that the bad one was durable and may have been acknowledged: it is damaged, and the log is
//! refused. A bad batch that nothing follows was cut short by a crash. It was left as it is, and an
//! empty batch behind it, flushed before anything else is written, settles that it does not count.
//! So no more than one batch is ever unsettled, and these prove that another one follows it:
//!
//! - a good batch,
//! - the legible header of a batch with a later number, in any block,
//! - anything but zeros beyond where the unsettled batch ends by its own header.
//!
//! A crash leaves none of them, whichever blocks of its batch the disk has kept. What cannot be told
//! from a crash, and is dropped: damage to the very last batch; damage to more of the last batches
//! that spares no header behind the first of them, and either the first one's header as well or
//! nothing behind where it ends, as where the disk returns zeros or the file lost its end. A block
//! within an entry that looks like a later header of this very log would refuse a log without need.

use std::path::Path;

use bytes::Bytes;
use rafttree_model::{Log, Record, Slice};

use super::batch::{self, BLOCK_BYTES, Batch, ChainLink, Header};
use crate::storage::disk::DiskFile;
use crate::storage::error::{Attempt, StorageError};
use crate::storage::identity::Incarnation;
use crate::storage::interface::Recovered;
use crate::storage::record;

/// A log that is being read.
pub(super) struct Scan<'a, F> {
    pub file: &'a F,
    pub path: &'a Path,
    pub owner: Incarnation,
    /// The file's length; nothing is read beyond it.
    pub length: u64,
    /// The place in the chain of the batch that is to be read next.
    pub next: ChainLink,
}

/// Where the log is to be continued.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct LogEnd {
    /// The next batch's place in the chain.
    pub next: ChainLink,
    /// Where the next batch goes: behind whatever a crash left.
    pub offset: u64,
}

impl<F: DiskFile> Scan<'_, F> {
    /// Reads every good batch.
    pub(super) fn run(mut self) -> Result<(Recovered, LogEnd), StorageError> {
        let mut recovered = Recovered::default();
        while let Some((offset, batch)) = self.following()? {
            self.apply(&batch, offset, &mut recovered)?;
            self.next =
                ChainLink { sequence: batch.link.sequence + 1, after: offset + batch.size, previous: batch.checksum };
        }
        let offset = self.judge_remains()?;
        Ok((recovered, LogEnd { next: self.next, offset }))
    }

    /// The next batch of the chain, and where it is.
    fn following(&self) -> Result<Option<(u64, Batch)>, StorageError> {
        let mut offset = self.next.after;
        while offset < self.length {
            if let Some(batch) = self.batch_at(offset)? {
                let is_next = batch.link == self.next;
                return if is_next { Ok(Some((offset, batch))) } else { Err(self.corrupt("it does not read back")) };
            }
            offset += BLOCK_BYTES as u64;
        }
        Ok(None)
    }

    /// The good batch that begins here, if one does.
    fn batch_at(&self, offset: u64) -> Result<Option<Batch>, StorageError> {
        let Some(first) = self.read(offset, BLOCK_BYTES)? else { return Ok(None) };
        let Some(Header { size, .. }) = batch::announced(&first) else { return Ok(None) };
        Ok(self.read(offset, size)?.and_then(|blocks| batch::decode(self.owner, blocks)))
    }

    fn apply(&self, batch: &Batch, offset: u64, recovered: &mut Recovered) -> Result<(), StorageError> {
        let mut records = batch.records.clone();
        while !records.is_empty() {
            let wrong = |problem| {
                let (file, batch) = (self.path.to_owned(), batch.link.sequence);
                StorageError::Corrupt { file, offset, batch, problem }
            };
            let record = record::decode(&mut records).ok_or_else(|| wrong("it holds no known record"))?;
            if !may_follow(recovered.durable.log(), &record) {
                return Err(wrong("it does not follow those before"));
            }
            recovered.apply(&record);
        }
        Ok(())
    }

    /// Where the bytes end that a crash may have left behind the last good batch; refused if they
    /// are more than that.
    fn judge_remains(&self) -> Result<u64, StorageError> {
        let (mut end, mut announced_end) = (self.next.after, None);
        for offset in (end..self.length).step_by(BLOCK_BYTES) {
            let block = self.read(offset, BLOCK_BYTES)?.unwrap_or_default();
            if block.iter().all(|&byte| byte == 0) {
                continue;
            }
            end = offset + BLOCK_BYTES as u64;
            if announced_end.is_some_and(|announced| announced <= offset) {
                return Err(self.corrupt("bytes stand beyond its end"));
            }
            match batch::announced(&block) {
                Some(header) if self.is_later(header.link, offset) => {
                    return Err(self.corrupt("a later one was begun"));
                }
                // Earlier versions settled nothing, so several may have been cut short one behind the other.
                Some(header) if offset == self.next.after || header.link == self.next => {
                    announced_end = Some(offset + header.size as u64);
                }
                _ => {}
            }
        }
        Ok(end)
    }

    /// Whether a header at this place may be one of a batch that follows the expected one. Each
    /// takes at least a block, and begins no earlier than where the one before it ended.
    fn is_later(&self, link: ChainLink, offset: u64) -> bool {
        let places = (offset - self.next.after) / BLOCK_BYTES as u64;
        let is_number_possible =
            link.sequence.checked_sub(self.next.sequence).is_some_and(|more| (1..=places).contains(&more));
        is_number_possible && self.next.after < link.after && link.after <= offset
    }

    /// Whole blocks of the file; `None` if it ends before them. What the last block lacks counts as
    /// zeros, since that is what it will hold once the file has grown.
    fn read(&self, offset: u64, size: usize) -> Result<Option<Vec<u8>>, StorageError> {
        if self.length.next_multiple_of(BLOCK_BYTES as u64) < offset.saturating_add(size as u64) {
            return Ok(None);
        }
        let held = (self.length - offset).min(size as u64) as usize;
        let mut bytes = self.file.read_up_to(held, offset).attempt("read", self.path)?;
        bytes.resize(size, 0);
        Ok(Some(bytes))
    }

    fn corrupt(&self, problem: &'static str) -> StorageError {
        let ChainLink { sequence, after, .. } = self.next;
        StorageError::Corrupt { file: self.path.to_owned(), offset: after, batch: sequence, problem }
    }
}

/// Whether a server with this log could have written the record: a log that contradicts itself would end the program
/// where it is put together.
fn may_follow(log: &Log, record: &Record<Bytes>) -> bool {
    match record {
        Record::Append(entry) => Slice::new(log.last(), vec![entry.clone()]).is_some(),
        Record::Truncate { keep: known } | Record::Compact { through: known } => log.position_at(*known).is_some(),
        Record::Term(_) | Record::Vote(_) | Record::Restore { .. } | Record::Repair(_) => true,
    }
}
