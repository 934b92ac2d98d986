//! One server: the deployed transitions, the log with its payloads, the disk, and what a crash
//! keeps. Every world of the checker is made of these.

use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};

use rafttree_model::{
    Durable, Effects, Entries, Entry, Envelope, Event, Faulty, Message, Node, Output, Range, Record, Role, Round,
};

use crate::world::ground::{DiskMutant, Ground};
use crate::world::message::Tag;
use crate::world::observed::Observed;

/// One server with its disk.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub(crate) struct Server {
    pub(crate) node: Node,
    /// The log in memory, with payloads; and with what was compacted, for which a snapshot stands.
    pub(crate) entries: Entries<Tag>,
    pub(crate) disk: Disk,
    /// Steps whose records are not flushed yet, oldest first.
    pub(crate) unsynced: VecDeque<Unsynced>,
    /// What has really reached it.
    pub(crate) observed: Observed,
}

/// What survives a crash. Of its log all is there, as it is of the one in memory.
#[derive(Clone, Debug, Default, Eq, Hash, PartialEq)]
pub(crate) struct Disk {
    pub(crate) durable: Durable,
    pub(crate) entries: Entries<Tag>,
}

/// The records of one step, and the outputs that wait for them.
#[derive(Clone, Debug, Default, Eq, Hash, PartialEq)]
pub(crate) struct Unsynced {
    pub(crate) records: Vec<Record<Tag>>,
    /// Whether something of this step could be seen before the flush.
    pub(crate) seen: bool,
    /// Invariant: those to others first, in order; then those to the server itself, as they came.
    pub(crate) held: Vec<Envelope<Range>>,
}

/// What a step asks for, and what is seen of it.
#[derive(Debug, Default)]
pub(crate) struct Stepped {
    /// Messages that need not wait for the records.
    pub(crate) early: Vec<Envelope<Range>>,
    pub(crate) records: Vec<Record<Tag>>,
    /// Messages that wait.
    pub(crate) outputs: Vec<Envelope<Range>>,
    /// What timers and clients are told, at once.
    pub(crate) told_early: Vec<Output>,
    /// What they are told when the records are on the disk.
    pub(crate) told_late: Vec<Output>,
    /// Whether the server has changed.
    pub(crate) moved: bool,
    /// Nothing came of it but a panic.
    pub(crate) panicked: bool,
    /// The effects say that they are empty when they are not, or the other way round.
    pub(crate) is_miscounted: bool,
}

impl Server {
    /// What an event makes of it: the deployed step changes the node, and its records the log in
    /// memory. If a snapshot arrives, it was made of these entries. A panic is a finding, not the end of
    /// the search, and leaves it as it was.
    pub(crate) fn step(&self, ground: Ground, event: &Event<Tag>, snapshot: &[Entry<Tag>]) -> (Server, Stepped) {
        let Ground { step_by, disk_mutant, watch, .. } = ground;
        let (mut new, mut effects) = (self.clone(), Effects::new().while_writing(!self.unsynced.is_empty()));
        let watched_step = || {
            watch.iter().for_each(|watch| watch(&self.node, event));
            step_by(&mut new.node, event.clone(), &mut effects);
        };
        if catch_unwind(AssertUnwindSafe(watched_step)).is_err() {
            return (self.clone(), Stepped { panicked: true, ..Stepped::default() });
        }
        new.observed = self.observed.after(&self.node, event, &new.node);
        let mut stepped = Stepped::of(effects);
        if disk_mutant == Some(DiskMutant::DropsWhenDeposed) && self.leads() && !new.leads() {
            stepped.records.push(new.drop_uncommitted());
        }
        stepped.records.iter().for_each(|record| keep(&mut new.entries, record, snapshot));
        stepped.moved = new.node != self.node;
        (new, stepped)
    }

    pub(crate) fn leads(&self) -> bool {
        matches!(self.node.role(), Role::Leader { .. })
    }

    fn drop_uncommitted(&mut self) -> Record<Tag> {
        let record = Record::Truncate { keep: self.node.commit() };
        let mut durable = self.node.durable().clone();
        durable.apply(&record);
        let (commit, role) = (self.node.commit(), self.node.role().clone());
        self.node = Node::assume(self.node.id(), *self.node.members(), durable, commit, role);
        record
    }

