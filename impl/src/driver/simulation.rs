//! The driver over simulated disks, networks and clocks: one seed, one history.
//!
//! Disks lose what was not flushed, except for a prefix of it. The network loses, delays,
//! duplicates, reorders and separates. Clocks differ in speed by up to 8 %. Servers crash at any
//! moment, and connections tell of it or do not; and they stand still, one or all at a time, so
//! that timers are late. `RAFTTREE_SEED=n` repeats one history.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};
use std::time::Duration;

use bytes::Bytes;
use rafttree_model::{Entry, Event, Index, Members, Message, Record, ServerId, Term};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use super::{Action, Driver, Input, Policy};
use crate::storage::Recovered;
use crate::transport::{Frame, Stamp};

const T: Duration = Duration::from_millis(100);
const POLICY: Policy = Policy {
    minimum_timeout: T,
    heartbeat_interval: Duration::from_millis(20),
    early_timeout: true,
    longest_flush: Duration::from_secs(1),
};

/// For so long things go wrong, then everything works.
const TROUBLE: Duration = Duration::from_secs(8);
const PEACE: Duration = Duration::from_secs(3);

/// What will happen at a certain time.
#[derive(Debug)]
enum Happening {
    Input {
        to: ServerId,
        life: u64,
        input: Input,
    },
    /// The disk finishes a write.
    Flushed {
        at: ServerId,
        life: u64,
    },
    Crash(ServerId),
    Start(ServerId),
    /// These can reach each other, and the others each other, until the next such moment.
    Separate(Vec<ServerId>),
    /// Somebody asks a server for something.
    Ask(ServerId),
    /// These hear nothing and do nothing for so long; what they miss is told to them later.
    StandStill(Vec<ServerId>, Duration),
}

struct Server {
    driver: Option<Driver>,
    /// How often it started: what was meant for an earlier life is lost.
    life: u64,
    /// What is durable.
    disk: Vec<Record<Bytes>>,
    /// What the disk is writing.
    writing: Vec<Record<Bytes>>,
    /// Speed of its clock in thousandths.
    speed: u64,
    /// What its clock reads at time zero.
    offset: u64,
    /// Until when it stands still.
    still: u64,
    /// Until when it believes to lead alone, by its own clock.
    lease: Option<Stamp>,
    committed: Index,
}

impl Server {
    fn clock(&self, now: u64) -> Stamp {
        Stamp(self.offset + now / 1000 * self.speed)
    }

    /// The time at which its clock reads `stamp` or more.
    fn time_of(&self, stamp: Stamp) -> u64 {
        (stamp.0.saturating_sub(self.offset)).div_ceil(self.speed) * 1000
    }
}

/// What must be true of the whole history.
#[derive(Default)]
struct History {
    leaders: BTreeMap<Term, ServerId>,
    votes: BTreeMap<(ServerId, Term), ServerId>,
    fence: Option<Term>,
    committed: Vec<Entry<Bytes>>,
    leaderships: usize,
}

impl History {
    fn leads(&mut self, id: ServerId, term: Term) {
        let first = *self.leaders.entry(term).or_insert(id);
        assert_eq!(first, id, "election safety: two leaders of term {term}");
    }

    fn votes(&mut self, id: ServerId, term: Term, candidate: ServerId) {
        let first = *self.votes.entry((id, term)).or_insert(candidate);
        assert_eq!(first, candidate, "server {id} voted twice in term {term}");
    }

    fn fence(&mut self, term: Term) {
        assert!(self.fence < Some(term), "fence {term} after {:?}", self.fence);
        self.fence = Some(term);
        self.leaderships += 1;
    }

    fn commits(&mut self, driver: &Driver, from: Index) {
        let commit = driver.node().commit();
        let entries = driver.entries.between(from, commit).expect("what is committed is in the log");
        for entry in entries {
            match self.committed.get(entry.position.index.number() as usize - 1) {
                Some(first) => assert_eq!(first, entry, "a committed entry changed"),
                None => self.committed.push(entry.clone()),
            }
        }
    }

    fn sends(&mut self, frame: &Frame) {
        let envelope = &frame.envelope;
        match envelope.message {
            Message::AppendRequest { .. } => self.leads(envelope.from, envelope.term),
            Message::VoteRequest { .. } => self.votes(envelope.from, envelope.term, envelope.from),
            Message::VoteReply { granted: true } => self.votes(envelope.from, envelope.term, envelope.to),
            _ => {}
        }
    }
}

