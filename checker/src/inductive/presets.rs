//! Named scopes of the invariant.

use crate::inductive::mutants::Wrong;
use crate::inductive::stages::Scope;

/// A named scope.
pub(crate) struct Preset {
    pub(crate) name: &'static str,
    pub(crate) about: &'static str,
    pub(crate) scope: Scope,
}

pub(crate) const PRESETS: [Preset; 4] = [
    Preset {
        name: "inductive",
        about: "an inductive invariant, judged for every server that it allows, reached or not; a minute",
        scope: Scope { servers: 9, terms: 3, entries: 3, further: None, window: 8, instances: 16 },
    },
    Preset {
        name: "inductive-quick",
        about: "the same for smaller groups and histories; seconds",
        scope: Scope { servers: 5, terms: 3, entries: 2, further: None, window: 6, instances: 4 },
    },
    Preset {
        name: "inductive-steps",
        about: "the steps of 'inductive-quick' alone, without tables of cases: for mutants",
        scope: Scope { servers: 5, terms: 3, entries: 2, further: None, window: 6, instances: 0 },
    },
    Preset {
        name: "inductive-wide",
        about: "the same for four terms, and for four entries; half an hour",
        scope: Scope { servers: 9, terms: 4, entries: 3, further: Some((3, 4)), window: 8, instances: 64 },
    },
];

pub(crate) fn named(name: &str) -> Option<&'static Preset> {
    PRESETS.iter().find(|preset| preset.name == name)
}

/// What is to be checked.
pub(crate) struct Chosen {
    pub(crate) preset: &'static str,
    pub(crate) scope: Scope,
    pub(crate) wrong: Option<Wrong>,
}

impl Scope {
    /// How far it goes, in words: nothing beyond this was judged.
    pub(crate) fn words(&self) -> String {
        let Scope { servers, terms, entries, further, window, instances } = self;
        let tables = if *instances == 0 { "; no tables of cases" } else { "" };
        let further = further.map_or(String::new(), |(terms, entries)| {
            format!(", and terms up to {terms}, logs up to {entries} entries")
        });
        format!(
            "groups of 1 to {servers}: every set of votes and every message of elections; three servers: terms up to \
             {terms}, logs up to {entries} entries{further}, every history of leaders' logs; of each log every part \
             compacted that may be, and every snapshot; long logs: two branches of \
             up to {window} entries, with every request and every acknowledgement{tables}"
        )
    }
}
