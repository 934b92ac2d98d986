//! A log of format 1, brought to the present one when it is opened.
//!
//! It happens by itself, since a service that links the library has no command line at hand, and it
//! is not taken back: the former file must not be found by a version that would go on with it, and
//! so forget votes. As long as it is there it alone counts, and the conversion may be cut short at
//! any point and begun again. It is removed once the new log is durable and reads back the same.

use super::disk::Disk;
use super::error::{Attempt, StorageError};
use super::format1;
use super::identity::Incarnation;
use super::layout::{self, Layout};
use super::log::SegmentedLog;
use super::recovery;

/// Converts a log of format 1, if there is one.
pub(super) fn convert<D: Disk>(disk: &D, owner: Incarnation, usual: Layout) -> Result<(), StorageError> {
    let names = disk.names().attempt("list", &disk.path(""))?;
    if !names.iter().any(|name| name == format1::FILE) {
        return Ok(());
    }
    let former = format1::read(disk, owner)?;
    if recovery::segment_numbers(disk)?.is_empty() {
        SegmentedLog::create_with(disk, owner, usual, &former)?;
    } else {
        // The process may have ended between giving the copy its name and flushing that: a loss of power could
        // then keep the removal and lose the name.
        disk.sync().attempt("flush", &disk.path(""))?;
    }
    let path = disk.path(format1::FILE);
    let copy = recovery::recover(disk, owner)?;
    copy.check()?;
    if copy.recovered != former {
        let problem =
            "it is of format 1, and differs from the newer log beside it: move away the one that was not used last";
        return Err(StorageError::Foreign { file: path, problem });
    }
    disk.remove(format1::FILE).attempt("remove", &path)?;
    disk.sync().attempt("flush", &disk.path(""))?;
    tracing::info!("{} was converted to format {}", path.display(), layout::FORMAT);
    Ok(())
}

#[cfg(test)]
mod tests;
