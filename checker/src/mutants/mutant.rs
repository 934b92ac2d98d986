//! A mutant: what it breaks, where it was met, and what catches it.

use rafttree_model::{Rules, step_by};

use crate::properties::{Property, PropertySet};
use crate::scope::Part;
use crate::world::{Attend, DiskMutant, Ground, LeaseMutant, PAPER, StepBy, Tag, Tell};

/// A mutant of a rule, of the step or of the disk.
#[derive(Clone, Copy)]
pub(crate) struct Mutant {
    /// What `--mutant` and `catalogue` call it.
    pub(crate) name: &'static str,
    /// Its row in the published list of Raft bugs that this project keeps, if it stands there.
    pub(crate) row: Option<u8>,
    /// The rule that it breaks, or what around it.
    pub(crate) rule: &'static str,
    pub(crate) about: &'static str,
    /// Where the bug was met.
    pub(crate) source: &'static str,
    /// The property that catches it.
    pub(crate) caught_by: Property,
    /// The least bounds at which it is caught.
    pub(crate) part: Part,
    pub(crate) ground: Ground,
}

impl Mutant {
    /// The one property that is hunted.
    pub(crate) fn counted(&self) -> PropertySet {
        PropertySet::from_iter([self.caught_by])
    }
}

/// What a mutant breaks, and what servers run on then.
pub(crate) struct Breach {
    pub(crate) rule: &'static str,
    ground: Ground,
}

/// A rule of the protocol that is another one in `R`.
pub(crate) const fn rule<R: Rules + 'static>(rule: &'static str) -> Breach {
    Breach { rule, ground: Ground { step_by: step_by::<R, Tag>, ..PAPER } }
}

/// The deployed step with something put around it.
pub(crate) const fn step(step_by: StepBy) -> Breach {
    Breach { rule: "the step", ground: Ground { step_by, ..PAPER } }
}

/// The deployed step over a disk that fails so.
pub(crate) const fn disk(disk_mutant: DiskMutant) -> Breach {
    Breach { rule: "the disk", ground: Ground { disk_mutant: Some(disk_mutant), ..PAPER } }
}

/// A mistake about time, which breaks the axiom of the clock.
pub(crate) const fn clock(lease_mutant: LeaseMutant) -> Breach {
    Breach { rule: "the clock", ground: Ground { lease_mutant: Some(lease_mutant), ..PAPER } }.keeping_leases()
}

/// What else clients are told of their proposals.
pub(crate) const fn telling(tell: Tell) -> Breach {
    Breach { rule: "the proposals", ground: Ground { tell, ..PAPER } }
}

/// What else readers are told.
pub(crate) const fn reading(attend: Attend) -> Breach {
    Breach { rule: "the reads", ground: Ground { attend, ..PAPER } }
}

impl Breach {
    /// What servers run on, by the name of the mutant.
    pub(crate) const fn ground(self, mutant: &'static str) -> Ground {
        Ground { mutant, ..self.ground }
    }

    /// It is about rounds, so they are told apart where it is told.
    pub(crate) const fn keeping_rounds(self) -> Breach {
        Breach { ground: Ground { keeps_rounds: true, ..self.ground }, ..self }
    }

    /// It is about leases, so they are followed where it is told.
    pub(crate) const fn keeping_leases(self) -> Breach {
        Breach { ground: Ground { keeps_rounds: true, keeps_leases: true, ..self.ground }, ..self }
    }

    pub(crate) const fn looking_at_names(self) -> Breach {
        Breach { ground: Ground { looks_at_names: true, ..self.ground }, ..self }
    }
}
