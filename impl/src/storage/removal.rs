//! The way out of segments whose entries were all compacted.
//!
//! Each one takes a flush of the directory, and a snapshot makes many superfluous at a time. So a thread removes them while
//! batches are written. Where equal runs must be equal the log does it itself, all at once.

use super::disk::Disk;
use super::error::{Attempt as _, StorageError};
use super::helper::{Helper, Running};
use super::layout;

/// Who removes segments, and what of that is under way.
#[derive(Debug)]
pub(super) struct Removal {
    helper: Helper,
    under_way: Option<Running<Result<(), StorageError>>>,
}

impl Removal {
    /// Nothing is being removed.
    pub(super) fn new(helper: Helper) -> Removal {
        Removal { helper, under_way: None }
    }

    /// Whether nothing is being removed. An error is that of a removal that has ended.
    pub(super) fn is_over(&mut self) -> Result<bool, StorageError> {
        match self.under_way.take() {
            Some(running) if running.is_over() => running.wait().map(|()| true),
            running => {
                self.under_way = running;
                Ok(self.under_way.is_none())
            }
        }
    }

    /// Removes segments, from the oldest on; the removal before must be over.
    pub(super) fn begin<D: Disk>(&mut self, disk: &D, numbers: Vec<u64>) -> Result<(), StorageError> {
        if numbers.is_empty() {
            return Ok(());
        }
        if let Helper::Thread = self.helper {
            let (disk, numbers) = (disk.clone(), numbers.clone());
            self.under_way = Running::start(move || remove(&disk, &numbers)).ok();
        }
        // Where the system has no thread for it, it is done all the same.
        if self.under_way.is_none() { remove(disk, &numbers) } else { Ok(()) }
    }
}

/// One after the other, so that no crash leaves a gap.
fn remove<D: Disk>(disk: &D, numbers: &[u64]) -> Result<(), StorageError> {
    for &number in numbers {
        let name = layout::file_name(number);
        disk.remove(&name).attempt("remove", &disk.path(&name))?;
        disk.sync().attempt("flush", &disk.path(""))?;
    }
    tracing::debug!(?numbers, "the log's compacted segments are removed");
    Ok(())
}
