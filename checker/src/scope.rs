//! How far the system is explored, and in which way.

use crate::properties::{Property, PropertySet};
use crate::system::Bounds;

/// One system, explored in one way.
#[derive(Clone, Copy, Debug, Eq, PartialEq, serde::Serialize)]
#[serde(untagged)]
pub(crate) enum Part {
    /// Runs of any length, in the quotient.
    Quotient(Scope),
    /// What becomes of every state of such runs when faults stop.
    Recovery(Scope),
    /// The same runs, with a lease that some leader takes from one of its rounds.
    Lease(Scope),
    /// Runs up to a length, in the concrete system.
    Concrete(Bounds),
}

/// How far the quotient is explored. Everything else is unlimited.
#[derive(Clone, Copy, Debug, Eq, PartialEq, serde::Serialize)]
pub(crate) struct Scope {
    pub(crate) servers: u8,
    /// Highest term less lowest.
    pub(crate) spread: u8,
    /// Entries of a log behind what every server knows to be committed; none where logs do not count.
    pub(crate) window: Option<u8>,
    /// Whether servers make snapshots and compact their logs.
    pub(crate) snapshots: bool,
    /// Whether a crash may damage entries on a disk, of one server at a time.
    pub(crate) damages: bool,
}

/// What has to be linked for a group to recover.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Premise {
    /// Some server is linked to a majority, itself counted.
    Hub,
    /// The same of a server whose log nobody's is newer than; or the servers of some majority are
    /// linked each to each.
    NewestHub,
}

impl Premise {
    fn words(self) -> &'static str {
        match self {
            Premise::Hub => "in which some server is linked to a majority",
            Premise::NewestHub => {
                "in which a server whose log nobody's is newer than is linked to a majority, or the servers of some \
                 majority are all linked to each other"
            }
        }
    }
}

impl Scope {
    /// Elections alone.
    pub(crate) const fn elections(servers: u8, spread: u8) -> Scope {
        Scope { servers, spread, window: None, snapshots: false, damages: false }
    }

    /// Elections, and logs on top of them.
    pub(crate) const fn logs(servers: u8, spread: u8, window: u8) -> Scope {
        Scope { servers, spread, window: Some(window), snapshots: false, damages: false }
    }

    /// The same, and servers make snapshots.
    pub(crate) const fn snapshots(servers: u8, spread: u8, window: u8) -> Scope {
        Scope { snapshots: true, ..Scope::logs(servers, spread, window) }
    }

    /// Logs, and disks are damaged.
    pub(crate) const fn damages(servers: u8, spread: u8, window: u8) -> Scope {
        Scope { damages: true, ..Scope::logs(servers, spread, window) }
    }

    /// Disks are damaged, and servers make snapshots.
    pub(crate) const fn damaged_snapshots(servers: u8, spread: u8, window: u8) -> Scope {
        Scope { damages: true, ..Scope::snapshots(servers, spread, window) }
    }

    /// The properties that say something where logs do not count, or all.
    pub(crate) fn watched(&self) -> PropertySet {
        use Property::{
            Answered, AskFirst, Asked, ClientsTold, ElectionSafety, GatheredSame, InTime, LocalSimulation,
            NonDisruption, OutsidersIgnored, OwnVotes, PreVoteBindsNobody, QuorumHeard, RoleTransitions, RoundsCounted,
            StaleAnswered, Stickiness, StickinessEnds, TermMonotonic, TimersOfRole, Totality, TransferSent, VoteOnce,
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
            RoundsCounted,
            Stickiness,
            TransferSent,
            StickinessEnds,
            LocalSimulation,
        ];
        match self.window {
            None => of_elections.into_iter().collect(),
            Some(_) if self.snapshots && self.damages => PropertySet::of_damaged_snapshots(),
            Some(_) if self.snapshots => PropertySet::of_snapshots(),
            Some(_) if self.damages => PropertySet::of_damaged_logs(),
            Some(_) => PropertySet::of_logs(),
        }
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
                let snapshots = if self.snapshots { "; snapshots" } else { "" };
                let (beyond, damages) = if self.damages { OF_DAMAGE } else { ("beyond", "") };
                format!(
                    "logs at most {window} entries {beyond} what every server knows to be committed; \
                     commands{snapshots}{damages}"
                )
            }
            None => "logs do not count, so that votes are given whatever they hold".to_owned(),
        };
        format!("{} servers; terms at most {} apart; {logs}; runs of any length", self.servers, self.spread)
    }
}

/// Where logs begin, and what happens to them, where disks are damaged.
const OF_DAMAGE: (&str, &str) = (
    "from the last one of",
    "; crashes that damage entries, any part of a log, of one server at a time until it is repaired",
);

/// Elections, without logs, in runs of any length.
pub(crate) const fn elections(servers: u8, spread: u8) -> Part {
    Part::Quotient(Scope::elections(servers, spread))
}

/// The same with logs.
pub(crate) const fn logs(servers: u8, spread: u8, window: u8) -> Part {
    Part::Quotient(Scope::logs(servers, spread, window))
}

