//! The mutation catalogue: bugs that others have shipped, as mutants, each of which the checker must catch.

use crate::mutants::mutant::{clock, disk, reading, rule, step, telling};
use crate::mutants::proposals as told;
use crate::mutants::reads as read;
use crate::mutants::rules as broken;
use crate::properties::Property;
use crate::scope::{DAMAGED_SNAPSHOTS, Part, damages, elections, leases, logs, snapshots};
use crate::system::{Bounds, COMMAND_HELD, COMMAND_HELD_BY_ANOTHER, COMMAND_LACKED, SMALL};
use crate::world::{DiskMutant, LeaseMutant};

pub(crate) use crate::mutants::mutant::Mutant;

/// Every mutant, one group after the other.
pub(crate) fn mutants() -> Vec<Mutant> {
    let of_state = [TERMS_AND_VOTES, LOG_AND_COMMITMENT, FLUSHES_AND_TRANSFERS];
    let of_use = [READS, LEASES, SNAPSHOTS, STEPS, OBLIGATIONS, PROPOSALS, LIVENESS, DISKS, DAMAGES];
    of_state.into_iter().chain(of_use).flatten().copied().collect()
}

/// The mutant of this name, or that breaks this rule, or in this row.
pub(crate) fn find(name: &str) -> Option<Mutant> {
    let row = name.parse::<u8>().ok();
    let named = |mutant: &Mutant| mutant.name == name;
    let other = |mutant: &Mutant| mutant.rule == name || (row.is_some() && mutant.row == row);
    mutants().into_iter().find(named).or_else(|| mutants().into_iter().find(other))
}

/// The mutant breaks no state, but what becomes of states when faults stop.
const fn from(part: Part) -> Part {
    if let Part::Quotient(scope) = part { Part::Recovery(scope) } else { part }
}

/// The mutant is about messages that correct servers do not react to, so none are forgotten.
const KEPT: Part = Part::Concrete(Bounds { crashes: Some(0), forgets: false, ..SMALL });
const KEPT_LOGS_FROM_THERE: Part = Part::Concrete(Bounds {
    start: Some("stale_acknowledgement"),
    crashes: Some(0),
    forgets: false,
    terms: 3,
    ..SMALL
});

/// The mutant is about snapshots that come late: sent to a follower that has taken in entries since.
const SENT_SNAPSHOTS: Part = Part::Concrete(Bounds {
    timeouts: Some(1),
    minimums: Some(1),
    requests: Some(1),
    crashes: Some(0),
    terms: 1,
    entries: 1,
    forgets: false,
    rumours: false,
    snapshots: true,
    ..SMALL
});

/// The mutant is about servers of which more than one step waits for the disk.
const UNSYNCED_LOGS: Part =
    Part::Concrete(Bounds { servers: 2, terms: 2, entries: 2, proposals: true, transfers: true, ..UNSYNCED });
const UNSYNCED_VOTES: Part = Part::Concrete(UNSYNCED);
const UNSYNCED: Bounds = Bounds { terms: 1, entries: 1, unsynced: 2, interleaved: true, transfers: false, ..SMALL };

/// The mutant is of what clients are told, so proposals are followed.
const FOLLOWED: Part = Part::Concrete(FOLLOWED_IN_ONE_TERM);
const FOLLOWED_IN_ONE_TERM: Bounds = Bounds {
    terms: 1,
    entries: 3,
    timeouts: Some(1),
    requests: Some(2),
    crashes: Some(0),
    proposals: true,
    follows_proposals: true,
    ..SMALL
};
/// The same where it has been proposed already, and other leaders were elected.
const HELD: Part = Part::Concrete(COMMAND_HELD);
const LACKED: Part = Part::Concrete(COMMAND_LACKED);
const HELD_BY_ANOTHER: Part = Part::Concrete(COMMAND_HELD_BY_ANOTHER);

