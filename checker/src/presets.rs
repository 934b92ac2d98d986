//! Named bounds, and what must be met within them.

use crate::engine::Expected;
use crate::stats::{KINDS, Witness};
use crate::system::Bounds;

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

/// Three servers and two terms: small, and enough for most of what can go wrong.
pub(crate) const SMALL: Bounds = Bounds {
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

pub(crate) const PRESETS: [Preset; 5] = [
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
        name: "pair",
        about: "two servers, with everything at once: commands, hand-overs and crashes",
        bounds: Bounds { servers: 2, terms: 3, entries: 3, proposals: true, handovers: true, ..SMALL },
        expected: Expected {
            witnesses: &[Witness::Leader, Witness::SplitVote, Witness::LaterCommit, Witness::UnsyncedLost],
            never: &["heartbeat timeout"],
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

/// What every search covers, whatever its bounds.
pub(crate) const ALWAYS: &str = "messages are lost, duplicated, delayed and reordered without limit; timers fire at \
    any moment; leaders send any part of their logs at any moment; states that differ in the servers' names alone are \
    one state";

impl Bounds {
    /// How far the search goes, in words: nothing beyond this was looked at.
    pub(crate) fn words(&self) -> String {
        let limit = |limit: Option<u32>, one: &str, many: &str| match limit {
            None => format!("any number of {many}"),
            Some(0) => format!("no {many}"),
            Some(1) => format!("at most one {one}"),
            Some(most) => format!("at most {most} {many}"),
        };
        let yes = |yes: bool, what: &str| format!("{}{what}", if yes { "" } else { "no " });
        let flushes = if self.interleaved {
            format!("up to {} steps of a server wait for the disk while anything else happens", self.unsynced)
        } else {
            format!(
                "a step that nobody can have seen is flushed, or cut off by a crash, before anything else happens; at \
                 most {} that was sent early waits for the disk at a server",
                self.unsynced
            )
        };
        format!(
            "{} servers; terms up to {}; logs up to {} entries; {}; {}; {}; {}; {flushes}",
            self.servers,
            self.terms,
            self.entries,
            limit(self.timeouts, "election timeout", "election timeouts"),
            limit(self.crashes, "crash", "crashes"),
            yes(self.proposals, "commands"),
            yes(self.handovers, "hand-overs"),
        )
    }
}
