//! How far the concrete system is explored.

use crate::properties::{Property, PropertySet};

/// How far the system is explored. Everything else is unlimited: losses, duplications, delays,
/// reorderings, heartbeat timeouts, minimum timeouts, flushes.
#[derive(Clone, Copy, Debug, Eq, PartialEq, serde::Serialize)]
pub(crate) struct Bounds {
    /// Servers in the group.
    pub(crate) servers: u32,
    /// The scenario that leads to where runs begin, of `checker/starts`; none where all servers start anew.
    pub(crate) start: Option<&'static str>,
    /// Election timeouts that fire, of all servers together.
    pub(crate) timeouts: Option<u32>,
    /// Minimum timeouts that fire, of all servers together.
    pub(crate) minimums: Option<u32>,
    /// Commands, transfers and step-downs that are asked for, of all servers together.
    pub(crate) requests: Option<u32>,
    /// Crashes, of all servers together.
    pub(crate) crashes: Option<u32>,
    /// The highest term that any server reaches.
    pub(crate) terms: u64,
    /// The longest log, the leaders' own first entries included.
    pub(crate) entries: u64,
    /// Steps of one server that may wait for a flush at the same time.
    pub(crate) unsynced: usize,
    /// Whether a server goes on while a step that nobody can have seen waits for its flush. If
    /// not, such a step is flushed, or cut off by a crash, before anything else happens.
    pub(crate) interleaved: bool,
    /// Whether messages are forgotten that no server reacts to any more, by the rules of the paper.
    /// Where those rules are broken, they have to be kept.
    pub(crate) forgets: bool,
    /// Whether messages arrive as well that may never have been sent, which only finds more. Where
    /// they do not, what arrives was sent in the same run.
    pub(crate) rumours: bool,
    /// Whether clients propose commands.
    pub(crate) proposals: bool,
    /// Whether it is followed what becomes of each proposal (`ProposalEnds`).
    pub(crate) follows_proposals: bool,
    /// Whether somebody asks for a linearizable read, which is followed to its end (`LinearizableRead`, `ReadsInTime`).
    pub(crate) reads: bool,
    /// Whether leaders are told to transfer leadership or to step down.
    pub(crate) transfers: bool,
    /// Whether servers make snapshots and compact their logs.
    pub(crate) snapshots: bool,
    /// Whether a crash may damage entries on a disk, of one server at a time.
    pub(crate) damages: bool,
}

/// Two servers and three terms: small, and with everything at once.
pub(crate) const PAIR: Bounds = Bounds {
    servers: 2,
    start: None,
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
    follows_proposals: false,
    reads: false,
    transfers: true,
    snapshots: false,
    damages: false,
};

/// Three servers and two terms: small, and enough for most of what can go wrong.
pub(crate) const SMALL: Bounds =
    Bounds { servers: 3, terms: 2, entries: 2, proposals: false, transfers: false, ..PAIR };

/// A command was proposed in an earlier term, and the next leader holds it: what follows, until every server has
/// heard of its end or nobody can any more.
pub(crate) const COMMAND_HELD: Bounds = Bounds {
    start: Some("a_command_is_held"),
    entries: 3,
    timeouts: Some(0),
    minimums: Some(0),
    requests: Some(0),
    crashes: Some(0),
    proposals: true,
    follows_proposals: true,
    ..SMALL
};

/// The same where the next leader lacks it.
pub(crate) const COMMAND_LACKED: Bounds = Bounds { start: Some("a_command_is_lacked"), ..COMMAND_HELD };

/// The same where the next leader lacks it, and another server holds it that leads after that one.
pub(crate) const COMMAND_HELD_BY_ANOTHER: Bounds =
    Bounds { start: Some("a_command_is_held_by_another"), servers: 5, terms: 3, ..COMMAND_HELD };

/// Scenarios are not bounded but by this, which no sensible one reaches.
pub(crate) fn wide(servers: u32) -> Bounds {
    Bounds {
        servers,
        start: None,
        timeouts: None,
        minimums: None,
        requests: None,
        crashes: None,
        terms: 99,
        entries: 99,
        unsynced: 99,
        interleaved: true,
        forgets: false,
        rumours: true,
        proposals: true,
        follows_proposals: false,
        reads: true,
        transfers: true,
        snapshots: true,
        damages: true,
    }
}

impl Bounds {
    /// The properties that are asked there.
    pub(crate) fn watched(&self) -> PropertySet {
        let ends = self.follows_proposals.then_some(Property::ProposalEnds);
        let reads = if self.reads { PropertySet::of_reads() } else { PropertySet::default() };
        let of_states = PropertySet::of_states().and(ends.into_iter().collect()).and(reads);
        if self.damages { of_states.and(PropertySet::of_damage()) } else { of_states }
    }

    /// Whether every message that was sent stays, and no other arrives.
    pub(crate) fn is_concrete(&self) -> bool {
        !self.forgets && !self.rumours
    }

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
        let snapshots = if self.snapshots { "; snapshots" } else { "" };
        let damages = if self.damages { "; crashes that damage entries, of one server at a time" } else { "" };
        let followed = match (self.follows_proposals, self.proposals) {
            (false, _) => "",
            (true, true) => ", each followed to its end",
            (true, false) => " but those before, which are followed to their ends",
        };
        let reads = if self.reads { "; a linearizable read, followed to its end" } else { "" };
        let stays = if self.is_concrete() { "; every message that was sent stays, and no other arrives" } else { "" };
        let begins = self.start.map_or(String::new(), |name| format!(", from where the scenario '{name}' ends"));
        format!(
            "{} servers{begins}; terms up to {}; logs up to {} entries; {}; {minimums}{}; {}{followed}{reads}; {}{snapshots}{damages}; {asked}{flushes}{stays}",
            self.servers,
            self.terms,
            self.entries,
            limit(self.timeouts, "election timeout", "election timeouts"),
            limit(self.crashes, "crash", "crashes"),
            yes(self.proposals, "commands"),
            yes(self.transfers, "transfers"),
        )
    }
}
