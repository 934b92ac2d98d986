//! One of all the states that differ in the servers' names alone.
//!
//! The deployed transitions only compare ids (the model's tests show that a renamed step is a
//! step), and neither the world nor the properties look at them. So a state stands for all its
//! renamings. Which one is kept is decided by what can be said of each server without naming
//! another; servers of which the same can be said stay in their order, which keeps a few states
//! more than there need be and loses none.

use std::sync::Arc;

use rafttree_model::{Entries, Entry, Labels, Payload, Position, Proposals, Record, Relabelled, Role, ServerId, Term};

use crate::world::{Clients, Disk, History, Leadership, Lease, Letter, Reads, Server, Tag, Unsynced, Waiting, World};

/// What can be said of a server without naming another.
#[derive(Eq, Ord, PartialEq, PartialOrd)]
struct Traits {
    terms: (Term, Term),
    role: (u8, bool, usize),
    refers: [Option<bool>; 2],
    logs: (Position, usize, u64),
    unsynced: usize,
    letters: (usize, usize),
}

impl World {
    /// The state that stands for this one and all its renamings.
    pub(crate) fn representative(self) -> World {
        let traits: Vec<_> = self.ids().map(|id| traits(&self, id)).collect();
        if traits.is_sorted() {
            return self;
        }
        let mut order: Vec<usize> = (0..traits.len()).collect();
        order.sort_by_key(|&at| &traits[at]);
        let place = |id: ServerId| order.iter().position(|&at| at as u32 + 1 == id.number()).unwrap_or_default();
        self.renamed(&|id| ServerId::new(place(id) as u32 + 1))
    }
}

/// Whether two states differ in the servers' names alone.
pub(crate) fn are_renamings(one: &World, other: &World) -> bool {
    let sorted = |world: &World| {
        let mut all: Vec<_> = world.ids().map(|id| traits(world, id)).collect();
        all.sort();
        all
    };
    sorted(one) == sorted(other) && has_renaming(one, other, &[])
}

/// Whether names that begin with `names` turn one state into the other.
fn has_renaming(one: &World, other: &World, names: &[ServerId]) -> bool {
    let Some(id) = one.ids().nth(names.len()) else {
        return one.renamed(&|id| names[id.number() as usize - 1]) == *other;
    };
    let mut alike = other.ids().filter(|&name| !names.contains(&name) && traits(one, id) == traits(other, name));
    alike.any(|name| has_renaming(one, other, &[names, &[name]].concat()))
}

fn traits(world: &World, id: ServerId) -> Traits {
    let server = world.server(id);
    let node = &server.node;
    let is_self = |other: ServerId| other == id;
    let role = match node.role() {
        Role::Follower { sticky, .. } => (0, *sticky, 0),
        Role::PreCandidate { votes } => (1, false, votes.len()),
        Role::Candidate { votes, transfer } => (2, *transfer, votes.len()),
        Role::Leader { heard, transfer, .. } => (3, transfer.is_some(), heard.len()),
    };
    let letters = |of: fn(&Letter) -> ServerId| world.network.iter().filter(|letter| of(letter) == id).count();
    Traits {
        terms: (node.term(), server.disk.durable.term()),
        role,
        refers: [node.vote().map(is_self), node.leader().map(is_self)],
        logs: (node.log().last(), server.disk.entries.len(), node.commit().number()),
        unsynced: server.unsynced.len(),
        letters: (letters(|letter| letter.from), letters(|letter| letter.to)),
    }
}

impl Relabelled for World {
    fn relabelled(&self, labels: &impl Labels) -> World {
        let mut servers: Vec<_> = self.servers.iter().map(|server| Arc::new(server.relabelled(labels))).collect();
        servers.sort_by_key(|server| server.node.id());
        let mut network: Vec<_> = self.network.iter().map(|letter| Arc::new(letter.relabelled(labels))).collect();
        network.sort_unstable();
        let mut leaderships: Vec<_> = self.leaderships.iter().map(|it| Arc::new(it.relabelled(labels))).collect();
        leaderships.sort_unstable();
        World {
            servers,
            network: Arc::new(network),
            leaderships: Arc::new(leaderships),
            history: Arc::new(self.history.relabelled(labels)),
            clients: if self.clients.is_empty() {
                Arc::clone(&self.clients)
            } else {
                Arc::new(self.clients.relabelled(labels))
            },
            reads: if *self.reads == Reads::default() {
                Arc::clone(&self.reads)
            } else {
                Arc::new(self.reads.relabelled(labels))
            },
            spent: self.spent,
            broken: self.broken,
        }
    }
}

