//! Why two servers do not talk.

use std::ops::RangeInclusive;

use rafttree_model::ServerId;

use crate::storage::{Incarnation, listed};

/// Why one side of a connection refused the other. Both sides learn it; `ours` is always what
/// the server that reports it has, `theirs` what the other side has.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum Refusal {
    /// The other side speaks another language.
    #[error("the other side does not speak RaftTree's protocol: check the peer's address and port")]
    NotRaftTree,
    /// There is no version of the protocol that both sides know.
    #[error(
        "the other side speaks versions {} to {} of the protocol, this server {} to {}: upgrade the older one",
        theirs.start(), theirs.end(), ours.start(), ours.end()
    )]
    Protocol {
        /// Versions that the other side knows.
        theirs: RangeInclusive<u32>,
        /// Versions that this server knows.
        ours: RangeInclusive<u32>,
    },
    /// The servers do not have one cluster id. Neither side says its own: who knows the id belongs to
    /// the cluster.
    #[error(
        "the other side has another cluster id: check the peer's address, and that the line `cluster` in the file \
         `identity` is the same in both data directories; a directory that was initialised with a wrong one must be \
         initialised anew"
    )]
    Cluster,
    /// An address leads to another server than the one it is given for.
    #[error("the address given for server {expected} leads to server {found}: correct the list of peers")]
    WrongServer {
        /// The server that was looked for.
        expected: ServerId,
        /// The server that is there.
        found: ServerId,
    },
    /// The servers were told of unequal groups.
    #[error(
        "the other side is in a group of servers {}, this server in one of servers {}: give all servers the same \
         list; a server that was ever started with another one keeps that one, so if it is the wrong one, stop all and \
         initialise new directories with a new cluster id",
        listed(theirs),
        listed(ours)
    )]
    Group {
        /// The servers of the group as the other side has it.
        theirs: Vec<ServerId>,
        /// The servers of the group as this server has it.
        ours: Vec<ServerId>,
    },
    /// A server that the other one was not told about.
    #[error("server {0} is not in the list of peers of the server that it called: give all servers the same list")]
    UnknownPeer(ServerId),
    /// The server's disk is not the one it had.
    #[error(
        "the server comes with incarnation {seen}, and the one that refuses it knows it by another (its file \
         `pins` says which), so its data directory was wiped or exchanged and its votes are forgotten: bring the former \
         directory back; if that is lost for good, this server cannot return to the group, which goes on while a \
         majority of its servers runs; to have all servers again, stop them and make a new group: initialise new \
         directories with a new cluster id"
    )]
    Incarnation {
        /// The incarnation by now. The one that was seen first is told to nobody.
        seen: Incarnation,
    },
    /// The disk of one of the two servers, this one, is broken.
    #[error(
        "server {0} has lost entries that it had acknowledged: its directory was put back to an older copy, or its disk \
         lost writes; stop it and bring its newest directory back, or leave it stopped: the group goes on while a \
         majority runs, and this server must not help to elect a leader"
    )]
    LostEntries(ServerId),
    /// A server could not write down the other's incarnation.
    #[error(
        "a server cannot write down the other's incarnation, and without that it would not notice another disk: see \
         its own report, and make room on its disk, or repair it"
    )]
    NotKept,
    /// A connection of a kind that this version does not have.
    #[error(
        "a server calls for a kind of connection that the other one does not know, or another than it was called for: \
         upgrade the older one"
    )]
    Kind,
    /// Someone else uses the id of the server that refuses, or it has called itself.
    #[error(
        "both sides say that they are the same server: two servers were started with one id, \
         or the address given for a peer is the server's own"
    )]
    Itself,
    /// A frame after the handshake could not be understood, or differs from its checksum.
    #[error(
        "a frame could not be understood or differs from its checksum, and the connection was closed: its sender is \
         faulty (check its memory), or something between the servers changes what they say"
    )]
    Malformed,
    /// A message after the handshake said what no correct server could have said.
    #[error(
        "a message names a term or an entry that no correct server of this group could name, so it was not taken in \
         and the connection was closed: its sender's memory, disk or program is faulty; stop that server, check them, \
         and leave it stopped if it says so again"
    )]
    Implausible,
    /// A reason that this version does not know.
    #[error("the other side refuses for a reason that this version does not know: see the other side's own report")]
    Other,
}

impl Refusal {
    /// The same refusal as the other side has to report it.
    pub(super) fn mirrored(self) -> Refusal {
        match self {
            Refusal::Protocol { theirs, ours } => Refusal::Protocol { theirs: ours, ours: theirs },
            Refusal::Group { theirs, ours } => Refusal::Group { theirs: ours, ours: theirs },
            Refusal::NotRaftTree
            | Refusal::Cluster
            | Refusal::WrongServer { .. }
            | Refusal::UnknownPeer(_)
            | Refusal::Incarnation { .. }
            | Refusal::LostEntries(_)
            | Refusal::NotKept
            | Refusal::Kind
            | Refusal::Itself
            | Refusal::Malformed
            | Refusal::Implausible
            | Refusal::Other => self,
        }
    }
}