/// The mutant is of linearizable reads, so one is followed: while others are elected, or while nobody is.
const READ: Part = Part::Concrete(READ_OVER_LEADERSHIPS);
const READ_OVER_LEADERSHIPS: Bounds = Bounds { entries: 2, timeouts: Some(2), crashes: Some(0), reads: true, ..SMALL };
const READ_IN_ONE_TERM: Part =
    Part::Concrete(Bounds { terms: 1, entries: 1, timeouts: Some(1), ..READ_OVER_LEADERSHIPS });

/// One group of mutants. What each field means is told where [`Mutant`] has it; a mutant that names no
/// row stands in none, and one that is not said to be caught `within` some bounds is within the least that
/// have logs.
macro_rules! mutants {
    ($($name:ident {
        $(row: $row:literal,)?
        breaks: $breaks:expr,
        about: $about:literal,
        source: $source:literal,
        caught_by: $caught_by:ident,
        $(within: $within:expr,)?
    })*) => {
        &[$(Mutant {
            // The first of two, where the field is given: the default otherwise.
            row: [$(Some($row),)? None][0],
            part: [$($within,)? logs(3, 1, 1)][0],
            name: stringify!($name),
            rule: $breaks.rule,
            about: $about,
            source: $source,
            caught_by: Property::$caught_by,
            ground: $breaks.ground(stringify!($name)),
        }),*]
    };
}

/// What terms mean, who campaigns, and who is elected.
const TERMS_AND_VOTES: &[Mutant] = mutants! {
    ignore_newer_term {
        breaks: rule::<broken::IgnoreNewerTerm>("is_newer"),
        about: "a newer term is seen and not adopted",
        source: "§5.1",
        caught_by: Bounds,
    }
    accept_stale {
        breaks: rule::<broken::AcceptStale>("is_stale"),
        about: "what was said in an older term counts as if it were said now",
        source: "§5.1",
        caught_by: OwnVotes,
        within: KEPT,
    }
    lead_on_in_newer_term {
        row: 8,
        breaks: rule::<broken::LeadOnInNewerTerm>("must_yield_to_newer_term"),
        about: "a deposed leader goes on in the term that it just learned",
        source: "eliben/raft#13",
        caught_by: OwnVotes,
        within: elections(3, 1),
    }
    campaign_at_once {
        breaks: rule::<broken::CampaignAtOnce>("must_ask_first"),
        about: "the term rises with every timeout",
        source: "dissertation 9.6",
        caught_by: AskFirst,
        within: elections(3, 1),
    }
    help_disturbers {
        breaks: rule::<broken::HelpDisturbers>("is_disturbance"),
        about: "a server that hears its leader helps to replace it",
        source: "dissertation 4.2.3",
        caught_by: NonDisruption,
        within: elections(3, 1),
    }
    vote_again {
        breaks: rule::<broken::VoteAgain>("may_vote"),
        about: "the vote of a term is given again",
        source: "§5.2",
        caught_by: VoteOnce,
        within: elections(3, 1),
    }
    vote_for_any_log {
        breaks: rule::<broken::VoteForAnyLog>("is_up_to_date"),
        about: "votes go to candidates whose logs lack entries",
        source: "§5.4.1",
        caught_by: ElectionRestriction,
    }
    compare_index_first {
        row: 5,
        breaks: rule::<broken::CompareIndexFirst>("is_up_to_date"),
        about: "of two logs the longer one counts as the newer",
        source: "the twin of async-raft vote.rs:53",
        caught_by: ElectionRestriction,
        within: logs(3, 1, 2),
    }
    half_is_enough {
        breaks: rule::<broken::HalfIsEnough>("is_majority"),
        about: "half of the members, rounded down, make a leader",
        source: "§5.2",
        caught_by: ElectionSafety,
        within: elections(3, 1),
    }
    lead_unheard {
        breaks: rule::<broken::LeadUnheard>("must_step_down"),
        about: "a leader that nobody answers leads on",
        source: "dissertation 6.2",
        caught_by: QuorumHeard,
        within: elections(3, 1),
    }
};

