//! A disk in memory that does what disks do at their worst.
//!
//! A sector of 512 bytes is written as a whole or not at all. What was written and not flushed is kept
//! by a crash or not, each sector by itself, and so is each change of a directory that was not
//! flushed. A call can fail, write a part, or find no room; a flush, of the directory as well, can fail and forget what it
//! was to write (Rebello et al., ATC'20), or say that it has written what it has not.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, ErrorKind};
use std::ops::Range;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::content::Content;
use super::sectors::Sectors;
use crate::storage::disk::{Disk, DiskFile, Syncs};

const SECTOR: usize = 512;

/// A disk, and every clone of it the same one.
#[derive(Clone, Debug, Default)]
pub(crate) struct SimulatedDisk {
    state: Arc<Mutex<State>>,
    syncs: Syncs,
    #[cfg(test)]
    held: Arc<Mutex<()>>,
}

/// A file of it that is open.
#[derive(Clone, Debug)]
pub(crate) struct SimulatedFile {
    state: Arc<Mutex<State>>,
    inode: usize,
    /// Held as long as the file is open.
    _open: Arc<()>,
    #[cfg(test)]
    held: Arc<Mutex<()>>,
}

/// What goes wrong at a call.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Fault {
    /// The process ends with this call; nothing is done any more.
    Crash,
    /// It fails, and half of what it was to write is written.
    Error,
    /// It writes half, and says so.
    Short,
    /// There is no room.
    NoRoom,
}

#[derive(Clone, Debug, Default)]
struct State {
    inodes: Vec<Inode>,
    names: BTreeMap<String, usize>,
    durable_names: BTreeMap<String, usize>,
    /// Changes of the directory that were not flushed.
    changes: Vec<Change>,
    /// Changes before those that a failed flush has forgotten: no later one makes them durable.
    forgotten: Vec<Change>,
    calls: u64,
    /// The calls that wrote, flushed, or changed the directory.
    changing: Vec<u64>,
    planned: BTreeMap<u64, Fault>,
    #[cfg(test)]
    next_sync_fails: bool,
    is_dead: bool,
    flushes: u64,
    flushes_lie: bool,
    is_full: bool,
    has_failed: bool,
    keeps_cached: bool,
}

#[derive(Clone, Debug, Default)]
struct Inode {
    /// What reads find.
    current: Content,
    /// What the disk has.
    durable: Content,
    /// The sectors that were written and not flushed.
    dirty: Sectors,
    /// Held by all that have it open.
    open: Arc<()>,
}

#[derive(Clone, Debug)]
struct Change {
    removed: Option<String>,
    added: Option<(String, usize)>,
}

impl SimulatedDisk {
    /// Something goes wrong at the call of this number; the first is 0.
    pub(crate) fn plan(&self, call: u64, fault: Fault) {
        self.state().planned.insert(call, fault);
    }

    /// The next flush of the directory fails.
    #[cfg(test)]
    pub(crate) fn fail_next_sync(&self) {
        self.state().next_sync_fails = true;
    }

    /// As long as this is held, no flush of the directory, or of a file with its length, comes to an end.
    #[cfg(test)]
    pub(crate) fn hold(&self) -> MutexGuard<'_, ()> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Bytes of all files, of those without a name as well.
    #[cfg(test)]
    pub(super) fn held_bytes(&self) -> usize {
        self.state().inodes.iter().map(|inode| inode.current.len()).sum()
    }

    /// How many calls were made.
    pub(crate) fn calls(&self) -> u64 {
        self.state().calls
    }

    /// The numbers of the calls that wrote, flushed, or changed the directory: what a crash leaves differs by
    /// them alone.
    pub(crate) fn changing_calls(&self) -> Vec<u64> {
        self.state().changing.clone()
    }

    /// How many flushes of files were made.
    pub(crate) fn flushes(&self) -> u64 {
        self.state().flushes
    }

    /// Flushes do nothing from now on, and say that they have.
    pub(crate) fn lie(&self) {
        self.state().flushes_lie = true;
    }

    /// Whether there is no room for anything new from now on.
    pub(crate) fn set_full(&self, is_full: bool) {
        self.state().is_full = is_full;
    }

    /// Flushes work again, and there is room.
    pub(crate) fn heal(&self) {
        let mut state = self.state();
        (state.flushes_lie, state.is_full) = (false, false);
        state.planned.clear();
    }

    /// Whether flushes do nothing.
    pub(crate) fn lies(&self) -> bool {
        self.state().flushes_lie
    }

