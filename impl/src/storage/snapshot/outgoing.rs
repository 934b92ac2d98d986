//! A snapshot's file as it is sent to another server: whole parts, each checked as it is read.

use std::path::PathBuf;

use rafttree_model::Position;

use super::format::{Content, Damage, END_BYTES, HEADER_BYTES, MAX_PART_BYTES, Offer, part};
use super::store::Snapshots;
use crate::storage::disk::{Disk, DiskFile};
use crate::storage::error::{Attempt, StorageError};

/// Parts that are read, and sent, at a time: about 256 KiB.
const PARTS_AT_A_TIME: usize = 4;

/// A snapshot's file that is open to be sent. It stays readable when it is removed meanwhile.
#[derive(Debug)]
pub(crate) struct Outgoing<D: Disk> {
    pub(crate) offer: Offer,
    file: D::File,
    path: PathBuf,
}

/// Why a file does not go on.
#[derive(Debug, thiserror::Error)]
pub(crate) enum OutgoingError {
    #[error(transparent)]
    Damaged(#[from] Damage),
    #[error(transparent)]
    Disk(#[from] StorageError),
}

impl<D: Disk> Snapshots<D> {
    /// Opens the snapshot up to this entry to send it, if there is one.
    pub(crate) fn send(&self, last: Position) -> Result<Option<Outgoing<D>>, StorageError> {
        let Some(snapshot) = self.all().into_iter().find(|snapshot| snapshot.last == last) else { return Ok(None) };
        let offer = Offer { last, bytes: snapshot.file_bytes, hash: snapshot.hash };
        Ok(Some(Outgoing { offer, file: self.open_file(last)?, path: self.path_of(last) }))
    }
}

impl<D: Disk> Outgoing<D> {
    /// Whether a part begins there, or the file ends.
    pub(crate) fn may_begin_at(&self, offset: u64) -> bool {
        let Some(behind) = offset.checked_sub(HEADER_BYTES as u64) else { return false };
        let Offer { bytes, .. } = self.offer;
        // The end follows a chunk that may be short.
        let is_end = [bytes - END_BYTES as u64, bytes].contains(&offset);
        is_end || behind.is_multiple_of(MAX_PART_BYTES as u64) && offset < bytes
    }

    /// The next parts from there on; nothing at the end of the file.
    pub(crate) fn read(&self, offset: u64) -> Result<Vec<u8>, OutgoingError> {
        let mut bytes = self.file.read_up_to(PARTS_AT_A_TIME * MAX_PART_BYTES, offset).attempt("read", &self.path)?;
        let mut whole = 0;
        while let Some(part) = part(&bytes[whole..], offset + whole as u64)? {
            if let Content::End(hash) = part.content
                && hash != self.offer.hash
            {
                return Err(Damage("its end is not what it was").into());
            }
            whole += part.bytes.len();
        }
        if whole == 0 && offset < self.offer.bytes {
            return Err(Damage("it lacks its end").into());
        }
        bytes.truncate(whole);
        Ok(bytes)
    }
}
