//! The mutation catalogue: mistakes that were made elsewhere, each of which the checker must catch.

use rafttree_model::{Rules, step_by};

use crate::mutants::rules as broken;
use crate::properties::{Property, PropertySet};
use crate::scope::{Part, Scope};
use crate::system::{Bounds, SMALL};
use crate::world::{DiskMutant, Ground, PAPER, StepBy, Tag};

/// One mistake.
pub(crate) struct Mutant {
    /// What `--mutant` and `catalogue` call it.
    pub(crate) name: &'static str,
    /// Its row in the published list of Raft bugs that this project keeps, if it stands there.
    pub(crate) row: Option<u8>,
    /// The rule that it breaks, or what around it.
    pub(crate) rule: &'static str,
    pub(crate) about: &'static str,
    /// Where the mistake was met.
    pub(crate) source: &'static str,
    /// The property that catches it.
    pub(crate) caught_by: Property,
    /// The least bounds at which it is caught.
    pub(crate) part: Part,
    /// A scenario that leads to where the search starts.
    pub(crate) start: Option<&'static str>,
    pub(crate) ground: Ground,
}

impl Mutant {
    /// The one property that is hunted.
    pub(crate) fn counted(&self) -> PropertySet {
        PropertySet::from_iter([self.caught_by])
    }

    fn starting(self, start: &'static str) -> Mutant {
        Mutant { start: Some(start), ..self }
    }

    fn within(self, part: Part) -> Mutant {
        Mutant { part, ..self }
    }

    /// It is about rounds, so they are told apart where it is told.
    fn keeping_rounds(self) -> Mutant {
        Mutant { ground: Ground { keeps_rounds: true, ..self.ground }, ..self }
    }

    fn looking_at_names(self) -> Mutant {
        Mutant { ground: Ground { looks_at_names: true, ..self.ground }, ..self }
    }
}

const fn elections(servers: u8, spread: u8) -> Part {
    Part::Quotient(Scope { servers, spread, window: None })
}

const fn logs(servers: u8, spread: u8, window: u8) -> Part {
    Part::Quotient(Scope { servers, spread, window: Some(window) })
}

/// The mistake breaks no state, but what becomes of states when faults stop.
const fn from(part: Part) -> Part {
    if let Part::Quotient(scope) = part { Part::Recovery(scope) } else { part }
}

/// The mistake is about messages that correct servers do not react to, so none are forgotten.
const KEPT: Part = Part::Concrete(Bounds { crashes: Some(0), forgets: false, ..SMALL });
const KEPT_LOGS: Part = Part::Concrete(Bounds { crashes: Some(0), forgets: false, terms: 3, ..SMALL });