struct World {
    seed: u64,
    random: StdRng,
    now: u64,
    servers: BTreeMap<ServerId, Server>,
    agenda: BinaryHeap<Reverse<(u64, u64)>>,
    happenings: BTreeMap<u64, Happening>,
    /// Servers on one side; nothing passes between the sides.
    side: Vec<ServerId>,
    trouble: bool,
    history: History,
}

/// Names the seed when a history fails.
impl Drop for World {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("repeat with RAFTTREE_SEED={} (time {} us)", self.seed, self.now / 1000);
        }
    }
}

impl World {
    fn new(seed: u64, count: u32) -> World {
        let mut random = StdRng::seed_from_u64(seed);
        let mut server = || Server {
            driver: None,
            life: 0,
            disk: Vec::new(),
            writing: Vec::new(),
            speed: random.random_range(960..=1040),
            offset: random.random_range(1..1_000_000_000_000),
            still: 0,
            lease: None,
            committed: Index::ZERO,
        };
        let servers = (1..=count).map(|id| (ServerId::new(id), server())).collect();
        let mut world = World {
            seed,
            random,
            now: 0,
            servers,
            agenda: BinaryHeap::new(),
            happenings: BTreeMap::new(),
            side: Vec::new(),
            trouble: true,
            history: History::default(),
        };
        world.ids().into_iter().for_each(|id| world.start(id));
        world.plan_trouble();
        world
    }

    fn ids(&self) -> Vec<ServerId> {
        self.servers.keys().copied().collect()
    }

    fn peers(&self, id: ServerId) -> Vec<ServerId> {
        self.ids().into_iter().filter(|&peer| peer != id).collect()
    }

    fn any_id(&mut self) -> ServerId {
        ServerId::new(self.random.random_range(1..=self.servers.len() as u32))
    }

    fn chance(&mut self, percent: f64) -> bool {
        self.trouble && self.random.random_bool(percent / 100.0)
    }

    fn later(&mut self, delay: Duration, happening: Happening) {
        let number = self.happenings.last_key_value().map_or(0, |(number, _)| number + 1);
        self.agenda.push(Reverse((self.now + delay.as_nanos() as u64, number)));
        self.happenings.insert(number, happening);
    }

    fn moment(&mut self, within: Duration) -> Duration {
        Duration::from_micros(self.random.random_range(1..within.as_micros() as u64))
    }

    /// Crashes, separations, standstills and requests at random moments.
    fn plan_trouble(&mut self) {
        for _ in 0..self.random.random_range(0..12) {
            let (at, id) = (self.moment(TROUBLE), self.any_id());
            self.later(at, Happening::Crash(id));
        }
        for _ in 0..self.random.random_range(0..8) {
            let at = self.moment(TROUBLE);
            let side = self.ids().into_iter().filter(|_| self.random.random_bool(0.5)).collect();
            self.later(at, Happening::Separate(side));
        }
        for _ in 0..self.random.random_range(0..12) {
            let (at, length) = (self.moment(TROUBLE), self.moment(3 * T));
            let still = if self.random.random_bool(0.5) { self.ids() } else { vec![self.any_id()] };
            self.later(at, Happening::StandStill(still, length));
        }
        for _ in 0..40 {
            let (at, id) = (self.moment(TROUBLE), self.any_id());
            self.later(at, Happening::Ask(id));
        }
    }

    fn start(&mut self, id: ServerId) {
        let seed = self.random.random();
        let members = Members::new(self.ids()).unwrap();
        let server = self.servers.get_mut(&id).unwrap();
        if server.driver.is_some() {
            return;
        }
        let mut recovered = Recovered::default();
        server.disk.iter().for_each(|record| recovered.apply(record));
        server.life += 1;
        server.committed = Index::ZERO;
        server.driver = Some(Driver::new(id, members, recovered, POLICY, seed, server.clock(self.now)));
        for peer in self.peers(id) {
            self.tell(id, Duration::from_micros(200), Input::Connected(peer, T));
            self.tell(peer, Duration::from_micros(200), Input::Connected(id, T));
        }
    }

    fn tell(&mut self, to: ServerId, delay: Duration, input: Input) {
        let life = self.servers[&to].life;
        self.later(delay, Happening::Input { to, life, input });
    }