    /// Outputs wait for every record before them; without such they need not: those come back.
    pub(crate) fn hold(&mut self, records: Vec<Record<Tag>>, seen: bool, held: Vec<Envelope<Range>>) -> Ready {
        if records.is_empty() && self.unsynced.is_empty() {
            return held;
        }
        if !records.is_empty() {
            self.unsynced.push_back(Unsynced { records, seen, held: Vec::new() });
        }
        let waiting = self.unsynced.back_mut().expect("either there was one or it was just added");
        waiting.hold(held);
        Vec::new()
    }

    /// The oldest unsynced step becomes durable: what waited for it is ready.
    pub(crate) fn flush(&mut self, ground: Ground) -> Ready {
        let Some(Unsynced { mut records, mut held, .. }) = self.unsynced.pop_front() else { return Ready::new() };
        match (ground.disk_mutant, self.unsynced.back_mut()) {
            (Some(DiskMutant::SwallowedError), _) => records.clear(),
            (Some(DiskMutant::UnsavedFirstVote), _) if self.disk.entries.is_empty() => {
                records.retain(|record| !matches!(record, Record::Vote(_)));
            }
            (Some(DiskMutant::UnsavedRepair), _) => records.retain(|record| !matches!(record, Record::Repair(_))),
            (Some(DiskMutant::SwappedCompletions), Some(newest)) => std::mem::swap(&mut held, &mut newest.held),
            _ => {}
        }
        records.iter().for_each(|record| self.disk.apply(record, &self.entries));
        held
    }

    /// The server stops and starts again. Of its unsynced records the first `keep` had reached the
    /// disk; what waited for them is lost.
    pub(crate) fn crash(&mut self, ground: Ground, keep: usize) {
        let unsynced = std::mem::take(&mut self.unsynced);
        let survivors = unsynced.into_iter().flat_map(|step| step.records).take(keep);
        survivors.for_each(|record| self.disk.apply(&record, &self.entries));
        self.restart(ground);
    }

    /// The same, and of what is on the disk these entries cannot be read any more.
    pub(crate) fn crash_damaged(&mut self, ground: Ground, faulty: Faulty) {
        self.unsynced.clear();
        self.disk.damage(faulty);
        self.restart(ground);
    }

    /// The same with a disk on which votes are written apart from terms, and sooner.
    pub(crate) fn crash_torn(&mut self, ground: Ground) {
        let unsynced = std::mem::take(&mut self.unsynced);
        let records = unsynced.into_iter().flat_map(|step| step.records);
        records.filter(|record| matches!(record, Record::Vote(_))).for_each(|vote| self.disk.apply(&vote, &[]));
        self.restart(ground);
    }

    fn restart(&mut self, ground: Ground) {
        let disk = &mut self.disk;
        match ground.disk_mutant {
            Some(DiskMutant::LostHardState) => {
                disk.durable = Durable::assume(Default::default(), None, disk.durable.log().clone());
            }
            Some(DiskMutant::LostTail) if !disk.entries.is_empty() => {
                disk.apply(&Record::Truncate { keep: disk.durable.log().last().index.previous() }, &[]);
            }
            Some(DiskMutant::CutAtFault) => {
                let keep = disk.durable.faulty().legible(disk.durable.log().last().index);
                disk.apply(&Record::Truncate { keep }, &[]);
            }
            _ => {}
        }
        self.entries.clone_from(&self.disk.entries);
        self.node = Node::recover(self.node.id(), *self.node.members(), self.disk.durable.clone());
        self.observed = Observed::after_restart();
        if ground.disk_mutant == Some(DiskMutant::ForgetsStickiness) {
            let (id, members, durable) = (self.node.id(), *self.node.members(), self.disk.durable.clone());
            let role = Role::Follower { leader: None, sticky: false };
            self.node = Node::assume(id, members, durable, self.node.commit(), role);
        }
    }

    pub(crate) fn unsynced_records(&self) -> usize {
        self.unsynced.iter().map(|step| step.records.len()).sum()
    }

