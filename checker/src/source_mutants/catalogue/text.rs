//! Mutants of the text that survive as they must: no server of a group ever behaves differently, or
//! no server runs it.
//!
//! Names are those of `mutants --text --list`.

/// Why, and which.
#[rustfmt::skip]
pub(crate) const EQUIVALENT: &[(&str, &[&str])] = &[
    (
        "words for people, which no server reads",
        &[
            "types.rs: replace <impl fmt::Display for ServerId>::fmt -> fmt::Result with Ok(Default::default())",
            "types.rs: replace <impl fmt::Display for Term>::fmt -> fmt::Result with Ok(Default::default())",
            "types.rs: replace <impl fmt::Display for Index>::fmt -> fmt::Result with Ok(Default::default())",
            "types.rs: replace <impl fmt::Display for Position>::fmt -> fmt::Result with Ok(Default::default())",
            "members.rs: replace <impl fmt::Display for InvalidMembers>::fmt -> fmt::Result with Ok(Default::default())",
            "node.rs: replace <impl fmt::Display for RoleName>::fmt -> fmt::Result with Ok(Default::default())",
        ],
    ),
    (
        "no server asks for it: tests and whoever shows a log do",
        &[
            "log.rs: replace Log::positions -> impl Iterator<Item = Position>+'_ with ::std::iter::empty()",
            "log.rs: replace Log::positions -> impl Iterator<Item = Position>+'_ with ::std::iter::once(Default::default())",
            "types.rs: replace Index::until -> impl Iterator<Item = Index> with ::std::iter::empty()",
            "types.rs: replace Index::until -> impl Iterator<Item = Index> with ::std::iter::once(Default::default())",
            "types.rs: replace + with - in Index::until",
            "types.rs: replace + with * in Index::until",
        ],
    ),
    (
        "where a server stands in a map is only guessed so, and looked at before it is believed",
        &[
            "types.rs: replace ServerId::distance -> usize with 0",
            "types.rs: replace ServerId::distance -> usize with 1",
        ],
    ),
    (
        "only the shell asks which timers run: here any may fire at any time, and tests of impl catch it",
        &[
            "effects.rs: replace Timers::election -> bool with true",
            "effects.rs: replace Timers::election -> bool with false",
            "effects.rs: replace != with == in Timers::election",
            "effects.rs: replace Timers::minimum -> bool with true",
            "effects.rs: replace Timers::minimum -> bool with false",
            "effects.rs: replace != with == in Timers::minimum",
            "effects.rs: replace Timers::heartbeat -> bool with true",
            "effects.rs: replace Timers::heartbeat -> bool with false",
            "effects.rs: replace != with == in Timers::heartbeat",
        ],
    ),
    (
        "no server compacts its log yet; tests of the model catch it",
        &[
            "log.rs: replace < with == in Log::holds",
            "log.rs: replace < with <= in Log::holds",
            "log.rs: replace Log::compact with ()",
            "log.rs: replace < with == in Log::compact",
            "log.rs: replace < with > in Log::compact",
            "log.rs: replace < with <= in Log::compact",
        ],
    ),
    (
        "a group without servers is refused before anything runs, and none is made here; tests of the model catch it",
        &[
            "members.rs: replace ServerMap<T>::is_empty -> bool with false",
        ],
    ),
    (
        "a server that is in the map has its value changed and is never inserted again, so no two ids are the same",
        &[
            "members.rs: replace < with <= in ServerMap<T>::insert",
        ],
    ),
    (
        "the order in which others are asked is another one, in which no two messages have the same receiver",
        &[
            "members.rs: replace < with > in ServerMap<T>::insert",
        ],
    ),
    (
        "whoever performs effects here takes all of them at once; tests of the model catch it",
        &[
            "effects.rs: replace Effects<P>::early_done with ()",
        ],
    ),
    (
        "the last entry was looked at before",
        &[
            "log.rs: replace < with <= in Log::term_at (2)",
        ],
    ),
    (
        "a boundary is listed again for each entry of its term, and says the same of every index",
        &[
            "log.rs: replace < with <= in Log::push",
        ],
    ),
    (
        "that is what it says in the rules of the paper",
        &[
            "rules.rs: replace Rules::matched_at_start -> Index with Default::default()",
            "step.rs: replace match guard R::must_yield_to_newer_term() with true in Step<'_, R, P>::adopt",
        ],
    ),
    (
        "no news is counted again, and comes out the same",
        &[
            "replication.rs: replace < with <= in Step<'_, R, P>::on_append_reply (2)",
        ],
    ),
    (
        "what is committed is committed again, which changes and says nothing",
        &[
            "replication.rs: replace < with <= in Step<'_, R, P>::advance_commit",
        ],
    ),
];

/// Why a mutant is equivalent, if it is.
pub(crate) fn reason(name: &str) -> Option<&'static str> {
    EQUIVALENT.iter().find(|(_, names)| names.contains(&name)).map(|(reason, _)| *reason)
}
