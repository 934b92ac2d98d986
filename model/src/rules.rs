//! The rules of Raft, one function each: Figure 2 on one page.
//!
//! [`Paper`] is Raft as it is deployed and checked: every rule as stated here. The checker breaks
//! one rule at a time, to show that it would see such a bug.

use crate::faulty::Faulty;
use crate::log::Log;
use crate::members::{Members, ServerSet};
use crate::message::{Envelope, Message, Range};
use crate::types::{Index, Position, ServerId, Term};

/// The decisions that Raft's safety rests on.
pub trait Rules {
    /// §5.1: a server that sees a newer term adopts it.
    fn is_newer(theirs: Term, ours: Term) -> bool {
        ours < theirs
    }

    /// §5.1: a server rejects what was said in an older term.
    fn is_stale(theirs: Term, ours: Term) -> bool {
        theirs < ours
    }

    /// §5.1: a candidate or leader whose term is out of date becomes a follower at once.
    fn must_yield_to_newer_term() -> bool {
        true
    }

    /// Dissertation 9.6: with an election timeout the term rises only after a majority said that it
    /// would vote for the server.
    fn must_ask_first() -> bool {
        true
    }

    /// Dissertation 4.2.3: who may have heard a leader within the minimum timeout does not help
    /// to replace it, unless that leader itself asks, or transfers its leadership.
    fn is_disturbance(sticky: bool, leader: Option<ServerId>, candidate: ServerId, transfer: bool) -> bool {
        sticky && leader != Some(candidate) && !transfer
    }

    /// §5.2: one vote a term, first come first served.
    fn may_vote(vote: Option<ServerId>, candidate: ServerId) -> bool {
        vote.is_none_or(|granted| granted == candidate)
    }

    /// §5.4.1: the candidate's log must be at least as up-to-date as ours.
    fn is_up_to_date(candidate: Position, ours: Position) -> bool {
        ours <= candidate
    }

    /// FAST'18, §5.4.1: votes are judged by the names of entries, and a faulty one has its name still. It
    /// may be committed, so whoever lacks it must not be elected by a server that has lost its payload.
    fn last_for_votes(log: &Log, faulty: Faulty) -> Position {
        let _ = faulty;
        log.last()
    }

    /// FAST'18: a leader sends and applies its whole log, so who cannot read all of it does not campaign.
    fn may_campaign(faulty: Faulty) -> bool {
        faulty.is_none()
    }

    /// §5.2: more than half of the members make a leader.
    fn is_majority(members: &Members, supporters: &ServerSet) -> bool {
        members.is_majority(supporters)
    }

    /// §5.2: nobody leads before its own vote counts, which waits for its disk. Others may grant theirs
    /// sooner.
    fn has_own_vote(votes: &ServerSet, candidate: ServerId) -> bool {
        votes.contains(candidate)
    }

    /// Dissertation 6.2: a leader that no majority has answered for a minimum timeout steps down.
    fn must_step_down(members: &Members, heard: &ServerSet) -> bool {
        !members.is_majority(heard)
    }

    /// §5.3: entries are taken only behind an entry that both logs hold.
    fn matches(log: &Log, previous: Position) -> bool {
        log.holds(previous)
    }

    /// §5.3: the entry before the next one to send, which a follower must hold to take that one. If it
    /// was compacted there is none, and the follower needs a snapshot (§7).
    fn previous(log: &Log, next: Index) -> Option<Position> {
        log.position_at(next.previous())
    }

    /// §7: only what is committed, and so in a snapshot of the state machine, is taken out of the log.
    fn may_compact(through: Index, commit: Index) -> bool {
        through <= commit
    }

    /// §7: a snapshot replaces the log, unless the log holds the last entry that the snapshot includes.
    /// Then nothing is lost of what follows that entry.
    fn must_restore(log: &Log, last: Position) -> bool {
        !log.holds(last)
    }

    /// §5.3, FAST'18: whether an entry of the leader's is held. That is a matter of its name, whether it
    /// can be read or not, and so only the very entry takes the place of a faulty one.
    fn is_held(log: &Log, faulty: Faulty, entry: Position) -> bool {
        let _ = faulty;
        log.holds(entry)
    }

    /// §7, FAST'18: a snapshot takes the place of entries that it includes and that cannot be read.
    fn must_take_over(faulty: Faulty, last: Index) -> bool {
        faulty.first().is_some_and(|first| first <= last)
    }

    /// §5.3: entries are removed only if one of them conflicts with a new one: same index, other
    /// term. `agreed` is the last entry that both hold, `new` the first that our log lacks.
    fn must_truncate(log: &Log, agreed: Index, new: Option<Position>) -> bool {
        let _ = agreed;
        new.is_some_and(|new| log.term_at(new.index).is_some_and(|term| term != new.term))
    }

    /// §5.3: a follower acknowledges what it has compared with the leader's log, and no more.
    fn acknowledged(verified: Index, last: Index) -> Index {
        let _ = last;
        verified
    }

    /// FAST'18: a follower acknowledges nothing from its first faulty entry on: it could not read it back.
    fn promised(faulty: Faulty, acknowledged: Index) -> Index {
        faulty.legible(acknowledged)
    }

    /// FAST'18: a follower commits nothing from its first faulty entry on: it could not apply it.
    fn applicable(faulty: Faulty, commit: Index) -> Index {
        faulty.legible(commit)
    }

    /// §5.3: a follower knows an entry to be committed once the leader says so and it has
    /// compared its log up to that entry.
    fn follower_commit(leader_commit: Index, verified: Index) -> Index {
        leader_commit.min(verified)
    }

    /// §5.3: a new leader knows of no server what it holds, not even of itself.
    fn matched_at_start(last: Position) -> Index {
        let _ = last;
        Index::ZERO
    }

    /// §5.3: the last entry that a majority holds.
    fn replicated(members: &Members, matched: impl Fn(ServerId) -> Index) -> Index {
        members.reached_by_majority(matched)
    }

    /// §5.4.2: only an entry of the current term is committed by counting.
    fn may_commit(log: &Log, index: Index, current: Term) -> bool {
        log.term_at(index) == Some(current)
    }

    /// Dissertation 6.4: a leader knows what was ever committed once it has committed an entry of
    /// its term. From then on, what is committed when a round begins may be read when it is confirmed.
    fn read_index(commit: Index, has_committed_in_term: bool) -> Option<Index> {
        has_committed_in_term.then_some(commit)
    }

    /// Dissertation 6.4: a round is confirmed once more than half of the members have answered it or
    /// a later one, the leader included.
    fn is_confirmed(members: &Members, answered: usize) -> bool {
        members.is_more_than_half(answered)
    }

    /// Dissertation 10.2.1: a leader's entries travel while it writes them itself, and snapshots are
    /// durable when they are named. A request for a vote travels while its sender writes term and vote, if all
    /// that it wrote before is durable, and so the log that it names. Whatever promises something waits until
    /// the promise is durable.
    fn may_leave_early(envelope: &Envelope<Range>, is_behind: bool) -> bool {
        match envelope.message {
            Message::AppendRequest { .. } | Message::InstallSnapshot { .. } => true,
            Message::VoteRequest { .. } => !is_behind,
            _ => false,
        }
    }

    /// Dissertation 3.10: leadership is handed only to a server that holds the whole log.
    fn may_transfer(matched: Index, last: Index) -> bool {
        matched == last
    }
}

/// Raft as the paper states it: every rule, unchanged.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Paper;

impl Rules for Paper {}

/// The text of this page, from which tools list the rules with their sections.
#[doc(hidden)]
pub const TEXT: &str = include_str!("rules.rs");
