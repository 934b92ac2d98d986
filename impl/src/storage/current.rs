//! A segment that batches are written to.

use std::path::PathBuf;

use super::batch::{self, Header};
use super::disk::{DiskFile, lacks_room};
use super::error::{Attempt, StorageError};
use super::layout::{BLOCK_BYTES, Layout, Seal};
use super::slot::{Effect, Slot};

/// A segment to write to.
#[derive(Debug)]
pub(super) struct Current<F> {
    pub(super) number: u64,
    pub(super) layout: Layout,
    pub(super) seal: Seal,
    pub(super) file: F,
    pub(super) path: PathBuf,
    /// The block at which the next batch begins.
    pub(super) block: u16,
    /// Whether a batch stands in it that counts.
    pub(super) is_begun: bool,
    /// The highest index of an entry that it holds.
    pub(super) highest: u64,
}

impl<F: DiskFile> Current<F> {
    /// How many blocks are left.
    pub(super) fn left(&self) -> u16 {
        self.layout.blocks - self.block
    }

    /// Writes a batch, which must fit, and its slot; its checksum.
    pub(super) fn append(&mut self, header: Header, records: &[u8], effect: Effect) -> Result<u32, StorageError> {
        let offset = self.layout.offset(self.block);
        let (blocks, checksum) = batch::encode(&self.seal, offset, header, records);
        let Header { sequence, void, .. } = header;
        let slot = Slot { sequence, void, block: self.block, length: records.len() as u32, checksum, effect };
        let (place, slot) = slot_bytes(&self.seal, self.layout, &slot);
        for (bytes, offset) in [(&blocks, offset), (&slot, place)] {
            match self.file.write_all_at(bytes, offset) {
                // A file system that writes nothing in place needs room for what was made ahead as well.
                Err(source) if lacks_room(&source) => {
                    let left = u64::from(self.left()) * BLOCK_BYTES as u64;
                    return Err(StorageError::NoRoom { file: self.path.clone(), left, source });
                }
                written => written.attempt("write", &self.path)?,
            }
        }
        self.file.sync_data().attempt("flush", &self.path)?;
        self.block += (blocks.len() / BLOCK_BYTES) as u16;
        self.is_begun = true;
        if 0 < effect.count {
            self.highest = self.highest.max(highest_of(&effect));
        }
        Ok(checksum)
    }
}

/// The highest index of an entry that the batch brings.
pub(super) fn highest_of(effect: &Effect) -> u64 {
    effect.last.index.number()
}

/// The slot, and where it stands.
pub(super) fn slot_bytes(seal: &Seal, layout: Layout, slot: &Slot) -> (u64, Vec<u8>) {
    let offset = layout.slot_offset(slot.block, slot.sequence);
    (offset, slot.encode(seal, offset))
}
