//! The log alone: appends a second by the size of a batch, beside a file into which as many bytes are written and flushed.

use std::fs::{self, File};
use std::os::unix::fs::FileExt as _;
use std::path::Path;
use std::time::{Duration, Instant};

use bytes::Bytes;
use rafttree::model::{Entry, Index, Payload, Position, Record, Term};
use rafttree::storage::{FileStorage, Storage as _};
use rafttree::{ClusterId, Identity};
use rafttree_benches::load::{Failed, VALUE_BYTES};

/// Entries of a batch.
const BATCHES: [u64; 4] = [1, 8, 64, 256];

/// The log and the file take turns of this length, so that whatever else the disk does meets both.
const TURN: Duration = Duration::from_millis(500);

const TURNS: u32 = 6;

/// The file is as long as a segment of the log, and written from its beginning again, as the disk has it already.
const FILE_BYTES: u64 = 4 << 20;

/// Of which a flush writes whole ones.
const BLOCK_BYTES: usize = 4096;

/// What was done in all turns together.
#[derive(Default)]
struct Done {
    batches: u64,
    time: Duration,
}

/// A log that grows.
struct Log {
    storage: FileStorage,
    last: u64,
}

/// A file that was written once, as long as it is.
struct Raw {
    file: File,
    offset: u64,
}

/// Prints the table.
pub(super) fn measure() -> Result<(), Failed> {
    let root = std::env::temp_dir().join(format!("rafttree-appends-{}", std::process::id()));
    let measured = BATCHES.iter().try_for_each(|&entries| row(&root, entries));
    let _ = fs::remove_dir_all(&root);
    measured
}

fn row(root: &Path, entries: u64) -> Result<(), Failed> {
    if entries == BATCHES[0] {
        println!(
            "Entries of {VALUE_BYTES} bytes appended to a log, and as many bytes to a file; each batch is flushed."
        );
        println!("a batch   entries/s   batches/s  flushes a batch   of the file's batches/s");
    }
    let directory = root.join(entries.to_string());
    let (mut log, mut raw) = (Log::create(&directory)?, Raw::create(&root.join("raw"))?);
    let (mut ours, mut theirs) = (Done::default(), Done::default());
    let bytes = (entries as usize * VALUE_BYTES).next_multiple_of(BLOCK_BYTES);
    for _ in 0..TURNS {
        ours.take_turn(|| log.append(entries))?;
        theirs.take_turn(|| raw.append(bytes))?;
    }
    // Each segment but the first, which was there before, is flushed, and so is its name.
    let segments = segments(&directory)? - 1;
    println!(
        "{entries:>7} {:>11.0} {:>11.0} {:>16.3} {:>26.2}",
        ours.rate() * entries as f64,
        ours.rate(),
        1.0 + 2.0 * segments as f64 / ours.batches as f64,
        ours.rate() / theirs.rate(),
    );
    Ok(())
}

impl Done {
    fn take_turn(&mut self, mut append: impl FnMut() -> Result<(), Failed>) -> Result<(), Failed> {
        let began = Instant::now();
        while began.elapsed() < TURN {
            append()?;
            self.batches += 1;
        }
        self.time += began.elapsed();
        Ok(())
    }

    fn rate(&self) -> f64 {
        self.batches as f64 / self.time.as_secs_f64()
    }
}

impl Log {
    fn create(directory: &Path) -> Result<Log, Failed> {
        rafttree::init(directory, Identity { cluster: ClusterId::random(), id: 1.into() })?;
        let mut storage = FileStorage::open(directory)?;
        storage.load()?;
        storage.write(&[Record::Term(Term::new(1))])?;
        Ok(Log { storage, last: 0 })
    }

    /// A batch as a server writes it, and what it does behind it.
    fn append(&mut self, entries: u64) -> Result<(), Failed> {
        let value = Bytes::from_static(&[0x5a; VALUE_BYTES]);
        let entry = |index| {
            let position = Position { term: Term::new(1), index: Index::new(index) };
            Record::Append(Entry { position, payload: Payload::Command(value.clone()) })
        };
        let batch: Vec<_> = (self.last + 1..=self.last + entries).map(entry).collect();
        self.last += entries;
        self.storage.write(&batch)?;
        self.storage.prepare()?;
        Ok(())
    }
}

impl Raw {
    fn create(path: &Path) -> Result<Raw, Failed> {
        let file = File::create(path)?;
        file.write_all_at(&vec![0; FILE_BYTES as usize], 0)?;
        file.sync_all()?;
        Ok(Raw { file, offset: 0 })
    }

    fn append(&mut self, bytes: usize) -> Result<(), Failed> {
        if FILE_BYTES < self.offset + bytes as u64 {
            self.offset = 0;
        }
        self.file.write_all_at(&vec![0x5a; bytes], self.offset)?;
        self.file.sync_data()?;
        self.offset += bytes as u64;
        Ok(())
    }
}

/// How many segments the log has, of which none is removed here.
fn segments(directory: &Path) -> Result<u64, Failed> {
    let mut count = 0;
    for file in fs::read_dir(directory)? {
        count += u64::from(file?.file_name().to_string_lossy().starts_with("log-"));
    }
    Ok(count)
}
