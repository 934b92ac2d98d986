//! Named systems, how far each is explored, and what must be met on the way.

use crate::cli::explorer;
use crate::liveness::Premise;
use crate::properties::witness::Witness;
use crate::properties::{Property, PropertySet};
use crate::quotient::{self, Quotient, Reach};
use crate::system::{Bounds, System};
use crate::verdict::Expected;
use crate::world::{Ground, PAPER};

/// A named set of systems to check.
pub(crate) struct Preset {
    pub(crate) name: &'static str,
    pub(crate) about: &'static str,
    pub(crate) parts: &'static [(Part, Expected)],
}

/// One system, explored in one way.
#[derive(Clone, Copy, Debug, Eq, PartialEq, serde::Serialize)]
#[serde(untagged)]
pub(crate) enum Part {
    /// Runs of any length, in the quotient.
    Quotient(Scope),
    /// What becomes of every state of such runs when faults stop.
    Recovery(Scope),
    /// Runs up to a length, in the plain system.
    Plain(Bounds),
}

/// How far the quotient is explored. Everything else is unlimited.
#[derive(Clone, Copy, Debug, Eq, PartialEq, serde::Serialize)]
pub(crate) struct Scope {
    pub(crate) servers: u8,
    /// Highest term less lowest.
    pub(crate) spread: u8,
    /// Entries of a log behind what every server knows to be committed; none where logs do not count.
    pub(crate) window: Option<u8>,
}

/// What the table of `docs/proof.md` leaves out, since it may take an hour.
pub(crate) const LONGEST: &str = "log-3-wide";

/// What `check` runs when nothing else is named.
pub(crate) const DEFAULT: &str = "quick";

const fn elections(servers: u8, spread: u8) -> Part {
    Part::Quotient(Scope { servers, spread, window: None })
}

const fn logs(servers: u8, spread: u8, window: u8) -> Part {
    Part::Quotient(Scope { servers, spread, window: Some(window) })
}

const fn recovery(part: Part) -> Part {
    if let Part::Quotient(scope) = part { Part::Recovery(scope) } else { part }
}

/// Heartbeats, refusals and pre-votes change nothing by themselves.
/// What runs with logs meet.
const OF_LOGS: [Witness; 5] =
    [Witness::Leader, Witness::SplitVote, Witness::LaterCommit, Witness::ConflictCut, Witness::UnsyncedLost];

const LOGS: Expected = Expected {
    witnesses: &OF_LOGS,
    ruled_out: &[],
    idle: &["ask for a pre-vote", "refuse entries", "heartbeat timeout"],
    kinds: true,
};

const ELECTIONS: Expected = Expected {
    witnesses: &[Witness::Leader, Witness::SplitVote, Witness::UnsyncedLost],
    ruled_out: &["acknowledge", "refuse entries", "propose", "flush"],
    ..LOGS
};

/// Two servers and three terms: small, and with everything at once.
pub(crate) const PAIR: Bounds = Bounds {
    servers: 2,
    timeouts: None,
    minimums: None,
    requests: None,
    crashes: None,
    terms: 3,
    entries: 3,
    unsynced: 1,
    interleaved: false,
    forgets: true,
    rumours: true,
    proposals: true,
    handovers: true,
};

/// Three servers and two terms: small, and enough for most of what can go wrong.
pub(crate) const SMALL: Bounds =
    Bounds { servers: 3, terms: 2, entries: 2, proposals: false, handovers: false, ..PAIR };

/// Where the quotient is compared with the plain system: the largest bounds at which that can be
/// explored to the end in minutes.
pub(crate) const COMPARED: [Bounds; 4] = [
    Bounds { terms: 2, entries: 2, unsynced: 2, interleaved: true, ..PAIR },
    Bounds { unsynced: 3, ..PAIR },
    Bounds { terms: 1, entries: 1, unsynced: 2, interleaved: true, ..SMALL },
    Bounds { entries: 1, ..SMALL },
];

