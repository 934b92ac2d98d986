//! The search for a mutant.

use crate::liveness::Recovery;
use crate::mutants::catalogue::Mutant;
use crate::scope::Part;
use crate::search::CheckpointError;
use crate::verdict::{self, Limits, NOTHING, Outcome};

impl Mutant {
    /// Searches for what this mutant breaks, within these bounds.
    pub(crate) fn hunt(&self, part: Part, limits: &Limits) -> Result<Outcome, CheckpointError> {
        match part {
            Part::Quotient(_) | Part::Lease(_) => {
                let mut quotient = part.quotient(self.ground).expect("it is one");
                quotient.watched.keep(self.counted());
                verdict::explore(&quotient, limits, NOTHING, &mut |_| {})
            }
            Part::Recovery(scope) => verdict::explore(&Recovery::new(scope, self.ground), limits, NOTHING, &mut |_| {}),
            Part::Concrete(bounds) => verdict::explore(&self.placed(bounds), limits, NOTHING, &mut |_| {}),
        }
    }
}
