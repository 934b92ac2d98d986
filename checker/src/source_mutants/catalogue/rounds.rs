//! Mutants of `rounds`: when a round begins, what answers it, what confirms it, and what may be read.

use crate::source_mutants::catalogue::mutant::Mutant;

const fn mutant(name: &'static str, about: &'static str, find: &'static str, replace: &'static str) -> Mutant {
    Mutant::new("rounds.rs", name, about, find, replace)
}

const READ: &str = "R::read_index(self.node.commit, self.has_committed_in_term())";
const BEGINS: &str = "*round = round.next();";
const TELLS_ROUND: &str = "self.effects.early.push(Output::Round { round, read });";
const ALONE: &str = "if R::is_confirmed(&self.node.members, 1) { self.confirm(round); }";
const CLAIMS: &str = "if *round < answered { return false; }";
const HEARD: &str = "heard.insert(follower, ());";
const IS_NEWS: &str = "progress.answered.max(*confirmed) < answered";
const ANSWERED: &str = "progress.answered = progress.answered.max(answered);";
const TELLS_HEARD: &str =
    "self.effects.early.push(Output::Heard { follower, round: answered }); if is_news { self.confirm(answered); }";
const COUNTS: &str = "*member == id || round <= it.answered";
const EARLIER: &str = "before < round && round < answered";
const LATEST: &str = "reached.or_else(|| earlier().filter(|&round| is_confirmed(round)).max())";
const CONFIRMED: &str = "*confirmed = reached; self.effects.early.push(Output::Confirmed(reached));";