/// How logs come to agree, and what counts as committed.
const LOG_AND_COMMITMENT: &[Mutant] = mutants! {
    match_index_only {
        breaks: rule::<broken::MatchIndexOnly>("matches"),
        about: "entries are taken behind an entry of another term",
        source: "§5.3",
        caught_by: MatchSafety,
    }
    truncate_always {
        row: 22,
        breaks: rule::<broken::TruncateAlways>("must_truncate"),
        about: "whatever follows the request's entries is removed, conflict or not",
        source: "openraft 9540c904, async-raft#98, CCF#5991",
        caught_by: MatchSafety,
    }
    never_truncate {
        row: 32,
        breaks: rule::<broken::NeverTruncate>("must_truncate"),
        about: "conflicting entries stay, and new ones are put behind them",
        source: "LogCabin#160, hashicorp",
        caught_by: Totality,
    }
    acknowledge_whole_log {
        row: 23,
        breaks: rule::<broken::AcknowledgeWholeLog>("acknowledged"),
        about: "a follower acknowledges its whole log, compared or not",
        source: "CCF#6001",
        caught_by: MatchSafety,
    }
    commit_unverified {
        row: 21,
        breaks: rule::<broken::CommitUnverified>("follower_commit"),
        about: "a follower commits what its leader has, compared or not",
        source: "etcd b927fa8",
        caught_by: CommitImmutable,
    }
    assume_matched {
        row: 27,
        breaks: rule::<broken::AssumeMatched>("matched_at_start"),
        about: "a new leader believes that everyone holds what it holds",
        source: "async-raft F-4",
        caught_by: MatchSafety,
        within: logs(3, 1, 2),
    }
    count_any_copy {
        breaks: rule::<broken::CountAnyCopy>("replicated"),
        about: "an entry counts as replicated with one copy",
        source: "§5.3",
        caught_by: CommitDurable,
    }
    half_sorted {
        row: 26,
        breaks: rule::<broken::HalfSorted>("replicated").looking_at_names(),
        about: "the majority's index is taken from values that are only partly in order",
        source: "openraft#1802",
        caught_by: CommitDurable,
    }
    commit_any_term {
        row: 20,
        breaks: rule::<broken::CommitAnyTerm>("may_commit"),
        about: "an entry of an earlier term is committed by counting",
        source: "LogCabin#44, async-raft#108, PySyncObj#169",
        caught_by: CommitOnlyOwnTerm,
        within: logs(3, 1, 2),
    }
    figure_8 {
        row: 20,
        breaks: rule::<broken::CommitAnyTerm>("may_commit"),
        about: "the same, up to the loss of a committed entry",
        source: "Figure 8",
        caught_by: LeaderCompleteness,
        within: logs(3, 1, 2),
    }
};

/// What waits for the disk, and for the log of a leadership transfer's target.
const FLUSHES_AND_TRANSFERS: &[Mutant] = mutants! {
    vote_before_flush {
        row: 1,
        breaks: rule::<broken::VoteBeforeFlush>("may_leave_early"),
        about: "votes leave before they are durable",
        source: "SOFAJRaft#1245, ongardie/raft.tla#5",
        caught_by: TermMonotonic,
        within: elections(3, 1),
    }
    vote_twice_after_crash {
        row: 1,
        breaks: rule::<broken::VoteBeforeFlush>("may_leave_early"),
        about: "the same, up to two leaders of one term",
        source: "SOFAJRaft#1245",
        caught_by: ElectionSafety,
        within: elections(3, 1),
    }
    ask_with_unsynced_log {
        breaks: rule::<broken::AskWithUnsyncedLog>("may_leave_early"),
        about: "a candidate asks before the log that it names is on its disk",
        source: "the check of this rule",
        caught_by: PersistBeforeSend,
        within: UNSYNCED_LOGS,
    }
    lead_without_own_vote {
        breaks: rule::<broken::LeadWithoutOwnVote>("has_own_vote"),
        about: "a leader's own vote need not be on its disk",
        source: "the check of this rule",
        caught_by: OwnVotes,
        within: UNSYNCED_VOTES,
    }
    acknowledge_before_flush {
        row: 29,
        breaks: rule::<broken::AcknowledgeBeforeFlush>("may_leave_early"),
        about: "a follower acknowledges entries that are not durable",
        source: "NATS 2.12.1 (Jepsen), d-engine#329",
        caught_by: PersistBeforeSend,
    }
    count_unsynced_own {
        row: 28,
        breaks: rule::<broken::CountUnsyncedOwn>("may_leave_early"),
        about: "a leader counts its own copy before it is durable",
        source: "openraft a9f696a9, etcd#14370",
        caught_by: PersistBeforeSend,
    }
    transfer_early {
        row: 18,
        breaks: rule::<broken::TransferEarly>("may_transfer"),
        about: "leadership is transferred to a server that lacks entries",
        source: "openraft#1805, hashicorp#581",
        caught_by: TransferComplete,
    }
};

