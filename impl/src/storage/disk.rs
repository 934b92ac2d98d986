//! The seam to the disk, at the level of bytes: the files of one directory, what is written to them,
//! and what is flushed.
//!
//! The log and the snapshots are written against it alone, so the very code that runs on a file
//! system runs over a simulated disk as well, with crashes, torn writes, errors and bit rot.

use std::fmt;
use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

/// Nobody but the server's own user reads a file of its directory.
const PRIVATE_MODE: u32 = 0o600;

/// One directory, and every clone the same one. What is created, renamed or removed in it is durable only after
/// [`sync`](Disk::sync).
pub(crate) trait Disk: Clone + fmt::Debug + Send + 'static {
    /// A file that is open.
    type File: DiskFile;

    /// The path of a file, for what is said to people.
    fn path(&self, name: &str) -> PathBuf;

    /// The names of all files.
    fn names(&self) -> io::Result<Vec<String>>;

    /// Opens a file that is there, to read and write it.
    fn open(&self, name: &str) -> io::Result<Self::File>;

    /// Opens a file that is there, only to read it.
    fn open_to_read(&self, name: &str) -> io::Result<Self::File>;

    /// Makes an empty file, in place of one of this name.
    fn create(&self, name: &str) -> io::Result<Self::File>;

    /// Gives a file another name, in place of one of that name. A crash leaves the one or the other.
    fn rename(&self, from: &str, to: &str) -> io::Result<()>;

    /// Removes a file.
    fn remove(&self, name: &str) -> io::Result<()>;

    /// Tries to make durable which files are there.
    fn try_sync(&self) -> io::Result<()>;

    /// What has become of that so far, for all that use the directory.
    fn syncs(&self) -> &Syncs;

    /// Makes durable which files are there; for good, this fails once it has failed for anybody.
    fn sync(&self) -> io::Result<()> {
        self.syncs().attempt(|| self.try_sync())
    }
}

/// The flushes of a directory, whoever asks for them. After one that failed nobody knows which names the disk has, and a
/// later one succeeds without writing those that were to be flushed then (Rebello et al., ATC'20): another thread's as well,
/// since the system tells of an error once. So none is believed any more until the server is started again.
#[derive(Clone, Debug, Default)]
pub(crate) struct Syncs {
    has_failed: Arc<AtomicBool>,
    /// Held by the one that flushes: another could else begin after an error was told and before it is known here.
    flushing: Arc<Mutex<()>>,
}

impl Syncs {
    /// Fails if a flush of the directory has failed.
    pub(crate) fn check(&self) -> io::Result<()> {
        if self.has_failed.load(Ordering::Acquire) {
            return Err(io::Error::other(
                "an earlier flush of it has failed; restart the server once the disk is sound",
            ));
        }
        Ok(())
    }

    fn attempt(&self, sync: impl FnOnce() -> io::Result<()>) -> io::Result<()> {
        let _alone = self.flushing.lock().unwrap_or_else(PoisonError::into_inner);
        self.check()?;
        sync().inspect_err(|_| self.has_failed.store(true, Ordering::Release))
    }
}

/// A file that is open.
pub(crate) trait DiskFile: fmt::Debug + Send + 'static {
    /// Its length.
    fn len(&self) -> io::Result<u64>;

    /// Reads bytes, fewer than there is room for only at its end.
    fn read_at(&self, bytes: &mut [u8], offset: u64) -> io::Result<usize>;

    /// Writes bytes, or the first of them; how many.
    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<usize>;

    /// Makes durable what was written.
    fn sync_data(&self) -> io::Result<()>;

    /// Makes durable what was written, and its length.
    fn sync_all(&self) -> io::Result<()>;

    /// Fails at once if the disk has no room for so many bytes, as far as that can be known.
    fn reserve(&self, bytes: u64) -> io::Result<()>;

    /// Makes the next reads come from the disk: after a flush that failed, or none, the operating
    /// system may still hold bytes that the disk lacks (Rebello et al., ATC'20).
    fn forget_cached(&self) -> io::Result<()>;

    /// Writes all of these bytes.
    fn write_all_at(&self, mut bytes: &[u8], mut offset: u64) -> io::Result<()> {
        while !bytes.is_empty() {
            let written = match self.write_at(bytes, offset) {
                Ok(0) => return Err(ErrorKind::WriteZero.into()),
                Err(error) if error.kind() == ErrorKind::Interrupted => 0,
                written => written?,
            };
            bytes = &bytes[written..];
            offset += written as u64;
        }
        Ok(())
    }

    /// As many bytes from there on as the file has, but not more than so many.
    fn read_up_to(&self, most: usize, offset: u64) -> io::Result<Vec<u8>> {
        let mut bytes = vec![0; most];
        let mut held = 0;
        while held < most {
            match self.read_at(&mut bytes[held..], offset + held as u64) {
                Ok(0) => break,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                more => held += more?,
            }
        }
        bytes.truncate(held);
        Ok(bytes)
    }
}