    /// Whether a call has failed as planned, since the process was started.
    pub(crate) fn has_failed(&self) -> bool {
        self.state().has_failed
    }

    /// Whether a crash that was planned has come.
    pub(crate) fn is_dead(&self) -> bool {
        self.state().is_dead
    }

    /// Flips a bit of a file, if it is so long: the disk has it so from now on.
    pub(crate) fn flip(&self, name: &str, offset: usize, bit: u8) {
        let mut state = self.state();
        let Some(&inode) = state.names.get(name) else { return };
        let Inode { current, durable, .. } = &mut state.inodes[inode];
        [current, durable].into_iter().for_each(|content| content.flip(offset, bit % 8));
    }

    /// The operating system does not follow the advice to forget.
    pub(crate) fn keep_cached(&self) {
        self.state().keeps_cached = true;
    }

    /// The same disk for a process that is started anew, while the machine runs on.
    pub(crate) fn restarted(&self) -> SimulatedDisk {
        let mut state = self.state().clone();
        (state.calls, state.planned, state.is_dead, state.has_failed) = (0, BTreeMap::new(), false, false);
        state.changing.clear();
        // The next process finds a file system that writes what it shows.
        let since = std::mem::take(&mut state.changes);
        state.changes = std::mem::take(&mut state.forgotten).into_iter().chain(since).collect();
        SimulatedDisk::of(state)
    }

    /// How many things are undecided: a crash may keep each or lose it.
    pub(crate) fn undecided(&self) -> u32 {
        let mut count = 0;
        self.crashed(|| {
            count += 1;
            true
        });
        count
    }

    /// The disk after a loss of power that kept what this says, in turn.
    pub(crate) fn crashed(&self, keeps: impl FnMut() -> bool) -> SimulatedDisk {
        let state = self.state().clone();
        state.crashed(keeps)
    }

    /// The power goes: whoever has this disk finds it dead from now on, and what was flushed until now, and
    /// nothing else, is on the one that is given.
    pub(crate) fn lose_power(&self) -> SimulatedDisk {
        let mut state = self.state();
        state.is_dead = true;
        state.clone().crashed(|| false)
    }

    /// The names and bytes of all files.
    pub(crate) fn files(&self) -> BTreeMap<String, Vec<u8>> {
        let state = self.state();
        state.names.iter().map(|(name, &inode)| (name.clone(), state.inodes[inode].current.to_vec())).collect()
    }

    /// A disk that holds these files, durably.
    pub(crate) fn holding(files: &BTreeMap<String, Vec<u8>>) -> SimulatedDisk {
        let inode = |bytes: &Vec<u8>| {
            let bytes = Content::of(bytes);
            Inode { current: bytes.clone(), durable: bytes, ..Inode::default() }
        };
        let inodes = files.values().map(inode);
        let names: BTreeMap<String, usize> = files.keys().cloned().zip(0..).collect();
        let state = State { inodes: inodes.collect(), names: names.clone(), durable_names: names, ..State::default() };
        SimulatedDisk::of(state)
    }

    /// Nobody has a file of it open.
    fn of(mut state: State) -> SimulatedDisk {
        state.inodes.iter_mut().for_each(|inode| inode.open = Arc::default());
        SimulatedDisk {
            state: Arc::new(Mutex::new(state)),
            syncs: Syncs::default(),
            #[cfg(test)]
            held: Arc::default(),
        }
    }

