//! One run: a time of trouble, then peace, in which commands must soon be answered again.

use std::collections::BTreeSet;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

use rafttree_model::{Payload, ServerId};

use super::clients::Clients;
use super::directory::Directory;
use super::facts::{Judgement, ensure};
use super::faults::{Fault, MAX_DRIFT, MILLISECOND, T, TROUBLE, What, plan};
use super::mutant::Mutant;
use super::random::Random;
use super::report::Figures;
use super::server::{Clock, Server};
use super::subject::Subject;
use super::watched::untagged;
use super::world::{Happening, World};
use crate::core::driver::{Input, Policy};
use crate::core::links::ElectOnDisconnect;
use crate::machine::sessions::Sent;

/// Clients at work at a time.
const CLIENTS: usize = 4;

/// When all faults are over, and every process was started that can be, a command must be answered within
/// this: three of the longest election timeouts.
const MAX_RECOVERY: u64 = 3 * 2 * MAX_TIMEOUT;

/// The longest minimum timeout of a server.
const MAX_TIMEOUT: u64 = 3 * T;

/// Within this, all servers that run have applied all that is committed.
const MAX_CATCHING_UP: u64 = 40 * T;

/// What a run is made of.
#[derive(Clone, Debug)]
pub(super) struct Settings {
    pub(super) seed: u64,
    pub(super) servers: u32,
    pub(super) mutant: Option<Mutant>,
    /// The faults by their numbers, where not all of them are to strike.
    pub(super) only: Option<BTreeSet<usize>>,
    /// Whether the run is to be told in words.
    pub(super) is_told: bool,
}

/// What came of a run.
#[derive(Clone, Debug)]
pub(super) struct Outcome {
    pub(super) violation: Option<String>,
    pub(super) figures: Figures,
    pub(super) digest: u64,
    pub(super) story: Vec<String>,
}

/// In so many runs of a hundred disks may forget what they have promised to keep: then nothing is promised from
/// there on.
const FORGETTING_PERCENT: u64 = 12;

/// All faults of the run.
fn planned(settings: &Settings) -> Vec<Fault> {
    let is_forgetting = Random::stream(settings.seed, 4).chance(FORGETTING_PERCENT);
    plan(settings.seed, settings.servers, is_forgetting && settings.mutant.is_none())
}

/// The faults that strike in such a run, with their numbers.
pub(super) fn faults(settings: &Settings) -> Vec<(usize, Fault)> {
    let all = planned(settings).into_iter().enumerate();
    all.filter(|(number, _)| settings.only.as_ref().is_none_or(|only| only.contains(number))).collect()
}

/// One run. A panic of the code under test is a violation as well.
pub(super) fn run(subject: &dyn Subject, settings: &Settings) -> Outcome {
    let mut world = World::planned(subject, settings);
    let ended = catch_unwind(AssertUnwindSafe(|| {
        world.run_trouble();
        world.run_peace();
        world.judge_the_end();
    }));
    if let Err(panic) = ended {
        let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
        let words = text.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_default();
        world.judge(Err(format!("a panic: {words}")));
    }
    world.outcome()
}

