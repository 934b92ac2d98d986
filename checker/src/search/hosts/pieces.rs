//! A search by several processes that is written down: a directory with a piece of each worker, and a manifest.
//!
//! A piece is what a checkpoint of one process is, of the states that belong to its worker. The manifest names the
//! pieces that belong together. It is written last, when all of them are there for good, and only then those of
//! the checkpoint before it are removed: so a crash leaves the old one or the new. Whoever reads a checkpoint
//! reads all pieces, and keeps what belongs to it: so there may be another number of processes then.

use std::fmt::Display;
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::Path;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::search::checkpoint::{self, CheckpointError, Saved};
use crate::search::explored::Explored;
use crate::search::fingerprint::Print;
use crate::search::frontier::Room;
use crate::search::identity::Identity;
use crate::search::space::Space;

const MANIFEST: &str = "manifest";
const ENDING: &str = "piece";
const FIRST_LINE: &str = "rafttree-checker pieces 1";

/// Which pieces are one checkpoint.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub(super) struct Manifest {
    /// Which run has written it, and how many it had written before.
    pub(super) run: u64,
    pub(super) number: u64,
    pub(super) workers: usize,
    pub(super) states: u64,
    pub(super) nanoseconds: u64,
    /// What the search rests on.
    identity: Vec<(String, String)>,
}

/// The place of one piece.
#[derive(Clone, Copy, Debug)]
pub(super) struct Piece {
    pub(super) run: u64,
    pub(super) number: u64,
    pub(super) worker: usize,
    pub(super) workers: usize,
}

impl Piece {
    fn file(&self) -> String {
        format!("{:016x}-{}-{}.{ENDING}", self.run, self.number, self.worker)
    }

    /// A piece is no checkpoint by itself, and must not be taken for one.
    fn identity(&self, of_search: &Identity) -> Identity {
        let Piece { run, number, worker, workers } = self;
        of_search.clone().with("piece", format!("{worker} of {workers} of {run:016x}-{number}"))
    }

    /// Writes it, to stay.
    pub(super) fn write<S: Space, P: Print>(
        &self,
        directory: &Path,
        identity: &Identity,
        space: &S,
        explored: &Explored<S, P>,
        elapsed: Duration,
        gathered: &[u8],
    ) -> Result<(), String> {
        fs::create_dir_all(directory).map_err(|error| told(directory, error))?;
        let path = directory.join(self.file());
        let written = checkpoint::write(&path, &self.identity(identity), space, explored, elapsed, gathered);
        written.map_err(|error| told(&path, error))
    }

    /// Removes it, or what there is of it.
    pub(super) fn remove(&self, directory: &Path) {
        for name in [self.file(), format!("{}.part", self.file())] {
            // What stays is in nobody's way.
            let _ = fs::remove_file(directory.join(name));
        }
    }
}

impl Manifest {
    pub(super) fn new(piece: Piece, states: u64, elapsed: Duration, identity: &Identity) -> Manifest {
        let Piece { run, number, workers, .. } = piece;
        let (nanoseconds, identity) = (elapsed.as_nanos() as u64, identity.parts().to_vec());
        Manifest { run, number, workers, states, nanoseconds, identity }
    }

    /// What it is called where processes compare what they go on from.
    pub(super) fn name(&self) -> String {
        format!("{:016x}-{}", self.run, self.number)
    }

    pub(super) fn elapsed(&self) -> Duration {
        Duration::from_nanos(self.nanoseconds)
    }

    /// Writes it, to stay.
    pub(super) fn write(&self, directory: &Path) -> Result<(), String> {
        let (path, beside) = (directory.join(MANIFEST), directory.join("manifest.part"));
        let body = serde_json::to_string(self).expect("words and numbers can be written");
        let text = format!("{FIRST_LINE}\n{body}\n{:08x}\n", crc32fast::hash(body.as_bytes()));
        let write = || -> io::Result<()> {
            let mut file = File::create(&beside)?;
            file.write_all(text.as_bytes())?;
            file.sync_all()?;
            checkpoint::put_in_place(&beside, &path)
        };
        write().map_err(|error| told(&path, error))
    }

