//! The file of a trace, read frame by frame.

use std::fmt;
use std::fs::File;
use std::io::{self, Read};
use std::path::Path;
use std::sync::Arc;

use rafttree_model::chain::{Chain, MAGIC, Opened};
use rafttree_model::digest;
use rafttree_model::trace::{Ending, Frame, Origin, Step};

/// How much is read at a time.
const CHUNK_BYTES: usize = 1 << 20;

/// The length of a frame's beginning, which says how long it is.
const HEAD_BYTES: usize = 8;

/// A place in a trace, for people.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Place {
    pub(crate) file: Arc<Path>,
    /// Which start of the server, from 1.
    pub(crate) part: u64,
    /// How many steps of the part came before, and this one if it is a step.
    pub(crate) step: u64,
    /// Where in the file it begins.
    pub(crate) offset: u64,
}

impl fmt::Display for Place {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Place { file, part, step, offset } = self;
        write!(out, "{}, part {part}, step {step} (byte {offset})", file.display())
    }
}

/// A trace that cannot be judged: what is wrong, where, and what to do.
#[derive(Debug)]
pub(crate) struct Unreadable(pub(crate) String);

/// What stands in a trace.
#[derive(Debug)]
pub(crate) enum Item {
    /// The server starts.
    Origin(Box<Origin>),
    Step(Step),
    /// The end of a part: in order, or because no more could be recorded.
    Ending(Ending),
    /// The part breaks off: the server was killed, or the file was cut. So many bytes are of a step that is not whole.
    Cut {
        left: u64,
    },
}

/// What may come next.
#[derive(Clone, Copy, Eq, PartialEq)]
enum Expected {
    Part,
    Origin,
    Step,
}

/// A file that is being read.
pub(crate) struct TraceFile {
    input: File,
    buffer: Vec<u8>,
    /// What of the buffer was taken.
    taken: usize,
    has_ended: bool,
    expected: Expected,
    chain: Chain,
    place: Place,
    /// Where in the file what was not taken yet begins.
    offset: u64,
}

/// Whether this is a trace: no other file begins so.
pub(crate) fn is_trace(path: &Path) -> bool {
    let mut first = [0; MAGIC.len() - 1];
    let read = File::open(path).and_then(|mut file| file.read_exact(&mut first));
    read.is_ok() && MAGIC.starts_with(&first)
}

impl TraceFile {
    pub(crate) fn open(path: &Path) -> Result<TraceFile, Unreadable> {
        let input = File::open(path).map_err(|why| Unreadable(format!("cannot read {}: {why}", path.display())))?;
        let place = Place { file: path.into(), part: 0, step: 0, offset: 0 };
        let (buffer, chain, expected) = (Vec::new(), Chain::default(), Expected::Part);
        Ok(TraceFile { input, buffer, taken: 0, has_ended: false, expected, chain, place, offset: 0 })
    }

    /// Where the item stands that was read last.
    pub(crate) fn place(&self) -> &Place {
        &self.place
    }

    /// What comes next; nothing at the end.
    pub(crate) fn next(&mut self) -> Result<Option<Item>, Unreadable> {
        self.fill_for(MAGIC.len() + HEAD_BYTES)?;
        self.place.offset = self.offset;
        match self.expected {
            _ if self.rest().is_empty() && self.expected == Expected::Part => Ok(None),
            Expected::Part => self.begin_part(),
            Expected::Step if self.rest().starts_with(&MAGIC) => Ok(Some(self.cut(0))),
            Expected::Origin | Expected::Step => self.frame(),
        }
    }

    fn begin_part(&mut self) -> Result<Option<Item>, Unreadable> {
        self.place.part += 1;
        self.place.step = 0;
        if self.rest().starts_with(&MAGIC) {
            self.take(MAGIC.len());
            self.place.offset = self.offset;
            (self.chain, self.expected) = (Chain::default(), Expected::Origin);
            return self.next();
        }
        let rest = self.rest();
        if MAGIC.starts_with(rest) {
            let left = rest.len();
            return Ok(Some(self.cut(left)));
        }
        let version = MAGIC.len() - 1;
        if rest.len() > version && rest[..version] == MAGIC[..version] {
            let (theirs, ours) = (rest[version], MAGIC[version]);
            return Err(self.refused(format!(
                "the format has version {theirs}, and this checker reads version {ours}: use the checker that belongs to \
                 the server"
            )));
        }
        Err(self.refused("no part of a trace begins here: the file was changed, or is mixed with another".to_owned()))
    }

