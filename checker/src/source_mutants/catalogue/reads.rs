//! Mutants of `reads`: which round counts for a reader, and when it may read.

use crate::source_mutants::catalogue::mutant::Mutant;

const fn mutant(name: &'static str, about: &'static str, find: &'static str, replace: &'static str) -> Mutant {
    Mutant::new("reads.rs", name, about, find, replace)
}

const ASKS: &str = "self.waiting.push_back((reader, Stage::Asked(latest.unwrap_or_default())));";
const LEADS_NOT: &str = "if latest.is_none() { self.end(); }";
const WANTS: &str = "!self.is_blind && matches!(first, Some((_, Stage::Asked(_))))";
const ANOTHER: &str = "if round < self.latest { // Rounds are counted from the first of each leadership: this one is of \
    another. self.end(); }";
const LATEST: &str = "self.latest = round;";
const BLIND: &str = "self.is_blind = read.is_none();";
const COUNTS: &str = "let Some(read) = read else { return }; \
    for (_, stage) in self.waiting.iter_mut().skip(self.ended).rev() { match *stage { \
    Stage::Asked(latest) if latest < round => *stage = Stage::Begun(round, read), Stage::Asked(_) => {} \
    Stage::Begun(..) => return, } }";
const IS_BEFORE: &str = "latest < round";
const BEGINS: &str = "*stage = Stage::Begun(round, read)";
const LEADS: &str = "self.is_blind = false;";
const CONFIRMS: &str = "self.confirmed = round;";
const IS_CONFIRMED: &str = "if self.ended != 0 || self.confirmed < round { return None; }";
const READS: &str = "self.waiting.pop_front().map(|(reader, _)| (reader, read))";
const ENDS: &str = "self.ended = self.waiting.len();";
const RESETS: &str = "(self.latest, self.confirmed, self.is_blind) = (Round::ZERO, Round::ZERO, false);";
const IS_APPLIED: &str = "if applied < *read { return None; }";

#[rustfmt::skip]
pub(super) const MUTANTS: &[Mutant] = &[
    mutant(
        "readers_are_not_kept",
        "nobody is told anything",
        ASKS,
        "{ let _ = reader; }",
    ),
    mutant(
        "rounds_before_the_question_count",
        "the latest one is taken for a later one",
        ASKS,
        "self.waiting.push_back((reader, Stage::Asked(Round::ZERO)));",
    )
    .equivalent("a round is told in the step that begins it, before anybody else can ask"),
    mutant(
        "the_round_before_is_waited_for",
        "the latest one is one too early",
        ASKS,
        "self.waiting.push_back((reader, Stage::Asked(latest.map_or(Round::ZERO, |round| round.next()))));",
    ),
    mutant(
        "who_does_not_lead_keeps_readers",
        "they wait for a round that never begins",
        LEADS_NOT,
        "{}",
    ),
    mutant(
        "every_question_ends_a_leadership",
        "a leader sends readers elsewhere",
        LEADS_NOT,
        "self.end();",
    ),
    mutant(
        "no_round_is_wanted",
        "readers wait for the next heartbeat",
        WANTS,
        "{ let _ = first; false }",
    ),
    mutant(
        "rounds_are_wanted_before_they_are_of_use",
        "though a leader has committed nothing yet",
        WANTS,
        "matches!(first, Some((_, Stage::Asked(_))))",
    ),
    mutant(
        "a_round_is_wanted_for_all_who_wait",
        "another one begins while one is under way",
        WANTS,
        "!self.is_blind && first.is_some()",
    ),
    mutant(
        "readers_of_another_leadership_stay",
        "as if its rounds were those of this one",
        ANOTHER,
        "{}",
    )
    .equivalent("a leadership that ends says so before another of this server begins a round"),
    mutant(
        "the_first_round_stays_the_latest",
        "later ones are not noted",
        LATEST,
        "{}",
    )
    .equivalent("it is noted for leaderships that end without a word, and those are ended by whoever listens"),
    mutant(
        "blind_rounds_are_taken_for_useful_ones",
        "readers hope for another one",
        BLIND,
        "self.is_blind = { let _ = read; false };",
    ),
    mutant(
        "useful_rounds_are_taken_for_blind_ones",
        "no round begins for anybody",
        BLIND,
        "self.is_blind = { let _ = read; true };",
    ),
    mutant(
        "rounds_without_a_read_index_count",
        "as if nothing were committed",
        COUNTS,
        "let read = read.unwrap_or_default(); \
         for (_, stage) in self.waiting.iter_mut().skip(self.ended).rev() { match *stage { \
         Stage::Asked(latest) if latest < round => *stage = Stage::Begun(round, read), Stage::Asked(_) => {} \
         Stage::Begun(..) => return, } }",
    ),
    mutant(
        "no_round_counts",
        "readers wait for ever",
        IS_BEFORE,
        "latest < round && false",
    ),
    mutant(
        "the_latest_round_counts",
        "though it began before the question",
        IS_BEFORE,
        "latest <= round",
    )
    .equivalent("a round is told in the step that begins it, before anybody else can ask"),
    mutant(
        "nothing_is_read_of_a_round",
        "its read index is taken for the first",
        BEGINS,
        "*stage = { let _ = read; Stage::Begun(round, Index::ZERO) }",
    ),
    mutant(
        "a_round_counts_as_its_former_one",
        "which was confirmed before",
        BEGINS,
        "*stage = Stage::Begun(latest, read)",
    ),
    mutant(
        "a_new_leader_has_readers_wait",
        "until its next heartbeat",
        LEADS,
        "{}",
    ),
    mutant(
        "confirmations_are_not_noted",
        "readers wait for ever",
        CONFIRMS,
        "{ let _ = round; }",
    ),
    mutant(
        "rounds_need_no_confirmation",
        "who leads no more may be read",
        IS_CONFIRMED,
        "if self.ended != 0 { return None; }",
    ),
    mutant(
        "a_round_does_not_confirm_itself",
        "only a later one does",
        IS_CONFIRMED,
        "if self.ended != 0 || self.confirmed <= round { return None; }",
    ),
    mutant(
        "whose_leadership_has_ended_may_read",
        "if its round was confirmed before",
        IS_CONFIRMED,
        "if self.confirmed < round { return None; }",
    )
    .equivalent("the end of a leadership forgets its rounds, and those that are confirmed have read before"),
    mutant(
        "the_read_index_is_lost",
        "the state machine may be read as it is",
        READS,
        "self.waiting.pop_front().map(|(reader, _)| { let _ = read; (reader, Index::ZERO) })",
    ),
    mutant(
        "the_entry_before_is_enough",
        "the read index is one too low",
        READS,
        "self.waiting.pop_front().map(|(reader, _)| (reader, read.previous()))",
    ),
    mutant(
        "a_leadership_that_ends_tells_nobody",
        "readers wait for ever",
        ENDS,
        "{}",
    ),
    mutant(
        "blindness_outlives_a_leadership",
        "no round begins in the next one",
        RESETS,
        "(self.latest, self.confirmed) = (Round::ZERO, Round::ZERO);",
    )
    .equivalent("each leadership begins with a round, which says so anew"),
    mutant(
        "reads_do_not_wait_for_the_state_machine",
        "whatever it has applied",
        IS_APPLIED,
        "{ let _ = applied; }",
    ),
    mutant(
        "reads_wait_for_one_entry_more",
        "than they have to see",
        IS_APPLIED,
        "if applied <= *read { return None; }",
    ),
];
