//! What happened to a group, judged by the properties of the checker, in a world of its own.
//!
//! The world follows the servers step by step: their logs and disks by the records that are replayed, what was
//! elected, voted and committed by the checks themselves. Properties of a state are asked now and then, and
//! whenever a state is about to be lost: a log that is cut, a server that starts, entries that leave the world.

use std::collections::VecDeque;
use std::sync::Arc;

use rafttree_model::digest::Digest;
use rafttree_model::trace::Call;
use rafttree_model::{
    Durable, Entries, Entry, Envelope, Index, Members, Message, Output, Range, Record, Relabelled, ServerId, Slice,
    Traced,
};

use crate::checks;
use crate::production::line::Line;
use crate::production::window::Window;
use crate::properties::{Property, PropertySet};
use crate::world::{Disk, Letter, Observed, Server, Tag, World, keep};

/// Steps after which the state is judged at the latest.
const MAX_STEPS_BETWEEN: u64 = 4096;

/// The world holds at least so many entries that all servers have committed, before they are taken out.
const MIN_SPARE_ENTRIES: u64 = 1024;

/// A group's world, and what is not judged yet.
#[derive(Clone)]
pub(crate) struct Judge {
    world: World,
    window: Window,
    servers: Vec<Followed>,
    /// Steps since the state was judged last.
    unjudged: u64,
    /// Whether all that happened to every server is known so far.
    is_complete: bool,
}

/// A server as far as the world does not show it.
#[derive(Clone, Debug, Default)]
struct Followed {
    /// What its records add up to.
    memory: Durable,
    writing: Vec<Record<Digest>>,
    /// Whether it has started.
    is_known: bool,
    has_ended: bool,
    /// Up to where all is committed that it has, and on its disk.
    settled: u64,
}

/// What can be judged whatever is missing: what is known contradicts it, or does not.
fn always_judged() -> PropertySet {
    use Property::*;
    PropertySet::from_iter([
        ElectionSafety,
        VoteOnce,
        TermMonotonic,
        LogMatching,
        LeaderCompleteness,
        StateMachineSafety,
        CommitImmutable,
        PersistBeforeSend,
        PromisesLegible,
        Bounds,
        SnapshotPrefix,
    ])
}

/// What can be judged only as long as the traces of all servers are whole.
fn judged_if_complete() -> PropertySet {
    PropertySet::from_iter([Property::CommitDurable, Property::MatchSafety])
}

impl Judge {
    /// A group of which nothing has happened yet. The traces of all its servers are there, or not.
    pub(crate) fn new(members: &Members, is_complete: bool) -> Judge {
        let count = members.ids().len();
        Judge {
            world: World::new(count as u32),
            window: Window::new(members),
            servers: vec![Followed::default(); count],
            unjudged: 0,
            is_complete,
        }
    }

    /// The properties that are judged.
    pub(crate) fn judged(&self) -> PropertySet {
        let is_complete = self.is_complete && self.servers.iter().all(|server| server.is_known);
        if is_complete { always_judged().and(judged_if_complete()) } else { always_judged() }
    }

    /// A server starts. What it finds on its disk is judged by what it had written there.
    pub(crate) fn start(&mut self, line: &Line) -> PropertySet {
        let mut broken = self.judge();
        let (node, place) = (line.server.node(), self.window.place(line.id()));
        self.reach(node.log().base().index.number());
        let committed = self.committed();
        let disk = self.window.disk(node.durable(), line.server.entries(), &committed);
        let started = self.window.node(node, disk.durable.clone());
        let found = Server {
            node: started,
            entries: disk.entries.clone(),
            disk: disk.clone(),
            unsynced: VecDeque::new(),
            observed: Observed::after_restart(),
        };
        let was_known = self.servers[place].is_known;
        let server = Arc::make_mut(&mut self.world.servers[place]);
        let crashed = checks::judged_crash(server, |server| *server = found);
        if was_known {
            broken.extend(crashed);
        }
        let settled = self.servers[place].settled;
        let memory = disk.durable;
        self.servers[place] = Followed { memory, is_known: true, settled, ..Followed::default() };
        let now = self.judge();
        self.kept(broken.and(now))
    }

