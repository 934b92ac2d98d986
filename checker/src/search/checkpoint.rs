//! A search that is written down, to be gone on with later.
//!
//! A file is a magic, a version, a body, and a checksum of all that comes before it. It is written
//! beside its place, flushed, and then put there, so that a crash leaves the old one or the new.

use std::fmt;
use std::fs::File;
use std::io::{self, BufReader, BufWriter, Read, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use crate::search::explored::{Explored, Totals};
use crate::search::fingerprint::Print;
use crate::search::frontier::{Block, Frontier, Layer, Room, decode, encode};
use crate::search::identity::Identity;
use crate::search::settings::Search;
use crate::search::space::Space;
use crate::search::table::Table;

const MAGIC: &[u8; 8] = b"RTsearch";
const VERSION: u32 = 2;
const CHECKSUM_BYTES: u64 = 4;

/// Why a search cannot be gone on with.
#[derive(Debug)]
#[non_exhaustive]
pub enum CheckpointError {
    /// The file cannot be read.
    Unreadable(io::Error),
    /// Something else than a checkpoint.
    Foreign,
    /// Written in another version of the format.
    OtherVersion(u32),
    /// The checksum is not right, or what it covers makes no sense.
    Damaged,
    /// Of a search that rests on something else: in which parts.
    OtherSearch(Vec<String>),
}

impl fmt::Display for CheckpointError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            CheckpointError::Unreadable(error) => write!(f, "the checkpoint cannot be read: {error}"),
            CheckpointError::Foreign => f.write_str("this is not a checkpoint of a search"),
            CheckpointError::OtherVersion(version) => {
                write!(f, "the checkpoint has version {version} of its format, and this is version {VERSION}")
            }
            CheckpointError::Damaged => f.write_str("the checkpoint is damaged"),
            CheckpointError::OtherSearch(differences) => {
                write!(f, "the checkpoint is of another search: {}", differences.join("; "))
            }
        }
    }
}

impl std::error::Error for CheckpointError {}

impl From<io::Error> for CheckpointError {
    fn from(error: io::Error) -> CheckpointError {
        CheckpointError::Unreadable(error)
    }
}

/// When to write a checkpoint, and what became of the latest.
pub(super) struct Saver {
    path: Option<PathBuf>,
    every: Option<Duration>,
    latest: Instant,
    pub(super) saved: Option<Result<(), String>>,
}

impl Saver {
    pub(super) fn new(search: &Search) -> Saver {
        let (path, every) = (search.checkpoint.clone(), search.checkpoint_every);
        Saver { path, every, latest: Instant::now(), saved: None }
    }

    pub(super) fn is_due(&self) -> bool {
        self.path.is_some() && self.every.is_some_and(|every| every <= self.latest.elapsed())
    }

    pub(super) fn save(&mut self, write: impl FnOnce(&Path) -> io::Result<()>) {
        if let Some(path) = &self.path {
            self.saved = Some(write(path).map_err(|error| format!("{}: {error}", path.display())));
            self.latest = Instant::now();
        }
    }
}

/// Writes all that a search is at a moment at which nobody works.
pub(super) fn write<S: Space, P: Print>(
    path: &Path,
    identity: &Identity,
    space: &S,
    explored: &Explored<S, P>,
    elapsed: Duration,
    gathered: &[u8],
) -> io::Result<()> {
    let mut beside = path.as_os_str().to_owned();
    beside.push(".part");
    let mut out = Sealed { file: BufWriter::new(File::create(&beside)?), checksum: crc32fast::Hasher::new() };
    out.write_all(MAGIC)?;
    out.write_all(&VERSION.to_le_bytes())?;
    write_identity(&mut out, identity)?;
    put(&mut out, elapsed.as_nanos() as u64)?;
    write_body(&mut out, space, explored)?;
    put_bytes(&mut out, gathered)?;
    let checksum = out.checksum.finalize();
    out.file.write_all(&checksum.to_le_bytes())?;
    out.file.into_inner()?.sync_all()?;
    put_in_place(beside.as_ref(), path)
}

fn write_body<S: Space, P: Print>(out: &mut impl Write, space: &S, explored: &Explored<S, P>) -> io::Result<()> {
    write_totals(out, &explored.totals)?;
    write_table(out, &explored.table)?;
    write_layer(out, space, explored.frontier.current())?;
    write_layer(out, space, explored.frontier.next())
}