impl<'a> World<'a> {
    /// A world in which everything is planned.
    fn planned(subject: &'a dyn Subject, settings: &Settings) -> World<'a> {
        let mut world = World::peaceful(subject, settings.seed, settings.servers, settings.mutant);
        world.story = settings.is_told.then(Vec::new);
        world.is_trouble = true;
        world.faults = planned(settings);
        for (number, fault) in faults(settings) {
            world.later(fault.at, Happening::Fault(number));
            if let What::OlderCopy { age, .. } = fault.what {
                world.later(fault.at.saturating_sub(age), Happening::Copy(number));
            }
        }
        world.clients = Clients::new(CLIENTS);
        for number in 0..CLIENTS {
            world.later(T + number as u64 * MILLISECOND, Happening::Client(number));
        }
        for _ in 0..world.random.below(12) {
            let at = world.moment(TROUBLE);
            world.later(at, Happening::Ask);
        }
        world
    }

    /// A group that was started, for which nothing is planned.
    pub(super) fn peaceful(subject: &'a dyn Subject, seed: u64, servers: u32, mutant: Option<Mutant>) -> World<'a> {
        let mut world = World::empty(subject, seed, servers);
        world.mutant = mutant;
        let mut random = Random::stream(seed, 3);
        let are_unequal = random.chance(30);
        world.snapshot_after = random.within(10..80) * (8 << 10);
        world.padding = if random.chance(10) { 600 << 10 } else { 0 };
        let drift = if mutant == Some(Mutant::ClocksDrift) { 400 } else { MAX_DRIFT };
        for id in world.ids() {
            let timeout = if are_unequal { T * random.within(1..7) / 2 } else { T };
            let directory = world.new_directory(id);
            world.group.insert(id, server(id, directory, Clock::new(&mut random, drift), timeout));
        }
        world.ids().into_iter().for_each(|id| world.start(id));
        world
    }

    /// Lets the next thing happen: a timer or something planned.
    pub(super) fn advance(&mut self) {
        let deadlines = self.group.iter().filter_map(|(&id, server)| Some((server.next_deadline(self.now)?, id)));
        let (timer, planned) = (deadlines.min(), self.next_planned());
        self.figures.steps += 1;
        match timer {
            Some((at, id)) if planned.is_none_or(|planned| at < planned) => {
                self.now = at;
                self.input(id, Input::Deadline);
            }
            _ => {
                let happening = self.take_planned().expect("something is always planned or due");
                match self.missed_until(&happening) {
                    Some(still) => {
                        let late = still - self.now + self.moment(MILLISECOND / 5);
                        self.later(late, happening);
                    }
                    None => self.happen(happening),
                }
            }
        }
        self.listen();
    }

    /// Until when whom this is meant for stands still, if it does.
    fn missed_until(&self, happening: &Happening) -> Option<u64> {
        let (id, needs_disk) = match happening {
            Happening::Input { to, .. } | Happening::Service { to, .. } | Happening::Travel { to, .. } => (to, false),
            Happening::Apply { at, .. } => (at, false),
            Happening::Flush { at, .. } | Happening::WriteSnapshot { at, .. } => (at, true),
            _ => return None,
        };
        let server = &self.group[id];
        let until = if needs_disk { server.still.max(server.stalled) } else { server.still };
        Some(until).filter(|&until| self.now < until)
    }

    fn lives(&self, id: ServerId, life: u64) -> bool {
        let server = &self.group[&id];
        server.life == life && server.running.is_some()
    }

    fn happen(&mut self, happening: Happening) {
        match happening {
            Happening::Input { to, life, input } if self.lives(to, life) => self.input(to, input),
            Happening::Flush { at, life } if self.lives(at, life) => self.flush(at),
            Happening::Apply { at, life } if self.lives(at, life) => self.apply(at),
            Happening::WriteSnapshot { at, life } if self.lives(at, life) => self.write_snapshots(at),
            Happening::Service { to, life, from, message } if self.lives(to, life) => self.receive(to, from, message),
            Happening::Travel { from, to, lives, last } => {
                if self.lives(from, lives.0) && self.lives(to, lives.1) {
                    self.travel(from, to, last);
                } else {
                    self.travelling.remove(&(from, to));
                }
            }
            Happening::Start(id) => self.start_by_and_by(id),
            Happening::Call(from, to) => self.call(from, to),
            Happening::Fault(number) if self.is_trouble => self.strike(number),
            Happening::Copy(number) => self.copy_directory(number),
            Happening::SwapBack(one, other) => self.swap_back(one, other),
            Happening::Flap { server, others, times, every } => self.flap(server, others, times, every),
            Happening::Client(number) => self.go_on(number),
            Happening::GiveUp(number) => self.give_up(number),
            Happening::Ask => self.demand(),
            _ => {}
        }
    }

    /// A machine that stands still starts nothing.
    fn start_by_and_by(&mut self, id: ServerId) {
        let still = self.group[&id].still.saturating_sub(self.now);
        if still == 0 {
            self.start(id);
        } else {
            self.later(still, Happening::Start(id));
        }
    }

    pub(super) fn run_until(&mut self, end: u64) {
        while self.now < end && !self.is_over() {
            self.advance();
        }
    }

    fn run_trouble(&mut self) {
        self.run_until(TROUBLE);
    }

    /// All faults end, what is down is started, and whoever lost sight of another one finds it again.
    fn end_trouble(&mut self) {
        self.is_trouble = false;
        self.weather = Default::default();
        self.side.clear();
        self.lost.clear();
        self.tell(|| "all faults are over".to_owned());
        for id in self.ids() {
            let server = self.group.get_mut(&id).expect("it is one of the group");
            (server.still, server.stalled, server.late, server.full) = (0, 0, 0, 0);
            server.directory.disk.heal();
            self.later(T / 10, Happening::Start(id));
        }
        for (at, id) in (1..).zip(self.ids()) {
            self.peers(id).into_iter().for_each(|peer| self.call_each_other(id, peer, T + at));
        }
    }

    fn run_peace(&mut self) {
        if self.is_over() {
            return;
        }
        self.end_trouble();
        // What was on its way comes to its end, and what stops by itself is started.
        self.run_until(self.now + 5 * T);
        if self.is_over() || self.excuse.is_some() {
            return;
        }
        let (begin, answered) = (self.now, self.clients.calls.len());
        let has_resumed = |world: &World<'_>| {
            let mut news = world.clients.calls[answered..].iter();
            news.any(|call| begin <= call.called && call.command.is_some() && call.is_answered())
        };
        while !self.is_over() && !has_resumed(self) {
            if begin + MAX_RECOVERY < self.now {
                let states: Vec<_> = self.group.values().map(|server| server.status()).collect();
                return self.judge(Err(format!("all is well, and no command is answered: {states:?}")));
            }
            self.advance();
        }
        self.figures.longest_recovery = self.now - begin;
        self.catch_up();
    }

    /// Every server that runs applies what is committed.
    fn catch_up(&mut self) {
        let (target, end) = (self.facts.last_committed(), self.now + MAX_CATCHING_UP);
        let lags = |world: &World<'_>| {
            let mut running = world
                .group
                .values()
                .filter(|server| !server.is_lost && !server.is_stranger && !server.directory.wounds.rot);
            running.any(|server| server.running.as_ref().is_none_or(|running| running.applied < target))
        };
        while !self.is_over() && lags(self) {
            if end < self.now {
                let states: Vec<_> = self.group.values().map(|server| server.status()).collect();
                return self.judge(Err(format!("all is well, and a server lags behind entry {target}: {states:?}")));
            }
            self.advance();
        }
    }

