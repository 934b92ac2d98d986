//! Everything that exists: servers, their disks, the network, and what really happened.

use std::collections::VecDeque;
use std::sync::Arc;

use rafttree_model::{Durable, Entries, Entry, Index, Members, Message, Node, Round, ServerId, Term};

use crate::properties::PropertySet;
use crate::world::clients::Clients;
use crate::world::message::{Letter, Tag};
use crate::world::observed::{Observed, Servers};
use crate::world::readers::Reads;
use crate::world::server::{Disk, Server};

/// One state of the whole system.
#[derive(Clone, Eq, Hash, PartialEq)]
pub(crate) struct World {
    pub(crate) servers: Vec<Arc<Server>>,
    /// Every message that was ever sent and may still matter, sorted. Delivering one does not
    /// remove it: so a message may be lost (never delivered), duplicated (delivered again),
    /// delayed and reordered.
    pub(crate) network: Arc<Vec<Arc<Letter>>>,
    /// What leaders sent, or could have sent, of their logs.
    pub(crate) leaderships: Arc<Vec<Arc<Leadership>>>,
    pub(crate) history: Arc<History>,
    pub(crate) clients: Arc<Clients>,
    pub(crate) reads: Arc<Reads>,
    /// How much of what the bounds allow has happened.
    pub(crate) spent: Spent,
    /// The properties that the step into this state, or the state itself, broke.
    pub(crate) broken: PropertySet,
}

/// What a leader has sent of its log in one term, whatever its pacing: any consecutive part of
/// these entries, with this commit index or an earlier one.
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub(crate) struct Leadership {
    pub(crate) term: Term,
    pub(crate) leader: ServerId,
    pub(crate) entries: Vec<Entry<Tag>>,
    pub(crate) commit: Index,
    /// The latest round that it has begun.
    pub(crate) round: Round,
}

/// How often something limited happened.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, PartialEq)]
pub(crate) struct Spent {
    pub(crate) timeouts: u32,
    pub(crate) minimums: u32,
    pub(crate) requests: u32,
    pub(crate) crashes: u32,
}

/// What really happened, whether or not any server remembers it. Terms that every server has left
/// behind on its disk are forgotten: nobody acts in them again without breaking `TermMonotonic`.
#[derive(Clone, Debug, Default, Eq, Hash, PartialEq)]
pub(crate) struct History {
    /// Who was ever leader, by term.
    pub(crate) elected: Vec<(Term, ServerId)>,
    /// Every vote that left its voter: term, voter, candidate.
    pub(crate) votes: Vec<(Term, ServerId, ServerId)>,
    /// What was ever committed, by index from 1, with the term of the server that knew it first.
    pub(crate) committed: Vec<(Entry<Tag>, Term)>,
    /// Rounds that began with a read index, and not all that was committed then: whose they are, and which.
    pub(crate) stale_reads: Vec<(Term, ServerId, Round)>,
    /// Where leases are followed: whose service was told that it leads and not yet that this is over.
    pub(crate) serving: Vec<(Term, ServerId)>,
    /// Rounds from which a lease may be counted that is not over, as far as the timeouts tell that have fired.
    pub(crate) leases: Vec<Lease>,
}

/// A round from which a lease is counted.
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub(crate) struct Lease {
    pub(crate) term: Term,
    pub(crate) leader: ServerId,
    pub(crate) round: Round,
    /// Who has really been told of this round, or of a later one.
    pub(crate) heard_by: Servers,
    /// Whether the leader takes it to be answered by a majority.
    pub(crate) confirmed: bool,
}

impl World {
    /// Every server starts for the first time, with an empty disk.
    pub(crate) fn new(servers: u32) -> World {
        let members = Members::new((1..=servers).map(ServerId::new)).expect("bounds name one to nine servers");
        let start = |id| {
            let node = Node::recover(id, members, Durable::default());
            let (disk, observed) = (Disk::default(), Observed::after_restart());
            Arc::new(Server { node, entries: Entries::default(), disk, unsynced: VecDeque::new(), observed })
        };
        World {
            servers: members.ids().map(start).collect(),
            network: Arc::default(),
            leaderships: Arc::default(),
            history: Arc::default(),
            clients: Arc::default(),
            reads: Arc::default(),
            spent: Spent::default(),
            broken: PropertySet::default(),
        }
    }

    pub(crate) fn server(&self, id: ServerId) -> &Server {
        &self.servers[id.number() as usize - 1]
    }

    pub(crate) fn server_mut(&mut self, id: ServerId) -> &mut Server {
        Arc::make_mut(&mut self.servers[id.number() as usize - 1])
    }

    /// Another state of which the servers hold the same logs, each command by the name that it has there.
    pub(crate) fn take_logs_of(&mut self, other: &World) {
        for (server, other) in self.servers.iter_mut().zip(&other.servers) {
            let server = Arc::make_mut(server);
            server.entries.clone_from(&other.entries);
            server.disk.entries.clone_from(&other.disk.entries);
            server.unsynced.clone_from(&other.unsynced);
        }
    }

    pub(crate) fn ids(&self) -> impl Iterator<Item = ServerId> + use<> {
        (1..=self.servers.len() as u32).map(ServerId::new)
    }

    /// A server stops: whoever waits there is told no more.
    pub(crate) fn forget_clients_of(&mut self, id: ServerId) {
        if *self.reads != Reads::default() {
            Arc::make_mut(&mut self.reads).crash(id);
        }
        if !self.clients.is_empty() {
            Arc::make_mut(&mut self.clients).crash(id);
        }
    }

    pub(crate) fn note_vote(&mut self, letter: &Letter) {
        let vote = (letter.term, letter.from, letter.to);
        if letter.message == (Message::VoteReply { granted: true }) && !self.history.votes.contains(&vote) {
            let votes = &mut Arc::make_mut(&mut self.history).votes;
            votes.push(vote);
            votes.sort_unstable();
        }
    }

    pub(crate) fn put_into_network(&mut self, letter: Letter) {
        if let Err(at) = self.network.binary_search_by(|other| (**other).cmp(&letter)) {
            Arc::make_mut(&mut self.network).insert(at, Arc::new(letter));
        }
    }

    /// A leader sends a part of its log: so it may have sent all that it has now.
    pub(crate) fn put_leadership(&mut self, leader: ServerId, term: Term) {
        let server = self.server(leader);
        let (entries, commit) = (server.entries.to_vec(), server.node.commit());
        let round = server.node.round().unwrap_or_default();
        let new = Leadership { term, leader, entries, commit, round };
        if self.leaderships.iter().any(|old| **old == new) {
            return;
        }
        let leaderships = Arc::make_mut(&mut self.leaderships);
        leaderships.retain(|old| !new.says_all_of(old));
        leaderships.push(Arc::new(new));
        leaderships.sort_unstable();
    }
}

impl Leadership {
    fn says_all_of(&self, old: &Leadership) -> bool {
        (self.term, self.leader) == (old.term, old.leader)
            && self.entries.starts_with(&old.entries)
            && old.commit <= self.commit
            && old.round <= self.round
    }
}
