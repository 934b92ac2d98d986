//! Blocks of encoded states in a file, which come back in the order in which they went there.
//!
//! The file has no name, so it is gone with the process, however that ends. A block that does not come
//! back as it went there is an error: a search that has lost states knows nothing.

use std::collections::VecDeque;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};

/// Blocks of encoded states in a file.
#[derive(Default)]
pub(super) struct Spill {
    /// Made when it is first needed.
    file: Option<File>,
    slips: VecDeque<Slip>,
    /// Where the first block begins that is still to be taken, and where the last one ends.
    start: u64,
    end: u64,
    states: u64,
}

/// What is remembered of a block.
#[derive(Clone, Copy)]
struct Slip {
    states: u32,
    bytes: u32,
    checksum: u32,
}

impl Spill {
    /// States of all blocks.
    pub(super) fn states(&self) -> u64 {
        self.states
    }

    pub(super) fn blocks(&self) -> usize {
        self.slips.len()
    }

    /// Length of the file, which gives nothing back before all is taken.
    pub(super) fn bytes(&self) -> u64 {
        self.end
    }

    /// Appends a block; if that fails, all is as it was.
    pub(super) fn put(&mut self, directory: &Path, states: usize, bytes: &[u8]) -> io::Result<()> {
        let mut file = match &self.file {
            Some(file) => file,
            None => self.file.insert(nameless(directory)?),
        };
        file.seek(SeekFrom::Start(self.end))?;
        file.write_all(bytes)?;
        let [states, length] = [states, bytes.len()].map(|count| u32::try_from(count).expect("a block is small"));
        self.slips.push_back(Slip { states, bytes: length, checksum: crc32fast::hash(bytes) });
        self.end += u64::from(length);
        self.states += u64::from(states);
        Ok(())
    }

    /// Takes the first block: how many states it has, and its bytes. If it cannot be read, it stays.
    pub(super) fn take(&mut self) -> io::Result<Option<(usize, Vec<u8>)>> {
        let Some(slip) = self.slips.front().copied() else { return Ok(None) };
        let bytes = self.read(self.start, slip)?;
        self.slips.pop_front();
        self.start += u64::from(slip.bytes);
        self.states -= u64::from(slip.states);
        if self.slips.is_empty() {
            self.empty()?;
        }
        Ok(Some((slip.states as usize, bytes)))
    }

    /// The blocks as `take` would give them, without taking them.
    pub(super) fn iter(&self) -> impl Iterator<Item = io::Result<(usize, Vec<u8>)>> {
        let mut place = self.start;
        self.slips.iter().map(move |slip| {
            let bytes = self.read(place, *slip)?;
            place += u64::from(slip.bytes);
            Ok((slip.states as usize, bytes))
        })
    }

    fn read(&self, place: u64, slip: Slip) -> io::Result<Vec<u8>> {
        let mut file = self.file.as_ref().expect("a block was written to it");
        let mut bytes = vec![0; slip.bytes as usize];
        file.seek(SeekFrom::Start(place))?;
        file.read_exact(&mut bytes)?;
        if crc32fast::hash(&bytes) == slip.checksum {
            Ok(bytes)
        } else {
            Err(io::Error::new(io::ErrorKind::InvalidData, "a block has changed there"))
        }
    }

    /// Changes the last byte.
    #[cfg(test)]
    pub(super) fn flip(&mut self) {
        let mut file = self.file.as_ref().expect("there is a file");
        let mut byte = [0];
        file.seek(SeekFrom::Start(self.end - 1)).and_then(|_| file.read_exact(&mut byte)).expect("it can be read");
        file.seek(SeekFrom::Start(self.end - 1)).and_then(|_| file.write_all(&[!byte[0]])).expect("it can be written");
    }

    /// Takes the last byte away.
    #[cfg(test)]
    pub(super) fn cut(&mut self) {
        self.file.as_ref().expect("there is a file").set_len(self.end - 1).expect("it can be cut");
    }

    /// Gives the room on disk back.
    fn empty(&mut self) -> io::Result<()> {
        (self.start, self.end) = (0, 0);
        self.file.as_ref().map_or(Ok(()), |file| file.set_len(0))
    }
}

/// A new file, to which nothing leads but what is returned.
fn nameless(directory: &Path) -> io::Result<File> {
    static FILES: AtomicU64 = AtomicU64::new(0);
    fs::create_dir_all(directory)?;
    let number = FILES.fetch_add(1, Ordering::Relaxed);
    let path = directory.join(format!("frontier-{}-{number}", std::process::id()));
    let file = OpenOptions::new().read(true).write(true).create_new(true).open(&path)?;
    fs::remove_file(&path)?;
    Ok(file)
}