/// What a leader must know before it is read.
const READS: &[Mutant] = mutants! {
    read_before_commit {
        row: 59,
        breaks: rule::<broken::ReadBeforeCommit>("read_index").keeping_rounds(),
        about: "a leader is read before it has committed an entry of its term",
        source: "etcd#7331, tikv#6340, redisraft#22",
        caught_by: ReadIndex,
        within: logs(3, 1, 2),
    }
    read_unconfirmed {
        row: 58,
        breaks: rule::<broken::ReadUnconfirmed>("is_confirmed").keeping_rounds(),
        about: "a leader is read without asking whether it still leads",
        source: "etcd#741, consul#54",
        caught_by: ReadIndex,
    }
    read_by_half {
        row: 61,
        breaks: rule::<broken::ReadByHalf>("is_confirmed").keeping_rounds(),
        about: "half of the members, rounded down, confirm a round",
        source: "async-raft#143, openraft d60f1e85",
        caught_by: ReadIndex,
    }
    read_at_once {
        row: 58,
        breaks: reading(read::read_at_once),
        about: "who asks a leader reads what it has committed, and no majority is asked whether it still leads",
        source: "etcd#741, adjoint-io/raft#41",
        caught_by: LinearizableRead,
        within: READ,
    }
    read_of_earlier_terms {
        row: 59,
        breaks: reading(read::read_of_earlier_terms),
        about: "a round has a read index before its leader has committed an entry of its term",
        source: "etcd#7331, tikv#9208",
        caught_by: LinearizableRead,
        within: READ,
    }
    answers_of_any_round {
        row: 60,
        breaks: step(read::answers_of_any_round),
        about: "an answer to an earlier heartbeat counts for the round that a reader waits for",
        source: "etcd#20418, etcd raft#397",
        caught_by: LinearizableRead,
        within: READ,
    }
    read_when_deposed {
        row: 62,
        breaks: reading(read::read_when_deposed),
        about: "who answers a round with a newer term confirms it",
        source: "openraft#1993, async-raft F-5",
        caught_by: LinearizableRead,
        within: READ,
    }
    silent_end {
        breaks: reading(read::silent_end),
        about: "a leader that was never in office ends without a word to who waits there for a read",
        source: "diss. 6.4",
        caught_by: ReadsInTime,
        within: READ,
    }
    read_before_applied {
        row: 67,
        breaks: reading(read::read_before_applied),
        about: "what is committed is taken for applied, though a server that has restarted applies it anew",
        source: "openraft#1511, openraft#1246",
        caught_by: LinearizableRead,
        within: READ_IN_ONE_TERM,
    }
    verify_then_read {
        row: 68,
        breaks: reading(read::verify_then_read),
        about: "once the leadership is verified, whatever happens to be applied is read",
        source: "hashicorp#603",
        caught_by: LinearizableRead,
        within: READ_IN_ONE_TERM,
    }
};