    /// A prefix of what the disk was writing stays; the peers' connections may tell of the end.
    fn crash(&mut self, id: ServerId) {
        let server = self.servers.get_mut(&id).unwrap();
        if server.driver.take().is_none() {
            return;
        }
        server.lease = None;
        let mut writing = std::mem::take(&mut server.writing);
        writing.truncate(self.random.random_range(0..=writing.len()));
        server.disk.extend(writing);
        for peer in self.peers(id) {
            let noticed = self.random.random_bool(0.7) && self.is_reachable(id, peer);
            if noticed {
                self.tell(peer, Duration::from_micros(300), Input::Closed(id));
                self.tell(peer, Duration::from_micros(310), Input::Disconnected(id));
            }
        }
        let pause = self.moment(Duration::from_millis(1500));
        self.later(pause, Happening::Start(id));
    }

    fn is_reachable(&self, from: ServerId, to: ServerId) -> bool {
        self.side.contains(&from) == self.side.contains(&to)
    }

    /// Lets the next thing happen: a timer or something planned.
    fn advance(&mut self) {
        let timer = self.servers.iter().filter_map(|(&id, server)| {
            let deadline = server.driver.as_ref()?.next_deadline(server.clock(self.now))?;
            Some((server.time_of(deadline).max(self.now).max(server.still), id))
        });
        let timer = timer.min();
        let planned = self.agenda.peek().map(|Reverse((at, _))| *at);
        match (timer, planned) {
            (Some((at, id)), planned) if planned.is_none_or(|planned| at < planned) => {
                self.now = at;
                self.input(id, Input::Deadline);
            }
            _ => {
                let Reverse((at, number)) = self.agenda.pop().expect("something is always planned or due");
                self.now = at;
                let happening = self.happenings.remove(&number).expect("planned things stay planned");
                match self.missed_until(&happening) {
                    Some(still) => {
                        let late = still - self.now + self.moment(Duration::from_micros(200)).as_nanos() as u64;
                        self.later(Duration::from_nanos(late), happening);
                    }
                    None => self.happen(happening),
                }
            }
        }
    }

    /// Until when whom this is meant for stands still, if it does.
    fn missed_until(&self, happening: &Happening) -> Option<u64> {
        let (Happening::Input { to: id, .. } | Happening::Flushed { at: id, .. } | Happening::Ask(id)) = happening
        else {
            return None;
        };
        Some(self.servers[id].still).filter(|&still| self.now < still)
    }

    fn happen(&mut self, happening: Happening) {
        match happening {
            Happening::Input { to, life, input } => {
                if self.servers[&to].life == life {
                    self.input(to, input);
                }
            }
            Happening::Flushed { at, life } => self.flushed(at, life),
            Happening::Crash(id) => self.crash(id),
            Happening::Start(id) => self.start(id),
            Happening::Separate(side) => self.side = if self.trouble { side } else { Vec::new() },
            Happening::Ask(id) => self.ask(id),
            Happening::StandStill(ids, length) => {
                let end = self.now + length.as_nanos() as u64;
                self.servers.iter_mut().filter(|(id, _)| ids.contains(id)).for_each(|(_, server)| server.still = end);
            }
        }
    }

    fn flushed(&mut self, at: ServerId, life: u64) {
        let server = self.servers.get_mut(&at).unwrap();
        if server.life == life && server.driver.is_some() {
            let written = std::mem::take(&mut server.writing);
            server.disk.extend(written);
            self.input(at, Input::Flushed);
        }
    }

    fn ask(&mut self, id: ServerId) {
        let event = match self.random.random_range(0..10) {
            0 => Event::StepDown,
            1 | 2 => Event::Transfer(self.any_id()),
            _ => {
                let length = if self.random.random_bool(0.1) { super::MOST_BYTES / 2 + 1 } else { 5 };
                Event::Propose(Bytes::from(vec![self.random.random(); length]))
            }
        };
        self.input(id, Input::Event(event));
    }

    fn input(&mut self, id: ServerId, input: Input) {
        let server = self.servers.get_mut(&id).unwrap();
        let now = server.clock(self.now);
        let Some(driver) = &mut server.driver else { return };
        let actions = driver.handle(input, now);
        server.lease = driver.lease(now);
        self.history.commits(driver, server.committed);
        server.committed = driver.node().commit();
        actions.into_iter().for_each(|action| self.perform(id, action));
        self.check_leases();
    }

