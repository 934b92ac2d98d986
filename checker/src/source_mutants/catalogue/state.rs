//! Mutants of the state: `node`, `durable`, `log` and `members`.

use crate::source_mutants::catalogue::mutant::Mutant;

const fn node(name: &'static str, about: &'static str, find: &'static str, replace: &'static str) -> Mutant {
    Mutant::new("node.rs", name, about, find, replace)
}

const fn durable(name: &'static str, about: &'static str, find: &'static str, replace: &'static str) -> Mutant {
    Mutant::new("durable.rs", name, about, find, replace)
}

const fn log(name: &'static str, about: &'static str, find: &'static str, replace: &'static str) -> Mutant {
    Mutant::new("log.rs", name, about, find, replace)
}

const fn members(name: &'static str, about: &'static str, find: &'static str, replace: &'static str) -> Mutant {
    Mutant::new("members.rs", name, about, find, replace)
}

const LEADER: &str = "match self.role { Role::Follower { leader, .. } => leader, Role::Leader { .. } => Some(self.id), \
    Role::PreCandidate { .. } | Role::Candidate { .. } => None, }";
const IS_STICKY: &str = "match self.role { Role::Follower { sticky, .. } => sticky, Role::Leader { .. } => true, \
    Role::PreCandidate { .. } | Role::Candidate { .. } => false, }";
const IS_MAJORITY: &str = "self.voters.len() < 2 * count";
const MEDIAN: &str = "values[(values.len() - 1) / 2]";

#[rustfmt::skip]
pub(super) const MUTANTS: &[Mutant] = &[
    durable("vote_survives_the_term", "a newer term does not free the vote", "self.vote = None;", "let _ = term;"),
    durable(
        "first_vote_of_a_term_stays",
        "a second vote of a term is not applied",
        "self.vote = Some(*candidate)",
        "self.vote = self.vote.or(Some(*candidate))",
    )
    .equivalent("no server votes for a second candidate in a term (C2)"),
    log(
        "base_is_not_compared",
        "what the log begins behind is held, whatever its term",
        "position.index < self.base.index",
        "position.index <= self.base.index",
    ),
    log(
        "bound_is_not_an_end",
        "where logs may agree lies after the missing entry",
        "self.last.index.min(bound.index)",
        "self.last.index",
    ),
    log(
        "bound_excludes_its_own_term",
        "entries of the bound's term are stepped over as well",
        "run.term <= bound.term",
        "run.term < bound.term",
    ),
    log("bound_ignores_terms", "entries of later terms may agree", "run.term <= bound.term", "let _ = run.term; true"),
    log(
        "bound_stops_one_late",
        "the first entry of a later term may agree",
        "index.min(run.first.previous())",
        "index.min(run.first)",
    ),
    log("new_terms_leave_no_trace", "the log forgets where a term begins", "self.last.term < entry.term", "false"),
    log(
        "truncation_keeps_later_terms",
        "where a removed term began is kept",
        "keep < run.first",
        "{ let _ = run; false }",
    ),
    log(
        "truncation_forgets_the_kept_term",
        "the term of the last kept entry may be lost",
        "keep < run.first",
        "keep <= run.first",
    ),
    members("two_are_a_majority", "in groups of five, too", IS_MAJORITY, "self.voters.len().min(3) < 2 * count"),
    members("three_are_a_majority", "of three servers all are needed", IS_MAJORITY, "3 <= count"),
    members(
        "strangers_may_support",
        "supporters are counted without asking whether they belong to the group",
        "supporters.ids().filter(|&id| self.contains(id)).count()",
        "supporters.len()",
    )
    .equivalent("only members are heard (E5), so nobody else comes into such a set"),
    members(
        "upper_median",
        "of two servers, or of four, one too few needs to hold an entry",
        MEDIAN,
        "values[values.len() / 2]",
    ),
    members("everyone_must_hold", "an entry is committed when all hold it", MEDIAN, "values[0]"),
    members("second_best_is_replicated", "in groups of five, too", MEDIAN, "values[values.len().saturating_sub(2)]"),
    node(
        "restarted_server_is_not_sticky",
        "a server that may have forgotten its leader helps to replace it",
        "Role::Follower { leader: None, sticky: true }",
        "Role::Follower { leader: None, sticky: false }",
    ),
    node(
        "restarted_server_follows_itself",
        "as if it had heard itself lead",
        "Role::Follower { leader: None, sticky: true }",
        "Role::Follower { leader: Some(id), sticky: true }",
    ),
    node(
        "restart_commits_the_log",
        "all that is on the disk counts as committed",
        "durable.log().base().index",
        "durable.log().last().index",
    ),
    node(
        "leader_does_not_know_itself",
        "a leader names no leader",
        LEADER,
        "match self.role { Role::Follower { leader, .. } => leader, _ => None }",
    ),
    node(
        "candidate_names_itself_leader",
        "before it is elected",
        LEADER,
        "match self.role { Role::Follower { leader, .. } => leader, Role::PreCandidate { .. } => None, _ => Some(self.id) }",
    ),
    node(
        "leader_does_not_stick_to_itself",
        "a leader looks at the campaigns of others",
        IS_STICKY,
        "match self.role { Role::Follower { sticky, .. } => sticky, _ => false }",
    ),
    node(
        "candidate_stays_sticky",
        "the own candidacy does not end stickiness: a candidate looks at no pre-vote",
        IS_STICKY,
        "match self.role { Role::Follower { sticky, .. } => sticky, Role::PreCandidate { .. } => false, _ => true }",
    ),
    node(
        "campaign_does_not_end_stickiness",
        "neither of one who asks for pre-votes nor of one who asks for votes",
        IS_STICKY,
        "match self.role { Role::Follower { sticky, .. } => sticky, _ => true }",
    ),
    node(
        "sticky_while_a_leader_is_known",
        "stickiness is whether a leader of the current term was heard",
        IS_STICKY,
        "match self.role { Role::Follower { leader, .. } => leader.is_some(), Role::Leader { .. } => true, _ => false }",
    ),
    node(
        "status_hides_the_transfer",
        "watchers do not see a transfer",
        "match self.role { Role::Leader { transfer, .. } => transfer, _ => None, }",
        "None",
    ),
];