/// What is compacted, and what snapshots replace.
const SNAPSHOTS: &[Mutant] = mutants! {
    compact_uncommitted {
        breaks: rule::<broken::CompactUncommitted>("may_compact"),
        about: "a log is compacted up to what is not committed",
        source: "§7",
        caught_by: CompactCommitted,
        within: snapshots(3, 1, 1),
    }
    snapshot_forgets_suffix {
        row: 52,
        breaks: step(broken::snapshot_forgets_suffix),
        about: "a snapshot takes with it the entries that follow it in the log",
        source: "async-raft F-8",
        caught_by: InstallMonotone,
        within: SENT_SNAPSHOTS,
    }
    snapshot_commits_nothing {
        row: 53,
        breaks: step(broken::snapshot_commits_nothing),
        about: "a snapshot replaces the log, and the commit index stays behind",
        source: "async-raft F-9",
        caught_by: SnapshotPrefix,
        within: snapshots(3, 1, 1),
    }
    older_snapshot_replaces {
        row: 53,
        breaks: step(broken::older_snapshot_replaces),
        about: "a snapshot that is older than what is committed replaces the log",
        source: "openraft#1892",
        caught_by: InstallMonotone,
        within: SENT_SNAPSHOTS,
    }
    snapshot_is_not_taken {
        breaks: rule::<broken::NeverRestore>("must_restore"),
        about: "a snapshot counts as held, whatever the log holds",
        source: "§7",
        caught_by: InstallMonotone,
        within: snapshots(3, 1, 1),
    }
    unknown_term_is_zero {
        row: 37,
        breaks: rule::<broken::UnknownTermIsZero>("previous"),
        about: "the term of a compacted entry reads as 0, and so does that of a missing one",
        source: "etcd 76f1249",
        caught_by: Asked,
        within: SENT_SNAPSHOTS,
    }
    never_send_snapshot {
        row: 56,
        breaks: rule::<broken::NeverSendSnapshot>("previous"),
        about: "a follower that lacks what was compacted is sent what comes behind, for ever",
        source: "openraft#1828",
        caught_by: Asked,
        within: SENT_SNAPSHOTS,
    }
    stale_snapshot_unanswered {
        row: 57,
        breaks: step(broken::stale_snapshot_unanswered),
        about: "who sends a snapshot in an older term is not told of the newer one",
        source: "SOFAJRaft",
        caught_by: StaleAnswered,
        within: snapshots(3, 1, 1),
    }
    leader_keeps_all {
        breaks: step(broken::leader_keeps_all),
        about: "a leader does not compact its log while it leads",
        source: "§7",
        caught_by: CompactCommitted,
        within: snapshots(3, 1, 1),
    }
};

/// Until when a leader may believe that nobody else leads.
const LEASES: &[Mutant] = mutants! {
    lease_in_transfer {
        row: 63,
        breaks: step(broken::lease_in_transfer).keeping_leases(),
        about: "a leader keeps its lease while it transfers its leadership",
        source: "openraft#1747, tikv#4680",
        caught_by: LeaseExclusive,
        within: leases(3, 1),
    }
    lease_from_answers {
        row: 64,
        breaks: clock(LeaseMutant::FromAnswers),
        about: "a lease is counted from when answers arrive, not from when their round began",
        source: "openraft leader-lease.md, raft-rs#141",
        caught_by: LeaseExclusive,
        within: leases(3, 1),
    }
    rejection_is_contact {
        row: 65,
        breaks: step(broken::rejection_is_contact).keeping_leases(),
        about: "a follower that rejects a heartbeat, since it is in a newer term, has answered it",
        source: "hashicorp#666",
        caught_by: LeaseExclusive,
        within: leases(3, 1),
    }
    newer_term_ends_stickiness {
        row: 66,
        breaks: step(broken::newer_term_ends_stickiness).keeping_leases(),
        about: "a follower that learns of a newer term no longer sticks to its leader",
        source: "CockroachDB#133764",
        caught_by: LeaseExclusive,
        within: leases(3, 1),
    }
    restart_ends_stickiness {
        breaks: disk(DiskMutant::ForgetsStickiness).keeping_leases(),
        about: "a server that restarts no longer sticks to the leader that it may have heard",
        source: "dissertation 4.2.3, 6.4.1",
        caught_by: LeaseExclusive,
        within: leases(3, 1),
    }
    earlier_round_counts {
        breaks: step(broken::earlier_round_counts).keeping_leases(),
        about: "an answer of an earlier round counts for the latest one",
        source: "this project: a refused request lent its time to an older answer",
        caught_by: LeaseExclusive,
        within: leases(3, 1),
    }
    lease_by_half {
        breaks: rule::<broken::ReadByHalf>("is_confirmed").keeping_leases(),
        about: "half of the members, rounded down, make a lease",
        source: "async-raft#143, openraft d60f1e85",
        caught_by: LeaseExclusive,
        within: leases(3, 1),
    }
    elect_on_disconnect {
        breaks: clock(LeaseMutant::ElectOnDisconnect),
        about: "the exception: a follower takes the end of its connections for the end of its leader, which lives",
        source: "this project: ElectOnDisconnect, where others refuse in the leader's name",
        caught_by: LeaseExclusive,
        within: leases(3, 1),
    }
};