    fn opened(&self, state: &State, inode: usize) -> SimulatedFile {
        SimulatedFile {
            state: self.state.clone(),
            inode,
            _open: state.inodes[inode].open.clone(),
            #[cfg(test)]
            held: self.held.clone(),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn crashed(self, mut keeps: impl FnMut() -> bool) -> SimulatedDisk {
        let state = self;
        let mut names = state.durable_names;
        for change in state.forgotten.into_iter().chain(state.changes) {
            if keeps() {
                change.apply(&mut names);
            }
        }
        let live: BTreeSet<usize> = names.values().copied().collect();
        let mut inodes = state.inodes;
        for (at, inode) in inodes.iter_mut().enumerate() {
            if live.contains(&at) { inode.crash(&mut keeps) } else { *inode = Inode::default() }
        }
        let state =
            State { inodes, durable_names: names.clone(), names, keeps_cached: state.keeps_cached, ..State::default() };
        SimulatedDisk::of(state)
    }

    /// Counts a call; the fault that it meets.
    fn call(&mut self) -> io::Result<Option<Fault>> {
        if self.is_dead {
            return Err(io::Error::other("the process has ended"));
        }
        let fault = self.planned.get(&self.calls).copied();
        self.calls += 1;
        self.has_failed |= fault.is_some();
        self.is_dead = fault == Some(Fault::Crash);
        Ok(fault)
    }

    /// The same for a call that changes what a crash may leave.
    fn changing_call(&mut self) -> io::Result<Option<Fault>> {
        self.changing.push(self.calls);
        self.call()
    }

    /// The same for a call that does all or nothing.
    fn whole_changing_call(&mut self) -> io::Result<()> {
        self.changing_call()?.map_or(Ok(()), |fault| Err(fault.into()))
    }

    /// The same for a call that changes nothing.
    fn whole_call(&mut self) -> io::Result<()> {
        self.call()?.map_or(Ok(()), |fault| Err(fault.into()))
    }

    fn change(&mut self, change: Change) {
        change.apply(&mut self.names);
        self.changes.push(change);
    }

    /// All changes that are not forgotten become durable; what they say of a name counts from now on.
    fn flush_names(&mut self) {
        for change in std::mem::take(&mut self.changes) {
            change.apply(&mut self.durable_names);
            self.forgotten.iter_mut().for_each(|former| former.give_way(&change));
        }
        self.free();
    }

    /// Files without a name, which nobody has open, take no room.
    fn free(&mut self) {
        let undecided = self.forgotten.iter().filter_map(|change| change.added.as_ref()).map(|(_, inode)| inode);
        let named: BTreeSet<usize> =
            self.names.values().chain(self.durable_names.values()).chain(undecided).copied().collect();
        for (at, inode) in self.inodes.iter_mut().enumerate() {
            if !named.contains(&at) && Arc::strong_count(&inode.open) == 1 {
                *inode = Inode::default();
            }
        }
    }

    fn found(&self, name: &str) -> io::Result<usize> {
        self.names.get(name).copied().ok_or_else(|| ErrorKind::NotFound.into())
    }
}

impl From<Fault> for io::Error {
    fn from(fault: Fault) -> io::Error {
        match fault {
            Fault::NoRoom => ErrorKind::StorageFull.into(),
            Fault::Short => ErrorKind::Interrupted.into(),
            fault => io::Error::other(format!("{fault:?}")),
        }
    }
}

impl Change {
    fn apply(&self, names: &mut BTreeMap<String, usize>) {
        if let Some(name) = &self.removed {
            names.remove(name);
        }
        names.extend(self.added.clone());
    }

    /// Says nothing any more of the names that a later change is about.
    fn give_way(&mut self, later: &Change) {
        let names = [later.removed.as_deref(), later.added.as_ref().map(|(name, _)| name.as_str())];
        let is_free = |name: &str| !names.contains(&Some(name));
        self.removed = self.removed.take().filter(|name| is_free(name));
        self.added = self.added.take().filter(|(name, _)| is_free(name));
    }
}

impl Inode {
    fn write(&mut self, bytes: &[u8], offset: usize) {
        self.current.write(bytes, offset);
        self.dirty.add(offset / SECTOR..(offset + bytes.len()).div_ceil(SECTOR));
    }

    fn flush(&mut self) {
        self.durable.grow(self.current.len());
        for sectors in std::mem::take(&mut self.dirty).into_ranges() {
            self.durable.take_over(&self.current, self.bytes_of(sectors));
        }
    }

    fn crash(&mut self, keeps: &mut impl FnMut() -> bool) {
        if self.current.len() != self.durable.len() && keeps() {
            self.durable.grow(self.current.len());
        }
        for sector in std::mem::take(&mut self.dirty).into_ranges().flatten() {
            let bytes = self.bytes_of(sector..sector + 1);
            if !self.durable.agrees(&self.current, bytes.clone()) && keeps() {
                self.durable.take_over(&self.current, bytes);
            }
        }
        self.current = self.durable.clone();
    }

    /// The bytes of these sectors, as far as the file has them.
    fn bytes_of(&self, sectors: Range<usize>) -> Range<usize> {
        sectors.start * SECTOR..(sectors.end * SECTOR).min(self.current.len())
    }
}

impl Disk for SimulatedDisk {
    type File = SimulatedFile;

    fn path(&self, name: &str) -> PathBuf {
        PathBuf::from("disk").join(name)
    }

    fn names(&self) -> io::Result<Vec<String>> {
        let mut state = self.state();
        state.whole_call()?;
        Ok(state.names.keys().cloned().collect())
    }

    fn open(&self, name: &str) -> io::Result<SimulatedFile> {
        let mut state = self.state();
        state.whole_call()?;
        let inode = state.found(name)?;
        Ok(self.opened(&state, inode))
    }

    fn open_to_read(&self, name: &str) -> io::Result<SimulatedFile> {
        self.open(name)
    }

    fn create(&self, name: &str) -> io::Result<SimulatedFile> {
        let mut state = self.state();
        state.whole_changing_call()?;
        let inode = state.inodes.len();
        state.inodes.push(Inode::default());
        state.change(Change { removed: None, added: Some((name.to_owned(), inode)) });
        Ok(self.opened(&state, inode))
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        let mut state = self.state();
        state.whole_changing_call()?;
        let inode = state.found(from)?;
        state.change(Change { removed: Some(from.to_owned()), added: Some((to.to_owned(), inode)) });
        Ok(())
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        let mut state = self.state();
        state.whole_changing_call()?;
        state.found(name)?;
        state.change(Change { removed: Some(name.to_owned()), added: None });
        Ok(())
    }

    fn try_sync(&self) -> io::Result<()> {
        #[cfg(test)]
        let _free = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        let mut state = self.state();
        let fault = state.changing_call()?;
        #[cfg(test)]
        let fault = if std::mem::take(&mut state.next_sync_fails) { Some(Fault::Error) } else { fault };
        match fault {
            None if state.flushes_lie => Ok(()),
            None => {
                state.flush_names();
                Ok(())
            }
            Some(Fault::Crash) => Err(Fault::Crash.into()),
            // The system counts as written what it failed to write.
            Some(fault) => {
                let forgotten = std::mem::take(&mut state.changes);
                state.forgotten.extend(forgotten);
                Err(fault.into())
            }
        }
    }

    fn syncs(&self) -> &Syncs {
        &self.syncs
    }
}

impl SimulatedFile {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl DiskFile for SimulatedFile {
    fn len(&self) -> io::Result<u64> {
        let mut state = self.state();
        state.whole_call()?;
        Ok(state.inodes[self.inode].current.len() as u64)
    }

    fn read_at(&self, bytes: &mut [u8], offset: u64) -> io::Result<usize> {
        let mut state = self.state();
        state.whole_call()?;
        Ok(state.inodes[self.inode].current.read(bytes, offset as usize))
    }

    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<usize> {
        let mut state = self.state();
        let fault = state.changing_call()?;
        let is_new = state.inodes[self.inode].current.len() < offset as usize + bytes.len();
        if state.is_full && is_new {
            return Err(Fault::NoRoom.into());
        }
        let count = match fault {
            Some(Fault::Error | Fault::Short) => bytes.len().div_ceil(2),
            Some(Fault::NoRoom) => 0,
            None | Some(Fault::Crash) => bytes.len(),
        };
        state.inodes[self.inode].write(&bytes[..count], offset as usize);
        match fault {
            None | Some(Fault::Short) => Ok(count),
            Some(fault) => Err(fault.into()),
        }
    }

    fn sync_data(&self) -> io::Result<()> {
        let mut state = self.state();
        let fault = state.changing_call()?;
        state.flushes += 1;
        let lies = state.flushes_lie;
        let inode = &mut state.inodes[self.inode];
        match fault {
            None if lies => Ok(()),
            None => {
                inode.flush();
                Ok(())
            }
            Some(Fault::Crash) => Err(Fault::Crash.into()),
            // The system counts as written what it failed to write.
            Some(fault) => {
                inode.dirty = Sectors::default();
                Err(fault.into())
            }
        }
    }

    fn sync_all(&self) -> io::Result<()> {
        #[cfg(test)]
        let _free = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        self.sync_data()
    }

    fn reserve(&self, bytes: u64) -> io::Result<()> {
        let mut state = self.state();
        state.whole_call()?;
        let is_new = (state.inodes[self.inode].current.len() as u64) < bytes;
        if state.is_full && is_new { Err(Fault::NoRoom.into()) } else { Ok(()) }
    }

    fn forget_cached(&self) -> io::Result<()> {
        self.sync_all()?;
        let mut state = self.state();
        if !state.keeps_cached {
            let inode = &mut state.inodes[self.inode];
            inode.current = inode.durable.clone();
        }
        Ok(())
    }
}