/// Whether the disk, a quota or a limit of a file's size is the reason: nothing of it is broken.
pub(crate) fn lacks_room(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::StorageFull | ErrorKind::QuotaExceeded | ErrorKind::FileTooLarge)
}

/// A directory of the file system, and every clone the same one.
#[derive(Clone, Debug)]
pub(crate) struct FileSystem {
    directory: PathBuf,
    syncs: Syncs,
}

impl FileSystem {
    /// The directory at this path.
    pub(crate) fn new(directory: &Path) -> FileSystem {
        FileSystem { directory: directory.to_owned(), syncs: Syncs::default() }
    }
}

impl Disk for FileSystem {
    type File = File;

    fn path(&self, name: &str) -> PathBuf {
        self.directory.join(name)
    }

    fn names(&self) -> io::Result<Vec<String>> {
        // What is no text is none of ours.
        let names = fs::read_dir(&self.directory)?.map(|entry| Ok(entry?.file_name().into_string().ok()));
        names.filter_map(Result::transpose).collect()
    }

    fn open(&self, name: &str) -> io::Result<File> {
        OpenOptions::new().read(true).write(true).open(self.path(name))
    }

    fn open_to_read(&self, name: &str) -> io::Result<File> {
        File::open(self.path(name))
    }

    fn create(&self, name: &str) -> io::Result<File> {
        // What is there already may be readable to others.
        match fs::remove_file(self.path(name)) {
            Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        OpenOptions::new().create_new(true).read(true).write(true).mode(PRIVATE_MODE).open(self.path(name))
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        fs::rename(self.path(from), self.path(to))
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        fs::remove_file(self.path(name))
    }

    fn try_sync(&self) -> io::Result<()> {
        File::open(&self.directory)?.sync_all()
    }

    fn syncs(&self) -> &Syncs {
        &self.syncs
    }
}

impl DiskFile for File {
    fn len(&self) -> io::Result<u64> {
        Ok(self.metadata()?.len())
    }

    fn read_at(&self, bytes: &mut [u8], offset: u64) -> io::Result<usize> {
        std::os::unix::fs::FileExt::read_at(self, bytes, offset)
    }

    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<usize> {
        std::os::unix::fs::FileExt::write_at(self, bytes, offset)
    }

    fn sync_data(&self) -> io::Result<()> {
        File::sync_data(self)
    }

    fn sync_all(&self) -> io::Result<()> {
        File::sync_all(self)
    }

    fn reserve(&self, bytes: u64) -> io::Result<()> {
        #[cfg(target_os = "linux")]
        match rustix::fs::fallocate(self, rustix::fs::FallocateFlags::empty(), 0, bytes) {
            // Where room cannot be reserved the write says whether there is some.
            Err(rustix::io::Errno::OPNOTSUPP | rustix::io::Errno::NOSYS | rustix::io::Errno::INVAL) => {}
            other => other?,
        }
        let _ = bytes;
        Ok(())
    }

    /// To drop them is advice that Linux follows for pages that are clean.
    fn forget_cached(&self) -> io::Result<()> {
        File::sync_all(self)?;
        #[cfg(target_os = "linux")]
        rustix::fs::fadvise(self, 0, None, rustix::fs::Advice::DontNeed)?;
        Ok(())
    }
}
