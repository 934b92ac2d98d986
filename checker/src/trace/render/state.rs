//! One server after a step, as a picture shows it: what it holds, and what of it a crash would keep.

use rafttree_model::{Payload, RoleName};
use serde::Serialize;

use crate::trace::language;
use crate::world::{Server, Tag};

/// One server after a step.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
pub(crate) struct ServerState {
    pub(crate) server: u32,
    /// `follower`, `pre-candidate`, `candidate` or `leader`.
    pub(crate) role: &'static str,
    /// The role with what belongs to it, in the words of traces.
    pub(crate) role_in_words: String,
    pub(crate) term: u64,
    pub(crate) vote: Option<u32>,
    /// The commit index; 0 before the first entry.
    pub(crate) commit: u64,
    /// The last index for which a snapshot stands; 0, if there is none.
    pub(crate) snapshot: u64,
    pub(crate) log: Vec<LogEntry>,
    /// What a crash would keep.
    pub(crate) disk: DiskState,
    /// Records that wait for their flush.
    pub(crate) unsynced: usize,
}

/// What is on a server's disk.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
pub(crate) struct DiskState {
    pub(crate) term: u64,
    pub(crate) vote: Option<u32>,
    pub(crate) snapshot: u64,
    pub(crate) log: Vec<Placed>,
}

/// Index and term of an entry.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize)]
pub(crate) struct Placed {
    pub(crate) index: u64,
    pub(crate) term: u64,
}

/// An entry of the log in memory.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
pub(crate) struct LogEntry {
    pub(crate) index: u64,
    pub(crate) term: u64,
    /// Who proposed the command; none, if it is a leader's blank entry.
    pub(crate) proposed_by: Option<u32>,
    /// Whether the same entry is on the disk.
    pub(crate) durable: bool,
    /// Whether the server knows it to be committed.
    pub(crate) committed: bool,
    /// Whether what it carries can be read.
    pub(crate) readable: bool,
}

impl ServerState {
    pub(crate) fn of(server: &Server) -> ServerState {
        let Server { node, disk, unsynced, .. } = server;
        ServerState {
            server: node.id().number(),
            role: role(node.role().name()),
            role_in_words: language::role(node.role()),
            term: node.term().number(),
            vote: node.vote().map(|id| id.number()),
            commit: node.commit().number(),
            snapshot: node.log().base().index.number(),
            log: log(server),
            disk: DiskState {
                term: disk.durable.term().number(),
                vote: disk.durable.vote().map(|id| id.number()),
                snapshot: disk.durable.log().base().index.number(),
                log: disk.entries.iter().map(|entry| placed(entry.position)).collect(),
            },
            unsynced: unsynced.iter().map(|step| step.records.len()).sum(),
        }
    }

    /// Whether a crash that keeps nothing unflushed would keep term and vote.
    pub(crate) fn has_promises_on_disk(&self) -> bool {
        (self.term, self.vote) == (self.disk.term, self.disk.vote)
    }

    /// Entries of the disk that the log in memory no longer has.
    pub(crate) fn only_on_disk(&self) -> usize {
        let holds = |entry: &&Placed| self.log.iter().any(|it| (it.index, it.term) == (entry.index, entry.term));
        self.disk.log.iter().filter(|entry| !holds(entry)).count()
    }
}

fn log(server: &Server) -> Vec<LogEntry> {
    let (node, on_disk) = (&server.node, &server.disk.entries);
    let entries = server.entries.iter().enumerate();
    let told = entries.map(|(at, entry)| LogEntry {
        index: entry.position.index.number(),
        term: entry.position.term.number(),
        proposed_by: match entry.payload {
            Payload::Blank => None,
            Payload::Command(Tag(proposer)) => Some(proposer.number()),
        },
        durable: on_disk.get(at) == Some(entry),
        committed: entry.position.index <= node.commit(),
        readable: !node.faulty().contains(entry.position.index),
    });
    told.collect()
}

fn placed(position: rafttree_model::Position) -> Placed {
    Placed { index: position.index.number(), term: position.term.number() }
}

fn role(name: RoleName) -> &'static str {
    match name {
        RoleName::Follower => "follower",
        RoleName::PreCandidate => "pre-candidate",
        RoleName::Candidate => "candidate",
        RoleName::Leader => "leader",
    }
}