fn mutant(
    (name, row): (&'static str, Option<u8>),
    rule: &'static str,
    about: &'static str,
    source: &'static str,
    caught_by: Property,
    ground: Ground,
) -> Mutant {
    let ground = Ground { mutant: name, ..ground };
    Mutant { name, row, rule, about, source, caught_by, part: logs(3, 1, 1), start: None, ground }
}

fn rule<R: Rules + 'static>(
    named: (&'static str, Option<u8>),
    rule: &'static str,
    about: &'static str,
    source: &'static str,
    caught_by: Property,
) -> Mutant {
    mutant(named, rule, about, source, caught_by, Ground { step_by: step_by::<R, Tag>, ..PAPER })
}

/// A mistake put around the deployed step.
fn around(
    named: (&'static str, Option<u8>),
    about: &'static str,
    source: &'static str,
    caught_by: Property,
    step_by: StepBy,
) -> Mutant {
    mutant(named, "the step", about, source, caught_by, Ground { step_by, ..PAPER })
}

/// A mistake of the world.
fn world(
    named: (&'static str, Option<u8>),
    about: &'static str,
    source: &'static str,
    caught_by: Property,
    disk_mutant: DiskMutant,
) -> Mutant {
    mutant(named, "the disk", about, source, caught_by, Ground { disk_mutant: Some(disk_mutant), ..PAPER })
}

/// Every mistake, in the order of the rules that they break.
#[rustfmt::skip]
pub(crate) fn mutants() -> Vec<Mutant> {
    use Property::*;
    vec![
        rule::<broken::IgnoreNewerTerm>(("ignore_newer_term", None), "is_newer",
            "a newer term is seen and not adopted", "§5.1", Bounds),
        rule::<broken::AcceptStale>(("accept_stale", None), "is_stale",
            "what was said in an older term counts as if it were said now", "§5.1", OwnVotes).within(KEPT),
        rule::<broken::LeadOnInNewerTerm>(("lead_on_in_newer_term", Some(8)), "must_yield_to_newer_term",
            "a deposed leader goes on in the term that it just learned", "eliben/raft#13", OwnVotes)
            .within(elections(3, 1)),
        rule::<broken::CampaignAtOnce>(("campaign_at_once", None), "must_ask_first",
            "the term rises with every timeout", "dissertation 9.6", AskFirst).within(elections(3, 1)),
        rule::<broken::HelpDisturbers>(("help_disturbers", None), "is_disturbance",
            "a server that hears its leader helps to replace it", "dissertation 4.2.3", NonDisruption)
            .within(elections(3, 1)),
        rule::<broken::VoteAgain>(("vote_again", None), "may_vote",
            "the vote of a term is given again", "§5.2", VoteOnce).within(elections(3, 1)),
        rule::<broken::VoteForAnyLog>(("vote_for_any_log", None), "is_up_to_date",
            "votes go to candidates whose logs lack entries", "§5.4.1", ElectionRestriction),
        rule::<broken::CompareIndexFirst>(("compare_index_first", Some(5)), "is_up_to_date",
            "of two logs the longer one counts as the newer", "the twin of async-raft vote.rs:53", ElectionRestriction)
            .within(logs(3, 1, 2)),
        rule::<broken::HalfIsEnough>(("half_is_enough", None), "is_majority",
            "half of the members, rounded down, make a leader", "§5.2", ElectionSafety)
            .within(elections(3, 1)),
        rule::<broken::LeadUnheard>(("lead_unheard", None), "must_step_down",
            "a leader that nobody answers leads on", "dissertation 6.2", QuorumHeard).within(elections(3, 1)),
        rule::<broken::MatchIndexOnly>(("match_index_only", None), "matches",
            "entries are taken behind an entry of another term", "§5.3", MatchSafety),
        rule::<broken::TruncateAlways>(("truncate_always", Some(22)), "must_truncate",
            "whatever follows the request's entries is removed, conflict or not",
            "openraft 9540c904, async-raft#98, CCF#5991", MatchSafety),
        rule::<broken::NeverTruncate>(("never_truncate", Some(32)), "must_truncate",
            "conflicting entries stay, and new ones are put behind them", "LogCabin#160, hashicorp", Totality),
        rule::<broken::AcknowledgeWholeLog>(("acknowledge_whole_log", Some(23)), "acknowledged",
            "a follower acknowledges its whole log, compared or not", "CCF#6001", MatchSafety),
        rule::<broken::CommitUnverified>(("commit_unverified", Some(21)), "follower_commit",
            "a follower commits what its leader has, compared or not", "etcd b927fa8", CommitImmutable),
        rule::<broken::AssumeMatched>(("assume_matched", Some(27)), "matched_at_start",
            "a new leader believes that everyone holds what it holds", "async-raft F-4", MatchSafety)
            .within(logs(3, 1, 2)),
        rule::<broken::CountAnyCopy>(("count_any_copy", None), "replicated",
            "an entry counts as replicated with one copy", "§5.3", CommitDurable),
        rule::<broken::HalfSorted>(("half_sorted", Some(26)), "replicated",
            "the majority's index is taken from values that are only partly in order", "openraft#1802", CommitDurable)
            .looking_at_names(),
        rule::<broken::CommitAnyTerm>(("commit_any_term", Some(20)), "may_commit",
            "an entry of an earlier term is committed by counting", "LogCabin#44, async-raft#108, PySyncObj#169",
            CommitOnlyOwnTerm).within(logs(3, 1, 2)),
        rule::<broken::CommitAnyTerm>(("figure_8", Some(20)), "may_commit",
            "the same, up to the loss of a committed entry", "Figure 8", LeaderCompleteness)
            .within(logs(3, 1, 2)),
        rule::<broken::VoteBeforeFlush>(("vote_before_flush", Some(1)), "may_leave_early",
            "votes and requests for them leave before they are durable", "SOFAJRaft#1245, ongardie/raft.tla#5",
            TermMonotonic).within(elections(3, 1)),
        rule::<broken::VoteBeforeFlush>(("vote_twice_after_crash", Some(1)), "may_leave_early",
            "the same, up to two leaders of one term", "SOFAJRaft#1245", ElectionSafety)
            .within(elections(3, 1)),
        rule::<broken::AcknowledgeBeforeFlush>(("acknowledge_before_flush", Some(29)), "may_leave_early",
            "a follower acknowledges entries that are not durable", "NATS 2.12.1 (Jepsen), d-engine#329",
            PersistBeforeSend),
        rule::<broken::CountUnsyncedOwn>(("count_unsynced_own", Some(28)), "may_leave_early",
            "a leader counts its own copy before it is durable", "openraft a9f696a9, etcd#14370", PersistBeforeSend),
        rule::<broken::TransferEarly>(("transfer_early", Some(18)), "may_transfer",
            "leadership is transferred to a server that lacks entries", "openraft#1805, hashicorp#581", TransferComplete),
        rule::<broken::ReadBeforeCommit>(("read_before_commit", Some(59)), "read_index",
            "a leader is read before it has committed an entry of its term", "etcd#7331, tikv#6340, redisraft#22",
            ReadIndex).within(logs(3, 1, 2)).keeping_rounds(),
        rule::<broken::ReadUnconfirmed>(("read_unconfirmed", Some(58)), "confirmed",
            "a leader is read without asking whether it still leads", "etcd#741, consul#54", ReadIndex)
            .keeping_rounds(),
        rule::<broken::ReadByHalf>(("read_by_half", Some(61)), "confirmed",
            "half of the members, rounded down, confirm a round", "async-raft#143, openraft d60f1e85", ReadIndex)
            .keeping_rounds(),
        around(("append_in_learned_term", Some(7)),
            "a leader appends an entry in a term that it just learned of, and only then steps down", "hashicorp#695",
            LogMatching, broken::append_in_learned_term),
        around(("pre_vote_binds", Some(9)), "granting a pre-vote uses up the vote", "ra#608", PreVoteBindsNobody,
            broken::pre_vote_binds).within(elections(3, 1)),
        around(("leader_campaigns", Some(17)), "a sitting leader campaigns", "openraft#1839", RoleTransitions,
            broken::leader_campaigns).within(elections(3, 1)),
        around(("refusal_acknowledges", Some(24)), "a refusal counts as an acknowledgement",
            "CCF (Howard et al., NSDI'25)", MatchSafety, broken::refusal_acknowledges),
        around(("stale_acknowledgement", Some(25)), "an acknowledgement of an earlier term counts in this one",
            "openraft cecb5de8", MatchSafety, broken::stale_acknowledgement)
            .within(KEPT_LOGS).starting("stale_acknowledgement"),
        around(("commit_goes_back", Some(35)), "a commit index is shortened", "etcd 8ecce32", CommitImmutable,
            broken::commit_goes_back),
        around(("refusal_takes_back", Some(36)), "a late refusal takes back what was acknowledged",
            "openraft#1500, CCF#3723", MatchSafety, broken::refusal_takes_back),
        rule::<broken::AcceptStale>(("answer_stale_as_new", None), "is_stale",
            "who asks in an older term is answered as if it were the current one", "§5.1", StaleAnswered)
            .within(elections(3, 1)),
        rule::<broken::AcknowledgeNothing>(("acknowledge_nothing", None), "acknowledged",
            "a follower does not say what it has stored", "§5.3", Answered),
        rule::<broken::NeverCommit>(("never_commit", None), "may_commit",
            "what a majority holds is not committed", "§5.4.2", CountedAtOnce),
        rule::<broken::CommitAnyTerm>(("serve_before_commit", Some(59)), "may_commit",
            "a leader serves clients before it has committed an entry of its term", "etcd#7331, tikv#6340",
            ClientsTold).within(elections(3, 1)),
        around(("take_letters_of_others", None), "what is for another server is taken for one's own", "§5.1",
            OutsidersIgnored, broken::take_letters_of_others).within(elections(3, 1)),
        around(("silent_leader", None), "a leader without new entries sends no heartbeats", "§5.2", Asked,
            broken::silent_leader).within(elections(3, 1)),
        around(("silent_while_writing", None), "a leader that has something to write sends no heartbeats meanwhile",
            "§5.2", GatheredSame, broken::silent_while_writing).within(elections(3, 1)),
        around(("wait_for_every_term", None), "a newer term puts a follower's own campaign off", "§5.2", TimersOfRole,
            broken::wait_for_every_term).within(elections(3, 1)),
        rule::<broken::CompareBoth>(("compare_both", Some(5)), "is_up_to_date",
            "of two logs, one longer and one of a later term, neither counts as the newer", "async-raft vote.rs:53",
            Recovery).within(from(logs(3, 1, 2))),
        rule::<broken::LeadUnheard>(("sticky_bridge", Some(14)), "must_step_down",
            "a leader without a majority keeps at its side the one server that could be elected",
            "openraft#2080, Howard & Abraham 2020", Recovery).within(from(elections(4, 1))),
        rule::<broken::CampaignAtOnce>(("plain_raft", None), "must_ask_first",
            "without PreVote a server that is linked to few deposes, time and again, whoever could be elected",
            "Howard & Abraham 2020", Recovery).within(from(elections(4, 1))),
        around(("pre_votes_teach_no_term", Some(10)),
            "pre-votes are answered in an older term, which is ignored, and answers in a newer one are, too",
            "etcd#8243, canonical/raft#279, openraft#1796", Recovery, broken::pre_votes_teach_no_term)
            .within(from(elections(3, 1))),
        around(("sticky_pre_candidate", Some(11)), "a pre-candidate counts as having a leader, and refuses others",
            "etcd#8334, raft-rs#84, tikv#3270", Recovery, broken::sticky_pre_candidate).within(from(elections(3, 1))),
        world(("torn_vote", Some(2)), "term and vote are written to different places", "hashicorp#661, SOFAJRaft#1241",
            VoteOnce, DiskMutant::TornVote).within(elections(3, 1)),
        world(("unsaved_first_vote", Some(3)), "a server that holds no entry yet does not save its vote", "tikv#8381",
            VoteOnce, DiskMutant::UnsavedFirstVote),
        world(("lost_hard_state", Some(4)), "a server whose term and vote are lost starts as if for the first time",
            "SOFAJRaft", TermMonotonic, DiskMutant::LostHardState).within(Part::Concrete(SMALL)),
        world(("swallowed_error", Some(30)), "a write fails and is reported as done", "dragonboat#409",
            PersistBeforeSend, DiskMutant::SwallowedError),
        world(("swapped_completions", Some(31)), "the write that is reported as done is not the one that is",
            "openraft#1960, raft-rs#417", PersistBeforeSend, DiskMutant::SwappedCompletions).within(logs(3, 1, 2)),
        world(("drops_when_deposed", Some(33)), "a leader that steps down drops entries that others count on",
            "CCF#5674", CommitDurable, DiskMutant::DropsWhenDeposed),
        world(("lost_tail", Some(34)), "a server restarts with a shorter log and votes", "NuRaft#185, etcd#14140",
            CommitDurable, DiskMutant::LostTail),
    ]
}

/// The mistake of this name, or that breaks this rule, or in this row.
pub(crate) fn find(name: &str) -> Option<Mutant> {
    let row = name.parse::<u8>().ok();
    let named = |mutant: &Mutant| mutant.name == name;
    let other = |mutant: &Mutant| mutant.rule == name || (row.is_some() && mutant.row == row);
    mutants().into_iter().find(named).or_else(|| mutants().into_iter().find(other))
}
