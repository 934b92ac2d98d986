//! What servers run on: the deployed transitions, or a mutant of them or of what surrounds them.

use rafttree_model::{Effects, Event, Node, step};

use crate::world::clients::{Tell, tell};
use crate::world::message::Tag;
use crate::world::readers::{Attend, attend};

/// The deployed `step`, by the rules of the paper or by those of a mutant.
pub(crate) type StepBy = fn(&mut Node, Event<Tag>, &mut Effects<Tag>);

/// Sees what happens to a server, before the step.
pub(crate) type Watch = fn(&Node, &Event<Tag>);

/// A mutant not of a rule of the protocol but of what surrounds it: of the disk, mostly.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum DiskMutant {
    /// Term and vote are written to different places, so that a crash may keep either.
    TornVote,
    /// The vote of a server that holds no entry yet is not written.
    UnsavedFirstVote,
    /// A server whose term and vote were lost starts as if for the first time.
    LostHardState,
    /// A write fails, and is reported as done.
    SwallowedError,
    /// When the oldest write is done, the newest is reported.
    SwappedCompletions,
    /// A restart finds the log without its last entry.
    LostTail,
    /// A leader that steps down drops what is not committed.
    DropsWhenDeposed,
    /// A restart cuts the log where it cannot be read.
    CutAtFault,
    /// What repairs an entry is reported as written, and is not.
    UnsavedRepair,
    /// A restart forgets that a leader may have been heard just before.
    ForgetsStickiness,
}

/// What breaks the axiom of the clock: that a server which has answered a round is not met by a timeout
/// before a lease that is counted from the round is over.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum LeaseMutant {
    /// A lease is counted from when answers arrive: they may have been under way for as long as it lasts.
    FromAnswers,
    /// A follower takes the end of its connections for the end of its leader, which lives.
    ElectOnDisconnect,
}

/// What a server runs on: the transitions, and what surrounds them.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ground {
    /// The name of the mutant; `none`, where there is none.
    pub(crate) mutant: &'static str,
    pub(crate) step_by: StepBy,
    pub(crate) disk_mutant: Option<DiskMutant>,
    /// What clients are told of their proposals, where those are followed.
    pub(crate) tell: Tell,
    /// What readers are told, where one is followed.
    pub(crate) attend: Attend,
    /// Whether the mutant looks at names, so that servers are not alike.
    pub(crate) looks_at_names: bool,
    /// Whether rounds are kept apart. Where not, each step of a leader is judged with its rounds, and then
    /// is as of a leadership that has begun none: nothing but what is told of rounds depends on them.
    pub(crate) keeps_rounds: bool,
    /// Whether leases are followed in the concrete system.
    pub(crate) keeps_leases: bool,
    pub(crate) lease_mutant: Option<LeaseMutant>,
    /// Who is shown every event, to count it; nobody, in a search.
    pub(crate) watch: Option<Watch>,
}

/// The step that servers call.
pub(crate) const PAPER: Ground = Ground {
    mutant: "none",
    step_by: step::<Tag>,
    disk_mutant: None,
    tell,
    attend,
    looks_at_names: false,
    keeps_rounds: false,
    keeps_leases: false,
    lease_mutant: None,
    watch: None,
};