    fn perform(&mut self, id: ServerId, action: Action) {
        match action {
            Action::Send(frame) => {
                self.history.sends(&frame);
                self.send(frame);
            }
            Action::Write(records) => self.write(id, records),
            Action::Leading(term) => {
                self.history.leads(id, term);
                self.history.fence(term);
            }
            Action::Yielded => {}
            Action::Stalled => self.crash(id),
        }
    }

    fn write(&mut self, id: ServerId, records: Vec<Record<Bytes>>) {
        let delay = match (self.chance(0.5), self.chance(3.0)) {
            (true, _) => Duration::from_millis(1500),
            (_, true) => self.moment(Duration::from_millis(150)),
            _ => Duration::from_micros(self.random.random_range(80..300)),
        };
        let server = self.servers.get_mut(&id).unwrap();
        assert!(server.writing.is_empty(), "one write at a time");
        assert!(!records.is_empty());
        server.writing = records;
        let life = server.life;
        self.later(delay, Happening::Flushed { at: id, life });
    }

    fn send(&mut self, frame: Frame) {
        let (from, to) = (frame.envelope.from, frame.envelope.to);
        if !self.is_reachable(from, to) || self.chance(3.0) {
            return;
        }
        if self.chance(2.0) {
            let delay = self.moment(Duration::from_millis(300));
            self.tell(to, delay, Input::Frame(frame.clone()));
        }
        let most = if self.chance(5.0) { Duration::from_millis(150) } else { Duration::from_micros(500) };
        let delay = self.moment(most);
        self.tell(to, delay, Input::Frame(frame));
    }

    fn check_leases(&self) {
        let holds = |server: &Server| server.lease.is_some_and(|lease| server.clock(self.now) < lease);
        let holders: Vec<_> = self.servers.iter().filter(|(_, server)| holds(server)).map(|(id, _)| id).collect();
        assert!(holders.len() <= 1, "two leases at a time: {holders:?}");
    }

    fn run_until(&mut self, end: Duration) {
        while self.now < end.as_nanos() as u64 {
            self.advance();
        }
    }

    /// Once all is well, one server leads, everybody knows it, and all logs agree.
    fn check_peace(&self) {
        let statuses: Vec<_> =
            self.servers.values().map(|server| server.driver.as_ref().expect("all run").node().status()).collect();
        let first = statuses[0];
        assert!(first.leader.is_some(), "nobody leads: {statuses:?}");
        for status in &statuses {
            assert_eq!((status.term, status.leader, status.last), (first.term, first.leader, first.last));
        }
        let leader = &self.servers[&first.leader.expect("just checked")];
        assert!(leader.lease.is_some_and(|lease| leader.clock(self.now) < lease), "the leader holds no lease");
    }
}

fn run(seed: u64, count: u32) -> usize {
    let mut world = World::new(seed, count);
    world.run_until(TROUBLE);
    world.trouble = false;
    world.side.clear();
    world.run_until(TROUBLE + PEACE);
    world.check_peace();
    world.history.leaderships
}

/// Many histories; they must hold what makes them worth running.
fn run_many(count: u32, seeds: u64) {
    if let Ok(seed) = std::env::var("RAFTTREE_SEED") {
        run(seed.parse().expect("RAFTTREE_SEED is a number"), count);
        return;
    }
    let leaderships: usize = (0..seeds).map(|seed| run(seed, count)).sum();
    assert!(seeds as usize * 3 < leaderships, "only {leaderships} leaderships in {seeds} histories");
}

#[test]
fn groups_of_three_keep_their_promises() {
    run_many(3, 2000);
}

#[test]
fn groups_of_five_keep_their_promises() {
    run_many(5, 1000);
}

#[test]
fn groups_of_one_and_two_keep_their_promises() {
    run_many(2, 500);
    run_many(1, 100);
}

#[test]
fn one_seed_is_one_history() {
    let history = |seed| {
        let mut world = World::new(seed, 3);
        world.run_until(TROUBLE);
        let disks: Vec<_> = world.servers.values().map(|server| server.disk.clone()).collect();
        (world.now, disks)
    };
    assert_eq!(history(7), history(7));
    assert_ne!(history(7), history(8));
}
