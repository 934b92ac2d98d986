//! The simulated world: servers, what is going to happen, and what has happened so far.

use std::collections::{BTreeMap, BTreeSet};

use rafttree_model::{Members, ServerId};

use super::clients::Clients;
use super::digest::Digest;
use super::directory::Directory;
use super::facts::{Facts, Judgement};
use super::faults::{Fault, Servers};
use super::mutant::Mutant;
use super::random::Random;
use super::report::Figures;
use super::server::Group;
use super::subject::Subject;
use crate::core::driver::Input;
use crate::core::request::ServiceMessage;

/// Something that is going to happen.
#[derive(Debug)]
pub(super) enum Happening {
    Input {
        to: ServerId,
        life: u64,
        input: Input,
    },
    /// The disk writes what it was given, and flushes it.
    Flush {
        at: ServerId,
        life: u64,
    },
    /// The state machine does its next task.
    Apply {
        at: ServerId,
        life: u64,
    },
    /// A snapshot whose writing has begun is written.
    WriteSnapshot {
        at: ServerId,
        life: u64,
    },
    Start(ServerId),
    /// This server calls that one, and reaches it if nothing is between.
    Call(ServerId, ServerId),
    /// A server says something about requests.
    Service {
        to: ServerId,
        life: u64,
        from: ServerId,
        message: ServiceMessage,
    },
    /// A snapshot goes from one server to another, or a part of it.
    Travel {
        from: ServerId,
        to: ServerId,
        lives: (u64, u64),
        last: rafttree_model::Position,
    },
    /// The fault of this number strikes.
    Fault(usize),
    /// The directory is copied, for the fault of this number.
    Copy(usize),
    /// Directories that changed places get theirs again.
    SwapBack(ServerId, ServerId),
    /// A server's connections to these end once more, so many times, every so often.
    Flap {
        server: ServerId,
        others: Servers,
        times: u64,
        every: u64,
    },
    /// A client goes on.
    Client(usize),
    /// A client waits no longer, if it still waits.
    GiveUp(usize),
    /// Somebody asks a server to give up its leadership, or to make a snapshot.
    Ask,
}

/// How much goes wrong all the time, in hundredths.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Weather {
    pub(super) loss: u64,
    pub(super) repeats: u64,
    pub(super) delays: u64,
    pub(super) late_timers: u64,
    pub(super) slow_flushes: u64,
}

/// Everything there is.
pub(super) struct World<'a> {
    pub(super) subject: &'a dyn Subject,
    pub(super) mutant: Option<Mutant>,
    pub(super) random: Random,
    pub(super) now: u64,
    pub(super) members: Members,
    pub(super) group: Group,
    pub(super) snapshot_after: u64,
    /// How many bytes are added to commands at most: what is long goes in parts.
    pub(super) padding: u64,
    agenda: BTreeMap<(u64, u64), Happening>,
    planned: u64,
    pub(super) faults: Vec<Fault>,
    pub(super) copies: BTreeMap<usize, Directory>,
    pub(super) weather: Weather,
    /// Servers on one side; nothing passes between the sides.
    pub(super) side: Servers,
    /// Until when what one server sends another is lost.
    pub(super) lost: BTreeMap<(ServerId, ServerId), u64>,
    /// Snapshots that are on their way.
    pub(super) travelling: BTreeSet<(ServerId, ServerId)>,
    pub(super) is_trouble: bool,
    pub(super) facts: Facts,
    pub(super) clients: Clients,
    pub(super) figures: Figures,
    pub(super) digest: Digest,
    /// What went wrong, if something did.
    pub(super) violation: Option<String>,
    /// Since when nothing is promised any more, and why.
    pub(super) excuse: Option<String>,
    /// The run in words, where somebody wants to read it.
    pub(super) story: Option<Vec<String>>,
}

impl<'a> World<'a> {
    /// A world of these servers in which nothing is planned.
    pub(super) fn empty(subject: &'a dyn Subject, seed: u64, servers: u32) -> World<'a> {
        let members = Members::new((1..=servers).map(ServerId::new)).expect("a group has between one and nine servers");
        World {
            subject,
            mutant: None,
            random: Random::stream(seed, 2),
            now: 0,
            members,
            group: Group::new(),
            snapshot_after: 64 << 10,
            padding: 0,
            agenda: BTreeMap::new(),
            planned: 0,
            faults: Vec::new(),
            copies: BTreeMap::new(),
            weather: Weather::default(),
            side: Vec::new(),
            lost: BTreeMap::new(),
            travelling: BTreeSet::new(),
            is_trouble: false,
            facts: Facts::default(),
            clients: Clients::default(),
            figures: Figures::default(),
            digest: Digest::new(),
            violation: None,
            excuse: None,
            story: None,
        }
    }

    pub(super) fn ids(&self) -> Servers {
        self.members.ids().collect()
    }

    pub(super) fn peers(&self, id: ServerId) -> Servers {
        self.members.ids().filter(|&peer| peer != id).collect()
    }

    pub(super) fn any_id(&mut self) -> ServerId {
        ServerId::new(self.random.within(1..self.members.ids().len() as u64 + 1) as u32)
    }

    pub(super) fn is_mutant(&self, mutant: Mutant) -> bool {
        self.mutant == Some(mutant)
    }

    /// Whether something happens that does so in so many cases of a hundred, while there is trouble.
    pub(super) fn chance(&mut self, percent: u64) -> bool {
        self.is_trouble && percent != 0 && self.random.chance(percent)
    }

    /// A time below this one.
    pub(super) fn moment(&mut self, within: u64) -> u64 {
        self.random.within(1..within.max(2))
    }

    pub(super) fn later(&mut self, delay: u64, happening: Happening) {
        self.planned += 1;
        self.agenda.insert((self.now + delay, self.planned), happening);
    }

    /// When the next thing that was planned happens.
    pub(super) fn next_planned(&self) -> Option<u64> {
        self.agenda.first_key_value().map(|(&(at, _), _)| at)
    }

    pub(super) fn take_planned(&mut self) -> Option<Happening> {
        let ((at, _), happening) = self.agenda.pop_first()?;
        self.now = self.now.max(at);
        Some(happening)
    }

    #[cfg(test)]
    pub(super) fn agenda(&self) -> impl Iterator<Item = &Happening> {
        self.agenda.values()
    }

    /// Takes a judgement into account: the run is over with the first violation. Where nothing is promised any
    /// more that is no fault, and only counted.
    pub(super) fn judge(&mut self, judgement: Judgement) {
        if let Err(words) = judgement {
            self.tell(|| format!("VIOLATION: {words}"));
            self.violation.get_or_insert(words);
        }
    }

    /// From now on nothing is promised, since a disk has forgotten what it had promised to keep.
    pub(super) fn excuse(&mut self, why: String) {
        self.tell(|| format!("from now on nothing is promised: {why}"));
        self.excuse.get_or_insert(why);
    }

    /// Whether the run has come to its end before its time.
    pub(super) fn is_over(&self) -> bool {
        self.violation.is_some()
    }

    pub(super) fn tell(&mut self, words: impl FnOnce() -> String) {
        let now = self.now;
        if let Some(story) = &mut self.story {
            story.push(format!("{:>9.3} ms  {}", now as f64 / 1e6, words()));
        }
    }

    /// A fault of this kind strikes.
    pub(super) fn meets(&mut self, kind: &'static str) {
        *self.figures.faults.entry(kind).or_default() += 1;
    }
}