/// Around the deployed step: what no rule says by itself.
const STEPS: &[Mutant] = mutants! {
    append_in_learned_term {
        row: 7,
        breaks: step(broken::append_in_learned_term),
        about: "a leader appends an entry in a term that it just learned of, and only then steps down",
        source: "hashicorp#695",
        caught_by: LogMatching,
    }
    pre_vote_binds {
        row: 9,
        breaks: step(broken::pre_vote_binds),
        about: "granting a pre-vote uses up the vote",
        source: "ra#608",
        caught_by: PreVoteBindsNobody,
        within: elections(3, 1),
    }
    leader_campaigns {
        row: 17,
        breaks: step(broken::leader_campaigns),
        about: "a sitting leader campaigns",
        source: "openraft#1839",
        caught_by: RoleTransitions,
        within: elections(3, 1),
    }
    refusal_acknowledges {
        row: 24,
        breaks: step(broken::refusal_acknowledges),
        about: "a refusal counts as an acknowledgement",
        source: "CCF (Howard et al., NSDI'25)",
        caught_by: MatchSafety,
    }
    stale_acknowledgement {
        row: 25,
        breaks: step(broken::stale_acknowledgement),
        about: "an acknowledgement of an earlier term counts in this one",
        source: "openraft cecb5de8",
        caught_by: MatchSafety,
        within: KEPT_LOGS_FROM_THERE,
    }
    commit_goes_back {
        row: 35,
        breaks: step(broken::commit_goes_back),
        about: "a commit index is shortened",
        source: "etcd 8ecce32",
        caught_by: CommitImmutable,
    }
    refusal_takes_back {
        row: 36,
        breaks: step(broken::refusal_takes_back),
        about: "a late refusal takes back what was acknowledged",
        source: "openraft#1500, CCF#3723",
        caught_by: MatchSafety,
    }
};

/// What servers owe each other and their clients: safe, but of no use.
const OBLIGATIONS: &[Mutant] = mutants! {
    answer_stale_as_new {
        breaks: rule::<broken::AcceptStale>("is_stale"),
        about: "who asks in an older term is answered as if it were the current one",
        source: "§5.1",
        caught_by: StaleAnswered,
        within: elections(3, 1),
    }
    acknowledge_nothing {
        breaks: rule::<broken::AcknowledgeNothing>("acknowledged"),
        about: "a follower does not say what it has stored",
        source: "§5.3",
        caught_by: Answered,
    }
    never_commit {
        breaks: rule::<broken::NeverCommit>("may_commit"),
        about: "what a majority holds is not committed",
        source: "§5.4.2",
        caught_by: CountedAtOnce,
    }
    serve_before_commit {
        row: 59,
        breaks: rule::<broken::CommitAnyTerm>("may_commit"),
        about: "a leader serves clients before it has committed an entry of its term",
        source: "etcd#7331, tikv#6340",
        caught_by: ClientsTold,
        within: elections(3, 1),
    }
    take_letters_of_others {
        breaks: step(broken::take_letters_of_others),
        about: "what is for another server is taken for one's own",
        source: "§5.1",
        caught_by: OutsidersIgnored,
        within: elections(3, 1),
    }
    silent_leader {
        breaks: step(broken::silent_leader),
        about: "a leader without new entries sends no heartbeats",
        source: "§5.2",
        caught_by: Asked,
        within: elections(3, 1),
    }
    silent_while_writing {
        breaks: step(broken::silent_while_writing),
        about: "a leader that has something to write sends no heartbeats meanwhile",
        source: "§5.2",
        caught_by: GatheredSame,
        within: elections(3, 1),
    }
    wait_for_every_term {
        breaks: step(broken::wait_for_every_term),
        about: "a newer term puts a follower's own campaign off",
        source: "§5.2",
        caught_by: TimersOfRole,
        within: elections(3, 1),
    }
};