pub(crate) const PRESETS: [Preset; 13] = [
    Preset {
        name: "quick",
        about: "three servers: elections, and logs on top of them; two and four servers, since half is no majority; \
                elections of five",
        parts: &[
            (elections(3, 2), ELECTIONS),
            (logs(3, 1, 1), LOGS_OF_ONE),
            (logs(2, 1, 2), PAIRS),
            (elections(5, 1), ELECTIONS),
            (logs(4, 1, 1), LOGS_OF_ONE),
        ],
    },
    Preset { name: "elections-3", about: "elections of three servers", parts: &[(elections(3, 3), ELECTIONS)] },
    Preset { name: "elections-5", about: "elections of five servers", parts: &[(elections(5, 1), ELECTIONS)] },
    Preset {
        name: "elections-5-wide",
        about: "elections of five servers, terms further apart",
        parts: &[(elections(5, 2), ELECTIONS)],
    },
    Preset {
        name: "log-3-narrow",
        about: "logs of three servers, terms not so far apart; seconds",
        parts: &[(logs(3, 1, 2), LOGS)],
    },
    Preset { name: "log-3", about: "logs of three servers", parts: &[(logs(3, 2, 2), LOGS)] },
    Preset {
        name: "log-3-wide",
        about: "logs of three servers, further apart; minutes to an hour",
        parts: &[(logs(3, 2, 3), LOGS)],
    },
    Preset { name: "log-5", about: "logs of five servers; minutes", parts: &[(logs(5, 1, 1), LOGS_OF_ONE)] },
    Preset {
        name: "recovery-3",
        about: "liveness: the states of 'quick', when faults stop",
        parts: &[(recovery(elections(3, 2)), ELECTIONS), (recovery(logs(3, 1, 1)), LOGS_OF_ONE)],
    },
    Preset {
        name: "recovery-5",
        about: "liveness: the states of 'elections-5', when faults stop",
        parts: &[(recovery(elections(5, 1)), ELECTIONS)],
    },
    Preset {
        name: "plain-pair",
        about: "the second opinion: two servers, terms, logs, disks and messages in full",
        parts: &[(
            Part::Plain(PAIR),
            Expected {
                witnesses: &[Witness::Leader, Witness::SplitVote, Witness::LaterCommit, Witness::UnsyncedLost],
                ruled_out: &[],
                idle: &["heartbeat timeout"],
                kinds: true,
            },
        )],
    },
    Preset {
        name: "plain-flush",
        about: "the same with three servers in one term, several steps of each waiting for the disk",
        parts: &[(
            Part::Plain(Bounds { terms: 1, entries: 1, unsynced: 2, interleaved: true, ..SMALL }),
            Expected {
                witnesses: &[Witness::Leader, Witness::SplitVote, Witness::UnsyncedLost],
                ruled_out: &["propose", "transfer", "step down"],
                idle: &["heartbeat timeout"],
                kinds: true,
            },
        )],
    },
    Preset {
        name: "concrete-3",
        about: "three servers where nothing is forgotten and nothing arrives that was not sent: elections over two \
                terms with refused votes and pre-votes, and a crash; a transfer; commands that followers lack",
        parts: &[(REFUSED_VOTES, OF_REFUSED_VOTES), (ONE_TRANSFER, OF_ONE_TRANSFER), (ONE_COMMAND, OF_ONE_COMMAND)],
    },
];

/// Nothing is forgotten, and nothing arrives that was not sent. What is bounded makes it finite.
const CONCRETE: Bounds = Bounds {
    timeouts: Some(1),
    minimums: Some(2),
    requests: Some(1),
    crashes: Some(0),
    entries: 2,
    forgets: false,
    rumours: false,
    ..SMALL
};

const REFUSED_VOTES: Part =
    Part::Plain(Bounds { timeouts: Some(2), requests: Some(0), crashes: Some(1), entries: 1, ..CONCRETE });

const ONE_TRANSFER: Part = Part::Plain(Bounds { handovers: true, ..CONCRETE });

const ONE_COMMAND: Part = Part::Plain(Bounds { terms: 1, proposals: true, ..CONCRETE });

const OF_REFUSED_VOTES: Expected = Expected {
    witnesses: &[
        Witness::Leader,
        Witness::UnsyncedLost,
        Witness::RefusedVote,
        Witness::RefusedPreVote,
        Witness::RefusedEntries,
        Witness::LateVote,
        Witness::KnownTerm,
    ],
    ruled_out: &["propose", "transfer", "step down"],
    idle: &["heartbeat timeout"],
    kinds: true,
};

