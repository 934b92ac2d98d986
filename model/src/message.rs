//! What servers say to each other.

use alloc::vec::Vec;

use crate::types::{Entry, Index, Position, Round, ServerId, Term};

/// A message with what every message carries: who, to whom, and the sender's term (§5.1).
///
/// `E` is how entries travel: as a [`Range`] when a transition asks for them to be sent, as a
/// [`Slice`] when they arrive.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Envelope<E> {
    /// The sender.
    pub from: ServerId,
    /// The receiver. A server also sends to itself: what it grants or stores counts only when
    /// it is durable, for itself as for others.
    pub to: ServerId,
    /// The sender's term when it sent this.
    pub term: Term,
    /// What it says.
    pub message: Message<E>,
}

/// What a message says.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[repr(u8)] // What it is can be read at a glance, and need not be told from the entries.
pub enum Message<E> {
    /// Dissertation 9.6: would you vote for me in the next term?
    PreVoteRequest {
        /// Last entry of the asking server's log.
        last: Position,
    },
    /// Dissertation 9.6: the answer; it binds nobody.
    PreVoteReply {
        /// Whether a vote in the next term would be granted.
        granted: bool,
    },
    /// §5.2: the candidate asks for the vote of this term.
    VoteRequest {
        /// Last entry of the candidate's log (§5.4.1).
        last: Position,
        /// Whether the leader told the candidate to take over (dissertation 3.10), so that
        /// nobody has to stick to that leader.
        transfer: bool,
    },
    /// §5.2: the answer.
    VoteReply {
        /// Whether the candidate has the vote.
        granted: bool,
    },
    /// §5.3: entries to store; without entries, the heartbeat of §5.2.
    AppendRequest {
        /// The entries, and the one before them.
        entries: E,
        /// The leader's commit index.
        commit: Index,
        /// The latest round that the leader has begun.
        round: Round,
    },
    /// §5.3, §7: the log agrees with the leader's up to here, durably.
    AppendReply {
        /// Index of the last entry that is known to agree.
        matched: Index,
        /// The round of the request that this answers.
        round: Round,
    },
    /// FAST'18: the log agrees with the leader's up to here, durably, and what follows can no longer be
    /// read, whatever was acknowledged of it: it is to be sent again.
    RepairRequest {
        /// Index of the last entry that is known to agree, and can be read.
        matched: Index,
        /// The round of the request that this answers.
        round: Round,
    },
    /// §5.3: the log does not hold the entry before the sent ones.
    AppendRefusal {
        /// Index of the entry that is missing.
        missing: Index,
        /// Last entry of the refusing log that could agree: it stands neither after the missing
        /// one nor has a later term.
        hint: Position,
        /// The round of the request that this answers.
        round: Round,
    },
    /// §7: the follower lacks what the leader has compacted, and takes a snapshot instead. Its bytes go
    /// another way: this arrives once the snapshot is whole and durable at the receiver.
    InstallSnapshot {
        /// The last entry that the snapshot includes: committed, and no earlier than what was compacted.
        last: Position,
        /// The latest round that the leader has begun.
        round: Round,
    },
    /// Dissertation 3.10: campaign now; the leader transfers its leadership to the receiver.
    TimeoutNow,
    /// §5.1: your request has an old term; the current one is on the envelope.
    Stale,
}

/// Entries to be sent, named by the two ends of a range of the sender's log.
///
/// Whoever stores the entries fills it. If the log no longer holds exactly both ends (a conflict
/// was cut in the meantime), the message is dropped, which the network could have done as well.
/// A range may be sent in parts.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Range {
    /// The entry before the first one.
    pub previous: Position,
    /// The last entry; the same as `previous` if there is none to send.
    pub last: Position,
}

/// Consecutive entries as they arrive. Indices have no gap, terms never fall: checked once, by
/// [`Slice::new`], and true from there on.
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct Slice<P> {
    previous: Position,
    entries: Vec<Entry<P>>,
}

impl<P> Slice<P> {
    /// Entries that follow `previous`; `None` if they are not consecutive or their terms fall.
    pub fn new(previous: Position, entries: Vec<Entry<P>>) -> Option<Slice<P>> {
        let mut before = previous;
        for Entry { position, .. } in &entries {
            if position.index != before.index.next() || position.term < before.term {
                return None;
            }
            before = *position;
        }
        Some(Slice { previous, entries })
    }

    /// The entry before the first one.
    pub fn previous(&self) -> Position {
        self.previous
    }

    /// The last entry; the same as `previous` if there is none.
    pub fn last(&self) -> Position {
        self.entries.last().map_or(self.previous, |entry| entry.position)
    }

    /// The entries.
    pub fn entries(&self) -> &[Entry<P>] {
        &self.entries
    }

    /// The entries, given away.
    pub fn into_entries(self) -> Vec<Entry<P>> {
        self.entries
    }
}

impl<E> Envelope<E> {
    /// The same message with its entries carried in another way; `None` if `fill` has none.
    pub fn with_entries<F>(self, fill: impl FnOnce(E) -> Option<F>) -> Option<Envelope<F>> {
        let Envelope { from, to, term, message } = self;
        let message = match message {
            Message::PreVoteRequest { last } => Message::PreVoteRequest { last },
            Message::PreVoteReply { granted } => Message::PreVoteReply { granted },
            Message::VoteRequest { last, transfer } => Message::VoteRequest { last, transfer },
            Message::VoteReply { granted } => Message::VoteReply { granted },
            Message::AppendRequest { entries, commit, round } => {
                Message::AppendRequest { entries: fill(entries)?, commit, round }
            }
            Message::AppendReply { matched, round } => Message::AppendReply { matched, round },
            Message::RepairRequest { matched, round } => Message::RepairRequest { matched, round },
            Message::AppendRefusal { missing, hint, round } => Message::AppendRefusal { missing, hint, round },
            Message::InstallSnapshot { last, round } => Message::InstallSnapshot { last, round },
            Message::TimeoutNow => Message::TimeoutNow,
            Message::Stale => Message::Stale,
        };
        Some(Envelope { from, to, term, message })
    }
}
