//! Mutants of `effects`: what several steps ask for in one value. What timers mean is for whoever
//! runs servers: here any timer may fire at any time, so mutants of `Timers` are not looked for.

use crate::source_mutants::catalogue::mutant::Mutant;

const fn mutant(name: &'static str, about: &'static str, find: &'static str, replace: &'static str) -> Mutant {
    Mutant::new("effects.rs", name, about, find, replace)
}

const JOINS: &str = "match envelope.message { Message::AppendRequest { entries, commit, round } => { extend_last(unsent, &envelope, entries, (commit, round)) } \
    Message::AppendReply { .. } if envelope.to == envelope.from => replace_own(unsent, &envelope), _ => false, }";
const FOLLOWS: &str = "*term == envelope.term && entries.last == more.previous";
const EXTENDED: &str = "entries.last = more.last; (*commit, *round) = newer;";
const UNSENT: &str = "if early { &mut self.early } else { &mut self.outputs }";

#[rustfmt::skip]
pub(super) const MUTANTS: &[Mutant] = &[
    mutant(
        "nothing_is_early",
        "leadership ends late, and a leader's entries wait for its own disk",
        UNSENT,
        "{ let _ = early; &mut self.outputs }",
    ),
    mutant(
        "entries_do_not_travel_together",
        "each new entry is a message",
        JOINS,
        "match envelope.message { Message::AppendReply { .. } if envelope.to == envelope.from => replace_own(unsent, &envelope), _ => false }",
    ),
    mutant(
        "own_acknowledgements_are_all_kept",
        "a leader tells itself of each entry",
        JOINS,
        "match envelope.message { Message::AppendRequest { entries, commit, round } => { extend_last(unsent, &envelope, entries, (commit, round)) } _ => false }",
    ),
    mutant(
        "acknowledgements_to_others_are_replaced",
        "of several answers in one flush the last is left",
        JOINS,
        "match envelope.message { Message::AppendRequest { entries, commit, round } => { extend_last(unsent, &envelope, entries, (commit, round)) } \
         Message::AppendReply { .. } => replace_own(unsent, &envelope), _ => false }",
    ),
    mutant("entries_travel_with_any_others", "whether they follow them or not", FOLLOWS, "*term == envelope.term"),
    mutant(
        "entries_replace_others",
        "of entries that travel together the later ones are left",
        EXTENDED,
        "{ *entries = more; (*commit, *round) = newer; }",
    ),
    mutant(
        "entries_that_travel_together_keep_the_commit_index",
        "of the earlier ones",
        EXTENDED,
        "{ entries.last = more.last; let _ = commit; *round = newer.1; }",
    ),
    mutant(
        "entries_that_travel_together_keep_the_round",
        "of the earlier ones",
        EXTENDED,
        "{ entries.last = more.last; *commit = newer.0; let _ = round; }",
    ),
    mutant(
        "entries_join_the_first_message",
        "and not the last one to their receiver",
        "unsent.iter().rposition(is_last)",
        "unsent.iter().position(is_last)",
    ),
];