const OF_ONE_TRANSFER: Expected = Expected {
    witnesses: &[
        Witness::Leader,
        Witness::LaterCommit,
        Witness::RefusedEntries,
        Witness::TransferVote,
        Witness::LateTransfer,
        Witness::LateVote,
        Witness::KnownTerm,
    ],
    ruled_out: &["propose", "crash"],
    idle: &["heartbeat timeout"],
    kinds: true,
};

const OF_ONE_COMMAND: Expected = Expected {
    witnesses: &[Witness::Leader, Witness::RefusedEntries, Witness::LateVote],
    ruled_out: &["transfer", "step down", "crash"],
    idle: &["heartbeat timeout"],
    kinds: true,
};

/// Of two servers both have what is committed, so nothing of a follower's log is ever cut.
const PAIRS: Expected =
    Expected { witnesses: &[Witness::Leader, Witness::SplitVote, Witness::LaterCommit, Witness::UnsyncedLost], ..LOGS };

/// One entry cannot conflict with what is committed before it.
const LOGS_OF_ONE: Expected = Expected { witnesses: &OF_LOGS, ..LOGS };

/// The preset of this name.
pub(crate) fn named(name: &str) -> Option<&'static Preset> {
    PRESETS.iter().find(|preset| preset.name == name)
}

impl Scope {
    pub(crate) fn quotient(&self, ground: Ground) -> Quotient {
        let reach = Reach { spread: self.spread, window: self.window.unwrap_or(0), absolute: false };
        let mut quotient = Quotient::new(ground, self.servers, reach);
        quotient.forgets_logs = self.window.is_none();
        quotient.watched = self.watched();
        quotient
    }

    /// The properties that say something where logs do not count, or all.
    pub(crate) fn watched(&self) -> PropertySet {
        use Property::{
            Answered, AskFirst, Asked, ClientsTold, ElectionSafety, GatheredSame, InTime, LocalSimulation, Loyalty,
            LoyaltyEnds, NonDisruption, OutsidersIgnored, OwnVotes, PreVoteBindsNobody, QuorumHeard, RoleTransitions,
            StaleAnswered, TermMonotonic, TimersOfRole, Totality, TransferSent, VoteOnce,
        };
        let of_elections = [
            ElectionSafety,
            VoteOnce,
            TermMonotonic,
            RoleTransitions,
            OwnVotes,
            Totality,
            NonDisruption,
            AskFirst,
            QuorumHeard,
            PreVoteBindsNobody,
            OutsidersIgnored,
            StaleAnswered,
            Answered,
            Asked,
            TimersOfRole,
            ClientsTold,
            GatheredSame,
            InTime,
            Loyalty,
            TransferSent,
            LoyaltyEnds,
            LocalSimulation,
        ];
        if self.window.is_some() { PropertySet::of_logs() } else { of_elections.into_iter().collect() }
    }

    /// Which link sets have to work. In larger groups, where logs count, the only server that is
    /// linked to a majority may lack entries, so that too few would vote for it, and too few hear
    /// the others: then Raft elects nobody, whatever the schedule.
    pub(crate) fn premise(&self) -> Premise {
        if self.window.is_some() && 3 < self.servers { Premise::NewestHub } else { Premise::Hub }
    }

    fn recovery_words(&self) -> String {
        let premise = self.premise().words();
        let links = if self.servers <= 3 { "every set" } else { "all links and a sample of the sets" };
        format!("whoever's election timeout is the first, under {links} of working links {premise}")
    }

    fn words(&self) -> String {
        let logs = match self.window {
            Some(window) => {
                format!("logs at most {window} entries beyond what every server knows to be committed; commands")
            }
            None => "logs do not count, so that votes are given whatever they hold".to_owned(),
        };
        format!("{} servers; terms at most {} apart; {logs}; runs of any length", self.servers, self.spread)
    }
}

impl Part {
    pub(crate) fn servers(&self) -> u32 {
        match self {
            Part::Quotient(scope) | Part::Recovery(scope) => scope.servers.into(),
            Part::Plain(bounds) => bounds.servers,
        }
    }

