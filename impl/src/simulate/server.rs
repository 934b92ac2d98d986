//! One simulated server: the core and the log that are deployed, around a service's state machine.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};
use std::{fmt, io};

use bytes::Bytes;
use rafttree_model::{Applying, Index, Members, Position, Record, ServerId};
use tokio::sync::mpsc;

use super::directory::Directory;
use super::faults::TRUE_SPEED;
use super::mutant::Mutant;
use super::random::Random;
use super::subject::Subject;
use super::watched::{Notebook, Watched};
use crate::core::driver::{Driver, Input, Policy};
use crate::core::service::Service;
use crate::core::stamp::Stamp;
use crate::machine::MachineFailure;
use crate::machine::apply::{Applier, Report, Task, recover};
use crate::machine::sessions::Sessions;
use crate::storage::directory::expect_identity;
use crate::storage::layout::Layout;
use crate::storage::log::SegmentedLog;
use crate::storage::simulate::SimulatedDisk;
use crate::storage::snapshot::Snapshots;
use crate::storage::{Identity, Recovered, StorageError};

/// Segments are small, so that many are filled, left and removed in a short time.
pub(super) const SEGMENT: Layout = Layout { blocks: 12 };

/// The writing of a snapshot, which has begun and is not done.
type Body = Box<dyn FnOnce() + Send>;

type Bodies = Arc<Mutex<VecDeque<Body>>>;

type Begin = Box<dyn Fn(Body) -> io::Result<()>>;

/// A server, whether it runs or not.
pub(super) struct Server {
    pub(super) id: ServerId,
    pub(super) directory: Directory,
    pub(super) running: Option<Running>,
    /// How often it has started: what was meant for an earlier life is lost.
    pub(super) life: u64,
    pub(super) clock: Clock,
    /// Until when it stands still.
    pub(super) still: u64,
    /// Until when its disk finishes nothing.
    pub(super) stalled: u64,
    /// Until when its timers are late, since it takes what arrives first.
    pub(super) late: u64,
    /// Until when its disk is full.
    pub(super) full: u64,
    /// Whether a power loss is to come of the crash that is planned for its disk, and how long it is down then.
    pub(super) doom: Option<(bool, u64)>,
    /// It does not come back: its directory was refused for a reason that stays.
    pub(super) is_lost: bool,
    /// Its directory was initialised anew, so its peers refuse it.
    pub(super) is_stranger: bool,
    pub(super) policy: Policy,
}

/// A clock: its speed, and what it read when that was set.
#[derive(Clone, Copy, Debug)]
pub(super) struct Clock {
    since: u64,
    reading: u64,
    /// In thousandths.
    speed: u64,
}

/// A process.
pub(super) struct Running {
    pub(super) driver: Driver,
    pub(super) service: Service,
    pub(super) log: SegmentedLog<SimulatedDisk>,
    pub(super) snapshots: Arc<Snapshots<SimulatedDisk>>,
    pub(super) applier: Applier<Begin, SimulatedDisk>,
    pub(super) notebook: Notebook,
    pub(super) reports: mpsc::UnboundedReceiver<Report>,
    bodies: Bodies,
    /// What the state machine is to do, and what is done of it by an appointment that is made.
    pub(super) tasks: VecDeque<Task>,
    pub(super) is_applying: bool,
    /// The records that the disk is to write.
    pub(super) writing: Option<Vec<Record<Bytes>>>,
    /// The last entry that the state machine has applied.
    pub(super) applied: u64,
    pub(super) committed: Index,
    /// Until when it believes to lead alone, by its own clock.
    pub(super) lease: Option<Stamp>,
    pub(super) connected: BTreeSet<ServerId>,
    pub(super) kept_out: BTreeSet<ServerId>,
    /// The newest snapshot, if a follower needs one that is not here.
    pub(super) missing: Option<Position>,
    pub(super) held_back: u32,
}

/// Why a server does not start.
#[derive(Debug)]
pub(super) enum Refusal {
    Storage(StorageError),
    Machine(MachineFailure),
}

impl From<MachineFailure> for Refusal {
    fn from(failure: MachineFailure) -> Refusal {
        Refusal::Machine(failure)
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Refusal::Storage(error) => error.fmt(out),
            Refusal::Machine(failure) => failure.fmt(out),
        }
    }
}

impl From<StorageError> for Refusal {
    fn from(error: StorageError) -> Refusal {
        Refusal::Storage(error)
    }
}

/// What a server is started with.
pub(super) struct Start<'a> {
    pub(super) subject: &'a dyn Subject,
    pub(super) mutant: Option<Mutant>,
    pub(super) members: Members,
    pub(super) expected: Identity,
    pub(super) snapshot_after: u64,
    pub(super) now: u64,
}

impl Clock {
    pub(super) fn new(random: &mut Random, most: u64) -> Clock {
        let speed = random.within(TRUE_SPEED - most..TRUE_SPEED + most + 1);
        Clock { since: 0, reading: random.within(1..1_000_000_000_000), speed }
    }