    fn frame(&mut self) -> Result<Option<Item>, Unreadable> {
        loop {
            let mut chain = self.chain;
            let (taken, frame) = match chain.open(&self.buffer[self.taken..]) {
                Opened::Body(body) => (Chain::size(body.len()), Frame::read(body)),
                Opened::Short(size) if self.lacks(size) => {
                    self.fill_for(size)?;
                    continue;
                }
                Opened::Short(_) => {
                    let left = self.next_part(usize::MAX).unwrap_or(self.rest().len());
                    return Ok(Some(self.cut(left)));
                }
                Opened::Wrong { claimed } => return self.wrong(claimed.unwrap_or(HEAD_BYTES)),
            };
            let Some(frame) = frame else {
                return Err(self.refused("no server of this version writes what stands here".to_owned()));
            };
            self.chain = chain;
            return self.item(frame, taken).map(Some);
        }
    }

    /// A server that was killed may have left a part of a step, and began anew behind that.
    fn wrong(&mut self, extent: usize) -> Result<Option<Item>, Unreadable> {
        self.fill_for(extent.saturating_add(MAGIC.len()))?;
        match self.next_part(extent) {
            Some(left) => Ok(Some(self.cut(left))),
            None => Err(self.damaged()),
        }
    }

    fn damaged(&mut self) -> Unreadable {
        let whole = self.place.step;
        self.place.step += 1;
        self.refused(format!(
            "the check does not fit: the step was changed, moved or taken out after it was written, or the disk has damaged \
             it; the {whole} steps before it are whole (to judge those: head -c {} {})",
            self.place.offset,
            self.place.file.display()
        ))
    }

    fn refused(&self, why: String) -> Unreadable {
        Unreadable(format!("{}: {why}", self.place))
    }

    fn item(&mut self, frame: Frame, size: usize) -> Result<Item, Unreadable> {
        let is_origin = matches!(frame, Frame::Origin(_));
        if is_origin != (self.expected == Expected::Origin) {
            return Err(self.refused("a part begins with the state of its server, and once".to_owned()));
        }
        let item = match frame {
            Frame::Origin(origin) if !origin.is_of_this_code() => return Err(self.of_other_code(&origin)),
            Frame::Origin(origin) => Item::Origin(Box::new(origin)),
            Frame::Step(step) => Item::Step(step),
            Frame::Ending(ending) => Item::Ending(ending),
        };
        match item {
            Item::Step(_) => self.place.step += 1,
            Item::Ending(_) => self.expected = Expected::Part,
            _ => self.expected = Expected::Step,
        }
        self.take(size);
        Ok(item)
    }

    fn of_other_code(&self, origin: &Origin) -> Unreadable {
        self.refused(format!(
            "the server ran other code of the protocol ({:016x}) than this checker replays ({:016x}): use the checker of \
             the same version, built by the same compiler",
            origin.code,
            digest::code()
        ))
    }

    fn cut(&mut self, left: usize) -> Item {
        self.take(left);
        self.expected = Expected::Part;
        Item::Cut { left: left as u64 }
    }

    /// Where within so many bytes the next part begins.
    fn next_part(&self, extent: usize) -> Option<usize> {
        let starts = self.rest().windows(MAGIC.len()).take(extent);
        starts.into_iter().position(|bytes| bytes == MAGIC)
    }

    fn rest(&self) -> &[u8] {
        &self.buffer[self.taken..]
    }

    fn take(&mut self, count: usize) {
        self.taken += count;
        self.offset += count as u64;
    }

    fn lacks(&self, size: usize) -> bool {
        !self.has_ended && self.rest().len() < size
    }

    fn fill_for(&mut self, size: usize) -> Result<(), Unreadable> {
        self.fill(size).map_err(|why| self.refused(format!("it cannot be read: {why}")))
    }

    /// Reads until so many bytes are there, or the end.
    fn fill(&mut self, size: usize) -> io::Result<()> {
        if !self.lacks(size) {
            return Ok(());
        }
        self.buffer.drain(..self.taken);
        self.taken = 0;
        while self.lacks(size) {
            let read = (&self.input).take(CHUNK_BYTES as u64).read_to_end(&mut self.buffer)?;
            self.has_ended = read == 0;
        }
        Ok(())
    }
}
