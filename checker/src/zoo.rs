//! The zoo: mistakes that were made elsewhere, each of which the checker must catch.

use rafttree_model::{Paper, Rules};

use crate::ablations as broken;
use crate::presets::SMALL;
use crate::properties::Property;
use crate::scenario::Scenario;
use crate::server::Mistake;
use crate::system::{Bounds, System};

/// One mistake.
pub(crate) struct Exhibit {
    /// What `--ablate` and `zoo` call it.
    pub(crate) name: &'static str,
    /// Its row in the published list of Raft bugs that this project keeps, if it stands there.
    pub(crate) row: Option<u8>,
    /// The rule that it breaks, or what of the world.
    pub(crate) rule: &'static str,
    pub(crate) about: &'static str,
    /// Where the mistake was met.
    pub(crate) source: &'static str,
    /// The property that catches it.
    pub(crate) caught_by: Property,
    /// Only these properties count; all, if none is named.
    pub(crate) watched: &'static [Property],
    pub(crate) bounds: Bounds,
    /// A scenario that leads to where the search starts.
    pub(crate) start: Option<&'static str>,
    make: fn(Bounds) -> System,
}

impl Exhibit {
    /// The system with this mistake, at these bounds.
    pub(crate) fn system(&self, bounds: Bounds) -> System {
        (self.make)(bounds)
    }

    /// The same, where the hunt for this mistake starts, with the properties that count there.
    pub(crate) fn placed(&self, bounds: Bounds) -> System {
        let mut system = self.system(bounds);
        if !self.watched.is_empty() {
            system.watched = self.watched.iter().copied().collect();
        }
        if let Some(start) = self.start {
            let scenario = Scenario::parse(start_text(start)).expect("starting points are well-formed");
            let played = scenario.play(&scenario.system()).expect("starting points can be played");
            system.start = played.last().clone();
            if bounds.forgets {
                system.start.forget();
            }
        }
        system
    }

    fn starting(self, start: &'static str, watched: &'static [Property]) -> Exhibit {
        Exhibit { start: Some(start), watched, ..self }
    }

    fn within(self, bounds: Bounds) -> Exhibit {
        Exhibit { bounds, ..self }
    }

    fn watching(self, watched: &'static [Property]) -> Exhibit {
        Exhibit { watched, ..self }
    }
}

/// The scenario that leads to a starting point.
pub(crate) fn start_text(name: &str) -> &'static str {
    match name {
        "figure_8" => include_str!("../starts/figure_8.txt"),
        "older_but_longer" => include_str!("../starts/older_but_longer.txt"),
        _ => unreachable!("every starting point is listed here"),
    }
}

/// The deployed rules.
pub(crate) fn paper(bounds: Bounds) -> System {
    System::new::<Paper>(bounds, None)
}

/// Nothing crashes.
const CALM: Bounds = Bounds { crashes: Some(0), ..SMALL };
const LOG: Bounds = Bounds { terms: 3, entries: 3, proposals: true, ..CALM };
const FIGURE_8: Bounds = Bounds { terms: 4, entries: 3, ..CALM };
/// The mistake is about messages that correct servers do not react to.
const KEPT: Bounds = Bounds { forgets: false, ..CALM };
const HANDOVERS: Bounds = Bounds { handovers: true, proposals: true, ..SMALL };

fn rule<R: Rules + 'static>(
    name: &'static str,
    row: Option<u8>,
    rule: &'static str,
    about: &'static str,
    source: &'static str,
    caught_by: Property,
) -> Exhibit {
    let make = |bounds| System::new::<R>(bounds, None);
    Exhibit { name, row, rule, about, source, caught_by, watched: &[], bounds: SMALL, start: None, make }
}

fn world(
    name: &'static str,
    row: Option<u8>,
    about: &'static str,
    source: &'static str,
    caught_by: Property,
    make: fn(Bounds) -> System,
) -> Exhibit {
    let rule = "the disk";
    Exhibit { name, row, rule, about, source, caught_by, watched: &[], bounds: SMALL, start: None, make }
}

