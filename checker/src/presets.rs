//! Named bounds, and what must be met within them.

use crate::engine::Expected;
use crate::stats::{KINDS, Witness};
use crate::world::Bounds;

/// A named system to check.
pub(crate) struct Preset {
    pub(crate) name: &'static str,
    pub(crate) about: &'static str,
    pub(crate) bounds: Bounds,
    pub(crate) expected: Expected,
}

/// What `check` runs when nothing else is named.
pub(crate) const DEFAULT: &str = "elections";

const CRASHES: [&str; 2] = [KINDS[8], KINDS[9]];

const SMALL: Bounds = Bounds {
    servers: 3,
    timeouts: None,
    crashes: None,
    terms: 2,
    entries: 2,
    unsynced: 1,
    interleaved: false,
    forgets: true,
    proposals: false,
    handovers: false,
};

pub(crate) const PRESETS: [Preset; 4] = [
    Preset {
        name: "elections",
        about: "elections, re-elections and split votes, with every crash and flush",
        bounds: SMALL,
        expected: Expected {
            witnesses: &Witness::ALL,
            never: &["propose", "transfer", "step down", "heartbeat timeout"],
        },
    },
    Preset {
        name: "log",
        about: "commands on top of elections, and logs that conflict; nothing crashes",
        bounds: Bounds { crashes: Some(0), proposals: true, ..SMALL },
        expected: Expected {
            witnesses: &[Witness::Leader, Witness::SplitVote, Witness::LaterCommit, Witness::ConflictCut],
            never: &["transfer", "step down", "heartbeat timeout", CRASHES[0], CRASHES[1]],
        },
    },
    Preset {
        name: "handover",
        about: "leaders that hand over or step down while clients propose commands; nothing crashes",
        bounds: Bounds { timeouts: Some(1), crashes: Some(0), proposals: true, handovers: true, ..SMALL },
        expected: Expected {
            witnesses: &[Witness::Leader, Witness::LaterCommit],
            never: &["heartbeat timeout", CRASHES[0], CRASHES[1]],
        },
    },
    Preset {
        name: "flush",
        about: "one term, with several steps of a server waiting for the disk while the world goes on",
        bounds: Bounds { terms: 1, entries: 1, unsynced: 2, interleaved: true, ..SMALL },
        expected: Expected {
            witnesses: &[Witness::Leader, Witness::SplitVote, Witness::UnsyncedLost],
            never: &["propose", "transfer", "step down", "heartbeat timeout"],
        },
    },
];

/// The preset of this name.
pub(crate) fn named(name: &str) -> Option<&'static Preset> {
    PRESETS.iter().find(|preset| preset.name == name)
}

impl Bounds {
    /// What is covered, in words: nothing beyond this was looked at.
    pub(crate) fn words(&self) -> String {
        let limit = |limit: Option<u32>, what: &str| match limit {
            None => format!("{what} without limit"),
            Some(most) => format!("at most {most} {what}"),
        };
        let yes = |yes: bool, what: &str| if yes { format!("{what}, ") } else { format!("no {what}, ") };
        let flushes = if self.interleaved {
            format!("up to {} steps of a server wait for the disk while anything else happens", self.unsynced)
        } else {
            "a step is flushed or cut off by a crash before its server goes on, and nobody else moves meanwhile unless \
             something of it left early"
                .to_owned()
        };
        format!(
            "{} servers; terms up to {}; logs up to {} entries; {}, {}; {}{}{flushes}; messages lost, duplicated, \
             delayed and reordered without limit; timers fire at any moment; leaders send any part of their logs \
             at any moment",
            self.servers,
            self.terms,
            self.entries,
            limit(self.timeouts, "election timeouts"),
            limit(self.crashes, "crashes"),
            yes(self.proposals, "commands"),
            yes(self.handovers, "hand-overs"),
        )
    }
}
