//! A group that ran as a world of the checker: servers numbered from 1, and of the logs only what is not committed
//! everywhere, numbered from 1 as well. That is a relabelling, and keeps what the properties compare.

use std::collections::BTreeMap;

use rafttree_model::digest::Digest;
use rafttree_model::{
    Durable, Entries, Entry, Index, Labels, Log, Members, Node, Position, Progress, Record, Relabelled, Role, ServerId,
    Term,
};

use crate::production::words::tagged;
use crate::world::{Disk, Tag};

/// What servers and entries are called in the world.
#[derive(Clone, Debug)]
pub(crate) struct Window {
    names: BTreeMap<ServerId, ServerId>,
    /// Entries up to here are not in the world.
    base: u64,
}

impl Labels for Window {
    fn id(&self, id: ServerId) -> ServerId {
        self.names.get(&id).copied().unwrap_or(id)
    }

    fn index(&self, index: Index) -> Index {
        Index::new(index.number().saturating_sub(self.base))
    }
}

impl Window {
    pub(crate) fn new(members: &Members) -> Window {
        Window { names: members.ids().zip((1..).map(ServerId::new)).collect(), base: 0 }
    }

    /// The same servers and the entries after so many.
    pub(crate) fn after(base: u64) -> Window {
        Window { names: BTreeMap::new(), base }
    }

    pub(crate) fn base(&self) -> u64 {
        self.base
    }

    pub(crate) fn begin_after(&mut self, base: u64) {
        self.base = base;
    }

    /// Where a server stands in the world.
    pub(crate) fn place(&self, id: ServerId) -> usize {
        self.id(id).number() as usize - 1
    }

    /// The record of an entry that the world does not hold is none.
    pub(crate) fn record(&self, record: &Record<Digest>) -> Option<Record<Tag>> {
        let record = match record {
            Record::Append(entry) => Record::Append(tagged(entry)),
            Record::Repair(entry) => Record::Repair(tagged(entry)),
            Record::Term(term) => Record::Term(*term),
            Record::Vote(candidate) => Record::Vote(*candidate),
            Record::Truncate { keep } => Record::Truncate { keep: *keep },
            Record::Compact { through } => Record::Compact { through: *through },
            Record::Restore { last } => Record::Restore { last: *last },
        };
        let is_in = match &record {
            Record::Append(entry) | Record::Repair(entry) => self.base < entry.position.index.number(),
            Record::Compact { through } => self.base < through.number(),
            _ => true,
        };
        is_in.then(|| record.relabelled(self))
    }

    /// What a server's disk holds. Of what it has compacted the entries are these, which are committed.
    pub(crate) fn disk(&self, durable: &Durable, entries: &Entries<Digest>, committed: &[Entry<Tag>]) -> Disk {
        let here = self.durable(durable);
        let compacted = here.log().base().index.number() as usize;
        let held = entries.iter().map(tagged).filter(|entry| self.holds(entry)).map(|entry| entry.relabelled(self));
        let all = committed.iter().take(compacted).copied().chain(held).collect();
        let entries = Entries::after(self.first(durable.log()), all).damaged(here.faulty());
        Disk { durable: here, entries }
    }

    /// Some of a world's entries as they are called here; a log begins behind what the world holds no more.
    pub(crate) fn entries(&self, entries: &Entries<Tag>, log: &Log) -> Entries<Tag> {
        let held = entries.iter().filter(|entry| self.holds(entry)).map(|entry| entry.relabelled(self)).collect();
        let last = log.last().index;
        let faulty = entries.faulty().among(Index::new(self.base), last).relabelled(self);
        Entries::after(self.first(log), held).damaged(faulty)
    }

    pub(crate) fn durable(&self, durable: &Durable) -> Durable {
        let (log, vote) = (durable.log(), durable.vote().relabelled(self));
        let faulty = durable.faulty().among(Index::new(self.base), log.last().index).relabelled(self);
        Durable::assume(durable.term(), vote, self.log(log)).damaged(faulty)
    }

    fn holds(&self, entry: &Entry<Tag>) -> bool {
        self.base < entry.position.index.number()
    }

    fn log(&self, log: &Log) -> Log {
        let is_out = |position: &Position| position.index.number() <= self.base;
        let base = if is_out(&log.base()) { self.first(log) } else { log.base().relabelled(self) };
        let mut shifted = Log::starting_at(base);
        let held = log.positions().filter(|position| !is_out(position));
        held.for_each(|position| shifted.push(position.relabelled(self)));
        shifted
    }

    /// What the entries of a log begin behind: the last one that is out of the world.
    fn first(&self, log: &Log) -> Position {
        let is_compacted = self.base < log.base().index.number();
        let other = if is_compacted { Term::default() } else { log.last().term };
        Position { term: log.term_at(Index::new(self.base)).unwrap_or(other), index: Index::ZERO }
    }

    /// The server as its node says, with this log.
    pub(crate) fn node(&self, node: &Node, durable: Durable) -> Node {
        let members = node.members().relabelled(self);
        let role = match node.role() {
            &Role::Leader { progress, heard, transfer, round, confirmed } => Role::Leader {
                progress: progress.iter().map(|(id, progress)| (self.id(id), self.progress(progress))).collect(),
                heard: heard.relabelled(self),
                transfer: transfer.relabelled(self),
                round,
                confirmed,
            },
            role => role.relabelled(self),
        };
        Node::assume(self.id(node.id()), members, durable, self.index(node.commit()), role)
    }

    /// To a server that lacks what is out of the world, that is to be sent first.
    fn progress(&self, progress: Progress) -> Progress {
        let relabelled = progress.relabelled(self);
        Progress { next: relabelled.next.max(Index::ZERO.next()), ..relabelled }
    }
}