    /// Removes what belongs to no checkpoint any more, as far as it can be removed.
    pub(super) fn tidy(&self, directory: &Path) {
        let kept: Vec<String> = self.pieces().map(|piece| piece.file()).collect();
        for entry in fs::read_dir(directory).into_iter().flatten().flatten() {
            let name = entry.file_name().to_string_lossy().into_owned();
            if Path::new(&name).extension().is_some_and(|it| it == ENDING) && !kept.contains(&name) {
                let _ = fs::remove_file(entry.path());
            }
        }
    }

    /// The manifest of a directory, if it is of this search and all its pieces are there, whole.
    pub(super) fn read(directory: &Path, ours: &Identity) -> Result<Manifest, String> {
        let manifest = Manifest::of_search(directory, ours)?;
        for piece in manifest.pieces() {
            let path = directory.join(piece.file());
            checkpoint::check_seal(&path).map_err(|error| told(&path, error))?;
        }
        Ok(manifest)
    }

    /// The manifest of a directory, if it is of this search.
    fn of_search(directory: &Path, ours: &Identity) -> Result<Manifest, String> {
        let path = directory.join(MANIFEST);
        let text = fs::read_to_string(&path).map_err(|error| told(&path, CheckpointError::Unreadable(error)))?;
        let manifest = Manifest::parse(&text).map_err(|error| told(&path, error))?;
        let theirs = manifest.identity.iter();
        let theirs = theirs.fold(Identity::default(), |identity, (name, value)| identity.with(name, value));
        let differences = ours.differences(&theirs);
        if differences.is_empty() { Ok(manifest) } else { Err(told(&path, CheckpointError::OtherSearch(differences))) }
    }

    fn parse(text: &str) -> Result<Manifest, CheckpointError> {
        let rest = text.strip_prefix(FIRST_LINE).and_then(|rest| rest.strip_prefix('\n'));
        let (body, seal) = rest.ok_or(CheckpointError::Foreign)?.split_once('\n').ok_or(CheckpointError::Damaged)?;
        if seal != format!("{:08x}\n", crc32fast::hash(body.as_bytes())) {
            return Err(CheckpointError::Damaged);
        }
        serde_json::from_str(body).map_err(|_| CheckpointError::Damaged)
    }

    fn pieces(&self) -> impl Iterator<Item = Piece> {
        let Manifest { run, number, workers, .. } = *self;
        (0..workers).map(move |worker| Piece { run, number, worker, workers })
    }

    /// Its pieces, one after the other.
    pub(super) fn saved<S: Space, P: Print>(
        &self,
        directory: &Path,
        identity: &Identity,
        space: &S,
        room: Option<Room>,
    ) -> impl Iterator<Item = Result<Saved<S, P>, String>> {
        self.pieces().map(move |piece| {
            let path = directory.join(piece.file());
            checkpoint::read(&path, &piece.identity(identity), space, room.clone()).map_err(|error| told(&path, error))
        })
    }
}

/// Whether there is a checkpoint of this search to go on from.
pub(super) fn is_there(directory: &Path, ours: &Identity) -> bool {
    Manifest::of_search(directory, ours).is_ok()
}

/// Makes sure that pieces can be written there, before hours go into what nobody could write down.
pub(super) fn make_ready(directory: &Path) -> Result<(), String> {
    let probe = directory.join(format!("probe-{}", std::process::id()));
    let tried = fs::create_dir_all(directory).and_then(|()| File::create(&probe)).and_then(|_| fs::remove_file(&probe));
    tried.map_err(|error| told(directory, format!("a checkpoint cannot be written there: {error}")))
}

fn told(path: &Path, error: impl Display) -> String {
    format!("{}: {error}", path.display())
}
