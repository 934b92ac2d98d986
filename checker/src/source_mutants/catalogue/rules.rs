//! Mutants of the rules, beyond those of `list catalogue`.

use crate::source_mutants::catalogue::mutant::Mutant;

const fn mutant(name: &'static str, about: &'static str, find: &'static str, replace: &'static str) -> Mutant {
    Mutant::new("rules.rs", name, about, find, replace)
}

const IS_DISTURBANCE: &str = "sticky && leader != Some(candidate) && !transfer";
const MAY_VOTE: &str = "vote.is_none_or(|granted| granted == candidate)";
const IS_UP_TO_DATE: &str = "ours <= candidate";
const MUST_STEP_DOWN: &str = "!members.is_majority(heard)";
const MUST_TRUNCATE: &str = "new.is_some_and(|new| log.term_at(new.index).is_some_and(|term| term != new.term))";
const FOLLOWER_COMMIT: &str = "leader_commit.min(verified)";
const MAY_LEAVE_EARLY: &str = "match envelope.message { \
     Message::AppendRequest { .. } | Message::InstallSnapshot { .. } => true, \
     Message::VoteRequest { .. } => !is_behind, _ => false, }";
const MAY_TRANSFER: &str = "matched == last";

#[rustfmt::skip]
pub(super) const MUTANTS: &[Mutant] = &[
    mutant(
        "own_term_is_adopted_again",
        "what is said in the own term counts as a newer term",
        "ours < theirs",
        "ours <= theirs",
    ),
    mutant("own_term_is_stale", "what is said in the own term is rejected", "theirs < ours", "theirs <= ours"),
    mutant(
        "transfer_flag_ignored_by_the_voter",
        "a server that hears a leader refuses the target of that leader's transfer",
        IS_DISTURBANCE,
        "sticky && leader != Some(candidate)",
    ),
    mutant(
        "own_leader_is_a_disturbance",
        "a server that hears a leader refuses that very leader, when it campaigns again",
        IS_DISTURBANCE,
        "sticky && !transfer",
    ),
    mutant(
        "sticky_only_to_a_known_leader",
        "a server that may have forgotten its leader, or learned a newer term, helps to replace it",
        IS_DISTURBANCE,
        "leader.is_some() && leader != Some(candidate) && !transfer",
    ),
    mutant(
        "only_transfers_are_disturbances",
        "the flag is read the wrong way round",
        IS_DISTURBANCE,
        "sticky && leader != Some(candidate) && transfer",
    ),
    mutant("vote_not_repeated", "a server that has the vote and asks again is refused", MAY_VOTE, "vote.is_none()"),
    mutant(
        "vote_for_anyone_else",
        "a server that has voted votes for anyone but its candidate",
        MAY_VOTE,
        "vote.is_none_or(|granted| granted != candidate)",
    ),
    mutant(
        "equal_logs_are_not_up_to_date",
        "a candidate with the same log is refused",
        IS_UP_TO_DATE,
        "ours < candidate",
    ),
    mutant("shorter_logs_are_up_to_date", "logs are compared the wrong way round", IS_UP_TO_DATE, "candidate <= ours"),
    mutant(
        "only_last_terms_are_compared",
        "of two logs with one last term, the shorter one is up-to-date as well",
        IS_UP_TO_DATE,
        "ours.term <= candidate.term",
    ),
    mutant(
        "everyone_must_vote",
        "a majority is not enough to lead",
        "members.is_majority(supporters)",
        "supporters.len() == members.ids().len()",
    ),
    mutant(
        "the_votes_of_others_are_enough",
        "a crash may take the vote by which a leader was elected",
        "votes.contains(candidate)",
        "{ let _ = (votes, candidate); true }",
    ),
    mutant(
        "heard_leaders_step_down",
        "a leader that a majority answered steps down",
        MUST_STEP_DOWN,
        "members.is_majority(heard)",
    ),
    mutant("one_answer_is_enough_to_lead_on", "in groups of five, too", MUST_STEP_DOWN, "heard.len() < 2"),
    mutant(
        "only_the_last_entry_matches",
        "entries are taken only behind the last entry",
        "log.holds(previous)",
        "log.last() == previous",
    ),
    mutant(
        "refuses_what_it_holds",
        "entries are taken where they do not fit",
        "log.holds(previous)",
        "!log.holds(previous)",
    ),
    mutant(
        "truncates_whatever_stands_there",
        "the terms are not compared again",
        MUST_TRUNCATE,
        "new.is_some_and(|new| log.term_at(new.index).is_some())",
    )
    .equivalent("`new` is the first entry that the log lacks: an entry in its place has another term"),
    mutant(
        "acknowledges_one_less",
        "the last entry is left out",
        "let _ = last; verified",
        "let _ = last; return verified.previous();",
    ),
    mutant(
        "follower_commits_what_it_verified",
        "committed or not",
        FOLLOWER_COMMIT,
        "{ let _ = leader_commit; verified }",
    ),
    mutant(
        "follower_commits_the_greater",
        "the greater of what is committed and what was compared",
        FOLLOWER_COMMIT,
        "leader_commit.max(verified)",
    ),
    mutant(
        "follower_commits_one_less",
        "the last committed entry is left out",
        FOLLOWER_COMMIT,
        "leader_commit.min(verified).previous()",
    ),
    mutant(
        "later_terms_commit",
        "an entry of the current term or a later one is committed by counting",
        "log.term_at(index) == Some(current)",
        "log.term_at(index).is_some_and(|term| current <= term)",
    )
    .equivalent("a log holds no entry of a term after its server's (C14)"),
    mutant(
        "entries_wait_for_the_leaders_flush",
        "a leader's disk and the network work one after the other",
        MAY_LEAVE_EARLY,
        "{ let _ = (envelope, is_behind); false }",
    ),
    mutant(
        "refusals_leave_early",
        "a refusal names a term that is not durable",
        MAY_LEAVE_EARLY,
        "matches!(envelope.message, Message::AppendRequest { .. } | Message::InstallSnapshot { .. } | Message::AppendRefusal { .. }) || !is_behind && matches!(envelope.message, Message::VoteRequest { .. })",
    ),
    mutant(
        "pre_votes_leave_early",
        "a pre-vote names a term that is not durable",
        MAY_LEAVE_EARLY,
        "matches!(envelope.message, Message::AppendRequest { .. } | Message::InstallSnapshot { .. } | Message::PreVoteReply { .. }) || !is_behind && matches!(envelope.message, Message::VoteRequest { .. })",
    ),
    mutant(
        "refused_votes_leave_early",
        "a refused vote names a term that is not durable",
        MAY_LEAVE_EARLY,
        "matches!(envelope.message, Message::AppendRequest { .. } | Message::InstallSnapshot { .. } | Message::VoteReply { granted: false }) || !is_behind && matches!(envelope.message, Message::VoteRequest { .. })",
    ),
    mutant(
        "stale_leaves_early",
        "a server that asks in an older term learns of one that is not durable",
        MAY_LEAVE_EARLY,
        "matches!(envelope.message, Message::AppendRequest { .. } | Message::InstallSnapshot { .. } | Message::Stale) || !is_behind && matches!(envelope.message, Message::VoteRequest { .. })",
    ),
    mutant(
        "requests_for_votes_wait",
        "an election takes one flush more",
        MAY_LEAVE_EARLY,
        "{ let _ = is_behind; matches!(envelope.message, Message::AppendRequest { .. } | Message::InstallSnapshot { .. }) }",
    ),
    mutant(
        "requests_for_votes_wait_for_nothing",
        "a candidate names a log that a crash may take",
        MAY_LEAVE_EARLY,
        "{ let _ = is_behind; matches!(envelope.message, Message::AppendRequest { .. } | Message::InstallSnapshot { .. } | Message::VoteRequest { .. }) }",
    ),
    mutant(
        "requests_for_votes_leave_late_only",
        "a candidate asks at once where it must wait, and waits where it need not",
        MAY_LEAVE_EARLY,
        "matches!(envelope.message, Message::AppendRequest { .. } | Message::InstallSnapshot { .. }) || is_behind && matches!(envelope.message, Message::VoteRequest { .. })",
    ),
    mutant("transfers_one_entry_early", "the target may lack the last entry", MAY_TRANSFER, "last <= matched.next()"),
    mutant("transfers_to_incomplete_logs", "and to nobody else", MAY_TRANSFER, "matched < last"),
];