    /// A part of a server's trace has ended: in order, or so that something may have happened after it.
    pub(crate) fn end(&mut self, id: ServerId, is_in_order: bool, is_last: bool) {
        self.is_complete &= is_in_order;
        let place = self.window.place(id);
        self.servers[place].has_ended = is_last;
    }

    /// A server has taken a step.
    pub(crate) fn step(&mut self, call: &Call, line: &Line) -> PropertySet {
        let mut broken = PropertySet::default();
        let place = self.window.place(line.id());
        let outcome = &line.outcome;
        if outcome.records.iter().any(is_a_loss) {
            broken.extend(self.judge());
        }
        let committed = self.world.servers[place].node.commit().number() + self.window.base();
        self.remember_records(place, &outcome.records);
        match call {
            Call::Write => self.servers[place].writing.clone_from(&outcome.written),
            Call::Flushed => self.flush(place),
            _ => {}
        }
        let elected = self.world.history.elected.len();
        if line.has_changed || *call == Call::Flushed {
            self.follow(place, &line.server, committed);
        }
        if elected < self.world.history.elected.len() {
            broken.extend(self.judge());
        }
        outcome.outputs.iter().for_each(|output| self.perform(place, output));
        broken.extend(std::mem::take(&mut self.world.broken));
        self.unjudged += 1;
        if MAX_STEPS_BETWEEN.max(self.entries()) <= self.unjudged {
            broken.extend(self.judge());
        }
        self.kept(broken)
    }

    /// What a server says whose steps are not known: a vote counts as given.
    pub(crate) fn hear(&mut self, letter: &Envelope<Slice<Digest>>) {
        if let Message::VoteReply { granted } = letter.message {
            let Envelope { from, to, term, .. } = *letter;
            let vote: Letter = Envelope { from, to, term, message: Message::VoteReply { granted } };
            self.world.note_vote(&vote.relabelled(&self.window));
            self.forget_votes();
        }
    }

    /// What does not hold in this state, and then what all servers have settled is taken out of the world.
    pub(crate) fn judge(&mut self) -> PropertySet {
        self.unjudged = 0;
        let broken = checks::broken_in(&self.world);
        let live = self.servers.iter().filter(|server| server.is_known && !server.has_ended);
        let settled = live.map(|server| server.settled).min().unwrap_or(0);
        if self.window.base() + MIN_SPARE_ENTRIES <= settled {
            self.rebase(settled);
        }
        self.kept(broken)
    }

    /// The world, and what is called how in it, without the entries up to here.
    pub(crate) fn based_on(&self, base: u64) -> (World, Window) {
        let mut judge = self.clone();
        if judge.window.base() < base {
            judge.rebase(base);
        }
        (judge.world, judge.window)
    }

    /// Entries up to here are not in the world.
    pub(crate) fn base(&self) -> u64 {
        self.window.base()
    }

    /// Up to where each server that has started knows its log to be committed.
    pub(crate) fn known(&self) -> Vec<u64> {
        let started = self.servers.iter().zip(&self.world.servers).filter(|(followed, _)| followed.is_known);
        started.map(|(_, server)| server.node.commit().number() + self.window.base()).collect()
    }

    fn kept(&self, mut broken: PropertySet) -> PropertySet {
        broken.keep(self.judged());
        broken
    }

    fn entries(&self) -> u64 {
        self.world.servers.iter().map(|server| server.entries.len() as u64).max().unwrap_or(0)
    }

    fn committed(&self) -> Vec<Entry<Tag>> {
        self.world.history.committed.iter().map(|(entry, _)| *entry).collect()
    }

    fn remember_records(&mut self, place: usize, records: &[Record<Digest>]) {
        for record in records {
            if let Record::Restore { last } = record {
                self.reach(last.index.number());
            }
            let Some(record) = self.window.record(record) else { continue };
            let mut memory = std::mem::take(&mut self.servers[place].memory);
            let mut entries = std::mem::take(&mut Arc::make_mut(&mut self.world.servers[place]).entries);
            self.take_over(&mut memory, &mut entries, &record);
            self.servers[place].memory = memory;
            Arc::make_mut(&mut self.world.servers[place]).entries = entries;
        }
    }

    fn flush(&mut self, place: usize) {
        for record in std::mem::take(&mut self.servers[place].writing) {
            let Some(record) = self.window.record(&record) else { continue };
            let mut disk = std::mem::take(&mut Arc::make_mut(&mut self.world.servers[place]).disk);
            self.take_over(&mut disk.durable, &mut disk.entries, &record);
            Arc::make_mut(&mut self.world.servers[place]).disk = disk;
        }
    }