impl Relabelled for Server {
    fn relabelled(&self, labels: &impl Labels) -> Server {
        let all = |held: &Entries<Tag>| {
            let entries = Entries::after(held.base().relabelled(labels), entries(held, labels));
            entries.damaged(held.faulty().relabelled(labels))
        };
        Server {
            node: self.node.relabelled(labels),
            entries: all(&self.entries),
            disk: Disk { durable: self.disk.durable.relabelled(labels), entries: all(&self.disk.entries) },
            unsynced: self.unsynced.iter().map(|step| step.relabelled(labels)).collect(),
            observed: self.observed.relabelled(labels),
        }
    }
}

impl Relabelled for Unsynced {
    fn relabelled(&self, labels: &impl Labels) -> Unsynced {
        let record = |record: &Record<Tag>| match record {
            Record::Append(entry) => Record::Append(relabelled_entry(entry, labels)),
            Record::Repair(entry) => Record::Repair(relabelled_entry(entry, labels)),
            other => other.relabelled(labels),
        };
        let records = self.records.iter().map(record).collect();
        let held = self.held.iter().map(|envelope| envelope.relabelled(labels)).collect();
        let mut step = Unsynced { records, seen: self.seen, held };
        step.normalise();
        step
    }
}

impl Relabelled for Leadership {
    fn relabelled(&self, labels: &impl Labels) -> Leadership {
        Leadership {
            term: labels.term(self.term),
            leader: labels.id(self.leader),
            entries: entries(&self.entries, labels),
            commit: labels.matched(self.commit),
            round: self.round,
        }
    }
}

impl Relabelled for History {
    fn relabelled(&self, labels: &impl Labels) -> History {
        let mut elected: Vec<_> = self.elected.iter().map(|&(term, id)| (labels.term(term), labels.id(id))).collect();
        elected.sort_unstable();
        let mut votes: Vec<_> =
            self.votes.iter().map(|&(term, of, to)| (labels.term(term), labels.id(of), labels.id(to))).collect();
        votes.sort_unstable();
        let committed =
            self.committed.iter().map(|(entry, term)| (relabelled_entry(entry, labels), labels.term(*term))).collect();
        let mut stale_reads: Vec<_> =
            self.stale_reads.iter().map(|&(term, id, round)| (labels.term(term), labels.id(id), round)).collect();
        stale_reads.sort_unstable();
        let mut serving: Vec<_> = self.serving.iter().map(|&(term, id)| (labels.term(term), labels.id(id))).collect();
        serving.sort_unstable();
        let mut leases: Vec<_> = self.leases.iter().map(|lease| lease.relabelled(labels)).collect();
        leases.sort_unstable();
        History { elected, votes, committed, stale_reads, serving, leases }
    }
}

impl Relabelled for Lease {
    fn relabelled(&self, labels: &impl Labels) -> Lease {
        Lease {
            term: labels.term(self.term),
            leader: labels.id(self.leader),
            heard_by: self.heard_by.relabelled(labels),
            ..*self
        }
    }
}

impl Relabelled for Clients {
    fn relabelled(&self, labels: &impl Labels) -> Clients {
        let kept = self.kept.iter().map(|(id, kept)| {
            let mut renamed = Proposals::default();
            kept.iter().for_each(|(position, Tag(proposer))| {
                renamed.accept(position.relabelled(labels), Tag(labels.id(*proposer)));
            });
            (labels.id(*id), renamed)
        });
        let waiting = self.waiting.iter().map(|(id, entry)| (labels.id(*id), relabelled_entry(entry, labels)));
        let untrue = self.untrue.iter().map(|(id, position, end)| (labels.id(*id), position.relabelled(labels), *end));
        let mut clients = Clients {
            kept: kept.collect(),
            waiting: waiting.collect(),
            given_up: entries(&self.given_up, labels),
            untrue: untrue.collect(),
        };
        clients.normalise();
        clients
    }
}

impl Relabelled for Reads {
    fn relabelled(&self, labels: &impl Labels) -> Reads {
        let waiting = |it: Waiting| Waiting { server: labels.id(it.server), ..it };
        Reads {
            kept: self.kept.iter().map(|(&id, readers)| (labels.id(id), readers.clone())).collect(),
            waiting: self.waiting.map(waiting),
            ended: self.ended.map(|(answer, reader)| (answer, waiting(reader))),
        }
    }
}

pub(super) fn entries(entries: &[Entry<Tag>], labels: &impl Labels) -> Vec<Entry<Tag>> {
    entries.iter().map(|entry| relabelled_entry(entry, labels)).collect()
}

fn relabelled_entry(entry: &Entry<Tag>, labels: &impl Labels) -> Entry<Tag> {
    let payload = match entry.payload {
        Payload::Blank => Payload::Blank,
        Payload::Command(Tag(proposer)) => Payload::Command(Tag(labels.id(proposer))),
    };
    Entry { payload, position: entry.position.relabelled(labels) }
}
