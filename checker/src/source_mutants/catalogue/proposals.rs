//! Mutants of `proposals`: which end a proposal has, and when it is told.

use crate::source_mutants::catalogue::mutant::Mutant;

const fn mutant(name: &'static str, about: &'static str, find: &'static str, replace: &'static str) -> Mutant {
    Mutant::new("proposals.rs", name, about, find, replace)
}

const ACCEPTS: &str = "self.open.push_back((position, proposer));";
const COMMITTED: &str = "log.position_at(commit)?";
const IS_OPEN: &str = "if committed < *position { return None; }";
const ENDS: &str = "Some((position, proposer, end_of(position, log)))";
const TAKES: &str =
    "let (position, proposer) = self.open.pop_front()?; Some((position, proposer, end_of(position, log)))";
const IS_COMPACTED: &str = "proposal.index < log.base().index";
const END: &str = "if log.holds(proposal) { End::Committed } else { End::NotCommitted }";

#[rustfmt::skip]
pub(super) const MUTANTS: &[Mutant] = &[
    mutant(
        "proposals_are_not_kept",
        "nobody is told anything",
        ACCEPTS,
        "{ let _ = (position, proposer); }",
    ),
    mutant(
        "the_latest_proposal_comes_first",
        "proposers are told in the other order",
        ACCEPTS,
        "self.open.push_front((position, proposer));",
    ),
    mutant(
        "the_end_of_the_log_decides",
        "whatever of it is committed",
        COMMITTED,
        "{ let _ = commit; log.last() }",
    ),
    mutant(
        "ends_are_known_by_their_indices",
        "whatever the term of what is committed",
        IS_OPEN,
        "if committed.index < position.index { return None; }",
    ),
    mutant(
        "ends_are_known_by_their_terms",
        "whatever the index of what is committed",
        IS_OPEN,
        "if committed.term < position.term { return None; }",
    ),
    mutant(
        "the_entry_itself_does_not_decide",
        "only what is committed behind it does",
        IS_OPEN,
        "if committed <= *position { return None; }",
    ),
    mutant(
        "every_end_is_known",
        "with whatever is committed",
        IS_OPEN,
        "{}",
    ),
    mutant(
        "no_end_is_known",
        "whatever is committed",
        IS_OPEN,
        "return None;",
    ),
    mutant(
        "whatever_ends_is_committed",
        "though another entry took its place",
        ENDS,
        "Some((position, proposer, End::Committed))",
    ),
    mutant(
        "whatever_ends_is_not_committed",
        "though it is",
        ENDS,
        "Some((position, proposer, End::NotCommitted))",
    ),
    mutant(
        "every_end_is_unknown",
        "though it is known",
        ENDS,
        "Some((position, proposer, End::Unknown))",
    ),
    mutant(
        "the_others_are_forgotten",
        "once one is told",
        TAKES,
        "{ let (position, proposer) = self.open.pop_front()?; self.open.clear(); \
           Some((position, proposer, end_of(position, log))) }",
    ),
    mutant(
        "compacted_entries_were_committed",
        "whatever was proposed there",
        IS_COMPACTED,
        "{ if proposal.index < log.base().index { return End::Committed; } false }",
    ),
    mutant(
        "compacted_entries_were_not_committed",
        "whatever was proposed there",
        IS_COMPACTED,
        "false",
    ),
    mutant(
        "the_base_is_unknown",
        "though its term is known",
        IS_COMPACTED,
        "proposal.index <= log.base().index",
    ),
    mutant(
        "nothing_is_compacted_that_was_proposed",
        "every end is unknown once anything is compacted",
        IS_COMPACTED,
        "log.base().index != Index::ZERO",
    ),
    mutant(
        "ends_are_the_other_way_round",
        "held is lost and lost is held",
        END,
        "if log.holds(proposal) { End::NotCommitted } else { End::Committed }",
    ),
    mutant(
        "an_entry_at_its_index_is_the_proposal",
        "of whatever term",
        END,
        "if proposal.index <= log.last().index { End::Committed } else { End::NotCommitted }",
    ),
];
