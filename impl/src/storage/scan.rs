//! Reading a log back: which batches are good, and what a bad one means.
//!
//! One batch is in flight at most, so a good batch proves that every batch before it was durable
//! and may have been acknowledged. A bad batch that a good one follows is therefore damage, and
//! the log is refused. A bad one that nothing follows was cut short by a crash: it is left as it
//! is, and the next batch, further on, says that it continues before it.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::Path;

use crate::storage::batch::{self, BLOCK, Batch, Link};
use crate::storage::error::Attempt;
use crate::storage::{Incarnation, Recovered, StorageError, record};

/// A log that is being read.
pub(super) struct Scan<'a> {
    pub file: &'a File,
    pub path: &'a Path,
    pub owner: Incarnation,
    /// The file's length; nothing is read beyond it.
    pub length: u64,
    /// The place in the chain of the batch that is to be read next.
    pub next: Link,
}

/// Where the log is to be continued.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct End {
    /// The next batch's place in the chain.
    pub next: Link,
    /// Where the next batch goes: behind whatever a crash left.
    pub offset: u64,
}

impl Scan<'_> {
    /// Reads every good batch.
    pub(super) fn run(mut self) -> Result<(Recovered, End), StorageError> {
        let mut recovered = Recovered::default();
        while let Some((offset, batch)) = self.following()? {
            self.apply(&batch, offset, &mut recovered)?;
            self.next =
                Link { sequence: batch.link.sequence + 1, after: offset + batch.size, previous: batch.checksum };
        }
        let offset = self.end_of_remains()?;
        Ok((recovered, End { next: self.next, offset }))
    }

    /// The next batch of the chain, and where it is.
    fn following(&self) -> Result<Option<(u64, Batch)>, StorageError> {
        let mut offset = self.next.after;
        while offset < self.length {
            if let Some(batch) = self.batch_at(offset)? {
                let is_next = batch.link == self.next;
                return if is_next { Ok(Some((offset, batch))) } else { Err(self.corrupt("it does not read back")) };
            }
            offset += BLOCK as u64;
        }
        Ok(None)
    }

    /// The good batch that begins here, if one does.
    fn batch_at(&self, offset: u64) -> Result<Option<Batch>, StorageError> {
        let Some(first) = self.read(offset, BLOCK)? else { return Ok(None) };
        let Some(size) = batch::announced_size(&first) else { return Ok(None) };
        Ok(self.read(offset, size)?.and_then(|blocks| batch::decode(self.owner, blocks)))
    }

    fn apply(&self, batch: &Batch, offset: u64, recovered: &mut Recovered) -> Result<(), StorageError> {
        let mut records = batch.records.clone();
        while !records.is_empty() {
            let problem = StorageError::Corrupt {
                file: self.path.to_owned(),
                offset,
                batch: batch.link.sequence,
                problem: "it holds no known record",
            };
            recovered.apply(&record::decode(&mut records).ok_or(problem)?);
        }
        Ok(())
    }

    /// Where the bytes end that a crash may have left behind the last good batch.
    fn end_of_remains(&self) -> Result<u64, StorageError> {
        let mut end = self.next.after;
        let mut offset = end;
        while offset < self.length {
            let block = self.read(offset, BLOCK)?;
            offset += BLOCK as u64;
            if block.is_some_and(|block| block.iter().any(|&byte| byte != 0)) {
                end = offset;
            }
        }
        Ok(end)
    }

    /// Whole blocks of the file; `None` if it ends before them. What the last block lacks counts as
    /// zeros, since that is what it will hold once the file has grown.
    fn read(&self, offset: u64, size: usize) -> Result<Option<Vec<u8>>, StorageError> {
        if self.length.next_multiple_of(BLOCK as u64) < offset.saturating_add(size as u64) {
            return Ok(None);
        }
        let mut bytes = vec![0; size];
        let held = (self.length - offset).min(size as u64) as usize;
        self.file.read_exact_at(&mut bytes[..held], offset).attempt("read", self.path)?;
        Ok(Some(bytes))
    }

    fn corrupt(&self, problem: &'static str) -> StorageError {
        let Link { sequence, after, .. } = self.next;
        StorageError::Corrupt { file: self.path.to_owned(), offset: after, batch: sequence, problem }
    }
}