    pub(super) fn read(self, now: u64) -> Stamp {
        Stamp(self.reading + ((u128::from(now - self.since) * u128::from(self.speed)) / 1000) as u64)
    }

    /// The time at which it reads so much, or more.
    pub(super) fn time_of(self, stamp: Stamp) -> u64 {
        let ahead = u128::from(stamp.0.saturating_sub(self.reading));
        self.since + (ahead * 1000).div_ceil(u128::from(self.speed)) as u64
    }

    pub(super) fn set_speed(&mut self, now: u64, speed: u64) {
        *self = Clock { since: now, reading: self.read(now).0, speed };
    }
}

impl Server {
    pub(super) fn now(&self, now: u64) -> Stamp {
        self.clock.read(now)
    }

    /// What it is, for people; none if it does not run.
    pub(super) fn status(&self) -> Option<rafttree_model::Status> {
        self.running.as_ref().map(|running| running.driver.node().status())
    }

    /// When its next timer is due.
    pub(super) fn next_deadline(&self, now: u64) -> Option<u64> {
        let deadline = self.running.as_ref()?.driver.next_deadline(self.now(now))?;
        Some(self.clock.time_of(deadline).max(now).max(self.still).max(self.late))
    }

    /// Starts the process, as a server starts. What is found on the disk is given as well.
    pub(super) fn start(&mut self, start: &Start<'_>, random: &mut Random) -> Result<Recovered, Refusal> {
        let disk = self.directory.disk.clone();
        let path = crate::storage::disk::Disk::path(&disk, "");
        let no_identity = || StorageError::NoIdentity { directory: path.clone() };
        let (identity, incarnation) = self.directory.owner.ok_or_else(no_identity)?;
        if start.mutant != Some(Mutant::TakesAnyDirectory) {
            expect_identity(&path, identity, start.expected)?;
        }
        let mut log = SegmentedLog::open(disk.clone(), incarnation, SEGMENT)?;
        let mut recovered = log.load()?;
        spoil(start.mutant, &mut recovered);
        let found = recovered.clone();
        let (now, seed) = (self.now(start.now), random.number());
        let mut driver = Driver::new(self.id, start.members, recovered, self.policy, seed, now);
        let snapshots = Arc::new(Snapshots::within(disk, incarnation, None)?);
        let notebook = Notebook::default();
        let machine =
            Watched::new(start.subject.machine(), (start.subject.view(), start.subject.check()), notebook.clone());
        let mut sessions = Sessions::new(Box::new(machine));
        let snapshot = recover(&mut sessions, &snapshots)?;
        let log_held = driver.node().log();
        let applying = Applying::start(log_held, snapshot).ok_or_else(|| StorageError::SnapshotMissing {
            directory: path.clone(),
            base: log_held.base(),
            newest: snapshot,
        })?;
        for held in snapshots.all().into_iter().rev() {
            driver.handle(Input::SnapshotHeld(held.last), now);
        }
        let (reports_of, reports) = mpsc::unbounded_channel();
        let bodies = Bodies::default();
        let applied = snapshot.unwrap_or_default();
        let begin = begin_later(&bodies);
        let applier = Applier::new(sessions, snapshots.clone(), begin, applied, start.snapshot_after, reports_of);
        notebook.open().index = applied.index.number();
        self.running = Some(Running {
            driver,
            service: Service::new(applying, random.number()),
            log,
            snapshots,
            applier,
            notebook,
            reports,
            bodies,
            tasks: VecDeque::new(),
            is_applying: false,
            writing: None,
            applied: applied.index.number(),
            committed: Index::ZERO,
            lease: None,
            connected: BTreeSet::new(),
            kept_out: BTreeSet::new(),
            missing: None,
            held_back: 0,
        });
        Ok(found)
    }
}

/// Keeps what begins for later.
fn begin_later(bodies: &Bodies) -> Begin {
    let bodies = bodies.clone();
    Box::new(move |body| {
        bodies.lock().unwrap_or_else(PoisonError::into_inner).push_back(body);
        Ok(())
    })
}

impl Running {
    /// Whether the writing of a snapshot has begun.
    pub(super) fn has_bodies(&self) -> bool {
        !self.bodies.lock().unwrap_or_else(PoisonError::into_inner).is_empty()
    }

    /// A snapshot whose writing has begun.
    pub(super) fn next_body(&mut self) -> Option<Body> {
        self.bodies.lock().unwrap_or_else(PoisonError::into_inner).pop_front()
    }
}

/// What mutants make of what was read back.
fn spoil(mutant: Option<Mutant>, recovered: &mut Recovered) {
    let log = recovered.durable.log();
    let (base, last, faulty) = (log.base().index, log.last().index, recovered.durable.faulty());
    let keep = match mutant {
        Some(Mutant::CutsAtDamage) => faulty.first().map(Index::previous),
        Some(Mutant::ReadsAllButTheLast) if base < last => Some(last.previous()),
        _ => None,
    };
    if let Some(keep) = keep {
        recovered.apply(&Record::Truncate { keep });
    }
}

/// The servers of a group.
pub(super) type Group = BTreeMap<ServerId, Server>;
