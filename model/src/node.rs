//! The state of one server.

use core::fmt;

use crate::durable::Durable;
use crate::faulty::Faulty;
use crate::log::Log;
use crate::members::{Members, ServerMap, ServerSet};
use crate::types::{Index, Position, Round, ServerId, Term};

/// One server: the state box of Figure 2.
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Node {
    pub(crate) id: ServerId,
    pub(crate) members: Members,
    pub(crate) durable: Durable,
    /// Index of the last entry known to be committed.
    /// Invariant: `log.base <= commit <= log.last`.
    pub(crate) commit: Index,
    pub(crate) role: Role,
}

/// §5.1: what a server is at a time, with what it needs for that.
#[expect(clippy::large_enum_variant, reason = "a box would allocate in a step")]
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum Role {
    /// Answers leaders and candidates.
    Follower {
        /// The leader of the current term, if it was heard within the minimum timeout.
        leader: Option<ServerId>,
        /// Leader stickiness: some leader may have been heard within the minimum timeout, so this server
        /// does not help to replace it (dissertation 4.2.3). A server that just started cannot
        /// know, so it sticks to whoever it may have forgotten.
        sticky: bool,
    },
    /// Dissertation 9.6: asks whether an election could be won, before it raises the term.
    PreCandidate {
        /// Who would vote for this server.
        votes: ServerSet,
    },
    /// §5.2: asks for the votes of the current term.
    Candidate {
        /// Who voted for this server, itself included once its own vote is durable.
        votes: ServerSet,
        /// Whether the previous leader asked for this campaign (dissertation 3.10).
        transfer: bool,
    },
    /// §5.3: replicates its log to the others.
    Leader {
        /// How far each member is, this server included.
        progress: ServerMap<Progress>,
        /// Who answered since the minimum timeout last fired (dissertation 6.2), and itself.
        heard: ServerSet,
        /// Whom leadership is being handed to (dissertation 3.10).
        transfer: Option<ServerId>,
        /// The latest round of heartbeats that has begun.
        round: Round,
        /// The latest round that a majority has answered. Invariant: `confirmed <= round`.
        confirmed: Round,
    },
}

/// Figure 2, volatile state on leaders: how far one server is.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Progress {
    /// Last entry known to agree with the leader's and to be durable there.
    pub matched: Index,
    /// Next entry to send. Invariant: `matched < next <= last + 1`.
    pub next: Index,
    /// The latest round that it has answered.
    pub answered: Round,
}

/// A role without its data.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(rename_all = "snake_case"))]
pub enum RoleName {
    /// Answers leaders and candidates.
    Follower,
    /// Asks whether an election could be won.
    PreCandidate,
    /// Asks for votes.
    Candidate,
    /// Leads.
    Leader,
}

/// What a server knows of itself and its group, for people and programs that watch it.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Status {
    /// This server.
    pub id: ServerId,
    /// What it is.
    pub role: RoleName,
    /// Latest term it has seen.
    pub term: Term,
    /// Whom it voted for in that term.
    pub vote: Option<ServerId>,
    /// The leader of that term, if one is known and was heard of late.
    pub leader: Option<ServerId>,
    /// Last entry of its log.
    pub last: Position,
    /// Last entry it knows to be committed.
    pub commit: Index,
    /// Whom it is handing leadership to.
    pub transfer: Option<ServerId>,
}

impl Node {
    /// A server as it starts, for the first time or after a crash: what it knows is what its
    /// disk holds.
    pub fn recover(id: ServerId, members: Members, durable: Durable) -> Node {
        let commit = durable.log().base().index;
        let role = Role::Follower { leader: None, sticky: true };
        Node { id, members, durable, commit, role }
    }

    /// A server in any state, reached or not: what transitions do is asked of all of them. A server
    /// that runs is made by [`Node::recover`] and changes by steps alone.
    pub fn assume(id: ServerId, members: Members, durable: Durable, commit: Index, role: Role) -> Node {
        Node { id, members, durable, commit, role }
    }

    /// Who this server is.
    pub fn id(&self) -> ServerId {
        self.id
    }

    /// The group.
    pub fn members(&self) -> &Members {
        &self.members
    }

    /// The other servers of the group, by rising id.
    pub fn peers(&self) -> impl Iterator<Item = ServerId> + use<> {
        let id = self.id;
        self.members.into_ids().filter(move |&peer| peer != id)
    }

    /// What the server's records add up to.
    pub fn durable(&self) -> &Durable {
        &self.durable
    }

    /// Latest term this server has seen.
    pub fn term(&self) -> Term {
        self.durable.term()
    }

    /// Candidate that received this server's vote in the current term.
    pub fn vote(&self) -> Option<ServerId> {
        self.durable.vote()
    }

    /// The log's shape.
    pub fn log(&self) -> &Log {
        self.durable.log()
    }

    /// Which entries of the log cannot be read.
    pub fn faulty(&self) -> Faulty {
        self.durable.faulty()
    }

    /// Index of the last entry known to be committed.
    pub fn commit(&self) -> Index {
        self.commit
    }

    /// What the server is.
    pub fn role(&self) -> &Role {
        &self.role
    }

    /// The leader of the current term as far as this server knows: itself, or the one it heard
    /// within the minimum timeout.
    pub fn leader(&self) -> Option<ServerId> {
        match self.role {
            Role::Follower { leader, .. } => leader,
            Role::Leader { .. } => Some(self.id),
            Role::PreCandidate { .. } | Role::Candidate { .. } => None,
        }
    }

    /// How far a member is, as a leader knows it; `None` if this server does not lead.
    pub fn progress(&self, member: ServerId) -> Option<Progress> {
        let Role::Leader { progress, .. } = &self.role else { return None };
        progress.get(member).copied()
    }

    /// Leader stickiness (dissertation 4.2.3): this server must assume that a leader is at work, as it
    /// leads, or may have heard one within the minimum timeout.
    pub fn is_sticky(&self) -> bool {
        match self.role {
            Role::Follower { sticky, .. } => sticky,
            Role::Leader { .. } => true,
            Role::PreCandidate { .. } | Role::Candidate { .. } => false,
        }
    }

    /// A leader's view of a member, this server included.
    #[inline(always)]
    pub(crate) fn progress_mut(&mut self, member: ServerId) -> Option<&mut Progress> {
        let Role::Leader { progress, .. } = &mut self.role else { return None };
        progress.get_mut(member)
    }

    /// What a watcher may know.
    pub fn status(&self) -> Status {
        let transfer = match self.role {
            Role::Leader { transfer, .. } => transfer,
            _ => None,
        };
        Status {
            id: self.id,
            role: self.role.name(),
            term: self.term(),
            vote: self.vote(),
            leader: self.leader(),
            last: self.log().last(),
            commit: self.commit,
            transfer,
        }
    }
}

impl Role {
    /// The role without its data.
    pub fn name(&self) -> RoleName {
        match self {
            Role::Follower { .. } => RoleName::Follower,
            Role::PreCandidate { .. } => RoleName::PreCandidate,
            Role::Candidate { .. } => RoleName::Candidate,
            Role::Leader { .. } => RoleName::Leader,
        }
    }
}

impl fmt::Display for RoleName {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.pad(match self {
            RoleName::Follower => "follower",
            RoleName::PreCandidate => "pre-candidate",
            RoleName::Candidate => "candidate",
            RoleName::Leader => "leader",
        })
    }
}