/// What whoever proposed a command is told of it.
const PROPOSALS: &[Mutant] = mutants! {
    cut_is_not_committed {
        breaks: telling(told::cut_is_not_committed),
        about: "who proposed an entry that is cut is told that it is not committed, while others hold it",
        source: "§5.3",
        caught_by: ProposalEnds,
        within: HELD_BY_ANOTHER,
    }
    deposed_is_not_committed {
        breaks: telling(told::deposed_is_not_committed),
        about: "who waits when the leader is deposed is told that the command is not committed",
        source: "section 8",
        caught_by: ProposalEnds,
        within: HELD,
    }
    committed_by_index {
        breaks: telling(told::committed_by_index),
        about: "who waits at an index is told of a commitment, whatever is committed there",
        source: "section 8",
        caught_by: ProposalEnds,
        within: LACKED,
    }
    told_twice {
        breaks: telling(told::told_twice),
        about: "who was told that a command is committed is told so again",
        source: "section 8",
        caught_by: ProposalEnds,
        within: FOLLOWED,
    }
    accepted_is_committed {
        breaks: telling(told::accepted_is_committed),
        about: "a command counts as committed once a leader has accepted it",
        source: "section 8",
        caught_by: ProposalEnds,
        within: FOLLOWED,
    }
    deposed_tells_nothing {
        breaks: telling(told::deposed_tells_nothing),
        about: "who waits when the leader is deposed hears no more",
        source: "section 8",
        caught_by: ProposalEnds,
        within: LACKED,
    }
};

/// What breaks no state, but what becomes of states when faults stop.
const LIVENESS: &[Mutant] = mutants! {
    compare_both {
        row: 5,
        breaks: rule::<broken::CompareBoth>("is_up_to_date"),
        about: "of two logs, one longer and one of a later term, neither counts as the newer",
        source: "async-raft vote.rs:53",
        caught_by: Recovery,
        within: from(logs(3, 1, 2)),
    }
    sticky_bridge {
        row: 14,
        breaks: rule::<broken::LeadUnheard>("must_step_down"),
        about: "a leader without a majority keeps at its side the one server that could be elected",
        source: "openraft#2080, Howard & Abraham 2020",
        caught_by: Recovery,
        within: from(elections(4, 1)),
    }
    plain_raft {
        breaks: rule::<broken::CampaignAtOnce>("must_ask_first"),
        about: "without PreVote a server that is linked to few deposes, time and again, whoever could be elected",
        source: "Howard & Abraham 2020",
        caught_by: Recovery,
        within: from(elections(4, 1)),
    }
    pre_votes_teach_no_term {
        row: 10,
        breaks: step(broken::pre_votes_teach_no_term),
        about: "pre-votes are answered in an older term, which is ignored, and answers in a newer one are, too",
        source: "etcd#8243, canonical/raft#279, openraft#1796",
        caught_by: Recovery,
        within: from(elections(3, 1)),
    }
    sticky_pre_candidate {
        row: 11,
        breaks: step(broken::sticky_pre_candidate),
        about: "a pre-candidate counts as having a leader, and refuses others",
        source: "etcd#8334, raft-rs#84, tikv#3270",
        caught_by: Recovery,
        within: from(elections(3, 1)),
    }
};