    /// What clients were told is so, and what they saw can be explained.
    fn judge_the_end(&mut self) {
        if self.is_over() {
            return;
        }
        self.end_calls();
        let judgement = self.once_or_never();
        self.judge(judgement);
        let judgement = self.subject.judge(&self.clients.calls);
        self.judge(judgement);
    }

    /// What was proposed once is committed once at most, and not where a client was told that it is not.
    fn once_or_never(&self) -> Judgement {
        let mut seen = BTreeSet::new();
        for entry in self.facts.committed() {
            let Payload::Command(command) = &entry.payload else { continue };
            let Ok(Sent::Plain(command)) = Sent::decode(command.clone()) else { continue };
            let Some((tag, _)) = untagged(&command) else { continue };
            ensure!(seen.insert(tag), "command {tag} is committed twice, and was proposed once");
            let is_denied = self.clients.denied.contains(&tag);
            ensure!(!is_denied, "command {tag} is committed, and a client was told that it is not");
        }
        Ok(())
    }

    fn outcome(mut self) -> Outcome {
        self.figures.runs = 1;
        (self.figures.elections, self.figures.commits) = (self.facts.elections, self.facts.commits);
        self.digest.add(self.facts.last_committed());
        self.digest.add(self.clients.floor);
        self.digest.add(self.now);
        let mut violation = self.violation;
        if self.excuse.is_some() {
            self.figures.forgetful = 1;
            self.figures.harmed = u64::from(violation.take().is_some());
        }
        let (figures, digest) = (self.figures, self.digest.value());
        Outcome { violation, figures, digest, story: self.story.unwrap_or_default() }
    }
}

fn server(id: ServerId, directory: Directory, clock: Clock, timeout: u64) -> Server {
    let policy = Policy {
        minimum_timeout: Duration::from_nanos(timeout),
        heartbeat_interval: Duration::from_nanos(T / 5),
        elect_on_disconnect: ElectOnDisconnect::Refused,
        longest_flush: Duration::from_nanos(10 * T),
    };
    Server {
        id,
        directory,
        running: None,
        life: 0,
        clock,
        still: 0,
        stalled: 0,
        late: 0,
        full: 0,
        doom: None,
        is_lost: false,
        is_stranger: false,
        policy,
    }
}
