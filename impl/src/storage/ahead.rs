//! The next segment of the log, which is made before it is needed, while batches are written.
//!
//! To make one takes as long as to flush many batches: so many bytes are written and flushed, and then a name. So a thread
//! does that, and the log uses nothing of it before all is durable, the name included. Where equal runs must be equal it
//! is the log itself that does it, in steps between its batches.

use std::io;

use super::current::Current;
use super::disk::{Disk, DiskFile, lacks_room};
use super::error::{Attempt, StorageError};
use super::helper::{Helper, Running};
use super::identity::Incarnation;
use super::layout::{self, Layout, Seal};

/// The name of a segment that is being made.
const NEW_FILE: &str = "log.new";

/// Bytes that are written at a time while a segment is made.
const CHUNK_BYTES: usize = 1 << 20;

/// The segment after the one that is written to.
#[derive(Debug)]
pub(super) struct Ahead<D: Disk> {
    disk: D,
    owner: Incarnation,
    /// How large segments are made.
    usual: Layout,
    helper: Helper,
    /// Ready for use.
    spare: Option<Current<D::File>>,
    under_way: Option<UnderWay<D>>,
    /// Whether there was no room for it when it was tried last.
    lacks_room: bool,
}

/// A new segment, or why there is no room for it.
#[derive(Debug)]
pub(super) enum Made<F> {
    Whole(Current<F>),
    NoRoom(io::Error),
}

/// A segment that is being made.
#[derive(Debug)]
enum UnderWay<D: Disk> {
    Here(Step<D::File>),
    There(Running<Result<Made<D::File>, StorageError>>),
}

/// What of a segment is done next.
#[derive(Debug)]
enum Step<F> {
    /// It is made, without its name.
    Begin(Layout),
    /// It is given its name.
    Name(Current<F>),
    /// That is made durable.
    Flush(Current<F>),
    Done(Made<F>),
}

impl<D: Disk> Ahead<D> {
    /// The segment that was found, if one was made before.
    pub(super) fn found(
        disk: &D,
        owner: Incarnation,
        (usual, helper): (Layout, Helper),
        spare: Option<Current<D::File>>,
    ) -> Ahead<D> {
        Ahead { disk: disk.clone(), owner, usual, helper, spare, under_way: None, lacks_room: false }
    }

    /// Sees to it that there will be a segment after this one. Whether there is room for it, as far as is known: a disk
    /// that has none harms nobody yet.
    pub(super) fn prepare(&mut self, current: &Current<D::File>) -> Result<bool, StorageError> {
        let is_needed_soon = current.left() <= self.usual.blocks / 4 * 3;
        if self.spare.is_none() && self.under_way.is_none() && is_needed_soon {
            // Where the system has no thread for it the next batch tries again, or makes the segment that it needs.
            self.under_way = self.begin(current.number + 1).ok();
        }
        if let Some(under_way) = self.under_way.take() {
            self.under_way = self.proceed(under_way, current.number + 1)?;
        }
        Ok(!self.lacks_room)
    }

    /// The segment after this one, with room for so many blocks: that which was made, or another one.
    pub(super) fn next(&mut self, current: &Current<D::File>, blocks: u16) -> Result<Made<D::File>, StorageError> {
        let number = current.number + 1;
        let made = match self.under_way.take() {
            Some(UnderWay::Here(step)) => Some(finish(step, &self.disk, self.owner, number)?),
            Some(UnderWay::There(running)) => Some(running.wait()?),
            None => None,
        };
        made.into_iter().for_each(|made| self.take_over(made));
        if let Some(spare) = self.spare.take().filter(|spare| blocks <= spare.layout.blocks) {
            return Ok(Made::Whole(spare));
        }
        let layout = Layout { blocks: self.usual.blocks.max(blocks) };
        let made = finish(Step::Begin(layout), &self.disk, self.owner, number)?;
        self.lacks_room = matches!(made, Made::NoRoom(_));
        Ok(made)
    }

    fn begin(&self, number: u64) -> io::Result<UnderWay<D>> {
        let (step, disk, owner) = (Step::Begin(self.usual), self.disk.clone(), self.owner);
        match self.helper {
            Helper::Itself(_) => Ok(UnderWay::Here(step)),
            Helper::Thread => Running::start(move || finish(step, &disk, owner, number)).map(UnderWay::There),
        }
    }