/// What a disk keeps, and what is reported of it.
const DISKS: &[Mutant] = mutants! {
    torn_vote {
        row: 2,
        breaks: disk(DiskMutant::TornVote),
        about: "term and vote are written to different places",
        source: "hashicorp#661, SOFAJRaft#1241",
        caught_by: VoteOnce,
        within: elections(3, 1),
    }
    unsaved_first_vote {
        row: 3,
        breaks: disk(DiskMutant::UnsavedFirstVote),
        about: "a server that holds no entry yet does not save its vote",
        source: "tikv#8381",
        caught_by: VoteOnce,
    }
    lost_hard_state {
        row: 4,
        breaks: disk(DiskMutant::LostHardState),
        about: "a server whose term and vote are lost starts as if for the first time",
        source: "SOFAJRaft",
        caught_by: TermMonotonic,
        within: Part::Concrete(SMALL),
    }
    swallowed_error {
        row: 30,
        breaks: disk(DiskMutant::SwallowedError),
        about: "a write fails and is reported as done",
        source: "dragonboat#409",
        caught_by: PersistBeforeSend,
    }
    swapped_completions {
        row: 31,
        breaks: disk(DiskMutant::SwappedCompletions),
        about: "the write that is reported as done is not the one that is",
        source: "openraft#1960, raft-rs#417",
        caught_by: PersistBeforeSend,
        within: logs(3, 1, 2),
    }
    drops_when_deposed {
        row: 33,
        breaks: disk(DiskMutant::DropsWhenDeposed),
        about: "a leader that steps down drops entries that others count on",
        source: "CCF#5674",
        caught_by: CommitDurable,
    }
    lost_tail {
        row: 34,
        breaks: disk(DiskMutant::LostTail),
        about: "a server restarts with a shorter log and votes",
        source: "NuRaft#185, etcd#14140",
        caught_by: CommitDurable,
    }
};

/// What becomes of entries that a disk has damaged.
const DAMAGES: &[Mutant] = mutants! {
    lead_unread {
        breaks: rule::<broken::LeadUnread>("may_campaign"),
        about: "a server campaigns that cannot read all of its log",
        source: "FAST'18",
        caught_by: LeadsLegible,
        within: damages(3, 1, 1),
    }
    vote_by_what_is_read {
        row: 34,
        breaks: rule::<broken::VoteByWhatIsRead>("last_for_votes"),
        about: "a faulty entry, and what follows it, counts as missing when a vote is given",
        source: "FAST'18, NuRaft#185",
        caught_by: LeaderCompleteness,
        within: damages(3, 1, 1),
    }
    any_entry_repairs {
        breaks: rule::<broken::AnyEntryRepairs>("is_held"),
        about: "an entry of another term takes the place of a faulty one, as if it were that",
        source: "FAST'18",
        caught_by: RepairedSame,
        within: damages(3, 2, 1),
    }
    acknowledge_unread {
        breaks: rule::<broken::AcknowledgeUnread>("promised"),
        about: "a follower acknowledges what it can no longer read",
        source: "FAST'18",
        caught_by: PromisesLegible,
        within: damages(3, 1, 1),
    }
    apply_unread {
        breaks: rule::<broken::ApplyUnread>("applicable"),
        about: "a follower commits, and so applies, what it can no longer read",
        source: "FAST'18",
        caught_by: CommitsLegible,
        within: damages(3, 1, 1),
    }
    snapshot_repairs_nothing {
        breaks: rule::<broken::NeverTakeOver>("must_take_over").keeping_rounds(),
        about: "a snapshot counts as held where the log holds its last entry, though what it includes cannot be read",
        source: "FAST'18",
        caught_by: CommitsLegible,
        within: DAMAGED_SNAPSHOTS,
    }
    cut_at_fault {
        breaks: disk(DiskMutant::CutAtFault),
        about: "a restart cuts the log where it cannot be read",
        source: "FAST'18; raft-engine 0.4.2, sled 0.34.7",
        caught_by: CommittedLegible,
        within: damages(3, 1, 1),
    }
    unsaved_repair {
        breaks: disk(DiskMutant::UnsavedRepair),
        about: "a repaired entry is acknowledged before it is durable",
        source: "FAST'18",
        caught_by: PromisesLegible,
        within: damages(3, 1, 1),
    }
};