/// Puts a file in its place for good: the name is only there when the directory is flushed.
pub(super) fn put_in_place(beside: &Path, path: &Path) -> io::Result<()> {
    std::fs::rename(beside, path)?;
    let directory = path.parent().filter(|parent| !parent.as_os_str().is_empty());
    File::open(directory.unwrap_or(Path::new(".")))?.sync_all()
}

/// All that what was found rests on.
pub(super) fn identity<S: Space, P: Print>(search: &Search, space: &S) -> Identity {
    let of_space = space.identity().unwrap_or_default();
    of_space.with("seed", search.seed).with("bits of a fingerprint", 8 * P::BYTES).with("code", search.code)
}

fn write_identity(out: &mut impl Write, identity: &Identity) -> io::Result<()> {
    put(out, identity.parts().len() as u64)?;
    identity.parts().iter().try_for_each(|(name, value)| {
        put_bytes(out, name.as_bytes())?;
        put_bytes(out, value.as_bytes())
    })
}

fn write_table<P: Print>(out: &mut impl Write, table: &Table<P>) -> io::Result<()> {
    let mut bytes = Vec::new();
    for (places, prints) in table.shards() {
        bytes.clear();
        for print in prints {
            print.write(&mut bytes);
        }
        put(out, places as u64)?;
        put_bytes(out, &bytes)?;
    }
    Ok(())
}

fn write_totals(out: &mut impl Write, totals: &Totals) -> io::Result<()> {
    for count in [totals.layer as u64, totals.transitions, totals.met, totals.broken] {
        put(out, count)?;
    }
    for counts in [&totals.layers, &totals.offered, &totals.fired] {
        put(out, counts.len() as u64)?;
        counts.iter().try_for_each(|&count| put(out, count))?;
    }
    Ok(())
}

fn write_layer<S: Space>(out: &mut impl Write, space: &S, layer: &Layer<S::State>) -> io::Result<()> {
    put(out, (layer.spill.blocks() + layer.blocks.len()) as u64)?;
    for block in layer.spill.iter() {
        let (states, bytes) = block?;
        write_block(out, states, &bytes)?;
    }
    let mut bytes = Vec::new();
    layer.blocks.iter().try_for_each(|block| {
        bytes.clear();
        encode(space, block, &mut bytes);
        write_block(out, block.len(), &bytes)
    })
}

fn write_block(out: &mut impl Write, states: usize, bytes: &[u8]) -> io::Result<()> {
    put(out, states as u64)?;
    put_bytes(out, bytes)
}

fn put(out: &mut impl Write, number: u64) -> io::Result<()> {
    out.write_all(&number.to_le_bytes())
}

fn put_bytes(out: &mut impl Write, bytes: &[u8]) -> io::Result<()> {
    put(out, bytes.len() as u64)?;
    out.write_all(bytes)
}

/// Takes the checksum of what passes through.
struct Sealed {
    file: BufWriter<File>,
    checksum: crc32fast::Hasher,
}