    /// How far the search goes, in words: nothing beyond this was looked at.
    pub(crate) fn words(&self) -> String {
        match self {
            Part::Quotient(scope) => scope.words(),
            Part::Recovery(scope) => {
                format!("from every reachable state of {}; {}", scope.words(), scope.recovery_words())
            }
            Part::Plain(bounds) => bounds.words(),
        }
    }

    /// The same, very short: servers, spread and window, or the plain system.
    pub(crate) fn short(&self) -> String {
        match self {
            Part::Quotient(Scope { servers, spread, window: None }) => format!("{servers}/{spread}"),
            Part::Quotient(Scope { servers, spread, window: Some(window) }) => format!("{servers}/{spread}/{window}"),
            Part::Recovery(scope) => format!("from {}", Part::Quotient(*scope).short()),
            Part::Plain(bounds) if bounds.is_concrete() => format!("concrete {}", bounds.servers),
            Part::Plain(bounds) => format!("plain {}", bounds.servers),
        }
    }

    /// Whether any of these properties is asked of its states.
    pub(crate) fn judges(&self, mut properties: PropertySet) -> bool {
        properties.keep(match self {
            Part::Quotient(scope) => scope.watched(),
            Part::Recovery(_) => PropertySet::from_iter([Property::Recovery]),
            Part::Plain(_) => PropertySet::of_states(),
        });
        !properties.is_empty()
    }

    /// What every such search covers, whatever its bounds.
    pub(crate) fn always(&self) -> &'static str {
        match self {
            Part::Quotient(_) => QUOTIENT_ALWAYS,
            Part::Recovery(_) => RECOVERY_ALWAYS,
            Part::Plain(_) => PLAIN_ALWAYS,
        }
    }

    pub(crate) fn kinds(&self) -> Vec<&'static str> {
        match self {
            Part::Quotient(_) | Part::Recovery(_) => quotient::KINDS.into_iter().chain([quotient::CUT_OFF]).collect(),
            Part::Plain(_) => explorer::KINDS.to_vec(),
        }
    }
}

const QUOTIENT_ALWAYS: &str = "any number of elections, commands, crashes, hand-overs; messages are lost, duplicated, \
    delayed and reordered without limit; timers fire at any moment; leaders send any part of their logs at any \
    moment; a crash comes between any two of change, flush and send, and keeps any number of the records that were \
    not flushed; states are one that differ only in names, in where terms and indices begin to count, or in what \
    could be forgotten and heard again at any time";

const RECOVERY_ALWAYS: &str = "faults stop: what was under way is lost, disks are flushed at once, links work or do not \
    work from now on, in both directions; in each round the minimum timeout of all who heard no leader fires, and of \
    leaders, then the election timeout of one server in turn, then the heartbeat timeouts, and all messages arrive in \
    the order in which they were sent; whether servers have just heard each other or, where logs do not count, a leader that \
    is gone, have asked for pre-votes, have lost votes or are handing over is tried in several ways; then a leader has to lead on for three rounds, whoever else times out";

const PLAIN_ALWAYS: &str = "messages are lost, duplicated, delayed and reordered without limit; timers fire at any \
    moment; leaders send any part of their logs at any moment; states that differ in the servers' names alone are \
    one state";

/// The deployed rules in the plain system.
pub(crate) fn plain(bounds: Bounds) -> System {
    System::with(PAPER, bounds)
}
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
                "a step that nobody can have seen is flushed, or cut off by a crash, before anything else happens; \
                 others wait for the disk, up to {} at a server",
                self.unsynced
            )
        };
        let named = |bound: Option<u32>, words: String| bound.map_or(String::new(), |_| format!("{words}; "));
        let minimums = named(self.minimums, limit(self.minimums, "minimum timeout", "minimum timeouts"));
        let asked = named(self.requests, limit(self.requests, "such request", "such requests"));
        let stays = if self.is_concrete() { "; every message that was sent stays, and no other arrives" } else { "" };
        format!(
            "{} servers; terms up to {}; logs up to {} entries; {}; {minimums}{}; {}; {}; {asked}{flushes}{stays}",
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