/// Every mistake, in the order of the rules that they break.
#[rustfmt::skip]
pub(crate) fn exhibits() -> Vec<Exhibit> {
    use Property::*;
    vec![
        rule::<broken::IgnoreNewerTerm>("ignore_newer_term", None, "is_newer",
            "a newer term is seen and not adopted", "§5.1", Bounds),
        rule::<broken::AcceptStale>("accept_stale", None, "is_stale",
            "what was said in an older term counts as if it were said now", "§5.1", OwnVotes)
            .within(KEPT),
        rule::<broken::LeadOnInNewerTerm>("lead_on_in_newer_term", Some(8), "must_yield_to_newer_term",
            "a deposed leader goes on in the term that it just learned", "eliben/raft#13", OwnVotes),
        rule::<broken::CampaignAtOnce>("campaign_at_once", None, "must_ask_first",
            "the term rises with every timeout", "dissertation 9.6", AskFirst),
        rule::<broken::HelpDisturbers>("help_disturbers", None, "is_disturbance",
            "a server that hears its leader helps to replace it", "dissertation 4.2.3", NonDisruption),
        rule::<broken::VoteAgain>("vote_again", None, "may_vote",
            "the vote of a term is given again", "§5.2", VoteOnce).within(KEPT),
        rule::<broken::VoteForAnyLog>("vote_for_any_log", None, "is_up_to_date",
            "votes go to candidates whose logs lack entries", "§5.4.1", ElectionRestriction),
        rule::<broken::CompareIndexFirst>("compare_index_first", Some(5), "is_up_to_date",
            "of two logs the longer one counts as the newer", "the twin of async-raft vote.rs:53", ElectionRestriction)
            .within(LOG)
            .starting("older_but_longer", &[]),
        rule::<broken::HalfIsEnough>("half_is_enough", None, "is_majority",
            "half of the members, rounded down, make a leader", "§5.2", ElectionSafety)
            .watching(&[ElectionSafety]),
        rule::<broken::LeadUnheard>("lead_unheard", None, "must_step_down",
            "a leader that nobody answers leads on", "dissertation 6.2", QuorumHeard),
        rule::<broken::MatchIndexOnly>("match_index_only", None, "matches",
            "entries are taken behind an entry of another term", "§5.3", MatchSafety).within(LOG),
        rule::<broken::TruncateAlways>("truncate_always", Some(22), "must_truncate",
            "whatever follows the request's entries is removed, conflict or not",
            "openraft 9540c904, async-raft#98, CCF#5991", MatchSafety).within(LOG),
        rule::<broken::AcknowledgeWholeLog>("acknowledge_whole_log", Some(23), "acknowledged",
            "a follower acknowledges its whole log, compared or not", "CCF#6001", MatchSafety)
            .within(CALM),
        rule::<broken::CommitUnverified>("commit_unverified", Some(21), "follower_commit",
            "a follower commits what its leader has, compared or not", "etcd b927fa8", CommitImmutable),
        rule::<broken::AssumeMatched>("assume_matched", Some(27), "matched_at_start",
            "a new leader believes that everyone holds what it holds", "async-raft F-4", MatchSafety),
        rule::<broken::CountAnyCopy>("count_any_copy", Some(26), "replicated",
            "an entry counts as replicated with one copy", "compare openraft#1802", CommitDurable),
        rule::<broken::CommitAnyTerm>("commit_any_term", Some(20), "may_commit",
            "an entry of an earlier term is committed by counting", "LogCabin#44, async-raft#108, PySyncObj#169",
            CommitOnlyOwnTerm)
            .within(CALM),
        rule::<broken::CommitAnyTerm>("figure_8", Some(20), "may_commit",
            "the same, up to the loss of a committed entry", "Figure 8", LeaderCompleteness)
            .within(FIGURE_8)
            .starting("figure_8", &[LeaderCompleteness, StateMachineSafety]),
        rule::<broken::VoteBeforeFlush>("vote_before_flush", Some(1), "may_leave_early",
            "votes and requests for them leave before they are durable", "SOFAJRaft#1245, ongardie/raft.tla#5",
            TermMonotonic),
        rule::<broken::VoteBeforeFlush>("vote_twice_after_crash", Some(1), "may_leave_early",
            "the same, up to two leaders of one term", "SOFAJRaft#1245", ElectionSafety)
            .watching(&[ElectionSafety]),
        rule::<broken::AcknowledgeBeforeFlush>("acknowledge_before_flush", Some(29), "may_leave_early",
            "a follower acknowledges entries that are not durable", "NATS 2.12.1 (Jepsen), d-engine#329",
            PersistBeforeSend)
            .watching(&[PersistBeforeSend]),
        rule::<broken::CountUnsyncedOwn>("count_unsynced_own", Some(28), "may_leave_early",
            "a leader counts its own copy before it is durable", "openraft a9f696a9, etcd#14370", PersistBeforeSend),
        rule::<broken::HandOverEarly>("hand_over_early", Some(18), "may_hand_over",
            "leadership is handed to a server that lacks entries", "openraft#1805, hashicorp#581", HandOverComplete)
            .within(HANDOVERS),
        world("torn_vote", Some(2), "term and vote are written to different places",
            "hashicorp#661, SOFAJRaft#1241", VoteOnce,
            |bounds| System::new::<Paper>(bounds, Some(Mistake::TornVote))),
        world("lost_hard_state", Some(4), "a server whose term and vote are lost starts as if for the first time",
            "SOFAJRaft", TermMonotonic,
            |bounds| System::new::<Paper>(bounds, Some(Mistake::LostHardState))),
    ]
}

/// The mistake of this name, or that breaks this rule, or in this row.
pub(crate) fn find(name: &str) -> Option<Exhibit> {
    let row = name.parse::<u8>().ok();
    let named = |exhibit: &Exhibit| exhibit.name == name;
    let other = |exhibit: &Exhibit| exhibit.rule == name || (row.is_some() && exhibit.row == row);
    exhibits().into_iter().find(named).or_else(|| exhibits().into_iter().find(other))
}