impl Write for Sealed {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.file.write(bytes)?;
        self.checksum.update(&bytes[..written]);
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

/// The search as it was written down.
pub(super) struct Saved<S: Space, P> {
    pub(super) explored: Explored<S, P>,
    /// How long it had taken.
    pub(super) elapsed: Duration,
    pub(super) gathered: Vec<u8>,
}

/// What is more of the frontier than there is room for goes to disk.
pub(super) fn read<S: Space, P: Print>(
    path: &Path,
    identity: &Identity,
    space: &S,
    room: Option<Room>,
) -> Result<Saved<S, P>, CheckpointError> {
    check_seal(path)?;
    // What the checksum covers was written by this code, so an end in the middle means damage.
    read_body(BufReader::new(File::open(path)?), identity, space, room).map_err(|error| match error {
        CheckpointError::Unreadable(error) if error.kind() == io::ErrorKind::UnexpectedEof => CheckpointError::Damaged,
        error => error,
    })
}

/// Looks at the whole file before anything in it is believed.
pub(super) fn check_seal(path: &Path) -> Result<(), CheckpointError> {
    let file = File::open(path)?;
    let length = file.metadata()?.len();
    let mut input = BufReader::new(file);
    let mut start = Vec::new();
    input.by_ref().take(MAGIC.len() as u64 + 4).read_to_end(&mut start)?;
    let Some(version) = start.strip_prefix(MAGIC) else { return Err(CheckpointError::Foreign) };
    let version = u32::from_le_bytes(version.try_into().map_err(|_| CheckpointError::Damaged)?);
    if version != VERSION {
        return Err(CheckpointError::OtherVersion(version));
    }
    let mut checksum = crc32fast::Hasher::new();
    checksum.update(&start);
    let sealed = length.checked_sub(CHECKSUM_BYTES + start.len() as u64).ok_or(CheckpointError::Damaged)?;
    let mut sealed = input.by_ref().take(sealed);
    let mut bytes = vec![0; 1 << 16];
    loop {
        let read = sealed.read(&mut bytes)?;
        if read == 0 {
            break;
        }
        checksum.update(&bytes[..read]);
    }
    let mut expected = Vec::new();
    input.read_to_end(&mut expected)?;
    if expected == checksum.finalize().to_le_bytes() { Ok(()) } else { Err(CheckpointError::Damaged) }
}

fn read_body<S: Space, P: Print>(
    mut input: impl Read,
    identity: &Identity,
    space: &S,
    room: Option<Room>,
) -> Result<Saved<S, P>, CheckpointError> {
    let input = &mut input;
    input.read_exact(&mut [0; MAGIC.len() + 4])?;
    let differences = identity.differences(&read_identity(input)?);
    if !differences.is_empty() {
        return Err(CheckpointError::OtherSearch(differences));
    }
    let elapsed = Duration::from_nanos(get(input)?);
    let totals = read_totals(input)?;
    if [totals.offered.len(), totals.fired.len()] != [space.kinds(); 2] {
        return Err(CheckpointError::Damaged);
    }
    let table = read_table(input)?;
    let mut frontier = Frontier::new(room);
    read_layer(input, space, &mut frontier)?;
    frontier.advance();
    read_layer(input, space, &mut frontier)?;
    let gathered = get_bytes(input)?;
    Ok(Saved { explored: Explored { table, frontier, totals }, elapsed, gathered })
}

fn read_identity(input: &mut impl Read) -> io::Result<Identity> {
    let mut identity = Identity::default();
    for _ in 0..get(input)? {
        let [name, value] = [get_bytes(input)?, get_bytes(input)?];
        identity = identity.with(String::from_utf8_lossy(&name), String::from_utf8_lossy(&value));
    }
    Ok(identity)
}

fn read_totals(input: &mut impl Read) -> Result<Totals, CheckpointError> {
    let (layer, transitions, met, broken) = (get(input)? as usize, get(input)?, get(input)?, get(input)?);
    let mut counts = || (0..get(input)?).map(|_| get(input)).collect::<io::Result<Vec<u64>>>();
    let (layers, offered, fired) = (counts()?, counts()?, counts()?);
    Ok(Totals { states: layers.iter().sum(), layers, offered, fired, layer, transitions, met, broken })
}

fn read_table<P: Print>(input: &mut impl Read) -> Result<Table<P>, CheckpointError> {
    let read_shard = || {
        let places = get(input)? as usize;
        let prints: Option<Vec<P>> = get_bytes(input)?.chunks(P::BYTES).map(P::read).collect();
        Ok((places, prints.ok_or(CheckpointError::Damaged)?))
    };
    Table::of_shards(read_shard)
}

/// As the next one.
fn read_layer<S: Space>(
    input: &mut impl Read,
    space: &S,
    frontier: &mut Frontier<S::State>,
) -> Result<(), CheckpointError> {
    for _ in 0..get(input)? {
        frontier.push([read_block(input, space)?]);
        frontier.spill(space);
    }
    Ok(())
}

fn read_block<S: Space>(input: &mut impl Read, space: &S) -> Result<Block<S::State>, CheckpointError> {
    let states = get(input)? as usize;
    decode(space, states, &get_bytes(input)?).ok_or(CheckpointError::Damaged)
}

fn get(input: &mut impl Read) -> io::Result<u64> {
    let mut bytes = [0; 8];
    input.read_exact(&mut bytes)?;
    Ok(u64::from_le_bytes(bytes))
}

fn get_bytes(input: &mut impl Read) -> io::Result<Vec<u8>> {
    let length = get(input)?;
    let mut bytes = Vec::new();
    let read = input.take(length).read_to_end(&mut bytes)?;
    if (read as u64) < length { Err(io::ErrorKind::UnexpectedEof.into()) } else { Ok(bytes) }
}