    /// Goes on as far as that is done here, and takes over what is done; the rest, if there is one.
    fn proceed(&mut self, under_way: UnderWay<D>, number: u64) -> Result<Option<UnderWay<D>>, StorageError> {
        match (under_way, self.helper) {
            (UnderWay::Here(mut step), Helper::Itself(steps)) => {
                for _ in 0..steps {
                    step = advance(step, &self.disk, self.owner, number)?;
                    if let Step::Done(made) = step {
                        self.take_over(made);
                        return Ok(None);
                    }
                }
                Ok(Some(UnderWay::Here(step)))
            }
            (UnderWay::There(running), _) if running.is_over() => {
                self.take_over(running.wait()?);
                Ok(None)
            }
            (waiting, _) => Ok(Some(waiting)),
        }
    }

    fn take_over(&mut self, made: Made<D::File>) {
        self.lacks_room = matches!(made, Made::NoRoom(_));
        if let Made::Whole(segment) = made {
            self.spare = Some(segment);
        }
    }
}

/// Does all that is left to do of the segment of this number.
fn finish<D: Disk>(
    mut step: Step<D::File>,
    disk: &D,
    owner: Incarnation,
    number: u64,
) -> Result<Made<D::File>, StorageError> {
    loop {
        match advance(step, disk, owner, number)? {
            Step::Done(made) => return Ok(made),
            next => step = next,
        }
    }
}

/// Does one step of it; the next one.
fn advance<D: Disk>(
    step: Step<D::File>,
    disk: &D,
    owner: Incarnation,
    number: u64,
) -> Result<Step<D::File>, StorageError> {
    Ok(match step {
        Step::Begin(layout) => match begin_segment(disk, owner, number, layout)? {
            Made::Whole(segment) => Step::Name(segment),
            lacking => Step::Done(lacking),
        },
        Step::Name(segment) => {
            name_segment(disk, &segment)?;
            Step::Flush(segment)
        }
        Step::Flush(segment) => {
            flush_names(disk)?;
            Step::Done(Made::Whole(segment))
        }
        done => done,
    })
}

/// Makes a segment that is filled with zeros and durable, and is not found yet.
pub(super) fn begin_segment<D: Disk>(
    disk: &D,
    owner: Incarnation,
    number: u64,
    layout: Layout,
) -> Result<Made<D::File>, StorageError> {
    let unfinished = disk.path(NEW_FILE);
    let file = disk.create(NEW_FILE).attempt("create", &unfinished)?;
    match fill(&file, owner, number, layout) {
        Err(source) if lacks_room(&source) => {
            disk.remove(NEW_FILE).attempt("remove", &unfinished)?;
            return Ok(Made::NoRoom(source));
        }
        filled => filled.attempt("write", &unfinished)?,
    }
    file.sync_all().attempt("flush", &unfinished)?;
    let (seal, path) = (Seal::new(owner, number), disk.path(&layout::file_name(number)));
    Ok(Made::Whole(Current { number, layout, seal, file, path, block: 0, is_begun: false, highest: 0 }))
}

/// Gives a segment its name, durably.
pub(super) fn finish_segment<D: Disk>(disk: &D, segment: &Current<D::File>) -> Result<(), StorageError> {
    name_segment(disk, segment)?;
    flush_names(disk)
}

fn name_segment<D: Disk>(disk: &D, segment: &Current<D::File>) -> Result<(), StorageError> {
    let name = layout::file_name(segment.number);
    disk.rename(NEW_FILE, &name).attempt("rename the new file to", &segment.path)
}

fn flush_names<D: Disk>(disk: &D) -> Result<(), StorageError> {
    disk.sync().attempt("flush", &disk.path(""))
}

/// Writes every byte of it, so that a batch changes no more of the file system than its own blocks.
fn fill<F: DiskFile>(file: &F, owner: Incarnation, number: u64, layout: Layout) -> io::Result<()> {
    file.reserve(layout.size())?;
    let zeros = vec![0; CHUNK_BYTES];
    let mut offset = 0;
    while offset < layout.size() {
        let chunk = (layout.size() - offset).min(CHUNK_BYTES as u64);
        file.write_all_at(&zeros[..chunk as usize], offset)?;
        offset += chunk;
    }
    file.write_all_at(&layout::header(owner, number, layout), 0)
}

#[cfg(test)]
mod tests;