    /// What is known to be committed up to here, though nobody has been seen to commit it, is not in the world.
    fn reach(&mut self, index: u64) {
        if self.window.base() + (self.world.history.committed.len() as u64) < index {
            self.rebase(index);
        }
    }

    /// The server in the world as it is now; up to `committed` it was known before what is committed.
    fn follow(&mut self, place: usize, traced: &Traced<Digest>, committed: u64) {
        let node = traced.node();
        let memory = self.servers[place].memory.clone();
        let server = Arc::make_mut(&mut self.world.servers[place]);
        server.node = self.window.node(node, memory);
        let (commit, id) = (node.commit().number(), server.node.id());
        let durable = server.disk.durable.log().last().index.number() + self.window.base();
        let settled = &mut self.servers[place].settled;
        *settled = (*settled).max(commit.min(durable));
        checks::remember(&mut self.world, id, Index::new(committed.saturating_sub(self.window.base())));
    }

    /// A message leaves.
    fn perform(&mut self, place: usize, output: &Output) {
        let Output::Send(sent) = output else { return };
        let sender = &self.world.servers[place];
        if let Message::AppendRequest { .. } = sent.message {
            let is_on_disk = sent.term <= sender.disk.durable.term();
            self.world.broken.insert_unless(is_on_disk, Property::TermMonotonic);
            return;
        }
        let Some(saying) = sent.with_entries(|_: Range| None) else { return };
        let saying: Letter = saying;
        let mut broken = checks::broken_by_saying(&saying);
        let letter = saying.relabelled(&self.window);
        broken.extend(checks::broken_by_send(sender, &letter));
        self.world.broken.extend(broken);
        self.world.note_vote(&letter);
        self.forget_votes();
    }

    /// Votes in terms that every server has left behind on its disk matter no more: nobody acts in them again without
    /// breaking another property.
    fn forget_votes(&mut self) {
        const MANY: usize = 64;
        if self.world.history.votes.len() < MANY {
            return;
        }
        let known = self.servers.iter().zip(&self.world.servers).filter(|(server, _)| server.is_known);
        let Some(left) = known.map(|(_, server)| server.disk.durable.term()).min() else { return };
        Arc::make_mut(&mut self.world.history).votes.retain(|(term, ..)| left <= *term);
    }

    /// Takes the entries up to here out of the world.
    fn rebase(&mut self, base: u64) {
        let gone = (base - self.window.base()) as usize;
        let committed = &mut Arc::make_mut(&mut self.world.history).committed;
        committed.drain(..gone.min(committed.len()));
        committed.iter_mut().for_each(|(entry, _)| entry.position.index = back(entry.position.index, gone));
        self.window.begin_after(base);
        let shift = Window::after(gone as u64);
        for (followed, server) in self.servers.iter_mut().zip(&mut self.world.servers) {
            let server = Arc::make_mut(server);
            let Disk { durable, entries } = &server.disk;
            server.disk = Disk { durable: shift.durable(durable), entries: shift.entries(entries, durable.log()) };
            server.entries = shift.entries(&server.entries, followed.memory.log());
            followed.memory = shift.durable(&followed.memory);
            server.node = shift.node(&server.node, followed.memory.clone());
        }
    }

    /// A record takes effect. What a snapshot that ends where the world begins was made of is not in the world.
    fn take_over(&self, durable: &mut Durable, entries: &mut Entries<Tag>, record: &Record<Tag>) {
        durable.apply(record);
        match record {
            Record::Restore { last } if last.index == Index::ZERO => *entries = Entries::after(*last, Vec::new()),
            Record::Restore { last } => {
                let mut committed = self.committed();
                committed.truncate(last.index.number() as usize);
                keep(entries, record, &committed);
            }
            _ => keep(entries, record, &[]),
        }
    }
}

/// Whether a record takes something away that was not judged yet.
fn is_a_loss(record: &Record<Digest>) -> bool {
    matches!(record, Record::Truncate { .. } | Record::Restore { .. })
}

fn back(index: Index, by: usize) -> Index {
    Index::new(index.number().saturating_sub(by as u64))
}
