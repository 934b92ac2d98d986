//! A service's state machine under observation: what it applied, in which order, and what it answered.

use std::any::Any;
use std::io::{self, Read, Write};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::digest::Digest;
use super::subject::{Check, View};
use crate::machine::{CodecError, Machine, Snapshot};

/// How far a machine has come: equal ones have applied the same commands in the same order, have given the
/// same answers, and look the same.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(super) struct Point {
    /// How many commands it has applied.
    pub(super) count: u64,
    /// A digest of them and of their answers.
    pub(super) journal: u64,
    /// A digest of what it looks like.
    pub(super) view: u64,
}

/// What an observer notes of one machine.
#[derive(Debug, Default)]
pub(super) struct Notes {
    /// The last entry that it has applied.
    pub(super) index: u64,
    pub(super) point: Point,
    /// What was applied since somebody looked: the command's tag, and the answer.
    pub(super) applied: Vec<(u64, Vec<u8>)>,
    /// How the service's invariant was broken since somebody looked.
    pub(super) broken: Option<String>,
}

/// The notes, which outlive a machine that has panicked.
#[derive(Clone, Debug, Default)]
pub(super) struct Notebook(Arc<Mutex<Notes>>);

/// A machine whose commands have tags, by which they are told apart.
pub(super) struct Watched {
    machine: Box<dyn Machine>,
    view: View,
    check: Check,
    notebook: Notebook,
}

/// The tag, and the length of the command behind it; padding may follow.
const HEADER_BYTES: usize = 8 + 4;

impl Notebook {
    pub(super) fn open(&self) -> MutexGuard<'_, Notes> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Watched {
    pub(super) fn new(machine: Box<dyn Machine>, (view, check): (View, Check), notebook: Notebook) -> Watched {
        notebook.open().point.view = Digest::of(&view(machine.as_any()));
        Watched { machine, view, check, notebook }
    }

    /// What the machine looks like now, and whether the invariant holds.
    fn note(&self, notes: &mut Notes) {
        notes.point.view = Digest::of(&(self.view)(self.machine.as_any()));
        if let Err(words) = (self.check)(self.machine.as_any()) {
            notes.broken.get_or_insert(words);
        }
    }

    /// The last entry that was applied, and what the machine looks like.
    pub(super) fn look(&self) -> (u64, Vec<u8>) {
        (self.notebook.open().index, (self.view)(self.machine.as_any()))
    }
}

/// A command with its tag.
pub(super) fn tagged(tag: u64, command: &[u8], padding: usize) -> Vec<u8> {
    let mut out = Vec::with_capacity(HEADER_BYTES + command.len() + padding);
    out.extend(tag.to_le_bytes());
    out.extend((command.len() as u32).to_le_bytes());
    out.extend(command);
    out.resize(out.len() + padding, 0);
    out
}

/// The tag and the command.
pub(super) fn untagged(bytes: &[u8]) -> Option<(u64, &[u8])> {
    let (tag, rest) = bytes.split_first_chunk()?;
    let (length, rest) = rest.split_first_chunk()?;
    Some((u64::from_le_bytes(*tag), rest.get(..u32::from_le_bytes(*length) as usize)?))
}

impl Machine for Watched {
    fn apply(&mut self, bytes: &[u8]) -> Result<Vec<u8>, CodecError> {
        let (tag, command) = untagged(bytes).expect("all commands of a simulation have tags");
        let answer = self.machine.apply(command)?;
        let mut notes = self.notebook.open();
        let mut journal = Digest::new();
        [notes.point.journal, tag, Digest::of(&answer)].into_iter().for_each(|word| journal.add(word));
        (notes.point.count, notes.point.journal) = (notes.point.count + 1, journal.value());
        self.note(&mut notes);
        notes.applied.push((tag, answer.clone()));
        Ok(answer)
    }

    fn snapshot(&self) -> Box<dyn Snapshot> {
        let (point, machine) = (self.notebook.open().point, self.machine.snapshot());
        Box::new(move |to: &mut dyn Write| {
            to.write_all(&point.count.to_le_bytes())?;
            to.write_all(&point.journal.to_le_bytes())?;
            machine.write(to)
        })
    }

    fn restore(&mut self, from: &mut dyn Read) -> io::Result<()> {
        let mut words = [[0; 8]; 2];
        words.iter_mut().try_for_each(|word| from.read_exact(word))?;
        self.machine.restore(from)?;
        let [count, journal] = words.map(u64::from_le_bytes);
        let mut notes = self.notebook.open();
        (notes.point.count, notes.point.journal) = (count, journal);
        self.note(&mut notes);
        Ok(())
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}