    /// Whether something waits for the disk that nobody can have seen.
    pub(crate) fn hides_something(&self) -> bool {
        self.unsynced.iter().any(|step| !step.seen)
    }
}

/// Messages that may leave now.
pub(crate) type Ready = Vec<Envelope<Range>>;

impl Stepped {
    /// Takes the effects apart, as a server does: early ones, records, and what waits for them.
    fn of(mut effects: Effects<Tag>) -> Stepped {
        let mut stepped = Stepped::default();
        let is_idle = effects.is_empty();
        effects.early().iter().for_each(|&output| stepped.sort(output, true));
        stepped.records = effects.records().to_vec();
        effects.after_sync().iter().for_each(|&output| stepped.sort(output, false));
        effects.done();
        let has_none = stepped.early.is_empty() && stepped.outputs.is_empty() && stepped.told().next().is_none();
        let says_so = is_idle == (has_none && stepped.records.is_empty()) && effects.is_empty();
        stepped.is_miscounted = !says_so;
        stepped
    }

    /// What came of it as of a leadership that has begun no round.
    pub(crate) fn forget_rounds(&mut self, new: &mut Server, old: &Server) {
        new.node.renumber_rounds(|_| Round::ZERO);
        self.moved = new.node != old.node;
        for envelope in self.early.iter_mut().chain(&mut self.outputs) {
            if let Message::AppendRequest { round, .. }
            | Message::AppendReply { round, .. }
            | Message::RepairRequest { round, .. }
            | Message::AppendRefusal { round, .. }
            | Message::InstallSnapshot { round, .. } = &mut envelope.message
            {
                *round = Round::ZERO;
            }
        }
    }

    /// What timers and clients are told, sooner or later.
    pub(crate) fn told(&self) -> impl DoubleEndedIterator<Item = &Output> {
        self.told_early.iter().chain(&self.told_late)
    }

    fn sort(&mut self, output: Output, early: bool) {
        match output {
            Output::Send(envelope) if early => self.early.push(envelope),
            Output::Send(envelope) => self.outputs.push(envelope),
            told if early => self.told_early.push(told),
            told => self.told_late.push(told),
        }
    }
}

impl Disk {
    /// Takes over a record; if it is about a snapshot, that was made of the first of these entries.
    pub(crate) fn apply(&mut self, record: &Record<Tag>, entries: &[Entry<Tag>]) {
        self.durable.apply(record);
        let length = if let Record::Restore { last } = record { last.index.number() as usize } else { 0 };
        keep(&mut self.entries, record, &entries[..length.min(entries.len())]);
    }

    /// What these entries carry is lost to whoever runs on this disk. Here it stays, to be compared with.
    pub(crate) fn damage(&mut self, faulty: Faulty) {
        self.durable = std::mem::take(&mut self.durable).damaged(faulty);
        self.entries = std::mem::take(&mut self.entries).damaged(faulty);
    }
}

/// What a record makes of a log of which all is kept.
pub(crate) fn keep(entries: &mut Entries<Tag>, record: &Record<Tag>, snapshot: &[Entry<Tag>]) {
    match record {
        // What a snapshot includes can be read.
        Record::Compact { through } => {
            let last = entries.faulty().last().unwrap_or_default();
            let left = entries.faulty().among(*through, last);
            *entries = std::mem::take(entries).damaged(left);
        }
        Record::Restore { .. } => *entries = Entries::after(entries.base(), snapshot.to_vec()),
        _ => entries.apply(record),
    }
}

impl Unsynced {
    /// The network keeps a message as long as it may matter and in no order, so once is enough.
    pub(crate) fn hold(&mut self, outputs: Ready) {
        for envelope in outputs {
            if !self.held.contains(&envelope) {
                self.held.push(envelope);
            }
        }
        self.normalise();
    }

    /// In the order of the invariant: states that differ in it alone are one.
    pub(crate) fn normalise(&mut self) {
        self.held.sort_by_key(|envelope| {
            let own = envelope.from == envelope.to;
            (own, (!own).then_some(*envelope))
        });
    }
}