#[rustfmt::skip]
pub(super) const MUTANTS: &[Mutant] = &[
    mutant(
        "a_leader_that_begins_may_be_read",
        "whether it has committed in its term or not",
        READ,
        "R::read_index(self.node.commit, true)",
    ),
    mutant(
        "the_first_index_is_read",
        "whatever is committed",
        READ,
        "R::read_index(crate::types::Index::ZERO, self.has_committed_in_term())",
    ),
    mutant(
        "the_last_entry_is_read",
        "whether it is committed or not",
        READ,
        "R::read_index(self.node.log().last().index, self.has_committed_in_term())",
    ),
    mutant("a_heartbeat_is_of_the_round_before", "rounds are not counted", BEGINS, "{}"),
    mutant("every_other_round_is_left_out", "rounds are counted by two", BEGINS, "*round = round.next().next();"),
    mutant(
        "rounds_are_not_told",
        "nobody can read",
        TELLS_ROUND,
        "let _ = (round, read);",
    ),
    mutant(
        "rounds_are_told_twice",
        "each with its own read index",
        TELLS_ROUND,
        "self.effects.early.push(Output::Round { round, read }); self.effects.early.push(Output::Round { round, read });",
    ),
    mutant(
        "rounds_wait_for_the_flush",
        "a round is told when it may be over",
        TELLS_ROUND,
        "self.effects.outputs.push(Output::Round { round, read });",
    ),
    mutant("every_round_is_confirmed_as_it_begins", "by answers that came before", ALONE, "self.confirm(round);")
        .equivalent("where there are others, none of them has answered a round that begins"),
    mutant(
        "a_round_that_has_not_begun_may_be_answered",
        "a server may claim to have answered what was never asked",
        CLAIMS,
        "let _ = &round;",
    ),
    mutant(
        "the_latest_round_may_not_be_answered",
        "only those before it",
        CLAIMS,
        "if *round <= answered { return false; }",
    ),
    mutant("answers_are_not_heard", "a leader does not note who answered", HEARD, "let _ = &heard;"),
    mutant(
        "an_answer_is_heard_of_all",
        "a server that answers counts as everyone",
        HEARD,
        "*heard = self.node.members.ids().collect();",
    ),
    mutant("everything_confirms_anew", "an earlier round takes the place of a later one", IS_NEWS, "{ let _ = &confirmed; true }"),
    mutant(
        "only_the_latest_round_is_news",
        "a majority that has answered earlier ones counts late",
        IS_NEWS,
        "{ let _ = &confirmed; *round == answered }",
    ),
    mutant("answers_are_not_noted", "no round is ever confirmed by others", ANSWERED, "{}"),
    mutant(
        "an_earlier_answer_takes_back_a_later_one",
        "the last answer counts and not the latest",
        ANSWERED,
        "progress.answered = answered;",
    ),
    mutant(
        "an_answer_counts_for_the_latest_round",
        "whichever it answers",
        ANSWERED,
        "{ let _ = answered; progress.answered = *round; }",
    ),
    mutant(
        "answers_are_not_told_as_heard",
        "a leader's lease never begins",
        TELLS_HEARD,
        "if is_news { self.confirm(answered); }",
    ),
    mutant(
        "answers_are_told_as_heard_twice",
        "each is told twice",
        TELLS_HEARD,
        "self.effects.early.push(Output::Heard { follower, round: answered }); self.effects.early.push(Output::Heard { follower, round: answered }); if is_news { self.confirm(answered); }",
    ),
    mutant(
        "the_leader_is_told_as_heard",
        "whoever answers, the leader itself counts",
        TELLS_HEARD,
        "self.effects.early.push(Output::Heard { follower: self.node.id, round: answered }); if is_news { self.confirm(answered); }",
    ),
    mutant(
        "only_news_are_heard",
        "a server that answers an earlier round does not count for the lease",
        TELLS_HEARD,
        "if is_news { self.effects.early.push(Output::Heard { follower, round: answered }); self.confirm(answered); }",
    ),
    mutant(
        "the_latest_round_is_told_as_heard",
        "the lease begins with what was not answered",
        TELLS_HEARD,
        "let begun = self.node.round().unwrap_or_default(); self.effects.early.push(Output::Heard { follower, round: begun }); if is_news { self.confirm(answered); }",
    ),
    mutant(
        "heard_waits_for_the_flush",
        "the lease begins late",
        TELLS_HEARD,
        "self.effects.outputs.push(Output::Heard { follower, round: answered }); if is_news { self.confirm(answered); }",
    ),
    mutant("a_leader_does_not_count_itself", "all others must answer in a group of three", COUNTS, "{ let _ = (member, id); round <= it.answered }"),
    mutant("everyone_counts_as_having_answered", "a leader may be read that was replaced long ago", COUNTS, "{ let _ = (member, id, it, round); true }"),
    mutant("who_has_answered_an_earlier_round_counts", "for the one after it as well", COUNTS, "*member == id || round <= it.answered.next()"),
    mutant("earlier_rounds_are_not_confirmed", "by an answer to a later one", LATEST, "{ let _ = earlier; reached }"),
    mutant("the_earliest_round_is_confirmed", "and not the latest that was answered", LATEST, "reached.or_else(|| earlier().filter(|&round| is_confirmed(round)).min())")
        .equivalent("an answer confirms at most one round before its own: of two, the earlier was answered by one more, and confirmed already"),
    mutant("earlier_rounds_are_confirmed_again", "those that are confirmed already", EARLIER, "round < answered"),
    mutant(
        "confirmed_rounds_are_not_told",
        "nobody can read",
        CONFIRMED,
        "*confirmed = reached;",
    ),
    mutant(
        "confirmed_rounds_are_not_noted",
        "each answer confirms again",
        CONFIRMED,
        "self.effects.early.push(Output::Confirmed(reached));",
    ),
    mutant(
        "the_latest_answer_is_confirmed",
        "with whichever a majority has answered",
        CONFIRMED,
        "let _ = reached; *confirmed = answered; self.effects.early.push(Output::Confirmed(answered));",
    ),
    mutant(
        "confirmed_rounds_wait_for_the_flush",
        "reads wait for the leader's disk",
        CONFIRMED,
        "*confirmed = reached; self.effects.outputs.push(Output::Confirmed(reached));",
    ),
];