/// The same with logs, of which servers make snapshots.
pub(crate) const fn snapshots(servers: u8, spread: u8, window: u8) -> Part {
    Part::Quotient(Scope::snapshots(servers, spread, window))
}

/// The same with logs, on disks that are damaged.
pub(crate) const fn damages(servers: u8, spread: u8, window: u8) -> Part {
    Part::Quotient(Scope::damages(servers, spread, window))
}

/// Disks are damaged, and servers make snapshots.
pub(crate) const DAMAGED_SNAPSHOTS: Part = Part::Quotient(Scope::damaged_snapshots(3, 1, 1));

/// That all its states recover.
pub(crate) const fn recovery(part: Part) -> Part {
    if let Part::Quotient(scope) = part { Part::Recovery(scope) } else { part }
}

/// Elections, with leases.
pub(crate) const fn leases(servers: u8, spread: u8) -> Part {
    Part::Lease(Scope::elections(servers, spread))
}

impl Part {
    pub(crate) fn servers(&self) -> u32 {
        match self {
            Part::Quotient(scope) | Part::Recovery(scope) | Part::Lease(scope) => scope.servers.into(),
            Part::Concrete(bounds) => bounds.servers,
        }
    }

    /// The scenario where its runs begin, if they do not begin with servers that start anew.
    pub(crate) fn start(&self) -> Option<&'static str> {
        if let Part::Concrete(bounds) = self { bounds.start } else { None }
    }

    /// How far the search goes, in words: nothing beyond this was looked at.
    pub(crate) fn words(&self) -> String {
        match self {
            Part::Quotient(scope) => scope.words(),
            Part::Recovery(scope) => {
                format!("from every reachable state of {}; {}", scope.words(), scope.recovery_words())
            }
            Part::Lease(scope) => format!("{}; with leases, by the axiom of the clock", scope.words()),
            Part::Concrete(bounds) => bounds.words(),
        }
    }

    /// The same, very short: servers, spread and window, or the concrete system.
    pub(crate) fn short(&self) -> String {
        match self {
            Part::Quotient(Scope { servers, spread, window: None, .. }) => format!("{servers}/{spread}"),
            Part::Quotient(Scope { servers, spread, window: Some(window), snapshots, damages }) => {
                let snapshots = if *snapshots { " snapshots" } else { "" };
                let damages = if *damages { " damaged disks" } else { "" };
                format!("{servers}/{spread}/{window}{snapshots}{damages}")
            }
            Part::Recovery(scope) => format!("from {}", Part::Quotient(*scope).short()),
            Part::Lease(scope) => format!("lease {}", Part::Quotient(*scope).short()),
            Part::Concrete(bounds) => format!("concrete {}", bounds.servers),
        }
    }

    /// Whether any of these properties is asked of its states.
    pub(crate) fn judges(&self, mut properties: PropertySet) -> bool {
        properties.keep(match self {
            Part::Quotient(scope) => scope.watched(),
            Part::Recovery(_) => PropertySet::of_liveness(),
            Part::Lease(scope) => scope.watched().and(PropertySet::from_iter([Property::LeaseExclusive])),
            Part::Concrete(bounds) => bounds.watched(),
        });
        !properties.is_empty()
    }

    /// What every such search covers, whatever its bounds.
    pub(crate) fn always(&self) -> &'static str {
        match self {
            Part::Quotient(_) => QUOTIENT_ALWAYS,
            Part::Lease(_) => LEASE_ALWAYS,
            Part::Recovery(_) => RECOVERY_ALWAYS,
            Part::Concrete(_) => CONCRETE_ALWAYS,
        }
    }
}

const QUOTIENT_ALWAYS: &str = "any number of elections, commands, crashes, leadership transfers; messages are lost, duplicated, \
    delayed and reordered without limit; timers fire at any moment; leaders send any part of their logs at any \
    moment; a crash comes between any two of change, flush and send, and keeps any number of the records that were \
    not flushed; states are one that differ only in names, in where terms and indices begin to count, or in what \
    could be forgotten and heard again at any time";

const LEASE_ALWAYS: &str = "the same runs; at any moment a leader begins the round that its lease counts from, followers take it in \
    and answer it, now or later, or never; the axiom: a server that has answered it, restarted since or not, is not met by \
    its minimum or election timeout while the lease lasts, and the lease may end at any moment; what a server that has \
    answered remembers of its leader is kept";

const RECOVERY_ALWAYS: &str = "faults stop: what was under way is lost, disks are flushed at once, links work or do not \
    work from now on, in both directions; in each round the minimum timeout of all who heard no leader fires, and of \
    leaders, then the election timeout of one server in turn, then the heartbeat timeouts, and all messages arrive in \
    the order in which they were sent; whether servers have just heard each other or, where logs do not count, a leader that \
    is gone, have asked for pre-votes, have lost votes or transfer leadership is tried in several ways; then a \
    leader has to lead on for three rounds, whoever else times out, to serve a linearizable read, and to bring up to \
    date every server that it reaches";

const CONCRETE_ALWAYS: &str = "messages are lost, duplicated, delayed and reordered without limit; timers fire at any \
    moment; leaders send any part of their logs at any moment; states that differ in the servers' names alone are \
    one state";
